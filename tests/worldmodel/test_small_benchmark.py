"""The benchmark of few sessions: what each size learns from, what it measures, what it writes."""

from __future__ import annotations

import importlib
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from worldmodel import dataset
from worldmodel.dataset import TRAIN


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """A script among others that import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        yield importlib.import_module("world_model_small")


def test_sessions_of_a_size_are_among_those_of_the_next(benchmark: Any):
    before: dict[str, int] = dict.fromkeys(benchmark.SHARES, 0)
    for size in sorted({*benchmark.QUICK.sizes, *benchmark.FULL.sizes, 1000, 2000}):
        counts = benchmark.counts(size)
        assert sum(counts.values()) == size
        assert all(before[policy] <= count for policy, count in counts.items())
        before = counts
    assert {policy: count / 400 for policy, count in benchmark.counts(400).items()} == pytest.approx(benchmark.SHARES)
    few, more = ({job.session for job in benchmark.jobs_of(benchmark.counts(n), "train", 0)} for n in (8, 20))
    assert len(few) == 8
    assert few < more
    assert not {job.session for job in benchmark.jobs_of(benchmark.counts(8), "train", 5)} & more


@pytest.fixture(scope="module")
def measured(
    benchmark: Any, tiny_traces: Path, tiny_held_out: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, list[Any]]:
    """The tiny shop in place of the other, by 6 and by 30 sessions."""
    root = tmp_path_factory.mktemp("small")
    curve = replace(benchmark.QUICK, sizes=(6, 30))
    curve = replace(curve, place=curve.place.at(root))
    curve.place.renew("sessions", [], [])
    dataset.build(tiny_traces, root / "dataset", held_out=0.0)
    for folder in benchmark.held_out(curve.place).values():
        shutil.copytree(tiny_held_out, folder)
    with pytest.MonkeyPatch.context() as patch:
        names = {n: [SimpleNamespace(session=f"s0-{i}") for i in range(n)] for n in curve.sizes}
        patch.setattr(benchmark, "jobs_of", lambda policies, split, seed: names[sum(policies.values())])
        return curve, [row for size in curve.sizes for row in benchmark.measure(curve, size)]


def test_more_sessions_tell_more_and_programs_more_than_a_neighbour(benchmark: Any, measured: tuple[Any, list[Any]]):
    curve, rows = measured
    assert [(row.size, row.held_out) for row in rows] == [(n, split) for n in (6, 30) for split in benchmark.SPLITS]
    few, many = (row.figures for row in (rows[0], rows[2]))
    assert many["draft"]["page_exact"][0] > few["draft"]["page_exact"][0]
    assert many["draft"]["changed_f1"][0] > many["nearest-neighbour"]["changed_f1"][0] > 0
    assert many["copy-previous"] == few["copy-previous"]
    assert all(low <= value <= high for one in many.values() for value, low, high, _ in one.values())
    assert {one["page_exact"][3] for one in many.values()} == {rows[2].requests} == {rows[0].requests}
    kept = curve.place.root / "rows-6.json"
    known = json.loads(kept.read_text())
    known["rows"][0]["seconds"] = -1.0
    kept.write_text(json.dumps(known))
    assert benchmark.measure(curve, 6)[0].seconds == -1.0, "what was measured is not measured again"


def test_the_part_of_a_dataset_has_those_sessions_alone(benchmark: Any, measured: tuple[Any, list[Any]]):
    data = dataset.load(measured[0].place.root / "dataset")
    part = benchmark.part_of(data, {"s0-1", "s0-7"})
    assert {sample.session for sample in part.part(TRAIN)} == {"s0-1", "s0-7"}
    assert {sample.session for sample in data.part(TRAIN)} == {f"s0-{n}" for n in range(30)}


def test_all_is_written_and_drawn(benchmark: Any, measured: tuple[Any, list[Any]]):
    rows = measured[1]
    text = benchmark.section(rows, 0, 61.0)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(table) == 2 + len(benchmark.SPLITS) * len(benchmark.FIGURES) * len(benchmark.NAMES)
    assert len({line.count("|") for line in table}) == 1
    assert "the first 6 to 30 sessions" in text
    value, low, high, _ = rows[2].figures["draft"]["page_exact"]
    assert f"{value:.3f} [{low:.2f}, {high:.2f}]" in table[2]
    drawn = ElementTree.fromstring(benchmark.picture(benchmark.curves(rows)))
    lines = [one for one in drawn.iter() if one.tag.endswith("polyline")]
    assert len(lines) == len(benchmark.SPLITS) * len(benchmark.FIGURES) * len(benchmark.NAMES)
