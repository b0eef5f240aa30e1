"""`--require` and `--baseline`: every figure by name, what a fall is. And the report's page under attack."""

import json
import re
from dataclasses import replace

import pytest

from envsim.errors import ContentError, GateError
from envsim.fidelity import baseline, figures, gate
from envsim.fidelity.bugs import BugRow
from envsim.fidelity.decision import compare_outcomes, powered
from envsim.fidelity.free_running import Session, summarise
from envsim.fidelity.intervals import EMPTY, Estimate, rate
from envsim.fidelity.one_step import StepScore
from envsim.fidelity.one_step import figures as step_figures
from envsim.fidelity.reliability import reliability
from envsim.fidelity.report import (
    SCHEMA,
    Example,
    Measured,
    Report,
    Row,
    render_html,
    side_by_side,
    verdict,
    write_report,
)
from envsim.fidelity.users_link import read_users
from envsim.rollout import Rollout
from envsim.types import Outcome

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}"


def measured(right: int, of: int = 40, name: str = "p") -> Measured:
    """A world that gets `right` of `of` steps and episodes right."""
    steps = [StepScore(f"s{i}", 1, i < right, 1.0, i < right, True, i % 4, trust=0.9 - i / 100) for i in range(of)]
    real, sim = [], []
    for k in range(3):
        for i in range(of):
            success = float(i % (k + 1) == 0)
            real.append(Rollout(f"{name}{k}", "t", i, 1, Outcome(kind="policy", reward=success)))
            other = success if i < right else 1 - success
            sim.append(Rollout(f"{name}{k}", "t", i, 1, Outcome(kind="policy", reward=other)))
    decision, free = compare_outcomes(real, sim), summarise([Session("s", 2, 9, "page"), Session("t", 9, 9, "")])
    trust = reliability(steps)
    bug = BugRow(f"{name}-bug", None, rate(1, 9), rate(0, 0), EMPTY, rate(1, 2), "invented")
    found = {
        **step_figures(steps), **figures.of_decision(decision), **figures.of_free_running(free),
        **figures.of_trust(trust), "steps_per_s": figures.exact(30.0), "bugs_invented": figures.exact(0.0),
    }  # fmt: skip
    return Measured(found, decision, free, (bug,), trust, powered(real, sim))


def report(right: int = 40, name: str = "p", text: str = "x", pace: float = 30.0) -> Report:
    world = measured(right, name=name)
    rows = (Row("sandbox", 1.0, 1.0, 1.0, 1.0, 300.0), replace(Row.of("model", world.figures), steps_per_s=pace))
    assert world.decision is not None
    assert world.free_running is not None
    return Report(
        app="shop", reference="sandbox", rows=rows, decisions={"model": world.decision},
        free_running={"model": world.free_running}, worlds={"model": world},
        examples=(Example(text, 3, text, f"a\n{text}", f"a\n{text}!"),), facts={text: text, "seed": "1"}, command=text,
    )  # fmt: skip


def test_every_figure_can_be_required():
    found = report(39)
    for name in figures.CATALOGUE:
        assert gate.parse(f"{name}>=0.5")[0] == name
    for name in found.worlds["model"].figures:
        assert name in figures.CATALOGUE
        gate.require(found, f"{name}>=0")
    gate.require_all(found, ["model.delta_exact_large >= 0.9", "unscored<=0"])
    with pytest.raises(GateError, match=r"page_exact is 0\.9750 \[.*delta_exact is"):
        gate.require_all(found, ["page_exact>=1", "unscored<=0", "delta_exact>=1"])
    with pytest.raises(GateError, match=r"model: median_steps is 2\.0000"):
        gate.require(found, "median_steps>=20")
    with pytest.raises(GateError, match="ppi_gain was not measured"):
        gate.require(found, "ppi_gain>=1")
    with pytest.raises(ContentError, match=r"delta_exact_large, .*mmrv"):
        gate.parse("accuracy>=1")
    with pytest.raises(ContentError, match=r"'hybrid'.*sandbox, model"):
        gate.require(found, "hybrid.page_exact>=1")


def kept(found: Report, tmp_path) -> dict:
    write_report(found, tmp_path)
    return baseline.read(tmp_path)


def test_a_figure_falls_when_intervals_part(tmp_path):
    old = kept(report(40), tmp_path)
    same = baseline.drift(report(39), old)
    assert {change.verdict for change in same.changes} == {"same"}
    baseline.require(same)
    worse = baseline.drift(report(20), old)
    fell = {change.name for change in worse.changes if change.verdict == "fell"}
    assert {"page_exact", "delta_exact", "outcome_agreement"} <= fell
    assert "steps_per_s" not in {change.name for change in worse.changes}
    with pytest.raises(GateError, match=r"page_exact was 1\.000 \[.*\], is 0\.500"):
        baseline.require(worse)
    better = baseline.drift(report(40), kept(report(20), tmp_path))
    assert {change.verdict for change in better.changes} >= {"rose"}
    baseline.require(better)
    assert worse.table()[1][0][0] == "page_exact"


