"""`envsim rollout` before several populations of users, in several trials: what is paired, counted and kept."""

from __future__ import annotations

import importlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envsim.rollout import plan
from envsim.trace import TraceReader

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def envsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``envsim rollout`` with arguments in an empty folder; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["envsim", "rollout", *line.split()])
        try:
            importlib.import_module("envsim.cli.main").main()
        except SystemExit as end:
            code = end.code
        else:
            code = 0
        out, err = capsys.readouterr()
        assert isinstance(code, int | None)
        return code or 0, out, err

    return run


def test_the_same_instances_before_every_population_and_in_every_trial(envsim: Run, tmp_path: Path) -> None:
    line = "--app desk --policy oracle,null -n 2 --trials 2 --users 2 -o out -j 1 --json"
    code, out, _ = envsim(line)
    assert code == 0
    found = json.loads(out)
    assert [(row["policy"], row["population"], row["episodes"]) for row in found["policies"]] == [
        ("oracle", "default", 4), ("oracle", "hasty", 4), ("null", "default", 4), ("null", "hasty", 4),
    ]  # fmt: skip
    assert [row["pass^k"]["2"]["value"] for row in found["policies"]] == [1.0, 1.0, 0.0, 0.0]
    assert [(row["policy"], row["gap"], row["episodes"]) for row in found["spread"]] == [
        ("oracle", 0.0, 4), ("null", 0.0, 4),
    ]  # fmt: skip

    runs: dict[str, list[Any]] = defaultdict(list)
    for trace in TraceReader(tmp_path / "out"):
        _, _, _, number, _ = trace.header.session.split("-")
        runs[number].append((trace.header.task, trace.header.seed))
    assert sorted(runs) == ["00000", "00000.1", "00001", "00001.1"]
    # Two policies before two populations each: one task and seed for all of a trial...
    assert all(len(seen) == 4 and len(set(seen)) == 1 for seen in runs.values())
    # ... and in a trial more the same task with another seed.
    for number in ("00000", "00001"):
        (task, seed), (again, other) = runs[number][0], runs[f"{number}.1"][0]
        assert task == again
        assert seed != other


def test_it_resumes_population_by_population(envsim: Run, tmp_path: Path) -> None:
    line = "--app desk --policy null -n 2 --trials 2 -o out -j 1 --json"
    _, first, _ = envsim(f"{line} --population hasty")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.jsonl")}
    cut = min(kept)
    (tmp_path / "out" / cut).write_bytes(kept[cut][:-20])
    code, both, notes = envsim(f"{line} --population muddled,hasty")
    assert code == 0
    assert "3 episodes were already recorded" in notes
    assert json.loads(both)["policies"][1] == json.loads(first)[0]
    assert {name: (tmp_path / "out" / name).read_bytes() for name in kept} == kept
    assert len(list((tmp_path / "out").glob("*.jsonl"))) == 8


def test_trials_do_not_change_the_first_and_have_names_of_their_own() -> None:
    options = {"app": "desk", "population": "default"}
    one, three = plan(options, ["null"], 4, 7), plan(options, ["null"], 4, 7, 3)
    assert [job for job in three if job.trial == 0] == one
    assert len({job.session for job in three}) == len({job.seed for job in three}) == 12
    assert all(job.task_seed == one[job.index].seed for job in three if job.trial)
    assert not {job.session for job in plan(options | {"population": "hasty"}, ["null"], 4, 7)} & {
        job.session for job in one
    }


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--app shop --users 2", "None of these tasks of shop has a user"),
        ("--app desk --users 99", "Ask for at most so many"),
        ("--app desk --users 2 --population hasty", "Give one of them"),
        ("--app desk --population nobody", "no population 'nobody'"),
        ("--app desk --population ,", "No population was named"),
        ("--app desk --user butler -n 1 -j 1", "no simulated user 'butler'"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(envsim: Run, line: str, sentence: str) -> None:
    code, out, err = envsim(f"{line} -o out")
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
