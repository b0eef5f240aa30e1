"""A model goes on as production drifts, and back again."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from envsim.errors import ModelError, TraceError
from envsim.page.lines import format_lines, parse_lines
from envsim.trace import TraceReader, TraceWriter
from worldmodel import dataset
from worldmodel import train as training
from worldmodel import update as updating
from worldmodel.calibrate import calibrate
from worldmodel.checkpoint import Model, load_model
from worldmodel.dataset import HELD_OUT, TRAIN
from worldmodel.examples import Memory
from worldmodel.requests import Request
from worldmodel.session import Sample, Situation
from worldmodel.support import Support
from worldmodel.train import Args as Training
from worldmodel.train import learn_memory, train
from worldmodel.update import Args, mix_networks, roll_back, settle, swap, update

Cli = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def base(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("update") / "model"
    return train(Training(tiny_traces, out, steps=10, width=16, layers=1, heads=1, device="cpu"))


@pytest.fixture(scope="module")
def drifted(tiny_held_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sessions after a release that greets otherwise."""
    root = tmp_path_factory.mktemp("drifted")
    for trace in TraceReader(tiny_held_out):
        writer = TraceWriter(root, trace.header, state=trace.state)
        for step in trace.steps:
            lines = parse_lines(step.observation.page)
            page = format_lines(lines).replace('"Welcome"', '"Good to see you"').replace('"Your cart"', '"Your bag"')
            writer.write(step.model_copy(update={"observation": step.observation.model_copy(update={"page": page})}))
        writer.finish(None)
    return root


@pytest.fixture
def model(base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(base, tmp_path / "model")


def right_on_greeting(model: Model) -> bool:
    """Whether the latest record of the home page is the new one."""
    home = next(s for s in model.data.samples if s.situation.request.key == 'get "/"')
    return any("Good to see you" in line for line in next(model.memory.at(home.situation, "")).target)


def test_an_update_learns_the_new_and_tells_before_and_after(model: Path, drifted: Path) -> None:
    old = load_model(model)
    report = update(Args(model, drifted, steps=6, device="cpu"))
    made = load_model(model)
    assert report["sessions"] == 10
    assert made.data.manifest["samples"] == old.data.manifest["samples"] + report["samples"]
    assert not right_on_greeting(old)
    assert right_on_greeting(made)
    assert report["after"]["new"] > report["before"]["new"]
    assert report["after"]["old"] is not None
    assert [p["mix"] for p in report["curve"]] == [0.0, 0.25, 0.5, 0.7, 0.75, 1.0]
    assert made.config["update"]["after"] == report["after"]
    assert made.config["rules"] != old.config["rules"], "learned again"
    weights = made.network.state_dict()
    assert any(not torch.equal(weights[name], tensor) for name, tensor in old.network.state_dict().items())
    kept = load_model(model / "base")
    assert kept.config["key"] == old.config["key"]
    assert not list(model.glob(".update*"))


def test_rollback_brings_every_byte_back(model: Path, drifted: Path) -> None:
    def files() -> dict[str, bytes]:
        return {str(p.relative_to(model)): p.read_bytes() for p in sorted(model.rglob("*")) if p.is_file()}

    before = files()
    with pytest.raises(ModelError, match="not updated"):
        roll_back(model)
    update(Args(model, drifted, steps=1, device="cpu"))
    assert files() != before
    config = model / "config.json"
    updated = config.read_text()
    config.write_text(json.dumps({k: v for k, v in json.loads(updated).items() if k != "update"}))
    with pytest.raises(ModelError, match="trained anew"):
        roll_back(model)
    config.write_text(updated)
    roll_back(model)
    assert files() == before


PARTS = ("config.json", "model.safetensors", "dataset", "log.jsonl", "curves.svg", "base")


def _whole(root: Path, names: str) -> dict[str, str]:
    """Files of a model and its bases, each of which holds the name of its model."""
    root.mkdir(parents=True, exist_ok=True)
    for part in PARTS[:-1]:
        place = root / part / "manifest.json" if part == "dataset" else root / part
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps({"update": names[0]}))
    if names[1:]:
        _whole(root / "base", names[1:])
    return _files(root)


