"""Tool traffic against tau2's real retail tools: split by customer, and learned from calls and results alone."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from envsim.trace import Trace, TraceReader
from envsim.types import Observation, Transition
from worldmodel.document import to_transition
from worldmodel.metrics import same_result
from worldmodel.results.calls import tool_of
from worldmodel.results.programs import Results
from worldmodel.session import samples


@pytest.fixture(scope="module")
def bench(repo: Path) -> Iterator[ModuleType]:
    """The benchmark, which is no package: a script among others that import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repo / "benchmarks")
        yield importlib.import_module("tau2_tools")


def sessions(folder: Path) -> list[Trace]:
    return [trace for path in sorted(folder.glob("*.jsonl")) for trace in TraceReader(path)]


def test_customers_are_split_and_logs_hold_no_state(bench: ModuleType, tmp_path: Path) -> None:
    counts = bench.record("retail", 60, tmp_path / "a", seed=3)
    bench.record("retail", 60, tmp_path / "b", seed=3)
    made = {part: sessions(tmp_path / "a" / part) for part in ("train", "test")}
    again = {part: sessions(tmp_path / "b" / part) for part in ("train", "test")}
    assert made == again
    assert {part: sum(len(trace.steps) - 1 for trace in made[part]) for part in made} == counts
    train, test = ({trace.header.task.partition("@")[0] for trace in made[part]} for part in ("train", "test"))
    assert train
    assert test
    assert not train & test
    for trace in made["train"]:
        bench.results_only(trace, tmp_path / "log")
    logged = sessions(tmp_path / "log")
    assert any(step.delta for trace in made["train"] for step in trace.steps)
    assert all(trace.state is None and not any(step.delta for step in trace.steps) for trace in logged)
    assert [[s.observation for s in t.steps] for t in logged] == [
        [s.observation for s in t.steps] for t in made["train"]
    ]


@pytest.mark.slow
def test_writes_are_computed_for_customers_never_seen(bench: ModuleType, tmp_path: Path) -> None:
    bench.record("retail", 450, tmp_path / "full", seed=5)
    known, asked = (tmp_path / part for part in ("train", "test"))
    for part in (known, asked):
        for trace in sessions(tmp_path / "full" / part.name):
            bench.results_only(trace, part)
    found = [sample for trace in sessions(known) for sample in samples(trace)]
    results = Results.learn(found, sessions(known)[0].header.tools)
    groups = bench.familiarity(sessions(known), sessions(asked), set())
    right = {True: 0, False: 0}
    for sample in (sample for trace in sessions(asked) for sample in samples(trace)):
        writes = tool_of(sample.situation.request.key).startswith(("cancel", "return", "modify", "exchange"))
        if writes and groups[sample.session, sample.index] == {"seen"}:
            said = results.answer(sample.situation)
            lines = said.lines if said is not None and said.lines is not None else ()
            guess, truth = (to_transition(each, "tools").observation for each in (lines, sample.target))
            right[same_result(guess, truth)] += 1
    assert sum(right.values()) > 6
    assert right[True] >= 0.75 * sum(right.values())


@pytest.mark.parametrize(
    ("real", "guess", "alike"),
    [
        ('{"a": 1, "b": [{"c": "x"}]}', '{"b": [{"c": "y"}, {"c": "z"}], "a": 2.5}', True),
        ('{"a": 1}', '{"a": "1"}', False),
        ('{"a": null}', '{"a": "1"}', True),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ('{"p": {"card_1": {"k": 1}}}', '{"p": {"card_22": {"k": 3}, "card_3": {"k": 3}}}', True),
        ("[]", '[{"a": 1}]', True),
        ("[]", "{}", False),
        ("Error: L12 not found", "Error: L77 not found", True),
        ("Error: L12 not found", "Error: L77 is suspended", False),
        ("Error: L12 not found", "[]", False),
        ("ann_12", "bob_77", True),
    ],
)
def test_what_is_of_the_same_kind(bench: ModuleType, real: str, guess: str, alike: bool) -> None:
    answers = [Transition(observation=Observation(result=text)) for text in (real, guess)]
    assert bench.same_kind(*answers) is alike
    assert bench.same_kind(answers[1], answers[0]) is alike
    assert bench.same_kind(answers[0], None) is False
    assert json.dumps(bench.shape(json.loads(real))) if real[:1] in "[{" else True
