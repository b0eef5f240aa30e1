"""Leading a sandbox to where a session of a model stands: the same actions, and what they show held against it.

The model's chance and the sandbox's are not the same: where a bug that fires by chance did so in the one and not in the
other, neither is wrong. The sandbox cannot be given the model's chance, as it does not draw by step but wherever its
code asks. But it can be asked again with other chance until it shows, from the start on, all that the agent saw. That
is rejection sampling (von Neumann 1951): what is accepted, hidden state and all that is to come, is distributed as the
sandbox is where an agent has seen this, whoever drew what it saw; the task and its start are the same. The number of
tries is bounded, and each ends at the first thing that is shown otherwise. Whoever gives up tells so: episodes without
a verdict are then those of rarer chance. None of this holds of a first sandbox, with the episode's own chance, that is
taken because it agrees with the last of what was shown (`Replayed.agrees`), whatever it showed before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from envsim.rng import draw
from envsim.state import StateView, state_hash
from envsim.task import Task
from envsim.types import Action, Observation, Transition
from envsim.world import World

TRIES = 16
"""Of what one in five sandboxes shows, 97 of 100 episodes find one."""


@dataclass(frozen=True)
class Episode:
    """A running episode: what leads a sandbox to where it stands, and the sandbox's own state once there is one.

    Attributes:
        owner: Number of the episode in its world.
        task, seed: Of the episode.
        model: The model's own token, in exported episodes.
        actions: Since the start.
        shown: Digest of each observation that was shown, the first one included.
        fired: The bugs that fired in the model at each of these.
        real: The sandbox's token, once it has taken over.
    """

    owner: int
    task: Task
    seed: int
    model: object = None
    actions: tuple[Action, ...] = ()
    shown: tuple[str, ...] = ()
    fired: tuple[frozenset[str], ...] = ()
    real: object = None


@dataclass(frozen=True)
class Replayed:
    """What a sandbox showed to the actions of an episode.

    Attributes:
        steps: The reset, and what followed each action.
        start: The state view at reset.
        other: Where it showed something else than was shown.
        agrees: Whether it showed last what was shown last.
    """

    steps: tuple[Transition, ...]
    start: StateView
    other: tuple[int, ...]
    agrees: bool


def retrace(sandbox: World, episode: Episode, seed: int, *, to_end: bool = True) -> Replayed:
    """Reset `sandbox` to the episode's task with the chance of `seed`, and do there what was done.

    Args:
        sandbox: Stands where the session stands afterwards, if it agrees.
        episode: The session.
        seed: What the sandbox draws from.
        to_end: Go on where something else is shown.

    Raises:
        SandboxError: The sandbox failed.
    """
    steps = [sandbox.reset(episode.task, seed)]
    start = sandbox.state()
    other = _other(episode, steps)
    for action in episode.actions:
        if other and not to_end:
            break
        steps.append(sandbox.step(action))
        other += _other(episode, steps)
    return Replayed(tuple(steps), start, tuple(other), len(episode.shown) - 1 not in other)


def _other(episode: Episode, steps: list[Transition]) -> list[int]:
    """The last of these steps, if it shows something else. A start that was not shown is like any other."""
    at = len(steps) - 1
    return [at] if at < len(episode.shown) and digest(steps[at].observation) != episode.shown[at] else []


def by_chance(episode: Episode, replayed: Replayed, rare: Collection[str]) -> bool:
    """Whether one of the bugs that fire by chance did so in one of the two alone by the first thing shown otherwise.

    Before that, too: a bug may show later, such as one that leaves something undone and says it was done.
    """
    if not replayed.other:
        return False
    fired = [{event.id for event in step.events if event.kind == "bug"} for step in replayed.steps]
    upto = replayed.other[0] + 1
    return any(not (ours ^ theirs).isdisjoint(rare)
               for ours, theirs in zip(episode.fired[:upto], fired[:upto], strict=True))  # fmt: skip


def reseed(episode: Episode, number: int) -> int:
    """The seed of a sandbox's other chance: of the episode, what was done in it, and which try it is."""
    done = state_hash([action.model_dump(mode="json") for action in episode.actions])
    return draw(episode.seed, "retrace", episode.task.id, done, number) % 2**31


def digest(observation: Observation) -> str:
    """Hash of what the agent saw of the app."""
    return state_hash(observation.model_dump(mode="json", exclude={"goal", "messages"}))