def _files(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("undone", [False, True], ids=["update", "rollback"])
def test_a_kill_between_two_models_loses_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undone: bool) -> None:
    """At any of its moves: what was begun is finished, or was never."""
    old, new = _whole(tmp_path / "old", "ba"), _whole(tmp_path / "new", "cba")
    rename, moves, done = Path.rename, 0, False
    while not done:
        model = tmp_path / f"model{moves}"
        _whole(model, "cba" if undone else "ba")
        if not undone:
            _whole(model / ".update", "c")
        left = moves

        def dies(self: Path, target: Path) -> Path:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", dies)
            try:
                roll_back(model) if undone else swap(model, model / ".update")
                done = True
            except KeyboardInterrupt:
                pass
        if not (model / "config.json").exists():
            with pytest.raises(ModelError, match="--rollback"):
                load_model(model)
        twin = shutil.copytree(model, tmp_path / f"twin{moves}")
        settle(model)
        shutil.rmtree(model / ".update", ignore_errors=True)
        assert _files(model) in (old, new)
        # Where anything was begun, to ask for the model before is to get that one, and not the one before it.
        roll_back(twin)
        shutil.rmtree(twin / ".update", ignore_errors=True)
        whole = done if undone else moves == 0
        assert _files(twin) == (_whole(tmp_path / "older", "a") if whole else old)
        moves += 1
    assert moves > len(PARTS)
    assert _files(model) == (old if undone else new)


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_a_model_that_is_trained_where_a_rollback_was_killed_stays(tmp_path: Path, moved: int) -> None:
    model = tmp_path / "model"
    _whole(model, "cba")
    aside = (model / "base").rename(model / ".rollback")
    for name in PARTS[::-1][:moved]:
        shutil.rmtree(model / name) if (model / name).is_dir() else (model / name).unlink(missing_ok=True)
        (aside / name).rename(model / name)
    for name in PARTS[:-1]:
        place = model / name / "manifest.json" if name == "dataset" else model / name
        place.write_text("{}")
    assert not settle(model)
    assert not (model / ".rollback").exists()
    assert {(model / name).read_text() for name in PARTS[:-1] if name != "dataset"} == {"{}"}
    assert (model / "base" / "config.json").read_text() == '{"update": "b"}'
    assert (model / "base" / "base" / "config.json").read_text() == '{"update": "a"}'
    with pytest.raises(ModelError, match="trained anew"):
        roll_back(model)


