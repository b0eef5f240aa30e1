"""A sandbox that is asked again with other chance is as likely as any that would have shown what was shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from envsim.rng import uniform
from envsim.state import StateView
from envsim.task import Task
from envsim.types import Action, Event, Observation, Transition
from worldmodel.retrace import Episode, Replayed, by_chance, digest, reseed, retrace

TASK = Task.model_validate(
    {"id": "t@0", "template": "t", "app": "x", "split": "train", "interface": "browser", "goal": "g", "start": {}}
)
LOOK = Action.call("goto", url="/")


class Hidden:
    """A world with a secret: it shows "odd" nine times in ten if the secret is true, three in ten if it is not."""

    def __init__(self) -> None:
        self.steps = 0

    def reset(self, task: Task, seed: int) -> Transition:
        self.seed, self.at = seed, 0
        self.secret = uniform(seed, "secret") < 0.5
        return Transition(observation=Observation(page="start"))

    def step(self, action: Action) -> Transition:
        self.at += 1
        self.steps += 1
        odd = uniform(self.seed, self.at) < (0.9 if self.secret else 0.3)
        events = (Event(kind="bug", id="odd"),) if odd else ()
        return Transition(observation=Observation(page="odd" if odd else "even"), events=events)

    def state(self) -> StateView:
        return {"secret": {"it": {"is": self.secret}}}


def shown(*pages: str, fired: tuple[frozenset[str], ...] = ()) -> Episode:
    digests = tuple(digest(Observation(page=page)) for page in pages)
    return Episode(0, TASK, 7, actions=(LOOK,) * (len(pages) - 1), shown=digests, fired=fired)


def find(episode: Episode) -> Hidden:
    world = Hidden()
    number = 1
    while retrace(world, episode, reseed(episode, number), to_end=False).other:  # type: ignore[arg-type]
        number += 1
    return world


def test_what_is_hidden_is_as_likely_as_by_bayes() -> None:
    pages = ("start", "odd", "odd", "even")
    worlds = [find(dataclasses.replace(shown(*pages), seed=seed)) for seed in range(300)]
    likely = 0.9 * 0.9 * 0.1, 0.3 * 0.3 * 0.7
    expected = likely[0] / sum(likely)
    assert sum(world.secret for world in worlds) / len(worlds) == pytest.approx(expected, abs=0.06)
    following = [world.step(LOOK).observation.page == "odd" for world in worlds]
    assert sum(following) / len(worlds) == pytest.approx(0.9 * expected + 0.3 * (1 - expected), abs=0.06)


def test_a_try_ends_where_something_else_is_shown() -> None:
    world, episode = Hidden(), shown("start", "never", "odd", "odd")
    found = retrace(world, episode, 0, to_end=False)  # type: ignore[arg-type]
    assert (found.other, len(found.steps), world.steps) == ((1,), 2, 1)
    whole = retrace(world, episode, 0)  # type: ignore[arg-type]
    assert (len(whole.steps), whole.agrees) == (4, 3 not in whole.other)


def test_tries_differ_and_are_the_same_everywhere() -> None:
    one, two = shown("start", "odd"), shown("start", "odd", "odd")
    assert reseed(one, 1) == 146962203
    assert len({reseed(one, 1), reseed(one, 2), reseed(two, 1), reseed(dataclasses.replace(one, seed=8), 1)}) == 4
    assert reseed(dataclasses.replace(one, owner=5, fired=(frozenset("x"),)), 1) == reseed(one, 1)


Fired = Callable[..., tuple[frozenset[str], ...]]


@pytest.mark.parametrize(
    ("ours", "theirs", "other", "expected"),
    [
        (["", "rare"], ["", ""], (1,), True),
        (["", ""], ["", "rare"], (1,), True),
        (["rare", ""], ["", ""], (1,), True),  # it shows later
        (["", "", "rare"], ["", "", ""], (1,), False),  # after what differs
        (["", "always"], ["", ""], (1,), False),
        (["", "rare"], ["", "rare"], (1,), False),
        (["", "rare"], ["", ""], (), False),
    ],
)
def test_only_chance_is_asked_again(ours: list[str], theirs: list[str], other: tuple[int, ...], expected: bool) -> None:
    steps = [
        Transition(observation=Observation(), events=(Event(kind="bug", id=bug),) if bug else ()) for bug in theirs
    ]
    episode = shown(*["x"] * len(ours), fired=tuple(frozenset({bug} - {""}) for bug in ours))
    assert by_chance(episode, Replayed(tuple(steps), {}, other, not other), {"rare"}) is expected
