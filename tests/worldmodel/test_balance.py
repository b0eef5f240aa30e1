"""Balanced training sees rare changes often, and still knows how rare they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envsim.rng import Rng
from worldmodel import balance, optimise, render
from worldmodel.model import Config, Transformer
from worldmodel.optimise import Example, Pace

OK, BUG = 11, 12
COIN = [
    *(Example([render.REQUEST, 20, render.OUT], [OK, render.END]) for _ in range(180)),
    *(Example([render.REQUEST, 20, render.OUT], [BUG, render.EDIT, 21, 21, 22, 23, render.END], 5) for _ in range(20)),
]
"""The same request 200 times; a bug fires on a tenth of them and rewrites the page."""


def rate_learned(root: Path, strength: float) -> float:
    """P(bug) after training on `COIN`."""
    torch.manual_seed(0)
    network = Transformer(Config(32, width=16, layers=1, heads=1))
    pace = Pace(epochs=20, batch_tokens=400, lr=1e-1, balance=strength)
    optimise.optimise(network, COIN, pace, root, "coin")
    with torch.inference_mode():
        hidden = network.hidden(torch.tensor([COIN[0].context]), torch.arange(3)[None])[:, -1]
        return float(network.logits(hidden)[0].softmax(-1)[BUG])


def test_a_coin_keeps_its_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rate_learned(tmp_path, 1.0) == pytest.approx(0.1, abs=0.02)
    monkeypatch.setattr(balance, "weights", lambda changes, strength: None)
    assert rate_learned(tmp_path, 1.0) > 0.35, "without correction every second one is a bug, as drawn"


def test_strength_one_draws_each_size_as_often() -> None:
    changes = [0] * 90 + [1] * 4 + [2] * 4 + [3, 40]
    found = Counter(balance.size_class(changes[i]) for i in balance.drawn(changes, 1.0, Rng(0)))
    assert found == {0: 33, 1: 33, 2: 33}
    assert balance.drawn(changes, 0.0, Rng(0)) == list(range(100))
    half = Counter(balance.size_class(changes[i]) for i in balance.drawn(changes, 0.5, Rng(0)))
    assert 33 < half[0] < 90
    assert half[1] > half[2] > 2


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_weights_make_up_for_draws(changes: list[int], strength: float) -> None:
    drawn = balance.drawn(changes, strength, Rng(1))
    weights = balance.weights(changes, strength)
    assert weights is not None
    assert abs(len(drawn) - len(changes)) <= 3
    recorded, counted = Counter(map(balance.size_class, changes)), Counter(drawn)
    for name, count in recorded.items():
        members = [i for i, changed in enumerate(changes) if balance.size_class(changed) == name]
        times = [counted[i] for i in members]
        assert max(times) - min(times) <= 1
        assert sum(weights[i] * n for i, n in zip(members, times, strict=True)) == pytest.approx(count)


def test_each_epoch_draws_others_and_the_same_every_time() -> None:
    examples = [Example([1, 2, 5], [OK, 8], changes) for changes in [0] * 30 + [1, 1, 4]]
    pace = Pace(balance=0.7)
    assert optimise.batches(examples, pace, 0) == optimise.batches(examples, pace, 0)
    first, second = (sorted(i for batch in optimise.batches(examples, pace, epoch) for i in batch) for epoch in (0, 1))
    assert first != second


def test_weights_of_one_change_nothing_and_others_weigh_the_first_token_alone() -> None:
    torch.manual_seed(0)
    network = Transformer(Config(32, width=16, layers=1, heads=1))
    tokens, answer = optimise.collate([COIN[0], COIN[-1]], "cpu")
    with torch.no_grad():
        network.embed.weight.normal_()
        plain, _ = network.loss(tokens, answer)
        ones, _ = network.loss(tokens, answer, 0.0, torch.ones(2))
        none, _ = network.loss(tokens, answer, 0.0, torch.zeros(2))
        firsts = [
            network.loss(*optimise.collate([Example(e.context, e.answer[:1])], "cpu"))[0] for e in (COIN[0], COIN[-1])
        ]
    assert float(ones) == pytest.approx(float(plain), rel=1e-5)
    assert float(plain - none) == pytest.approx(float(sum(firsts)) / int(answer.sum()), rel=1e-4)


def test_an_outcome_that_code_settles_is_given_and_not_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [replace(COIN[0], settled=True)] * 3 + [COIN[-1]] * 3
    network = Transformer(Config(32, width=16, layers=1, heads=1))
    seen: list[tuple[int, float]] = []

    def update(network: Any, optimizer: Any, rows: tuple[torch.Tensor, torch.Tensor], lr: float, outcome: Any) -> float:
        seen.extend(zip(rows[0][:, 3].tolist(), outcome.tolist(), strict=True))
        return 0.0

    monkeypatch.setattr(optimise, "update", update)
    optimise.optimise(network, examples, Pace(epochs=1), tmp_path, "settled")
    assert sorted({token for token, _ in seen}) == [OK, BUG]
    assert all((weight == 0.0) == (token == OK) for token, weight in seen)


def test_an_outcome_that_code_settles_is_not_measured() -> None:
    torch.manual_seed(1)
    network = Transformer(Config(32, width=16, layers=1, heads=1))
    example = COIN[-1]
    whole, settled = (optimise.measure(network, [e]) for e in (example, replace(example, settled=True)))
    count = len(example.answer)
    with torch.inference_mode():
        hidden = network.hidden(torch.tensor([example.context]), torch.arange(3)[None])[:, -1]
        first = -float(network.logits(hidden)[0].log_softmax(-1)[BUG])
    assert whole.held_out * count - settled.held_out * (count - 1) == pytest.approx(first, rel=1e-4)
    assert (whole.outcomes_right, settled.outcomes_right) == (0.0, 1.0)
