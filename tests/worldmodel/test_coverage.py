"""What was never recorded is found, named, ranked and drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from envsim.trace import Header, Step, Trace, TraceReader, TraceWriter
from envsim.types import Action, Observation
from worldmodel.checkpoint import Model, load_model
from worldmodel.coverage import LEAST, Coverage, Region, coverage, label, render_html
from worldmodel.session import samples
from worldmodel.train import Args, train

Cli = Callable[..., "CompletedProcess[str]"]
REMOVE = ("/cart", 'click "Remove *"')


def removes(trace: Trace) -> bool:
    return any("Remove" in s.situation.request.lines[0] for s in samples(trace))


def fit(traces: Path, out: Path) -> Model:
    return load_model(train(Args(traces, out, steps=1, width=16, layers=1, heads=1, device="cpu")))


@pytest.fixture(scope="module")
def parted(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Sessions in which nothing was removed from a cart, and those in which something was."""
    root = tmp_path_factory.mktemp("parted")
    for name in ("never", "did"):
        shutil.copytree(tiny_traces / "blobs", root / name / "blobs")
    for trace in TraceReader(tiny_traces):
        name = f"{trace.header.session}.jsonl"
        shutil.copy(tiny_traces / name, root / ("did" if removes(trace) else "never") / name)
    return root / "never", root / "did"


@pytest.fixture(scope="module")
def model(parted: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Model:
    return fit(parted[0], tmp_path_factory.mktemp("coverage") / "model")


@pytest.fixture(scope="module")
def found(model: Model) -> Coverage:
    return coverage(model)


def region(found: Coverage, page: str, action: str) -> Region:
    return next(r for r in found.regions if (r.page, r.action) == (page, action))


def test_an_action_nobody_took_is_found(found: Coverage) -> None:
    missing = region(found, *REMOVE)
    assert missing.state == "never"
    assert missing.offered > 0
    assert missing.trust is not None
    assert missing.task.startswith("t")
    assert missing.command.startswith("envsim rollout --app tiny --interface browser --policy explorer --task t")
    added = region(found, "/p/*", 'click "Add to cart"')
    assert added.state == "covered"
    assert added.done >= LEAST
    assert added.sessions <= added.done
    assert added.command == ""


def test_the_worst_comes_first(found: Coverage) -> None:
    order = {"never": 0, "hardly": 1, "covered": 2}
    states = [order[r.state] for r in found.regions]
    assert states == sorted(states)
    assert found.count("never") + found.count("hardly") + found.count("covered") == len(found.regions)
    never = [r.offered for r in found.regions if r.state == "never"]
    assert never == sorted(never, reverse=True)


def test_what_production_asks_for_outranks_what_is_only_offered(model: Model, parted: tuple[Path, Path]) -> None:
    asked = coverage(model, TraceReader(parted[1]), estimate=False)
    assert (asked.regions[0].page, asked.regions[0].action) == REMOVE
    assert asked.regions[0].asked >= 1
    assert asked.regions[0].done == 0
    assert asked.regions[0].trust is None
    assert region(asked, "/p/*", 'click "Add to cart"').done == region(asked, "/p/*", 'click "Add to cart"').done


def test_nobody_is_told_to_record_what_others_are_to_be_tried_on(model: Model, parted: tuple[Path, Path]) -> None:
    kept = [
        Trace(trace.header.model_copy(update={"task": f"kept@{number}"}), trace.steps, trace.end)
        for _ in range(3)
        for number, trace in enumerate(TraceReader(parted[1]))
    ]
    asked = coverage(model, kept, estimate=False)
    assert region(asked, *REMOVE).asked > 0
    assert region(asked, *REMOVE).task.startswith("t")
    assert not any("kept" in r.command for r in asked.regions)


def test_counts_are_those_of_the_traces(found: Coverage, parted: tuple[Path, Path]) -> None:
    adds = sum("Add to cart" in s.situation.request.lines[0] for t in TraceReader(parted[0]) for s in samples(t))
    assert sum(r.done for r in found.regions if "Add to cart" in r.action) == adds
    asked = sum(s.index > 0 for t in TraceReader(parted[0]) for s in samples(t))
    assert sum(r.done for r in found.regions) == asked


def test_the_map_escapes_what_was_recorded(found: Coverage) -> None:
    page = render_html(found)
    assert "Remove *" in page
    assert "http" not in page
    assert "src=" not in page
    odd = Coverage("shop", "browser", 1, 1, (Region("/", "<script>alert(1)</script>"),), "")
    assert "<script>" not in render_html(odd)


def test_tools_are_mapped_by_argument(tmp_path: Path) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "stars": {"type": "integer"}}}
    tools = ({"name": "find", "description": "", "parameters": parameters}, {"name": "book", "description": ""})
    for number in range(4):
        header = Header(
            session=f"s{number}", app="inn", source="test", interface="tools", task=f"t@{number}", tools=tools
        )
        writer = TraceWriter(tmp_path / "traces", header, state={"stays": {}})
        writer.write(Step(index=0, observation=Observation()))
        for i in range(1, 4):
            seen = Observation(result=json.dumps({"found": [f"Inn {number + i}"]}))
            writer.write(Step(index=i, action=Action.call("find", city=f"Town {i}"), observation=seen))
        writer.finish(None)
    found = coverage(fit(tmp_path / "traces", tmp_path / "model"))
    states = {(r.page, r.action): r.state for r in found.regions}
    assert states == {
        ("find", "call"): "covered", ("find", "with city"): "covered", ("find", "with stars"): "never",
        ("find", "refused"): "never", ("book", "call"): "never", ("book", "refused"): "never",
    }  # fmt: skip
    assert (found.regions[0].page, found.regions[0].offered) == ("find", 12), "what is called most is missed most"
    assert region(found, "book", "call").trust is not None


def test_labels() -> None:
    assert label("enter") == "enter"
    assert label('["click", "Add to cart", "Add to cart", "/p/*"]') == 'click "Add to cart"'
    assert label('["click", "Remove *", "Cart", "/cart"]') == 'click "Remove *" in "Cart"'


def test_the_command(cli: Cli, model: Model, parted: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "reports" / "map.html"
    done = cli("worldmodel", "coverage", model.root, parted[1], "--app", "tiny", "--json", "-o", out, timeout_s=180)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["regions"][0]["page"], told["regions"][0]["action"]) == REMOVE
    assert told["never"] >= 1
    assert out.read_text().startswith("<!doctype html>")
    refused = cli("worldmodel", "coverage", model.root, "--app", "shop")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert "not of 'shop'" in refused.stderr
