"""What page programs are tried on is nothing that they, or what they share or are led by, were learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from envsim.page.lines import Line, assign_refs, format_lines
from envsim.types import Observation
from worldmodel.document import meta, observation_lines
from worldmodel.pages import pages as page_programs
from worldmodel.pages import sharing
from worldmodel.pages.again import again, shared_again
from worldmodel.pages.levels import Example, Level, learn_level
from worldmodel.pages.pages import Pages
from worldmodel.pages.picks import MOST, held_back
from worldmodel.requests import Request
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations
from worldmodel.session import Sample, Situation

KINDS = ("ask", "buy", "call")
MANY = 30
"""Answers of a kind: too few to learn from some and try on others."""


def answer(kind: str, number: int) -> Sample:
    """Pages with a banner in common, each at an address of its own; what is pressed leads there from somewhere else."""
    shown = [Line("banner"), Line("link", f"Round {number}", 1), Line("main"), Line("heading", f"{kind} {number}", 1)]
    url = f"/{kind}?of={number}"
    target = observation_lines(Observation(url=url, page=format_lines(assign_refs(shown))))
    request = Request((f'click "Go" on "/from?of={number}"',))
    return Sample(f"s{kind}{number}", f"g{number}", 1, Situation("browser", request), target)


FOUND = [answer(kind, number) for kind in KINDS for number in range(MANY)]


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> tuple[Pages, dict[int, list[Any]]]:
    """Programs, and level -> the numbers in the addresses asked of what it was learned from."""
    origins: dict[int, list[Any]] = {}

    def noted(examples: Sequence[Example], *args: Any) -> Level:
        level = learn_level(examples, *args)
        origins[id(level)] = [one.names.value("asked.query.of") for one in examples]
        kept.append(level)
        return level

    def mended(level: Level, examples: Sequence[Example], mask: Any) -> Level:
        new = again(level, examples, mask)
        asked = [one.names.value("asked.query.of") for one in examples]
        origins[id(new)] = [*origins[id(level)], *(one for one in asked if one not in origins[id(level)])]
        kept.append(new)  # its number must stay its own
        return new

    def shared_mended(shared: dict[str, Level], examples: Iterable[Example], mask: Any) -> dict[str, Level]:
        tried = list(examples)
        assert {*shared_again(shared, tried, mask)} == {*shared}
        return {name: mended(level, tried, mask) for name, level in shared.items()}

    kept: list[Level] = []
    monkeypatch.setattr(page_programs, "again", mended)
    monkeypatch.setattr(page_programs, "shared_again", shared_mended)
    monkeypatch.setattr(page_programs, "learn_level", noted)
    monkeypatch.setattr(sharing, "learn_level", noted)
    pages = Pages(Relations({}, {}, {}), Known.learn({}))
    pages.learn(FOUND, {n: meta(sample.target, "url").partition("?")[0] for n, sample in enumerate(FOUND)})
    return pages, origins


def tried_on(pages: Pages, kind: str) -> set[str]:
    return {meta(FOUND[n].target, "url").rpartition("=")[2] for n in pages.tried[kind]}


def test_nothing_that_is_tried_was_learned_from_what_it_is_tried_on(learned):
    pages, origins = learned
    trial = pages.on_trial()
    kinds = {kind: tried_on(pages, f"/{kind} banner") for kind in KINDS}
    assert {len(tried) for tried in kinds.values()} == {MANY // 3}
    for kind, tried in kinds.items():
        assert not tried & {*origins[id(trial.pages[f"/{kind} banner"].level)]}
    # The same kind of request leads to pages of all kinds; where it does is learned for each.
    led = {name: {*origins[id(rule.level)]} for name, rule in trial.addresses.items()}
    assert len(led) == len(KINDS)
    for name, learned_from in led.items():
        assert not kinds[name.rpartition("/")[2]] & learned_from
    # What pages share was learned from pages of all kinds: each number as often as it was not held back.
    (banner,) = trial.shared
    often = [number for tried in kinds.values() for number in map(str, range(MANY)) if number not in tried]
    assert sorted(origins[id(trial.shared[banner])]) == sorted(often)


def test_what_is_used_was_learned_from_all(learned):
    pages, origins = learned
    every = sorted(map(str, range(MANY)))
    (banner,) = pages.shared
    assert sorted(origins[id(pages.shared[banner])]) == sorted(every * len(KINDS))
    for kind in KINDS:
        assert sorted(origins[id(pages.pages[f"/{kind} banner"].level)]) == every
    assert [sorted(origins[id(rule.level)]) for rule in pages.addresses.values()] == [every] * len(KINDS)


def test_all_that_is_held_back_is_tried(learned):
    pages, _ = learned
    assert all(sum(total for _, total in page.checked.values()) == MANY // 3 for page in pages.pages.values())


def test_where_answers_are_many_they_are_tried_that_were_not_picked():
    picked = list(range(0, 2 * MOST, 2))
    assert held_back(picked, 4 * MOST)[0] == set()
    assert not {*held_back(picked, 4 * MOST)[1]} & {*picked}
    assert held_back([0, 1, 2], 3) == (set(), [])
    held, left = held_back(list(range(10)), 10)
    assert sorted(held) == left == [0, 3, 6, 9]
