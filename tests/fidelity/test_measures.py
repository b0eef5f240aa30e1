"""Fidelity measures on cases small enough to know the answer."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError, GateError, UncertainError
from envsim.fidelity import gate
from envsim.fidelity.decision import compare_outcomes
from envsim.fidelity.free_running import Session, replay, summarise
from envsim.fidelity.intervals import mean, rate
from envsim.fidelity.report import Example, Report, Row, render_html, table, verdict, write_report
from envsim.rollout import Rollout
from envsim.task import Task
from envsim.testing import FakeWorld
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Outcome

TASK = Task(id="t@0", template="t", app="shelf", interface="tools", split="test", goal="g")


def rollouts(*rewards: float | None, policy: str = "p") -> list[Rollout]:
    kinds = ["infra" if reward is None else "policy" for reward in rewards]
    return [
        Rollout(policy, "t@0", seed, 3, Outcome(kind=kind, reward=reward))
        for seed, (kind, reward) in enumerate(zip(kinds, rewards, strict=True))
    ]


def test_outcome_agreement_counts_an_unscored_episode_as_disagreement():
    real = rollouts(1.0, 1.0, 0.0, 0.0)
    sim = rollouts(1.0, 0.0, 1.0, None)
    decision = compare_outcomes(real, sim)
    assert decision.outcome_agreement.value == 0.25
    assert decision.sim_pass_real_fail.value == pytest.approx(1 / 3)
    assert decision.sim_fail_real_pass.value == pytest.approx(1 / 3)
    assert decision.unscored.value == 0.25


def test_episodes_the_reference_could_not_score_say_nothing():
    decision = compare_outcomes(rollouts(1.0, None), rollouts(1.0, 0.0))
    assert (decision.outcome_agreement.value, decision.outcome_agreement.n) == (1.0, 1)


def test_different_jobs_are_not_compared():
    with pytest.raises(ValueError, match="same policies"):
        compare_outcomes(rollouts(1.0), rollouts(1.0, 1.0))


def test_policies_are_compared_apart():
    decision = compare_outcomes(
        rollouts(1.0, 1.0, policy="a") + rollouts(0.0, 0.0, policy="b"),
        rollouts(1.0, 0.0, policy="a") + rollouts(0.0, 0.0, policy="b"),
    )
    assert [(row.policy, row.reference.value, row.candidate.value) for row in decision.per_policy] == [
        ("a", 1.0, 0.5),
        ("b", 0.0, 0.0),
    ]


@given(n=st.integers(1, 200), data=st.data())
def test_a_wilson_interval_holds_its_estimate_and_stays_in_range(n, data):
    hits = data.draw(st.integers(0, n))
    estimate = rate(hits, n)
    assert 0 <= estimate.low <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.high <= 1


def test_the_wilson_interval_is_the_published_one():
    # Brown, Cai, DasGupta (2001), Wilson interval for 5 of 20.
    estimate = rate(5, 20)
    assert (round(estimate.low, 3), round(estimate.high, 3)) == (0.112, 0.469)
    assert math.isnan(rate(0, 0).value)


def test_a_bootstrap_interval_is_seeded():
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert mean(values) == mean(values)
    assert mean(values).low < mean(values).value < mean(values).high


def recording(*actions: Action) -> Trace:
    world = FakeWorld()
    steps = [Step(index=0, observation=world.reset(TASK, 0).observation)]
    for index, action in enumerate(actions, start=1):
        done = world.step(action)
        steps.append(Step(index=index, action=action, observation=done.observation, delta=done.delta))
    header = Header(session="s", app="shelf", source="rollout", interface="tools", task="t@0")
    return Trace(header, tuple(steps), None)


PUT = Action.call("put", name="cup", count=1)
LOOK = Action.call("look")


def test_a_faithful_world_never_diverges():
    result = replay(FakeWorld(), [(TASK, recording(PUT, LOOK, Action.answer(), PUT))])
    assert result.sessions == (Session("s", 3, 3, ""),)
    assert result.survival == (1.0, 1.0, 1.0, 1.0)
    assert result.whole.value == 1.0


def test_the_first_difference_is_found_and_named():
    class WrongState(FakeWorld):
        def step(self, action):
            return super().step(action).model_copy(update={"delta": (("items/cup", {"count": 9}),)})

    class GivesUp(FakeWorld):
        def step(self, action):
            if action == PUT:
                raise UncertainError("Never seen. Record it.")
            return super().step(action)

    trace = recording(LOOK, PUT, LOOK)
    assert replay(FakeWorld(shelf={"mug": 3}), [(TASK, trace)]).sessions[0] == Session("s", 0, 3, "page")
    assert replay(WrongState(), [(TASK, trace)]).sessions[0] == Session("s", 0, 3, "state")
    assert replay(GivesUp(), [(TASK, trace)]).sessions[0] == Session("s", 1, 3, "no answer")


def test_survival_counts_only_sessions_that_long():
    result = summarise([Session("a", 1, 1, ""), Session("b", 1, 3, "page"), Session("c", 3, 3, "")])
    assert result.survival == (1.0, 1.0, 0.5, 0.5)
    assert result.median_steps == 1.0


REPORT = Report(
    app="shop",
    reference="sandbox",
    rows=(Row("sandbox", 1.0, 1.0, 1.0, 1.0, 500.0), Row("model", 0.5, 0.75, math.nan, 0.9, 25.0)),
    decisions={"model": compare_outcomes(rollouts(1.0, 0.0), rollouts(1.0, None))},
    free_running={"model": summarise([Session("a", 2, 3, "page")])},
    examples=(Example("s", 1, 'click("e1")', "<script>alert(1)</script>", "text"),),
    facts={"seed": "1"},
    command="envsim fidelity",
)


def test_gates_hold_fail_and_are_never_evaluated():
    gate.require(REPORT, "outcome_agreement >= 0.9")
    with pytest.raises(GateError, match=r"0\.5000"):
        gate.require(REPORT, "page_exact>0.5")
    with pytest.raises(GateError, match="not measured"):
        gate.require(REPORT, "delta_exact>=0")
    for bad in ("page_exact", "nope>=1", "__import__('os')>=0", "page_exact>=1; 1", "page_exact==1"):
        with pytest.raises(ContentError, match="FIGURE>=NUMBER"):
            gate.require(REPORT, bad)
    assert GateError("x").exit_code == 1


def test_the_report_is_one_page_that_runs_nothing_recorded(tmp_path):
    page = write_report(REPORT, tmp_path)
    html = page.read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert (
        json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)["rows"][1]["delta_exact"] is None
    )
    assert render_html(REPORT) == html


def test_the_verdict_advises_against_a_slower_model():
    assert "sandbox is 20x faster" in verdict(REPORT)


def test_the_table_shows_dashes_for_what_was_not_measured():
    head, rows = table(REPORT)
    assert head[0] == "world"
    assert rows[1] == ["model", "0.500", "0.750", "-", "0.900", "25"]
