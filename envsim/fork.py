"""Groups of environments that share a past: one episode, going on in several at once.

Group-relative training (GRPO and its kin) compares what a policy does from one and the same state. A
fork copies that state, agent's and user's side: app, sessions, page, clock, draws, position in the fault
schedule, simulated user, what was heard so far and the trace. Steps taken alike give the same bytes.
"""

from __future__ import annotations

import contextlib
import copy
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import gymnasium

from envsim.errors import ContentError, EnvsimError
from envsim.spaces import action_space, observation_space
from envsim.world import ForkableWorld, World

if TYPE_CHECKING:
    from envsim.env import TaskEnv

AT_ONCE = 2
"""How many worlds load an episode at the same time, where that is waited for."""


def fork(env: TaskEnv, count: int) -> list[TaskEnv]:
    """`count` environments in the middle of `env`'s episode; `env` goes on as if nothing had happened.

    They are bare `TaskEnv`s, without wrappers, and the caller's to close. Their next `reset` without a
    seed draws what `env`'s would. Sandboxes come from a pool, made at the first fork and closed with `env`: forks
    that are closed leave theirs warm for the next.

    Raises:
        gymnasium.error.ResetNeeded: No episode is running.
        ContentError: A world or a user that cannot be forked, or no useful count.
        SandboxError: No sandbox could be started, or the one of `env` is gone; no fork is left behind.
    """
    if count < 1:
        raise ContentError(f"{count} forks are none. Ask for 1 or more.")
    token = begin_fork(env)
    world = env.world
    assert isinstance(world, ForkableWorld)
    twins: list[TaskEnv] = []
    try:
        for place in world.spawn(count):
            twin = copy.copy(env)
            twin.world = place
            twins.append(twin)
        for twin in twins:
            twin.action_space = action_space()  # one that is shared would share its random state
            twin.observation_space = observation_space(screenshot="screenshot" in env.observation_space)
            twin.np_random = copy.deepcopy(env.np_random)
            _begin(twin, env)
        _load_all([twin.world for twin in twins], token)
        for twin in twins:
            _finish(twin, env)
    except BaseException:
        for twin in twins:
            with contextlib.suppress(EnvsimError):
                twin.world.close()
        raise
    return twins


def begin_fork(env: TaskEnv) -> object:
    """The running episode of `env`'s world, for `take_over`.

    Raises:
        gymnasium.error.ResetNeeded: No episode is running.
        ContentError: A world that cannot be forked.
        SandboxError: The sandbox of `env` is gone.
    """
    if env.task is None or env.outcome is not None:
        raise gymnasium.error.ResetNeeded("The episode is over. Call reset() before fork().")
    if not isinstance(env.world, ForkableWorld):
        raise ContentError(
            f"A world of kind {env.world.kind!r} cannot be forked: it lacks spawn(), export() or load(). "
            'Use world="sandbox", or add them (envsim.world.ForkableWorld).'
        )
    return env.world.export()


def take_over(twin: TaskEnv, env: TaskEnv, token: object) -> None:
    """Let `twin`, made with the same arguments as `env`, go on from where `env` stands; its own episode is dropped.

    The seeds of its later episodes stay its own.

    Raises:
        ContentError: A user that cannot be forked.
        SandboxError: Its sandbox failed; it needs a reset.
    """
    _begin(twin, env)
    _load_all([twin.world], token)
    _finish(twin, env)


def _begin(twin: TaskEnv, env: TaskEnv) -> None:
    # Until all of it has worked there is no episode to step.
    twin.task, twin.outcome = None, None
    talks = env.task is not None and env.task.user is not None
    twin._conversation = env._conversation.fork(twin.world) if talks and env._conversation is not None else None


def _load_all(worlds: list[World], token: object) -> None:
    places = [world for world in worlds if isinstance(world, ForkableWorld)]
    if len(places) > 1 and getattr(places[0], "apart", False):
        with ThreadPoolExecutor(min(len(places), AT_ONCE)) as loaders:
            list(loaders.map(lambda place: place.load(token), places))
    else:
        for place in places:
            place.load(token)


def _finish(twin: TaskEnv, env: TaskEnv) -> None:
    if twin._recorder is not env._recorder:
        twin._recorder.close()
    twin._recorder = env._recorder.fork()
    twin._heard = env._heard.copy()
    twin._steps = env._steps
    twin.observation = env.observation
    twin.task = env.task
