"""Bug fidelity on sessions written by hand: opportunities, rates, triggers, verdicts."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.fidelity.bugs import COUNTED, _Counts, _elsewhere, compare_bugs, operation, summary
from envsim.fidelity.equivalence import finding, needed, rates
from envsim.fidelity.intervals import Estimate, difference, ratio, wilson
from envsim.fidelity.one_step import StepScore
from envsim.page.lines import Line, assign_refs, format_lines
from envsim.rng import Rng
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Event, Observation

LINES = assign_refs([Line("button", "Pay 3 items"), Line("link", "Mug", url="/p/mug?ref=1"), Line("textbox", "Code")])
PAGE = Observation(url="/checkout/7", page=format_lines(LINES))
PAY = Action.call("click", bid=LINES[0].ref)
LOOK = Action.call("click", bid=LINES[1].ref)
GO = Action.call("goto", url="/")
AWAY = Action.call("goto", url="/away")
BUGS = {"down": 0.2, "modal": 1.0, "stale": 1.0}


def session(*steps: tuple[Action, str], bugs: dict[str, float] = BUGS, seed: int = 0) -> Trace:
    rows = [Step(index=0, observation=PAGE)]
    for index, (action, bug) in enumerate(steps, start=1):
        events = (Event(kind="bug", id=bug),) if bug else ()
        rows.append(Step(index=index, action=action, observation=PAGE, events=events))
    header = Header(session="s", app="x", source="rollout", interface="browser", bugs=bugs, seed=seed)
    return Trace(header, tuple(rows), None)


def pays(fired: int, of: int, bug: str = "down", action: Action = PAY) -> list[Trace]:
    """Sessions of one step each, all of other seeds: independent opportunities."""
    return [session((action, bug if i < fired else ""), seed=i) for i in range(of)]


def test_an_operation_says_what_is_done_without_whose():
    before = Step(index=0, observation=PAGE)
    assert operation(before, PAY) == 'press "Pay 0 items" at /checkout/*'
    assert operation(before, LOOK) == "open /p/*"
    assert operation(before, Action.call("goto", url="/c/mugs?page=2&sort=x")) == "open /c/*"
    assert operation(before, Action.call("fill", bid=LINES[2].ref, value="X")) == "fill"
    assert operation(before, Action.say("hello")) == "say"
    tools = Step(index=0, observation=Observation(result="{}"))
    assert operation(tools, Action.call("get_order", number="7")) == "tool get_order"


@pytest.mark.parametrize(
    ("reference", "candidate", "verdict"),
    [
        (pays(100, 400), pays(104, 400), "reproduced"),
        (pays(8, 40), pays(8, 40), "too few to say"),  # the same is no proof of the same
        (pays(0, 40), pays(0, 40), None),
        (pays(8, 40), pays(30, 40), "rate off"),
        (pays(100, 400), pays(50, 400), "rate off"),
        (pays(20, 40), pays(0, 40), "missed"),
        (pays(1, 5), pays(0, 5), "too few to say"),
        (pays(8, 40), [session()], "too few to say"),  # it never came to pay at all
        (pays(0, 40), pays(20, 40), "invented"),
        (pays(0, 40), pays(20, 40, "unheard-of"), "invented"),
    ],
)
def test_verdicts(reference, candidate, verdict):
    assert [row.verdict for row in compare_bugs(reference, candidate)] == [verdict] * (verdict is not None)


def test_what_is_found_and_is_within_the_margins_is_equal():
    # 0.25 and 0.24 of so many are two rates, and nobody's concern.
    real, sim = (dict.fromkeys(range(100), (hits, 1000)) for hits in (250, 240))
    gap = difference(rates(real, sim, 0.95).candidate, rates(real, sim, 0.95).reference)
    assert gap.high < 0
    assert finding(real, sim, 0.05) == "equal"


def test_rates_count_opportunities_in_each_world():
    real = session((PAY, "down"), (PAY, ""), (LOOK, ""), (LOOK, ""))
    sim = session((PAY, ""), (PAY, ""), (PAY, "down"), (LOOK, ""))
    (row,) = compare_bugs([real], [sim])
    assert (row.declared, row.reference.value, row.reference.n) == (0.2, 0.5, 2)
    assert (row.candidate.value, row.candidate.n) == (pytest.approx(1 / 3), 3)
    assert (row.precision.value, row.recall.value) == (1.0, 1.0)


def test_a_bug_that_fires_where_it_does_not_belong_is_invented_there():
    real = [*pays(10, 20), *pays(0, 30, action=LOOK)]
    sim = [*pays(10, 20), *pays(20, 30, action=LOOK)]
    (row,) = compare_bugs(real, sim)
    assert row.verdict == "invented"
    assert row.precision.value == pytest.approx(10 / 30)
    assert row.recall.value == 1.0


def test_one_that_fires_too_seldom_is_held_against_the_reference():
    # By its own rate, one in forty, it would have had no cause to fire at forty visits.
    real = [*pays(10, 40), *pays(10, 40, action=LOOK)]
    (row,) = compare_bugs(real, [*pays(1, 40), *pays(0, 40, action=LOOK)])
    assert row.recall.value == 0.5


def test_new_places_are_held_to_the_level_of_all_bugs():
    # Never in forty visits there, and in twelve of forty here: one bug is invented, the nearest of twelve is not.
    real, sim = [*pays(4, 40), *pays(0, 40, action=LOOK)], [*pays(1, 40), *pays(12, 40, action=LOOK)]
    more = [trace for n in range(11) for trace in pays(5, 10, f"other-{n}", GO)]
    (alone,) = compare_bugs(real, sim)
    row = next(row for row in compare_bugs([*real, *more], [*sim, *more]) if row.bug == "down")
    assert (alone.verdict, row.verdict) == ("invented", "too few to say")


@pytest.mark.parametrize(("operations", "seeds", "odds"), [(100, 10, 0.05), (20, 20, 0.05), (6, 40, 0.1)])
def test_places_that_are_new_by_chance_are_no_invention(operations: int, seeds: int, odds: float) -> None:
    # They are chosen because it fired there and not here: tested on the same episodes, most equal worlds would fail.
    names, found = [f"open /{n}" for n in range(operations)], []
    for number in range(40):
        sides = []
        for side in (0, 1):
            rng = Rng(number, "new places", side)
            at = [(seed, name) for seed in range(seeds) for name in names]
            fired = Counter(key for key in at if rng.uniform() < odds)
            sides.append(_Counts(Counter(at), {"down": fired}))
        found.append(_elsewhere("down", *sides, 0.05 / 24))
    assert sum(found) <= 1


def test_one_may_fire_where_it_could_not_be_seen_to():
    # At a rate of 0.2 three visits without a firing tell nothing; fourteen do.
    for visits, precision in ((3, 1.0), (14, 0.5)):
        real = [*pays(4, 20), *pays(0, visits, action=LOOK)]
        (row,) = compare_bugs(real, [*pays(2, 20), *pays(2, 9, action=LOOK)])
        assert row.precision.value == precision


def test_one_that_always_fires_does_so_on_a_condition():
    # "modal" is declared to fire always, and does at one visit in four; so four visits elsewhere tell nothing.
    for visits, verdict in ((4, "too few to say"), (40, "invented")):
        real = [*pays(10, 40, "modal"), *pays(0, visits, action=LOOK)]
        sim = [*pays(2, 40, "modal"), *pays(6, 8, "modal", LOOK)]
        (row,) = compare_bugs(real, sim)
        assert row.verdict == verdict


def test_one_that_never_fired_here_may_have_had_no_cause_to():
    # "modal" is declared to fire always, on a condition that the reference never met.
    for fired, verdict in ((1, "too few to say"), (10, "invented")):
        (row,) = compare_bugs(pays(0, 20, "modal"), pays(fired, 20, "modal"))
        assert row.verdict == verdict


def test_few_seeds_tell_little_about_the_chance_that_they_share():
    def world(fired: int, seeds: int) -> list[Trace]:
        return [session((PAY, "down" if seed < fired else ""), seed=seed) for seed in range(seeds) for _ in range(8)]

    for seeds, verdict in ((3, "too few to say"), (30, "rate off")):
        (row,) = compare_bugs(world(seeds // 3, seeds), world(seeds, seeds))
        assert row.verdict == verdict


def test_one_of_many_bugs_may_be_off_by_chance():
    # Of one bug alone 12 of 60 and 25 of 60 are two rates; of the nearest of twelve bugs they may be one.
    others = [f"other-{n}" for n in range(11)]
    real, sim = pays(12, 60), pays(25, 60)
    (alone,) = compare_bugs(real, sim)
    more = [trace for bug in others for trace in pays(5, 10, bug, LOOK)]
    row = next(row for row in compare_bugs([*real, *more], [*sim, *more]) if row.bug == "down")
    assert (alone.verdict, row.verdict) == ("rate off", "too few to say")


def test_an_invented_bug_is_found_among_many():
    def world(fired: int, policies: int, seeds: int) -> list[Trace]:
        return [
            session((PAY, "down" if seed < fired and not policy else ""), seed=seed)
            for seed in range(seeds)
            for policy in range(policies)
        ]

    # Twelve bugs: at one in twenty of each, every other world would have one that is off.
    more = [trace for n in range(11) for trace in pays(5, 10, f"other-{n}", LOOK)]
    for policies, seeds, least in ((1, 160, 10), (8, 20, 10)):
        for fired, verdict in ((least - 1, "too few to say"), (least, "invented")):
            rows = compare_bugs([*world(0, policies, seeds), *more], [*world(fired, policies, seeds), *more])
            assert {row.bug: row.verdict for row in rows}["down"] == verdict


def test_chance_that_policies_share_counts_once():
    # Ten seeds, of each eight policies' episodes: fired in two seeds here and in five there.
    def world(fired: int) -> list[Trace]:
        return [session((PAY, "down" if seed < fired else ""), seed=seed) for seed in range(10) for _ in range(8)]

    (row,) = compare_bugs(world(2), world(5))
    assert row.verdict == "too few to say"
    assert (row.reference.value, row.reference.n) == (0.2, 80)
    assert row.reference.high > 0.5
    (apart,) = compare_bugs(pays(16, 80), pays(40, 80))
    assert apart.verdict == "rate off"


def test_a_bug_that_always_fires_is_compared_step_by_step():
    def score(real: str, predicted: str) -> StepScore:
        return StepScore("s", 1, True, 1.0, True, True, 0, real=(real,), predicted=(predicted,))

    steps = [score("modal", "modal"), score("modal", ""), score("", "modal"), score("modal", "modal")]
    (row,) = compare_bugs(pays(3, 4, "modal"), pays(3, 4, "modal"), steps)
    assert (row.precision.value, row.precision.n) == (pytest.approx(2 / 3), 3)
    assert (row.recall.value, row.recall.n) == (pytest.approx(2 / 3), 3)


def test_figures_over_all_bugs():
    real = [*pays(150, 500), *pays(20, 40, "stale", LOOK), *pays(1, 2, "modal", GO), *pays(0, 500, action=AWAY)]
    sim = [*pays(150, 500), *pays(0, 40, "stale", LOOK), *pays(40, 500, "made-up", AWAY), *pays(0, 2, "modal", GO)]
    found = summary(compare_bugs(real, sim))
    # "modal" fired once of two times and never in the other world: that tells nothing.
    assert (found["bugs_reproduced"].value, found["bugs_reproduced"].n) == (pytest.approx(1 / 3), 3)
    counts = {name: found[name].value for name in COUNTED}
    assert counts == {"bugs_missed": 1.0, "bugs_invented": 1.0, "bugs_rate_off": 0.0, "bugs_too_few": 1.0}
    # Of its three bugs "stale" alone has another rate; of "made-up" there is none to have.
    assert (found["bugs_inside"].value, found["bugs_inside"].n) == (pytest.approx(2 / 3), 3)
    assert summary(())["bugs_invented"].n == 0


def chance(dice: np.random.Generator, rate: float) -> dict[int, tuple[int, int]]:
    """Firings of ten opportunities of each of 20 seeds, half of them by chance that the seed's episodes share."""
    own, shared = dice.binomial(5, rate, 20), dice.random(20) < rate
    return {seed: (int(own[seed] + 5 * shared[seed]), 10) for seed in range(20)}


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.2, 0.4]), st.sampled_from([0.5, 2.0]))
def test_half_and_twice_the_rate_are_off_given_enough(key, rate, times):
    real = {i: (round(1000 * rate), 1000) for i in range(10)}
    n = needed(rate, 1.0, 0.05 / 12)
    # One opportunity of each seed: independent. As many as would show equal rates show these to differ.
    fired = np.random.default_rng(key).random(2 * n) < rate * times
    sim = {seed: (int(hit), 1) for seed, hit in enumerate(fired)}
    assert finding(real, sim, 0.05 / 12) == ("less" if times < 1 else "more")


