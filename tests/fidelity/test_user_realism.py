"""Figures that compare users: known values, properties, and a planted difference that must be found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from envsim.cli.main import app
from envsim.errors import ContentError, GateError
from envsim.fidelity import users
from envsim.fidelity.users_classifier import auc, classify
from envsim.fidelity.users_metrics import (
    act_bigrams,
    disclosure,
    distinct,
    entropy,
    jensen_shannon,
    self_bleu,
    wasserstein,
)
from envsim.linear import fit_logistic, rows, vocabulary
from envsim.trace import Header, Step, TraceReader, TraceWriter
from envsim.types import Action, Message, Observation, UserTurn
from envsim.user.sessions import Exchange, Session, sessions
from tests.user.conversations import many

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1)
samples = st.lists(st.floats(-100, 100, allow_nan=False), min_size=1, max_size=20)


def said(*texts: str, name: str = "s") -> Session:
    return Session(name, name, tuple(Exchange("", (), text, (f"act{n}",)) for n, text in enumerate(texts)), task=name)


# -- distances -------------------------------------------------------------------------------------


def test_jensen_shannon_of_known_samples() -> None:
    assert jensen_shannon({"a": 1}, {"b": 5}) == pytest.approx(1.0)
    assert jensen_shannon({"a": 3, "b": 1}, {"a": 30, "b": 10}) == 0.0
    # H((.75, .25)) - (H((1, 0)) + H((.5, .5))) / 2
    assert jensen_shannon({"a": 1}, {"a": 1, "b": 1}) == pytest.approx(0.311278, abs=1e-6)


@given(counts, counts)
def test_jensen_shannon_is_symmetric_and_bounded(a: dict[str, int], b: dict[str, int]) -> None:
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a))
    assert 0 <= jensen_shannon(a, b) <= 1 + 1e-9
    assert jensen_shannon(a, a) == 0


def test_wasserstein_of_known_samples() -> None:
    assert wasserstein([0, 1, 3], [5, 6, 8]) == pytest.approx(5)
    assert wasserstein([0], [0, 4]) == pytest.approx(2)


@given(samples, samples, st.floats(-50, 50, allow_nan=False))
def test_wasserstein_is_a_distance_that_moves_with_its_samples(a: list[float], b: list[float], by: float) -> None:
    assert wasserstein(a, b) == pytest.approx(wasserstein(b, a))
    assert wasserstein(a, a) == 0
    assert wasserstein([x + by for x in a], a) == pytest.approx(abs(by), abs=1e-6)


def test_acts_of_a_session_are_paired_in_order_with_its_ends() -> None:
    assert act_bigrams([said("x", "y")]) == {("<start>", "act0"): 1, ("act0", "act1"): 1, ("act1", "<end>"): 1}


def test_disclosure_is_the_share_told_so_far() -> None:
    (curve,) = disclosure(many(1, chatty=True))
    assert curve[:3] == pytest.approx([2 / 3, 1.0, 1.0])
    assert len(curve) == 12


def test_figures_of_text_have_their_known_values() -> None:
    assert entropy([said("a b", "c d")]) == pytest.approx(2.0)
    assert distinct([said("a b a b")], 1) == pytest.approx(0.5)
    assert distinct([said("a b a b")], 2) == pytest.approx(2 / 3)
    assert self_bleu([said("one two three four", "one two three four")]) == pytest.approx(1.0)
    assert self_bleu([said("one two three four", "five six seven eight")]) < 0.25


# -- the classifier --------------------------------------------------------------------------------


def test_auc_counts_pairs_and_ties_half() -> None:
    truth = np.asarray([False, False, True, True])
    assert auc(np.asarray([0.0, 1.0, 2.0, 3.0]), truth) == 1.0
    assert auc(np.asarray([0.0, 2.0, 1.0, 3.0]), truth) == 0.75
    assert auc(np.zeros(4), truth) == 0.5


def test_logistic_regression_finds_its_optimum() -> None:
    draws = np.random.default_rng(0).normal(size=(200, 3))
    labels = draws[:, 0] - 0.5 * draws[:, 1] + 0.3 > 0
    features = [{str(k): float(v) for k, v in enumerate(row)} for row in draws]
    data = rows(features, vocabulary(features), unit=False)
    fitted = fit_logistic(data, labels, l2=1.0, steps=2000)
    errors = 1 / (1 + np.exp(-fitted.score(data))) - labels
    # At the optimum the gradient of the shrunken loss is nothing.
    assert np.allclose(draws.T @ errors + fitted.weights, 0, atol=1e-3)
    assert abs(errors.sum()) < 1e-3


def test_the_same_kind_of_users_cannot_be_told_apart() -> None:
    found = classify(many(80), many(80, start=500)).estimate()
    assert 0.4 < found.value < 0.6
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("by_session", [False, True])
def test_a_planted_difference_is_found(by_session: bool) -> None:
    marked = [_louder(session) for session in many(80, start=500)]
    assert classify(many(80), marked, by_session=by_session).estimate().value > 0.95


def _louder(session: Session) -> Session:
    return replace(session, turns=tuple(replace(turn, text=turn.text + " !!") for turn in session.turns))


def test_words_of_a_task_do_not_give_a_sample_away() -> None:
    """Real and simulated sessions of one task are in one fold: its own words are never seen in training."""
    first = [replace(session, task=f"t{k}") for k, session in enumerate(many(60))]
    copies = [replace(session, name=f"c{k}", task=f"t{k}") for k, session in enumerate(many(60))]
    assert classify(first, copies).auc() == pytest.approx(0.5)


# -- the report ------------------------------------------------------------------------------------


def test_users_of_the_same_kind_are_at_the_floor() -> None:
    report = users.compare_users(many(60), many(60, start=500), halvings=30)
    for row in report.rows:
        if row.ratio.n:
            assert row.distance.value < 1.5 * row.floor.high, row
            assert row.floor.low <= row.floor.value <= row.floor.high
    assert report.row("auc").distance.value < 0.62


def test_other_users_are_far_above_the_floor() -> None:
    report = users.compare_users(many(60, chatty=True), many(60, start=500, chatty=False), halvings=20)
    for key in ("act_unigrams", "act_bigrams", "turn_length", "turns", "disclosure"):
        assert report.row(key).distance.value > 3 * report.row(key).floor.value + 0.01, key
    assert report.row("auc").distance.value > 0.9
    assert "Further from real users" in users.verdict(report) or report.row("turns").floor.value == 0


def test_a_report_is_the_same_for_a_seed_and_escapes_what_it_quotes() -> None:
    one, two = (users.compare_users(many(30), many(30, start=90), halvings=10, seed=4) for _ in range(2))
    assert one == two
    page = users.render_html(replace(one, facts={"<script>": "<b>"}))
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_too_few_sessions_are_refused() -> None:
    with pytest.raises(ContentError, match="needs 20"):
        users.compare_users(many(5), many(60))


def test_a_gate_holds_or_says_by_how_much() -> None:
    report = users.compare_users(many(30), many(30, start=90), halvings=10)
    users.require(report, "auc <= 0.9")
    users.require(report, "turn_length_ratio<=9")
    with pytest.raises(GateError, match=r"auc is 0\.\d{4}"):
        users.require(report, "auc<=0.1")
    for wrong in ("auc==1", "turns_of<=1", "__import__('os')<=1", "auc_ratio<=2"):
        with pytest.raises(ContentError, match="Cannot read --require"):
            users.parse_gate(wrong)


# -- from traces, by the command line --------------------------------------------------------------


def record(found: list[Session], root: Path) -> Path:
    """Sessions as our own traces of cooperative episodes would hold them."""
    for session in found:
        assert session.goal is not None
        meta = {
            "user": session.user,
            "user_goal": session.goal.model_dump(mode="json"),
            "agent_acts": [list(turn.heard_acts) for turn in session.turns],
            "said": [[list(pair) for pair in turn.said] for turn in session.turns],
        }
        header = Header(
            session=session.name, app="test", source="rollout", interface="tools", task=session.task, meta=meta
        )
        writer = TraceWriter(root, header)
        for index, turn in enumerate(session.turns):
            message = Observation(messages=(Message(role="user", text=turn.text),))
            spoken = UserTurn(text=turn.text, acts=turn.acts)
            action = Action.say(turn.heard) if index else None
            writer.write(Step(index=index, action=action, observation=message, user=spoken))
        writer.finish(None)
    return root


def test_sessions_come_back_from_traces_as_they_were(tmp_path: Path) -> None:
    found = many(5)
    assert sessions(TraceReader(record(found, tmp_path))) == found


def test_the_commands_run_from_traces_to_a_report(tmp_path: Path) -> None:
    real, simulated = record(many(25), tmp_path / "real"), record(many(25, start=90), tmp_path / "sim")
    run = CliRunner()
    mined = run.invoke(app, ["personas", "mine", str(real), "-o", str(tmp_path / "people"), "--json"])
    assert mined.exit_code == 0, mined.output
    assert json.loads(mined.stdout)["users"] == 25
    shown = run.invoke(app, ["personas", "show", str(tmp_path / "people")])
    assert "disclose_first" in shown.stdout
    arguments = ["fidelity", "users", "--real", str(real), "--simulated", str(simulated), "--halvings", "10"]
    done = run.invoke(app, [*arguments, "-o", str(tmp_path / "out"), "--json", "--require", "auc<=0.95"])
    assert done.exit_code == 0, done.output
    assert {row["key"] for row in json.loads(done.stdout)} >= {"auc", "disclosure", "self_bleu"}
    assert (tmp_path / "out" / "users.html").exists()
    failed = run.invoke(app, [*arguments, "-o", str(tmp_path / "out"), "--require", "auc<=0.01"])
    assert isinstance(failed.exception, GateError)


def test_fidelity_of_worlds_still_needs_its_model() -> None:
    result = CliRunner().invoke(app, ["fidelity", "--app", "shop"])
    assert isinstance(result.exception, ContentError)
    assert "--model" in str(result.exception)
