"""Metrics on cases counted by hand."""

from __future__ import annotations

from envsim.types import Observation, Transition
from worldmodel.evaluate import WORST, worst_of
from worldmodel.metrics import Metrics, leaves, outcome_class, score
from worldmodel.predict import Scored

BEFORE = ("main", '  text "a"', '  text "b"')


def page(*texts: str, url: str = "/x", delta: tuple[tuple[object, ...], ...] = ()) -> Transition:
    lines = "\n".join(["main", *(f'  text "{text}"' for text in texts)])
    return Transition(observation=Observation(url=url, page=lines), delta=delta)  # type: ignore[arg-type]


def test_changed_elements_are_counted_as_multisets() -> None:
    # Real: -b +c +c; predicted: -b +c +d. Two of three on either side.
    result = score("browser", BEFORE, page("a", "c", "c"), page("a", "c", "d"))
    assert (result.precision, result.recall) == (2 / 3, 2 / 3)
    assert not result.exact


def test_copying_scores_nothing_where_something_changed() -> None:
    result = score("browser", BEFORE, page("a", "c"), page("a", "b"))
    assert result.f1 == 0.0
    assert result.precision == 0.0


def test_nothing_changed_on_either_side_is_left_out_of_f1() -> None:
    result = score("browser", BEFORE, page("a", "b"), page("a", "b"))
    assert result.f1 is None
    assert result.exact


def test_the_url_is_part_of_an_exact_match() -> None:
    assert not score("browser", BEFORE, page("a", url="/x"), page("a", url="/y")).exact


def test_deltas_are_compared_by_the_state_they_lead_to() -> None:
    state = {"cart": {"pan": 1}}
    real = page("a", delta=(("cart/pan", 2),))
    assert score("browser", BEFORE, real, page("a", delta=(("cart", {"pan": 2}),)), state).delta
    assert not score("browser", BEFORE, real, page("a", delta=(("cart/pan", 3),)), state).delta
    assert not score("browser", BEFORE, real, page("a"), state).delta
    assert score("browser", BEFORE, page("a"), page("a", delta=(("cart/pan", 1),)), state).delta


def test_no_answer_is_wrong_everywhere() -> None:
    result = score("browser", BEFORE, page("a"), None)
    assert (result.exact, result.delta, result.outcome, result.answered) == (False,) * 4
    assert result.f1 == 0.0


def result(text: str) -> Transition:
    return Transition(observation=Observation(result=text))


def test_results_are_compared_as_json() -> None:
    assert score("tools", (), result('{"a": 1, "b": [2]}'), result('{"b":[2],"a":1}')).exact
    assert not score("tools", (), result('{"a": 1}'), result('{"a": 1.0}')).exact
    half = score("tools", (), result('{"a": 1, "b": 2}'), result('{"a": 1, "b": 3}'))
    assert half.f1 == 0.5


def test_leaves_carry_their_path() -> None:
    assert set(leaves('{"a": [1, {"b": null}], "c": {}}')) == {"/a/0 1", "/a/1/b null", "/c {}"}


def test_outcome_classes() -> None:
    assert outcome_class(Observation(result="Error: no")) == "error"
    assert outcome_class(Observation(result='{"status":404}')) == "error"
    assert outcome_class(Observation(error="no such ref")) == "error"
    assert outcome_class(Observation(page='main\n  alert "Card declined"')) == "error"
    assert outcome_class(Observation(result='{"status":"paid"}')) == "ok"


def test_summary_splits_by_state_change() -> None:
    metrics = Metrics("browser")
    metrics.scores = [
        score("browser", BEFORE, page("a", delta=(("x", 1),)), page("a", delta=(("x", 1),))),
        score("browser", BEFORE, page("c"), page("d")),
    ]
    summary = metrics.summary()
    assert summary["exact"] == 0.5
    assert summary["exact_changed"] == 1.0
    assert summary["exact_unchanged"] == 0.0
    assert summary["delta"] == 1.0
    assert summary["changed_steps"] == 1


def test_a_mistake_is_shown_once_whoever_met_it() -> None:
    real = page("a", "Total $5.00")
    seen = [("s1", page("a", "Total $6.00")), ("s2", page("a", "Total $6.00")), ("s3", page("b", "Total $5.00"))]
    steps = [Scored(name, 1, "look()", real, guess, score("browser", BEFORE, real, guess)) for name, guess in seen]
    elsewhere = Scored("s4", 1, "look()", page("z", "Total $5.00"), page("z", "Total $6.00"), steps[0].score)
    assert [example[0] for example in worst_of([*steps, elsewhere])] == ["s1", "s3"]
    dearer = Scored("s5", 1, "look()", page("a", "Total $71.20"), page("a", "Total $8.00"), steps[0].score)
    assert [example[0] for example in worst_of([*steps, dearer])] == ["s1", "s3"]
    many = [Scored("s", n, "look()", page("n" * n), page("x"), steps[0].score) for n in range(2 * WORST)]
    assert [example[1] for example in worst_of(many)] == list(range(WORST))
