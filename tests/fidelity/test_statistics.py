"""The statistics of a fidelity report against values by hand and by brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.fidelity.decision import ALL, compare_outcomes, powered
from envsim.fidelity.figures import of_steps
from envsim.fidelity.intervals import (
    design_effect,
    difference,
    normal,
    percentiles,
    rate,
    share,
    student,
    weights,
    wilson,
)
from envsim.fidelity.one_step import StepScore, figures
from envsim.fidelity.ppi import prediction_powered
from envsim.fidelity.ranks import compare_ranks, mmrv, spearman
from envsim.fidelity.reliability import accuracy, auroc, reliability
from envsim.fidelity.survival import Lifetime, kaplan_meier, median_steps, reached
from envsim.rollout import Rollout
from envsim.types import Outcome

# -- intervals -------------------------------------------------------------------------------------


def test_a_share_counts_observations_and_draws_clusters():
    # One long session that is all wrong and two short right ones: 2 of 12 steps.
    found = share([0, 1, 1], [10, 1, 1], seed=3)
    assert (found.value, found.n) == (pytest.approx(2 / 12), 12)
    assert found.low == 0.0
    assert found.high == 1.0  # without the long session everything is right: steps as units would never say so
    assert found == share([0, 1, 1], [10, 1, 1], seed=3)
    assert share([0, 4], [0, 8]).n == 8


def test_a_share_at_its_edge_still_has_an_interval():
    found = share([5, 5, 5, 5], [5, 5, 5, 5])
    assert (found.value, found.low, found.high) == (1.0, rate(4, 4).low, 1.0)
    assert share([0.0], [9]).high == rate(0, 1).high
    assert share([], []).n == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_an_interval_holds_its_estimate(pairs):
    found = share([min(pair) for pair in pairs], [max(pair) for pair in pairs])
    if found.n:
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_weights_are_a_bootstrap_of_whole_clusters():
    drawn = weights(7, seed=1)
    assert drawn.shape == (1000, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert abs(drawn.mean() - 1) < 1e-9
    assert not np.array_equal(drawn, weights(7, seed=2))


def test_resamples_that_gave_nothing_are_left_out():
    found = percentiles(0.5, np.array([np.nan, 0.4, 0.6]), 9)
    assert (found.low, found.high) == (pytest.approx(0.405), pytest.approx(0.595))
    assert math.isnan(percentiles(math.nan, np.array([0.4]), 9).value)


def test_the_difference_of_two_rates_is_newcombes():
    # Newcombe (1998), table II, method 10, examples (a) 56/70 - 48/80 and (h) 10/10 - 0/10.
    found = difference(rate(56, 70), rate(48, 80))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    found = difference(rate(10, 10), rate(0, 10))
    assert (round(found.low, 4), round(found.high, 4)) == (0.6075, 1.0)
    assert difference(rate(0, 0), rate(1, 2)).n == 0


def test_the_design_effect_is_how_many_observations_count_as_one():
    # Every cluster of four is all or nothing: four observations are worth one (times k / (k - 1) for the lost degree).
    assert design_effect([4, 0, 4, 0], [4, 4, 4, 4]) == pytest.approx(4 * 4 / 3)
    # Every cluster has half: less spread than chance would have, which is taken for independence.
    assert design_effect([2, 2, 2], [4, 4, 4]) == 1.0
    assert design_effect([0, 0], [6, 2]) == 4.0
    assert design_effect([], []) == design_effect([0], [0]) == 1.0


# -- survival --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "freedom", "value"),
    [(0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 3, 3.182), (0.95, 19, 2.093), (0.99, 4, 4.604), (0.995, 10, 3.581)],
)
def test_student_s_quantiles_are_those_of_the_tables(level, freedom, value):
    assert student(level, freedom) == pytest.approx(value, rel=0.01)
    assert student(0.999, 3) == pytest.approx(12.924, rel=0.05)
    assert student(0.999, 5) == pytest.approx(6.869, rel=0.01)
    assert student(level, 10**6) == pytest.approx(normal(level), rel=1e-4)


def test_the_survival_curve_is_kaplan_and_meiers():
    # Diverged at 1, 3, 3 and 5 steps (held one fewer), seen to their end at 2 and 4: the textbook product.
    sessions = [Lifetime(0, True), Lifetime(2, True), Lifetime(2, True), Lifetime(4, True)]
    sessions += [Lifetime(2, False), Lifetime(4, False)]
    expected = [1, 5 / 6, 5 / 6, 5 / 6 * 2 / 4, 5 / 6 * 2 / 4, 0]
    assert kaplan_meier(sessions) == pytest.approx(expected)
    assert median_steps(sessions).value == 2  # the third step is the first that most do not survive


def test_sessions_seen_to_their_end_do_not_count_as_diverged():
    ended = [Lifetime(3, False)] * 9 + [Lifetime(1, True)]
    assert kaplan_meier(ended) == pytest.approx([1, 1, 0.9, 0.9])
    assert median_steps(ended).value == 3
    assert not reached(kaplan_meier(ended))
    assert reached(kaplan_meier([Lifetime(1, True), Lifetime(5, False)]))


lifetimes = st.lists(st.builds(Lifetime, st.integers(0, 8), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(lifetimes)
def test_survival_falls_and_matches_the_definition(sessions):
    curve = kaplan_meier(sessions)
    expected = 1.0
    for step, value in enumerate(curve):
        at_risk = [s for s in sessions if s.held + s.diverged >= step]
        lost = [s for s in at_risk if s.diverged and s.held + 1 == step]
        expected *= 1 - len(lost) / len(at_risk)
        assert value == pytest.approx(expected)
    assert list(curve) == sorted(curve, reverse=True)
    median = median_steps(sessions)
    assert median.low <= median.value <= median.high < len(curve)
    if all(s.diverged for s in sessions):
        # Without censoring it is the lower median of how long they held.
        assert median.value == sorted(s.held for s in sessions)[(len(sessions) - 1) // 2]


# -- ranks -----------------------------------------------------------------------------------------


def test_spearman_is_that_of_the_textbook_with_ties_shared():
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: Pearson of these by hand is 4.5 / sqrt(4.5 * 5).
    assert spearman([0.1, 0.5, 0.5, 0.9], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(22.5))
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


def test_mmrv_is_the_mean_of_the_dearest_violations():
    # a and b are swapped (cost 0.1), c is placed right: (0.1 + 0.1 + 0) / 3.
    assert mmrv([0.5, 0.6, 0.9], [0.6, 0.5, 0.9]) == pytest.approx(0.2 / 3)
    assert mmrv([0.5, 0.6, 0.9], [0.1, 0.2, 0.3]) == 0


shares = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=7)


@given(shares)
def test_mmrv_against_the_paper_s_formula(pairs):
    real, sim = [p[0] / 4 for p in pairs], [p[1] / 4 for p in pairs]
    worst = [
        max(abs(real[i] - real[j]) * ((sim[i] < sim[j]) != (real[i] < real[j])) for j in range(len(pairs)))
        for i in range(len(pairs))
    ]
    assert mmrv(real, sim) == pytest.approx(sum(worst) / len(worst))


def test_rank_figures_rest_on_scored_episodes_of_three_policies():
    real = [[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]]
    sim = [[1, 1, math.nan, 1], [0, 1, 1, 0], [0, 0, 0, 0]]
    correlation, violation = compare_ranks(real, sim, seed=2)
    assert (correlation.value, violation.value, correlation.n) == (1.0, 0.0, 12)
    assert correlation.low <= 1.0
    assert compare_ranks(real[:2], sim[:2])[0].n == 0


# -- prediction-powered inference ------------------------------------------------------------------


def test_a_perfect_model_is_worth_all_its_episodes():
    real = [1.0, 0.0] * 20
    found = prediction_powered(real, real, [1.0, 0.0] * 60)
    # lambda = 1 / (1 + n/N); the variance becomes that of n + N episodes: 160 / 40 = 4.
    assert found.weight == pytest.approx(1 / (1 + 40 / 120), rel=0.05)
    assert found.gain.value == pytest.approx(4, rel=0.05)
    assert found.gain.low <= found.gain.value <= found.gain.high <= 4
    assert math.isinf(found.limit)
    assert found.powered.value == 0.5
    assert found.powered.high - found.powered.low < found.classical.high - found.classical.low


def test_a_model_that_says_nothing_costs_nothing():
    real = [1.0, 1.0, 0.0, 0.0] * 10
    unrelated = [1.0, 0.0, 1.0, 0.0] * 10
    for useless in (unrelated, [1.0] * 40, [1 - y for y in real]):
        found = prediction_powered(real, useless, [1.0] * 100)
        assert (found.weight, found.gain.value, found.powered.value) == (0.0, 1.0, 0.5)
        assert found.powered == found.classical
    assert prediction_powered(real, real, []).gain.value == 1.0


def test_the_formula_by_hand():
    y, f, more = [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    # cov(y, f) = 1/6, var(f over all 12) = 12/11 * 1/4 = 3/11; lambda = (1/6) / (1.5 * 3/11) = 11/27.
    found = prediction_powered(y, f, more)
    assert found.weight == pytest.approx(11 / 27)
    assert found.powered.value == pytest.approx(0.5 + 11 / 27 * (3 / 8 - 3 / 4))
    with pytest.raises(ValueError, match="no pairs"):
        prediction_powered(y, f[1:], more)


def test_the_estimate_is_right_whatever_the_model_s_bias_and_its_interval_covers():
    """200 studies of 50 real and 500 more simulated episodes; the model flatters: 0.65 instead of 0.5."""
    rng = np.random.default_rng(0)
    estimates, covered, widths, gains = [], 0, [], []
    for _ in range(200):
        y = (rng.random(550) < 0.5).astype(float)
        f = np.where(rng.random(550) < 0.7, y, 1.0)
        found = prediction_powered(y[:50], f[:50], f[50:])
        estimates.append(found.powered.value)
        covered += found.powered.low <= 0.5 <= found.powered.high
        widths.append((found.powered.high - found.powered.low) / (found.classical.high - found.classical.low))
        gains.append(found.gain.value)
    assert np.mean(estimates) == pytest.approx(0.5, abs=3 * np.std(estimates) / math.sqrt(200))
    assert covered >= 181  # 95% of 200, less three standard errors
    # Correlation^2 of y and f is 0.538; ten times as many simulated episodes gain 1 / (1 - 0.538 * 10/11).
    assert np.median(gains) == pytest.approx(1.96, abs=0.15)
    assert np.var(estimates) == pytest.approx(0.25 / (50 * 1.96), rel=0.3)
    assert np.median(widths) == pytest.approx(1 / math.sqrt(1.96), abs=0.05)


def rollouts(policy, rewards, first=0):
    return [
        Rollout(policy, "t@0", seed, 3, Outcome(kind="policy" if r is not None else "infra", reward=r))
        for seed, r in enumerate(rewards, start=first)
    ]


def test_every_policy_gets_its_estimate_and_all_together_one():
    real = rollouts("a", [1.0, 0.0]) + rollouts("b", [0.0, 0.0])
    sim = rollouts("a", [1.0, None]) + rollouts("b", [0.0, 1.0])
    found = powered(real, sim, rollouts("a", [1.0], first=2))
    assert [(item.policy, item.classical.n, item.extra) for item in found] == [
        ("a", 1, 1), ("b", 2, 0), (ALL, 2, 1),
    ]  # fmt: skip
    # Of all policies a seed is one observation, its value their mean.
    assert found[-1].classical.value == 0.25


def test_decisions_say_how_well_policies_are_ranked():
    real, sim = [], []
    for name, (a, b) in {"x": (1, 1), "y": (1, 0), "z": (0, 0)}.items():
        real += rollouts(name, [float(a), 1.0 * (name == "x")])
        sim += rollouts(name, [float(b), 1.0 * (name == "x")])
    decision = compare_outcomes(real, sim)
    # Sandbox 1, 1/2, 0; model 1, 0, 0: z is no longer below y. By the formula a tie costs the lower one only.
    assert decision.mmrv.value == pytest.approx(0.5 / 3)
    assert decision.rank_correlation.value == pytest.approx(math.sqrt(3) / 2)
    assert decision.success_gap.value == pytest.approx(0.5 / 3)


# -- one step and trust ----------------------------------------------------------------------------


def step(session="s", *, exact=True, delta=True, changes=0, trust=1.0, f1=1.0, answered=True, parsed=True):
    return StepScore(session, 1, exact, f1, delta, True, changes, answered, parsed, trust)


def test_one_step_figures_by_size_of_delta():
    scores = [
        step(changes=0), step(changes=1, delta=False), step(changes=2), step(changes=3, delta=False, exact=False),
        step("other", changes=7, f1=None, parsed=False), step(answered=False, exact=False, delta=False, parsed=False),
    ]  # fmt: skip
    found = figures(scores)
    value = {name: (estimate.value, estimate.n) for name, estimate in found.items()}
    assert value["delta_exact"] == (0.5, 6)
    assert value["delta_exact_unchanged"] == (0.5, 2)
    assert value["delta_exact_changed"] == (0.5, 4)
    assert value["delta_exact_small"] == (0.5, 2)
    assert value["delta_exact_large"] == (0.5, 2)
    assert value["page_exact_large"] == (0.5, 2)
    assert value["changed_f1"][1] == 5
    assert value["parse_rate"] == (0.8, 5)
    assert value["answered"] == (pytest.approx(5 / 6), 6)


one_row = np.ones((1, 1))
steps = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=2, max_size=12)


@given(steps)
def test_auroc_is_the_chance_that_right_is_above_wrong(pairs):
    trust, right = np.array([p[0] for p in pairs]), np.array([float(p[1]) for p in pairs])
    good, bad = trust[right == 1], trust[right == 0]
    found = auroc(trust, right, np.ones((1, len(pairs))))[0]
    if len(good) and len(bad):
        wins = [(g > b) + 0.5 * (g == b) for g in good for b in bad]
        assert found == pytest.approx(sum(wins) / len(wins))
    else:
        assert math.isnan(found)


def test_what_nobody_can_foresee_lowers_trust_or_is_left_out():
    # Nine steps of ten are right; at ten more a bug of rate 0.4 may fire, which is foretold not to, and does at four.
    sure = [StepScore("a", i, i > 0, 1.0, True, True, 0, trust=0.9) for i in range(10)]
    open_ = [
        StepScore("a", i, i > 3, 1.0, True, True, 0, trust=0.99, odds=0.6, real=("slow",) if i <= 3 else ())
        for i in range(10)
    ]
    found = of_steps([*sure, *open_], {"slow"}, trusted=True, seed=0)
    assert found["page_exact"].value == pytest.approx(15 / 20)
    assert found["page_exact_certain"].value == pytest.approx(15 / 16)
    # Pairs (right, wrong): right ones are 9 at 0.9 and 6 at 0.594, wrong ones 1 and 4.
    assert found["trust_auroc"].value == pytest.approx((9 * (0.5 + 4) + 6 * (0 + 4 * 0.5)) / 75)
    assert found["trust_auroc_certain"].value == pytest.approx((9 * 0.5 + 6 * 1) / 15)
    assert found["trust_calibration_error_certain"].value == pytest.approx(0.06 / 16)
    assert "trust_auroc" not in of_steps(sure, (), trusted=False, seed=0)


def test_accuracy_at_coverage_takes_the_most_trusted():
    trust, right = np.array([0.9, 0.8, 0.7, 0.6, 0.1]), np.array([1.0, 1, 1, 1, 0])
    assert accuracy(trust, right, np.ones((1, 5)))[0] == 1.0
    # All trusted alike: any 80% are right as often as all.
    assert accuracy(np.full(5, 0.5), right, np.ones((1, 5)))[0] == pytest.approx(0.8)
    assert accuracy(trust[::-1], right, np.ones((1, 5)))[0] == pytest.approx(0.75)


def test_reliability_bins_and_calibration_error():
    scores = [step("a", trust=0.95)] * 3 + [step("b", trust=0.95, exact=False)] + [step("b", trust=0.05, delta=False)]
    found = reliability([*scores, step(answered=False, trust=0.0)])
    assert [(item.right.value, item.right.n) for item in found.bins] == [(0.0, 1), (0.75, 4)]
    assert found.calibration_error.value == pytest.approx((4 * 0.2 + 0.05) / 5)
    assert found.auroc.value == pytest.approx((3 + 3 * 0.5) / 6)
    assert reliability([]).auroc.n == 0


def test_wilson_takes_an_effective_number():
    assert wilson(0.5, 40).low < wilson(0.5, 62.5).low < 0.5
    assert wilson(0.25, 20) == rate(5, 20)
