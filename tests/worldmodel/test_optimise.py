"""What a run leaves behind while it learns, and several processes that learn as one."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from envsim.errors import ModelError, TraceError
from worldmodel import curves, optimise, team, update
from worldmodel.checkpoint import load_model
from worldmodel.model import Config, Transformer
from worldmodel.optimise import Example, Pace
from worldmodel.train import Args, train

EXAMPLES = [Example([1, 20 + n % 9, 5], [11, 6, 30, 8]) for n in range(60)]
HELD_OUT = EXAMPLES[:9]


def network() -> Transformer:
    torch.manual_seed(0)
    return Transformer(Config(32, width=16, layers=1, heads=1))


def test_a_run_is_measured_on_what_was_held_out(tmp_path: Path) -> None:
    learned = network()
    report = optimise.optimise(learned, EXAMPLES, Pace(epochs=12, batch_tokens=64, lr=2e-2), tmp_path, "", HELD_OUT)
    rows = curves.read_log(tmp_path)
    measured = [row for row in rows if "held_out" in row]
    assert len(measured) > 3
    assert measured[-1]["held_out"] < 0.2 * measured[0]["held_out"]
    assert measured[-1]["tokens_right"] == measured[-1]["outcomes_right"] == measured[-1]["answers_right"] == 1.0
    assert report["held_out"] == measured[-1]["held_out"]
    assert max(row["lr"] for row in rows) <= 2e-2
    assert learned.training
    again = optimise.measure(learned, HELD_OUT, 7)
    assert again.held_out == pytest.approx(measured[-1]["held_out"], abs=1e-3), "batches do not matter"


def test_measuring_tells_right_from_wrong() -> None:
    learned = network()
    found = optimise.measure(learned, HELD_OUT)
    with torch.no_grad():
        written, _ = learned.loss(*optimise.collate(HELD_OUT, "cpu"))
        assert found.held_out == pytest.approx(float(written), rel=1e-4)
        # All logits but that of token 11 are far below it: outcomes are right, nothing else is.
        learned.embed.weight.zero_()
        learned.embed.weight[:, 0] = 1.0
        learned.embed.weight[11, 0] = 9.0
    found = optimise.measure(learned, HELD_OUT)
    assert (found.tokens_right, found.outcomes_right, found.answers_right) == (0.25, 1.0, 0.0)


def test_a_killed_run_reports_what_one_that_was_not_killed_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a run with other arguments had come further in the same directory."""
    pace, save = Pace(epochs=6, batch_tokens=64, lr=1e-2, checkpoint_s=0.0), optimise.save_checkpoint
    whole, cut = network(), network()
    (tmp_path / "whole").mkdir()
    report = optimise.optimise(whole, EXAMPLES, pace, tmp_path / "whole", "mine", HELD_OUT)

    def dies(root: Path, step: int, *rest: Any) -> None:
        save(root, step, *rest)
        if step == 7:
            raise KeyboardInterrupt

    save(tmp_path / "cut", 9000, {}, cut, torch.optim.AdamW(cut.parameters()), "another's")
    monkeypatch.setattr(optimise, "save_checkpoint", dies)
    with pytest.raises(KeyboardInterrupt):
        optimise.optimise(cut, EXAMPLES, pace, tmp_path / "cut", "mine", HELD_OUT)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "cut").glob("checkpoint-*")] == ["checkpoint-0000007"]
    resumed = network()
    again = optimise.optimise(resumed, EXAMPLES, pace, tmp_path / "cut", "mine", HELD_OUT)
    assert again | {"seconds": 0} == report | {"seconds": 0}
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_training_that_diverges_says_so_and_saves_nothing(tmp_path: Path) -> None:
    broken = network()
    with torch.no_grad():
        broken.embed.weight[6] = float("nan")
    with pytest.raises(ModelError, match="smaller --lr"):
        optimise.optimise(broken, EXAMPLES, Pace(checkpoint_s=0.0), tmp_path, "")
    assert not list(tmp_path.glob("checkpoint-*"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1.0}, {"lr": -1.0}, {"lr": math.nan}, {"batch_tokens": 0}, {"steps": -1}, {"minutes": -1.0},
        {"minutes": math.inf}, {"checkpoint_s": -1.0}, {"balance": 1.5}, {"held_out": 1.0}, {"held_out": -0.1},
        {"alpha": 0.0}, {"alpha": 2.0}, {"heads": 0}, {"width": -4}, {"layers": 0}, {"width": 33, "heads": 2},
        {"device": "gpu"}, {"device": "cuda:x"}, {"device": "cuda:99"}, {"rollouts": -1}, {"lora": -1},
    ],
    ids=str,
)  # fmt: skip
def test_what_means_nothing_is_refused_before_traces_are_read(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"(?i)(give|choose|use) "):
        train(Args(tmp_path / "nowhere", tmp_path / "model", **wrong))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("wrong", [{"steps": -3}, {"lr": 0.0}, {"held_out": 2.0}, {"epochs": math.nan}], ids=str)
def test_an_update_refuses_it_too(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="Give "):
        update.update(update.Args(tmp_path / "nowhere", tmp_path, **wrong))


def test_measuring_changes_no_weight(tmp_path: Path) -> None:
    pace, weights = Pace(epochs=4, batch_tokens=128), []
    for name, held_out in (("with", HELD_OUT), ("without", [])):
        learned = network()
        (tmp_path / name).mkdir()
        optimise.optimise(learned, EXAMPLES, pace, tmp_path / name, "", held_out)
        weights.append(learned.embed.weight)
    assert torch.equal(*weights)