def test_same_traces_same_bytes(base: Path, drifted: Path, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        shutil.copytree(base, tmp_path / name / "model")
        update(Args(tmp_path / name / "model", drifted, steps=2, device="cpu"))
        config = json.loads((tmp_path / name / "model/config.json").read_text())
        del config["training"]["seconds"], config["update"]["args"]
        found.append((config, (tmp_path / name / "model/model.safetensors").read_bytes()))
    assert found[0] == found[1]


def test_a_mix_is_between_the_two(base: Path) -> None:
    one, other = load_model(base).network, load_model(base).network
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(1.0)
    for share in (0.0, 0.3, 1.0):
        mixed = mix_networks(one, other, share)
        for a, b in zip(one.parameters(), mixed.parameters(), strict=True):
            assert torch.allclose(a + share, b, atol=1e-6)


def _right_on_kind(memory: Memory, sample: Sample) -> bool:
    """Whether rules tell the kind of answer that was recorded."""
    assert memory.rules is not None
    told = memory.rules.outcome(sample.situation)
    return told is not None and told.branch == memory.rules.branch(sample)


def _split(names: dict[str, str]) -> dataset.Dataset:
    """Sessions by task, all held out but the task `known`."""
    made = [Sample(name, task, 1, Situation("browser", Request(("get",))), ()) for name, task in names.items()]
    parts = {name: TRAIN if task == "known" else HELD_OUT for name, task in names.items()}
    return dataset.Dataset(Path(), {"split": parts}, made, [])


def test_half_of_the_held_out_tasks_is_learned_from_again_and_the_other_half_never() -> None:
    names = {f"s{n}": "known" if n < 4 else f"t{n // 2}" for n in range(44)}
    data = _split(names)
    assert [s.session for s in data.learned()] == [s.session for s in data.part(TRAIN)]
    assert data.kept() == data.part(HELD_OUT)
    learned, kept = data.learned(True), data.kept(True)
    assert sorted(s.session for s in (*learned, *kept)) == sorted(names)
    assert not {s.group for s in learned} & {s.group for s in kept}
    assert 8 <= len({s.group for s in kept}) <= 14
    more = _split(names | {f"later{n}": f"u{n}" for n in range(10)})
    assert {s.session for s in more.learned(True)} >= {s.session for s in learned}, "no session changes sides"
    assert {s.session for s in more.kept(True)} >= {s.session for s in kept}
    alone = _split({"a": "known", "b": "t0"})
    assert [[s.session for s in part] for part in (alone.learned(True), alone.kept(True))] == [["a"], ["b"]]


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `calibrate` is given and what it makes, for each time it is called."""
    calls: list[Any] = []

    def spy(*given: Any) -> Any:
        calls.append((inspect.signature(calibrate).bind(*given).arguments, made := calibrate(*given)))
        return made

    for module in (training, updating):
        monkeypatch.setattr(module, "calibrate", spy)
    return calls


def _of_its_own_programs(model: Model, calls: list[Any]) -> None:
    """Acceptance and trust of a model are those of the programs that are saved with it, on what they never saw."""
    (given, made), = calls  # fmt: skip
    support, data = given["support"], model.data
    saved = json.loads((model.root / "config.json").read_text())
    assert json.loads(json.dumps(support.memory.programs())) == {
        name: saved[name] for name in support.memory.programs()
    }
    assert model.trust == made.trust
    assert model.accept == made.accept
    assert given["held_out"] == data.kept(True) != []
    asked, learned = ({s.session for s in part} for part in (given["held_out"], support.memory.samples))
    assert not asked & learned
    assert given["taught"] == support.memory.samples == data.learned(True)
    first, unknown = given["before"]
    assert not {s.session for s in first.memory.samples} & {s.session for s in unknown}
    assert unknown == data.taken(True) != []
    assert not {s.session for s in unknown} & {s.session for s in given["held_out"]}
    assert made.report["unknown"] > 0
    # Of the requests that they are asked about they have no record.
    assert [_recorded(one) for one in (first, model.support)] == [len(data.part(TRAIN)), len(data.learned(True))]


def _recorded(support: Support) -> int:
    """How many requests a track record is of."""
    return sum(total for key, (_, total) in support.record.items() if "\n" not in key)


@pytest.mark.slow
def test_programs_are_learned_again_and_trust_is_fitted_for_them(
    tiny_traces: Path, drifted: Path, tmp_path: Path, calibrated: list[Any]
) -> None:
    """Nearly all is held out here, so what the model knows in the end it has from there."""
    out = tmp_path / "model"
    sizes = {"steps": 2, "width": 16, "layers": 1, "heads": 1, "device": "cpu"}
    model = load_model(train(Training(tiny_traces, out, held_out=0.9, relearn=True, **sizes)))
    before = learn_memory(model.data, model.vocabulary.lexicon)
    asked = [s for s in model.data.part(HELD_OUT) if s.index > 0][:60]
    told = [sum(_right_on_kind(memory, sample) for sample in asked) for memory in (before, model.memory)]
    assert told[1] > told[0]
    _of_its_own_programs(model, calibrated)
    calibrated.clear()
    report = update(Args(out, drifted, steps=1, device="cpu"))
    after = load_model(out)
    _of_its_own_programs(after, calibrated)
    assert report["after"]["old"] is not None
    assert len(after.data.learned(True)) > len(model.data.learned(True))


def test_what_was_held_out_stays_so(base: Path, drifted: Path, tmp_path: Path) -> None:
    known = load_model(base).data
    data = dataset.extend(known, drifted, tmp_path / "dataset", held_out=0.3)
    assert data.manifest["split"].items() >= known.manifest["split"].items()
    templates = {part: {s.group.partition("@")[0] for s in known.part(part)} for part in (TRAIN, HELD_OUT)}
    new = [s for s in data.samples if s.session not in known.manifest["split"]]
    away = {s.session for s in new if s.group.partition("@")[0] in templates[HELD_OUT] - templates[TRAIN]}
    assert {data.manifest["split"][session] for session in away} <= {HELD_OUT}
    assert {data.manifest["split"][s.session] for s in new} == {TRAIN, HELD_OUT}
    again = dataset.load(tmp_path / "dataset")
    assert again.samples == data.samples
    with pytest.raises(TraceError, match="no session"):
        dataset.extend(data, drifted, tmp_path / "more")


def test_the_command(cli: Cli, model: Path, drifted: Path) -> None:
    done = cli("worldmodel", "update", model, drifted, "--steps", "1", "--mix", "0.5", "--json", timeout_s=180)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mix"] == 0.5
    back = cli("worldmodel", "update", model, "--rollback", timeout_s=180)
    assert back.returncode == 0, back.stderr
    refused = cli("worldmodel", "update", model)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: No traces were given")


def test_what_cannot_be_used_is_refused_and_changes_nothing(model: Path, drifted: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in model.iterdir())
    with pytest.raises(ModelError, match="no share"):
        update(Args(model, drifted, mix=2.0))
    with pytest.raises(TraceError, match="does not exist"):
        update(Args(model, tmp_path / "nope"))
    other = tmp_path / "other"
    trace = next(iter(TraceReader(drifted)))
    writer = TraceWriter(other, trace.header.model_copy(update={"app": "shop"}), state=trace.state)
    writer.write(trace.steps[0])
    writer.finish(None)
    with pytest.raises(TraceError, match="'shop'"):
        update(Args(model, other))
    assert sorted(path.name for path in model.iterdir() if path.name != ".update") == before
