"""Probabilities that mean what they say, and a region that keeps its promise."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.rng import Rng
from worldmodel.conformal import Curve, accuracy_at, auroc, calibration_error, figures, isotonic, region
from worldmodel.support import FEATURES, comparable, same_answer
from worldmodel.trees import NEVER, Trees, boost
from worldmodel.trust import Answered, Trust, fits, rounds_for

numbers = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=7)


@given(numbers)
def test_isotonic_rises_and_leaves_rising_alone(values: list[float]) -> None:
    found = isotonic(values)
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(found))
    assert isotonic(found) == pytest.approx(found)
    assert isotonic(sorted(values)) == sorted(values)
    assert sum(found) == pytest.approx(sum(values))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=5))
def test_isotonic_is_the_least_squares_fit(pairs: list[tuple[int, int]]) -> None:
    """Against every way to cut the sequence into level blocks: the best fit is one of them."""
    values, weights = [float(v) for v, _ in pairs], [float(w) for _, w in pairs]

    def cost(fitted: list[float]) -> float:
        return sum(w * (f - v) ** 2 for f, v, w in zip(fitted, values, weights, strict=True))

    best = math.inf
    for cuts in itertools.product((False, True), repeat=len(values) - 1):
        blocks: list[list[int]] = [[0]]
        for i, cut in enumerate(cuts, start=1):
            blocks.append([i]) if cut else blocks[-1].append(i)
        means = [sum(values[i] * weights[i] for i in b) / sum(weights[i] for i in b) for b in blocks]
        if all(a <= b for a, b in itertools.pairwise(means)):
            best = min(best, cost([m for m, b in zip(means, blocks, strict=True) for _ in b]))
    assert cost(isotonic(values, weights)) == pytest.approx(best)


scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@given(scored, st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_a_curve_is_a_probability_and_keeps_the_order(pairs: list[tuple[float, bool]], at: list[float]) -> None:
    curve = Curve.fit([s for s, _ in pairs], [r for _, r in pairs])
    found = [curve.at(s) for s in sorted(at)]
    assert all(0 <= p <= 1 for p in found)
    assert all(a <= b for a, b in itertools.pairwise(found))
    assert all(p < q for (s, p), (t, q) in itertools.pairwise(zip(sorted(at), found, strict=True)) if t - s > 1e-6)


def test_n_of_n_right_is_not_certainty() -> None:
    curve = Curve.fit([0.2, 0.9, 0.9, 0.9], [False, True, True, True])
    assert 0.7 < curve.at(0.9) < 0.8
    assert curve.at(1.0) < 0.8
    assert curve.at(0.1) > 0.2


def draws(seed: int, count: int) -> tuple[list[float], list[bool]]:
    """Answers whose probability of being right is what their score says."""
    rng = Rng("synthetic", seed)
    scores = [rng.uniform() ** 0.3 for _ in range(count)]
    return scores, [rng.chance(s) for s in scores]


@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_the_region_keeps_its_promise(alpha: float) -> None:
    """Over many calibration sets, it holds more wrong answers than promised one time in ten at most."""
    found = [region(*draws(seed, 250), alpha) for seed in range(200)]
    there = [t for t in found if t is not None]
    # The share that is right in the region {s >= t}, where s is the third-and-a-bit root of a uniform draw.
    accuracy = [10 / 13 * (1 - t ** (13 / 3)) / (1 - t ** (10 / 3)) for t in there]
    assert len(there) > 50
    assert sum(a < 1 - alpha for a in accuracy) <= 0.1 * len(found)
    assert max(accuracy) - (1 - alpha) < 0.8 * alpha, "and no narrower than it must be"


def test_too_few_answers_promise_nothing() -> None:
    assert region([0.9] * 89, [True] * 89, 0.05) is None
    assert region([0.9] * 90, [True] * 90, 0.05) == 0.9
    assert region([0.9] * 90, [True] * 89 + [False], 0.05) is None
    assert region([], [], 0.5) is None


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.2, 0.4]))
def test_who_allows_more_gets_no_less(seed: int, alpha: float) -> None:
    scores, right = draws(seed, 120)
    strict, loose = region(scores, right, alpha), region(scores, right, 1.5 * alpha)
    assert strict is None or (loose is not None and loose <= strict)
    if strict is not None:
        inside = [c for s, c in zip(scores, right, strict=True) if s >= strict]
        assert inside.count(False) < alpha * len(inside)


@given(scored)
def test_auroc_is_the_share_of_pairs_in_order(pairs: list[tuple[float, bool]]) -> None:
    good, bad = [s for s, c in pairs if c], [s for s, c in pairs if not c]
    found = auroc([s for s, _ in pairs], [c for _, c in pairs])
    if not good or not bad:
        assert found is None
    else:
        wins = sum((g > b) + 0.5 * (g == b) for g in good for b in bad)
        assert found == pytest.approx(wins / (len(good) * len(bad)))


def test_figures() -> None:
    scores, right = [0.9, 0.8, 0.8, 0.1], [True, True, False, False]
    assert accuracy_at(scores, right, 0.25) == 1.0
    assert accuracy_at(scores, right, 0.5) == 0.75
    assert accuracy_at(scores, right, 1.0) == 0.5
    assert accuracy_at([], [], 0.8) is None
    assert calibration_error([0.25] * 4, [True, False, False, False]) == 0.0
    assert calibration_error([1.0], [False]) == 1.0
    found = figures(scores, right, 0.85)
    assert (found["coverage"], found["inside"], found["accuracy"]) == (0.25, 1.0, 0.5)
    assert figures(scores, right, None)["coverage"] == 0.0


# -- the estimate --------------------------------------------------------------------------------------


def row(**values: float) -> list[float]:
    return [{"bias": 1.0, **values}.get(name, 0.0) for name in FEATURES]


def answers(count: int = 400) -> Answered:
    """What was recorded is right nine times in ten, the rest once in ten; drift halves that."""
    rng = Rng("answers")
    out = Answered()
    for i in range(count):
        known, drift = float(rng.chance(0.5)), float(rng.chance(0.3))
        p = (0.95 if known else 0.1) * (0.5 if drift else 1.0)
        out.add(row(record=3 * known - 1.5, drift=drift, context=rng.uniform()), rng.chance(p), f"s{i // 5}")
    return out


def test_trust_learns_what_tells_and_is_calibrated() -> None:
    trust, report = Trust.fit(answers(2000), alpha=0.2)
    assert report["auroc"] > 0.8
    assert report["ece"] < 0.08
    assert trust.probability(row(record=1.5)) > 0.85 > trust.probability(row(record=1.5, drift=1.0))
    assert trust.probability(row(record=-1.5)) < 0.25
    assert trust.holds(trust.probability(row(record=1.5, context=0.5)))
    assert not trust.holds(trust.probability(row(record=-1.5)))
    assert report["inside"] >= 0.8
    assert Trust.from_json(trust.to_json()) == trust


def test_many_answers_bear_more_trees_and_few_do_not() -> None:
    assert [rounds_for(n) for n in (8, 320, 640, 10_000)] == [40, 40, 80, 160]
    found = answers(1400)
    own = sum(fits(session) for session in found.sessions)
    assert {len(head.leaves) for head in Trust.fit(found)[0].heads} == {rounds_for(own)} != {rounds_for(8)}


def test_what_checks_was_not_fitted_on() -> None:
    found = answers()
    flipped = Answered(
        found.rows, [c == fits(s) for c, s in zip(found.right, found.sessions, strict=True)], found.sessions
    )
    straight = Answered(
        found.rows, [c or not fits(s) for c, s in zip(found.right, found.sessions, strict=True)], found.sessions
    )
    assert Trust.fit(found)[0].heads == Trust.fit(straight)[0].heads
    assert Trust.fit(flipped)[1]["auroc"] < 0.5


def test_others_teach_the_heads_and_prove_nothing() -> None:
    """However many there are and however they came out, what is proven is of the answers to what is new."""
    found = answers(600)
    alone, _ = Trust.fit(found)
    none = Answered([row(record=-1.5)] * 900, [False] * 900, [f"other{i // 5}" for i in range(900)])
    every = Answered([row(record=1.5, context=i / 900) for i in range(900)], [True] * 900, none.sessions)
    checked = sum(not fits(session) for session in found.sessions)
    for others in (none, every):
        trust, report = Trust.fit(found, others)
        assert trust.heads != alone.heads
        assert trust.fitted_on == 600 - checked + 900
        assert report["steps"] == checked
        assert report["accuracy"] == Trust.fit(found)[1]["accuracy"]
        assert trust.usual is not None
        mean = sum(c for c, s in zip(found.right, found.sessions, strict=True) if not fits(s)) / checked
        assert trust.usual[0] == pytest.approx(mean, abs=0.08), "of held-out answers half are right"
    assert not Trust.fit(Answered(), every)[0].holds(1.0), "others alone promise nothing"


def level(value: float) -> Trees:
    return Trees.from_json([[[0, 0, 0], [NEVER] * 3, [value, 0.0, 0.0, 0.0]]], len(FEATURES))


def test_heads_that_disagree_are_believed_less() -> None:
    alike, apart = Trust(heads=(level(0.0), level(0.0))), Trust(heads=(level(4.0), level(-4.0)))
    sure = row(record=8.0)
    assert 0.5 < apart.probability(sure) < alike.probability(sure)


def test_trees_say_what_a_line_cannot() -> None:
    rng = Rng("xor")
    x = np.array([[rng.uniform(), rng.uniform(), rng.uniform()] for _ in range(400)])
    y = ((x[:, 0] > 0.5) != (x[:, 1] > 0.5)).astype(np.float64)
    found = boost(x, y, np.zeros(400))
    assert auroc(found(x).tolist(), y.astype(bool).tolist()) > 0.95
    assert boost(x, y, np.zeros(400)) == found
    assert Trees.from_json(json.loads(json.dumps(found.to_json())), 3) == found
    assert found(np.full((1, 3), 1e40)).shape == (1,)
    # What is explained already is left alone.
    still = boost(x, y, 30 * (2 * y - 1))
    assert np.abs(still(x)).max() < 1e-3
    with pytest.raises(ValueError, match="features"):
        Trees.from_json(found.to_json(), 1)


def test_nothing_is_promised_without_held_out_sessions() -> None:
    trust, report = Trust.fit(Answered())
    assert trust == Trust()
    assert not trust.holds(1.0)
    assert not trust.drifts([0.0] * 20)
    assert report["auroc"] is None
    assert Trust.from_json(trust.to_json()) == trust


def test_drift_is_a_run_of_unusual_doubt() -> None:
    trust = Trust(usual=(0.8, 0.2))
    assert not trust.drifts([0.1] * 7)
    assert trust.drifts([0.9] * 8 + [0.6] * 8)
    assert not trust.drifts([0.1] * 8 + [0.75] * 8)


@pytest.mark.parametrize(
    "change",
    [
        {"features": []},
        {"heads": [[1.0]]},
        {"heads": [[[[99, 0, 0], [0.0] * 3, [0.0] * 4]]]},
        {"heads": []},
        {"curve": [[1]]},
        {"usual": 3},
    ],
)
def test_a_damaged_estimate_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Trust.from_json({**Trust().to_json(), **change})


# -- what counts as right ------------------------------------------------------------------------------


def test_changes_in_any_order_are_the_same_answer() -> None:
    a = ('! "x" = 1', '! "y"', '@url "/"', "main")
    assert same_answer(a, ('! "y"', '! "x" = 1', '@event "bug:odd"', '@url "/"', "main"))
    assert not same_answer(a, ('! "y"', '@url "/"', "main"))
    assert not same_answer(a, ('! "x" = 1', '! "y"', '@url "/"', "main", "main"))


def test_chance_is_not_an_error() -> None:
    fired, plain = ('@event "bug:odd"', "main"), ("main",)
    assert comparable(fired, fired, {})
    assert not comparable(fired, plain, {"odd": 0.1})
    assert not comparable(plain, fired, {"odd": 0.1})
    assert comparable(fired, plain, {"odd": 1.0})
    assert comparable(fired, plain, {})