def test_the_verdicts_of_a_world_hold_together():
    """Twelve bugs of 20 seeds, as their own sandbox with other chance has them, and at half and at twice the rate."""
    wrong = equal = 0
    dice = np.random.default_rng(0)
    for _ in range(40):
        for bug in range(12):
            rate = (0.05, 0.1, 0.2, 0.4)[bug % 4]
            real = chance(dice, rate)
            found = finding(real, chance(dice, rate), 0.05 / 12)
            wrong += found in ("less", "more")
            for times in (0.5, 2.0):
                equal += finding(real, chance(dice, rate * times), 0.05 / 12) == "equal"
    # 5% of 40 worlds, and of 80: two and four are expected at most.
    assert wrong <= 4
    assert equal <= 4


def test_what_is_needed_shows_that_equal_rates_are_equal():
    for rate, effect in ((0.05, 1.0), (0.3, 1.0), (0.3, 8.0), (1.0, 5.0)):
        n = needed(rate, effect, 0.05)
        assert n == pytest.approx(effect * needed(rate, 1.0, 0.05), rel=0.02, abs=effect)
    n = needed(0.2, 1.0, 0.05)
    # TOST's formula with the variance of the logarithm of the ratio, which is what binds at this rate.
    formula = 2 * 0.8 / 0.2 * (1.6449 + 1.2816) ** 2 / math.log(1.5) ** 2
    assert n == pytest.approx(formula, rel=0.1)
    hits = np.random.default_rng(0).binomial(n, 0.2, 400).tolist()
    found = [finding({i: (int(i < a), 1) for i in range(n)}, {i: (int(i < b), 1) for i in range(n)}, 0.05)
             for a, b in zip(hits[::2], hits[1::2], strict=True)]  # fmt: skip
    assert found.count("equal") / len(found) == pytest.approx(0.8, abs=0.08)
    assert needed(0.0, 1.0, 0.05) == 0


def test_a_ratio_is_as_wide_as_both_rates():
    one, two = Estimate(0.2, 0.1, 0.4, 50), Estimate(0.1, 0.05, 0.2, 50)
    found = ratio(one, two)
    assert (found.value, found.n) == (2.0, 100)
    assert (found.low, found.high) == (pytest.approx(2 / 2**2**0.5), pytest.approx(2 * 2**2**0.5))
    assert ratio(one, wilson(0.0, 50)).n == 0
