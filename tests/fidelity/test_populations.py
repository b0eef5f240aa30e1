"""pass^k and the spread over populations: against values worked out by hand, and as properties."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.fidelity.intervals import pass_hat_k, rate
from envsim.fidelity.populations import spread
from envsim.rollout import Rollout
from envsim.types import Outcome

COUNTS = st.lists(st.integers(4, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=6)


@given(COUNTS, st.integers(1, 4))
def test_pass_hat_k_is_the_share_of_k_subsets_without_a_failure(counts, k):
    shares = []
    for hits, n in counts:
        trials = [True] * hits + [False] * (n - hits)
        subsets = list(combinations(trials, k))
        shares.append(sum(map(all, subsets)) / len(subsets))
    assert pass_hat_k(counts, k).value == pytest.approx(sum(shares) / len(shares))


@given(COUNTS)
def test_pass_hat_k_falls_with_k_and_begins_at_the_mean(counts):
    values = [pass_hat_k(counts, k).value for k in range(1, 5)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(sum(hits / n for hits, n in counts) / len(counts))


@pytest.mark.parametrize(("counts", "k"), [([(1, 2)], 3), ([(1, 1)], 0), ([(3, 2)], 1)])
def test_pass_hat_k_refuses_what_it_cannot_estimate(counts, k):
    with pytest.raises(ValueError, match="pass"):
        pass_hat_k(counts, k)


def episodes(*rewards):
    kinds = ["policy" if reward is not None else "infra" for reward in rewards]
    outcomes = [Outcome(kind=kind, reward=reward) for kind, reward in zip(kinds, rewards, strict=True)]
    return [Rollout("p", f"t@{index}", index, 1, outcome) for index, outcome in enumerate(outcomes)]


def test_the_gap_is_between_the_best_and_the_worst_population():
    found = spread({"a": episodes(*[1.0] * 30), "b": episodes(*[1.0, 0.0] * 15), "c": episodes(*[1.0, 1.0, 0.0] * 10)})
    assert found.gap.value == pytest.approx(0.5)
    assert found.gap.low < 0.5 < found.gap.high
    assert found.success["b"] == rate(15, 30)


def test_episodes_that_one_population_could_not_score_do_not_count_in_the_gap():
    found = spread({"a": episodes(1.0, None, 1.0), "b": episodes(0.0, 0.0, 1.0)})
    assert (found.gap.value, found.gap.n) == (0.5, 2)
    assert found.success["a"].n == 2
    assert spread({"a": episodes(None), "b": episodes(1.0)}).gap.n == 0


def test_equal_populations_have_no_gap():
    same = episodes(1.0, 0.0, 1.0)
    assert spread({"a": same, "b": list(same)}).gap.value == 0.0