def test_a_tolerance_is_stricter_than_intervals(tmp_path):
    old = kept(report(40), tmp_path)
    baseline.require(baseline.drift(report(38), old, tolerance=0.15))
    with pytest.raises(GateError, match="page_exact"):
        baseline.require(baseline.drift(report(38), old, tolerance=0.04))


def test_what_is_lower_better_falls_when_it_rises_and_what_is_gone_fell(tmp_path):
    old = kept(report(40), tmp_path)
    found = report(40)
    values = {**found.worlds["model"].figures, "unscored": Estimate(0.5, 0.4, 0.6, 40), "changed_f1": EMPTY}
    changes = baseline.drift(replace(found, worlds={"model": Measured(values)}), old).changes
    assert {change.name for change in changes if change.verdict == "fell"} == {"unscored", "changed_f1"}


def test_a_baseline_that_is_none_is_refused(tmp_path):
    old = kept(report(), tmp_path)
    with pytest.raises(ContentError, match="same app"):
        baseline.drift(replace(report(), app="desk"), old)
    with pytest.raises(ContentError, match="no figures of world 'hybrid'"):
        baseline.drift(report(), old, world="hybrid")
    assert baseline.drift(replace(report(), facts={"seed": "2"}), old).differs == ("seed: 1 then, 2 now",)
    path = tmp_path / "report.json"
    for text, sentence in (
        ("{", "Cannot read"), ("[]", "version None"), ('{"envsim_fidelity": 99}', f"not {SCHEMA}"),
        (json.dumps({**old, "figures": {"model": {"page_exact": {"value": "x"}}}}), "damaged"),
        (json.dumps({**old, "figures": []}), "damaged"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ContentError, match=sentence):
            baseline.read(path)


def test_the_json_holds_every_figure_with_its_interval(tmp_path):
    write_report(report(30), tmp_path)
    found = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert found["envsim_fidelity"] == SCHEMA
    figure = found["figures"]["model"]["outcome_agreement"]
    assert figure["value"] == 0.75
    assert figure["low"] < 0.75 < figure["high"]
    assert found["bugs"]["model"][0]["verdict"] == "invented"
    assert found["trust"]["model"]["bins"]
    assert found["powered"]["model"][-1]["policy"] == "all policies"
    assert found["verdict"]


def test_the_page_runs_and_loads_nothing():
    html = render_html(report(30, name=HOSTILE, text=HOSTILE))
    assert HOSTILE not in html
    assert "7*7" in html  # shown as it is, not worked out
    assert not re.search(r"<(script|img|link|iframe|object|embed)\b", html)
    assert not re.search(r"<[^>]*\son\w+=", html)
    ours = "".join(re.findall(r"<[^>]+>|<style>.*</style>", html, re.DOTALL))
    assert not re.search(r"(src|href)=|url\(|@import|http", ours)
    assert html.count("<svg") == html.count("</svg>") == 5
    assert "&lt;script&gt;alert(1)" in html


def test_the_page_shows_what_differs_only():
    real = "\n".join(f"line {i}" for i in range(50))
    left, right = side_by_side(real, real.replace("line 30", "other"))
    assert [(item.kind, item.text) for item in left if item.kind != "same"] == [
        ("gap", "... 28 lines above"), ("differs", "line 30"),
    ]  # fmt: skip
    assert [item.text for item in right if item.kind == "differs"] == ["other"]
    assert side_by_side("same", "same") == ([], [])


def test_verdicts_advise(tmp_path):
    assert verdict(report(40)).startswith("Its outcomes can stand in")
    assert "sandbox is 10x faster" in verdict(report(40))
    assert "2.0x as fast" in verdict(report(40, pace=600.0))
    assert verdict(report(20)).startswith("Do not decide by it")
    found = report(20)
    found.worlds["hybrid"] = Measured({"outcome_agreement": rate(39, 40), "sandbox_share": rate(9, 10)})
    assert "The hybrid does on 97.5%, and leaves 90.0% of its steps to the sandbox" in verdict(found)
    found = report(40)
    found.worlds["model"].figures["bugs_invented"] = figures.exact(2.0)
    assert "invents 2 bugs" in verdict(found)
    assert "stand in" not in verdict(found)


def test_users_are_linked_not_applicable_or_missing(tmp_path):
    assert "Not applicable" in render_html(report())
    assert "envsim fidelity users" in render_html(replace(report(), has_users=True))
    row = {"title": "turns <b>", **{key: {"value": 1.5, "low": 1, "high": 2, "n": 9} for key in ("distance", "floor")}}
    row["ratio"] = {"value": None, "low": None, "high": None, "n": 0}
    (tmp_path / "users.json").write_text(json.dumps({"rows": [row]}))
    found = read_users(tmp_path)
    assert found.figures[0].ratio is None
    html = render_html(replace(report(), users=found, has_users=True))
    assert "turns &lt;b&gt;" in html
    assert "1.500" in html
    (tmp_path / "users.json").write_text('{"rows": [{"title": "x"}]}')
    with pytest.raises(ContentError, match="no report on users"):
        read_users(tmp_path)