def test_the_curves_are_a_picture_without_anything_in_it_that_runs(tmp_path: Path) -> None:
    assert curves.draw(tmp_path) is None
    rows = [{"step": 20 * n, "loss": 5.0 / n, "lr": 1e-3} for n in range(1, 9)]
    rows[3] |= {"held_out": 1.5, "tokens_right": 0.5, "outcomes_right": 1.0, "answers_right": 0.0}
    text = "\n".join(map(json.dumps, rows)) + '\n{"step": 180, "lo'
    (tmp_path / curves.LOG).write_text(text)
    path = curves.draw(tmp_path)
    assert path is not None
    root = ElementTree.fromstring(path.read_text())
    names = {element.tag.partition("}")[2] for element in root.iter()}
    assert names == {"svg", "rect", "line", "text", "polyline", "circle"}
    said = {element.text for element in root.iter() if element.text}
    assert {"training (smoothed) 0.625", "held-out 1.5", "outcomes 1", "1.0e-03", "160"} <= said
    lines = [element for element in root.iter() if element.tag.endswith("polyline") and element.get("points")]
    heights = [[float(p.partition(",")[2]) for p in (line.get("points") or "").split()] for line in lines]
    assert heights[0] == sorted(heights[0]), "a loss that falls goes down"


def test_what_another_run_logged_is_not_drawn(tmp_path: Path) -> None:
    for _ in range(2):
        optimise.optimise(network(), EXAMPLES, Pace(epochs=2, batch_tokens=128), tmp_path, "")
    assert [row["step"] for row in curves.read_log(tmp_path)] == sorted({r["step"] for r in curves.read_log(tmp_path)})


# -- several processes -----------------------------------------------------------------------------------


def launch(count: int, *arguments: object) -> list[subprocess.CompletedProcess[str]]:
    """`count` processes as ``accelerate launch --cpu --num_processes`` starts them."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    where = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "worldmodel", *map(str, arguments)],
            env={**os.environ, **where, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    said = [process.communicate(timeout=280) for process in started]
    return [subprocess.CompletedProcess(p.args, p.returncode, *s) for p, s in zip(started, said, strict=True)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_learn_what_one_does(tiny_traces: Path, tmp_path: Path) -> None:
    alone = train(Args(tiny_traces, tmp_path / "alone", steps=6, width=16, layers=1, heads=1, device="cpu"))
    sizes = ["--steps", 6, "--width", 16, "--layers", 1, "--heads", 1, "--device", "cpu", "--json"]
    first, second = launch(2, "train", tiny_traces, "-o", tmp_path / "both", *sizes)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert json.loads(first.stdout)["training"]["steps"] == 6
    assert second.stdout == "", "the first process speaks for all"
    one, two = load_model(alone), load_model(tmp_path / "both")
    assert one.config["training"]["tokens"] == two.config["training"]["tokens"]
    for (name, a), b in zip(one.network.state_dict().items(), two.network.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-3), name
    assert two.config["training"]["loss"] == pytest.approx(one.config["training"]["loss"], abs=2e-3)
    assert sorted(path.name for path in two.root.iterdir()) == sorted(path.name for path in one.root.iterdir())


class Told(team.Team):
    """A helper that was told `message`."""

    rank, count = 1, 2

    def __init__(self, message: bytes) -> None:
        self._message = message

    def receive(self) -> bytes:
        return self._message


def test_helpers_leave_where_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    first = Told(b"")
    first.rank, first.send = 0, sent.append  # type: ignore[method-assign]
    monkeypatch.setattr("worldmodel.train.join", lambda device: first)
    with pytest.raises(TraceError):
        train(Args(tmp_path / "nowhere", tmp_path / "model"))
    assert len(sent) == 1
    monkeypatch.setattr("worldmodel.train.join", lambda device: Told(sent[0]))
    train(Args(tmp_path / "nowhere", tmp_path / "model"))
    assert list(tmp_path.iterdir()) == []


class Half(team.Team):
    """One of two processes, of which this test plays both in turn."""

    count = 2

    def __init__(self, rank: int, before: list[torch.Tensor]) -> None:
        self.rank, self._before = rank, before

    def total(self, values: torch.Tensor) -> torch.Tensor:
        self._before.append(values.clone())
        return sum(self._before, torch.zeros_like(values))


@pytest.mark.parametrize("numbers", [[0, 1, 2, 3, 4], [7]])
def test_gradients_of_parts_add_up_to_those_of_the_batch(numbers: list[int]) -> None:
    examples = [Example([1, 20 + n, *[21] * n, 5], [11, *[22 + n] * (n % 3), 8]) for n in range(9)]
    weights = [0.5 + n for n in range(9)]
    found = []
    for members in ([team.ALONE], [Half(0, shared := []), Half(1, shared)]):
        for member in members:
            learned = network()
            sgd = torch.optim.SGD(learned.parameters())
            loss = optimise._learn(learned, sgd, examples, numbers, 0.1, weights, member)
        found.append((loss, learned.embed.weight.detach()))
    (one, a), (both, b) = found
    assert both == pytest.approx(one, rel=1e-5)
    assert torch.allclose(a, b, atol=1e-6)
    assert not torch.allclose(a, network().embed.weight)


def test_what_one_process_does_alone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert not team.is_main()
    with pytest.raises(ModelError, match="without accelerate launch"):
        update.update(update.Args(tmp_path, tmp_path))
