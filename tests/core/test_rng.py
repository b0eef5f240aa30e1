"""Counter-based randomness: same key, same draw, in any process; different keys, independent draws."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.rng import Rng, draw, uniform

KEYS = st.lists(st.integers() | st.text(), min_size=1, max_size=4)


def test_a_new_process_draws_the_same() -> None:
    code = "from envsim.rng import draw; print(draw(7, 'step', 3))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(out) == draw(7, "step", 3)


def test_draws_are_pinned() -> None:
    """Traces record seeds, so a change of this function would silently change what every one of them means."""
    assert draw(0) == 0xAAA9A94BA7FB8484
    assert draw(7, "step", 3) == 0x927FE131C70FEB0B


@given(KEYS)
def test_uniform_is_in_the_half_open_interval(key: list[int | str]) -> None:
    assert 0.0 <= uniform(*key) < 1.0


@given(KEYS, KEYS)
def test_different_keys_draw_differently(a: list[int | str], b: list[int | str]) -> None:
    assert (draw(*a) == draw(*b)) == (a == b)


@pytest.mark.parametrize(("a", "b"), [((1,), ("1",)), ((1, 2), (12,)), (("a", "b"), ("a\x1fsb",)), ((True,), (1,))])
def test_keys_that_look_alike_differ(a: tuple[int | str, ...], b: tuple[int | str, ...]) -> None:
    assert draw(*a) != draw(*b)


def test_uniform_fills_its_interval_evenly() -> None:
    counts = Counter(int(uniform("even", i) * 16) for i in range(16_000))
    # Chi-square with 15 degrees of freedom: 37.7 is its 99.9 % point.
    assert sum((counts[k] - 1000) ** 2 / 1000 for k in range(16)) < 37.7


def test_neighbouring_seeds_are_uncorrelated() -> None:
    pairs = [(uniform(seed, "x"), uniform(seed + 1, "x")) for seed in range(4000)]
    covariance = sum((a - 0.5) * (b - 0.5) for a, b in pairs) / len(pairs)
    assert abs(covariance / (1 / 12)) < 0.06


def test_streams_do_not_shift_each_other() -> None:
    alone = Rng(3, "a")
    expected = [alone.integer(100) for _ in range(5)]
    a, b = Rng(3, "a"), Rng(3, "b")
    got = []
    for _ in range(5):
        b.uniform()
        got.append(a.integer(100))
    assert got == expected


@given(st.integers(0, 30), st.integers(0, 30))
def test_position_is_the_whole_state(taken: int, more: int) -> None:
    rng = Rng(1, "fork")
    for _ in range(taken):
        rng.integer(10)
    fork = Rng(1, "fork", position=rng.position)
    assert [rng.uniform() for _ in range(more)] == [fork.uniform() for _ in range(more)]


@given(st.lists(st.integers()), st.integers())
def test_shuffled_is_a_permutation_and_leaves_its_input(items: list[int], seed: int) -> None:
    before = list(items)
    assert Counter(Rng(seed).shuffled(items)) == Counter(items)
    assert items == before


def test_shuffled_reaches_every_order_about_equally() -> None:
    counts = Counter("".join(Rng(seed, "order").shuffled("abc")) for seed in range(6000))
    assert len(counts) == 6
    assert max(counts.values()) - min(counts.values()) < 200


def test_sample_gives_distinct_positions() -> None:
    assert sorted(Rng(5).sample([1, 1, 2], 9)) == [1, 1, 2]
    assert len(set(Rng(5).sample(range(100), 10))) == 10


@pytest.mark.parametrize("below", [0, -1])
def test_integer_refuses_an_empty_range(below: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Rng(0).integer(below)


@pytest.mark.parametrize(("probability", "expected"), [(0.0, False), (1.0, True)])
def test_chance_at_its_ends(probability: float, expected: bool) -> None:
    assert all(Rng(seed).chance(probability) is expected for seed in range(500))
