"""`TaskVectorEnv`: many `TaskEnv`s stepped together, each failure its own.

Gymnasium's own vector environments return garbage for text through shared memory and lose the
whole batch to one worker's exception; this one returns plain strings and isolates members.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from envsim.env import UNSCORABLE, TaskEnv
from envsim.errors import ActionError, ContentError, EnvsimError, SandboxError, UncertainError
from envsim.fork import begin_fork, take_over
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec
from envsim.spaces import SCREENSHOT_SHAPE, encode
from envsim.types import Action, Observation
from envsim.world import foresee

SPARE = 64
"""How many sandboxes a pool may hold beyond those of its members, for their forks."""

Batch = dict[str, Any]
Member = tuple[dict[str, Any], float, bool, bool, dict[str, Any]]


def _pool_for(num_envs: int, options: dict[str, Any]) -> SandboxPool | None:
    """One pool for all members that step sandboxes of one app; None where they bring their own."""
    runtime = options.get("runtime", "auto")
    world = options.get("world", "sandbox")
    if "app" not in options or world not in ("sandbox", "hybrid") or not isinstance(runtime, str):
        return None
    spec = find_spec(options["app"], options.get("variant"))
    return SandboxPool(get_runtime(runtime, spec), spec, limit=num_envs + SPARE)


class TaskVectorEnv(VectorEnv[Batch, Sequence[str], NDArray[Any]]):
    """`num_envs` independent environments behind one `gymnasium.vector.VectorEnv`.

    A member that has ended is reset by the *next* step, whose action for it is ignored
    (`AutoresetMode.NEXT_STEP`, gymnasium's default). A member that fails ends its episode with
    ``info["outcome"] == "infra"`` and reward NaN; the others are not touched.

    Observations batch to ``{"page": (str, ...), ...}``: a tuple of strings per field.

    Args:
        num_envs: How many members.
        **kwargs: For every `TaskEnv`; see there. Gymnasium hands them over as they are.

    Raises:
        ContentError: As `TaskEnv`, or a `World` instance for more than one member.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": ["ansi", "rgb_array"]}
    member: type[TaskEnv] = TaskEnv
    """What it has `num_envs` of."""

    def __init__(self, *, num_envs: int = 1, **kwargs: Any) -> None:
        if num_envs > 1 and not isinstance(kwargs.get("world", "sandbox"), str):
            raise ContentError("A World of your own cannot be shared by members. Name a world, or use one environment.")
        self.num_envs = num_envs
        self.warm = _pool_for(num_envs, kwargs)
        """Where sandboxes of the members and of their forks come from; None for other worlds."""
        # Kept apart from what gymnasium gave: its record of how this was made must stay as it is.
        options = kwargs if self.warm is None else {**kwargs, "runtime": self.warm}
        self.envs = [self.member(**options) for _ in range(num_envs)]
        self.render_mode = self.envs[0].render_mode
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._screenshot = bool(kwargs.get("screenshot"))
        # A hybrid member may never need its sandbox.
        self._sandboxes = kwargs.get("world", "sandbox") == "sandbox"
        self._ended = [False] * num_envs
        self._last: list[dict[str, Any]] = [{} for _ in range(num_envs)]
        # Sandboxes elsewhere, a browser and a user behind an endpoint are waited for, and so by all at once. An app in
        # this process keeps it busy: there, threads would only cost.
        apart = self.warm is not None and not isinstance(self.warm.runtime, InProcessRuntime)
        waits = apart or kwargs.get("driver") == "chromium" or str(kwargs.get("user", "")).startswith("chat:")
        self._pool = ThreadPoolExecutor(num_envs, "envsim-member") if waits and num_envs > 1 else None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Batch, dict[str, Any]]:
        """Begin an episode in every member; member i gets ``seed + i`` from a single seed.

        A member that cannot be started has empty observations and ``info["outcome"] == "infra"``;
        the next step tries it again.
        """
        if seed is None or isinstance(seed, int):
            seeds: list[int | None] = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if self.warm is not None and self._sandboxes:
            self.warm.prewarm(self.num_envs)
        replies = self._each(lambda i: self._reset_member(i, seeds[i], options))
        self._last = [observation for observation, _, _ in replies]
        self._ended = [failed for _, _, failed in replies]
        return self._batch(), self._infos([info for _, info, _ in replies])

    def step(
        self, actions: Sequence[str | Action]
    ) -> tuple[Batch, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every member; rewards, terminations and truncations have shape (num_envs,).

        Raises:
            ValueError: Not one action per member.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"{self.num_envs} environments need as many actions, not {len(actions)}")
        self._foresee(actions)
        replies: list[Member] = self._each(lambda i: self._step_member(i, actions[i]))
        self._last = [reply[0] for reply in replies]
        self._ended = [reply[2] or reply[3] for reply in replies]
        return (
            self._batch(),
            np.array([reply[1] for reply in replies], np.float64),
            np.array([reply[2] for reply in replies], np.bool_),
            np.array([reply[3] for reply in replies], np.bool_),
            self._infos([reply[4] for reply in replies]),
        )

    def fork(self, member: int, into: Sequence[int] | None = None) -> Batch:
        """Let members go on from where one of them stands, as a group; see `TaskEnv.fork`.

        Args:
            member: Whose episode is copied; it goes on as if nothing had happened.
            into: Members whose own episodes are dropped for it; None: all others.

        Returns:
            The observations of all members.

        Raises:
            gymnasium.error.ResetNeeded: `member` runs no episode.
            ContentError: A world or user that cannot be forked.
            SandboxError: A sandbox failed; members it was copied into before go on, the others with the next reset.
        """
        others = [i for i in range(self.num_envs) if i != member] if into is None else [i for i in into if i != member]
        token = begin_fork(self.envs[member])
        for i in others:
            self._ended[i] = True  # until it has worked
        for i in others:
            take_over(self.envs[i], self.envs[member], token)
            self._last[i] = dict(self._last[member])
            self._ended[i] = False
        return self._batch()

    def render(self) -> tuple[Any, ...] | None:
        """What every member renders."""
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every member, also when one of them fails to."""
        if self._pool is not None:
            self._pool.shutdown()
        failures: list[Exception] = []
        if self.warm is not None:
            self.warm.close()  # first, so that what members give back is closed and not made ready again
        for env in self.envs:
            try:
                env.close()
            except EnvsimError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _foresee(self, actions: Sequence[str | Action]) -> None:
        """Let worlds that can answer in batches do so."""
        asked = []
        for env, ended, raw in zip(self.envs, self._ended, actions, strict=True):
            if not ended:
                with contextlib.suppress(ActionError):  # a malformed one is for the member to answer
                    asked.append((env.world, Action.parse(raw)))
        foresee(asked)

    def _step_member(self, index: int, action: str | Action) -> Member:
        env = self.envs[index]
        try:
            if self._ended[index]:
                observation, info = env.reset()
                return observation, 0.0, False, False, info
            return env.step(action)
        except gymnasium.error.Error:
            raise
        except Exception as error:
            # TaskEnv.step types the failures it knows; what arrives here is a failed reset or a
            # defect. A fresh world is the only state we can vouch for: the next step resets it.
            observation, info = self._failed(env, error)
            return dict(self._last[index]) | observation, UNSCORABLE, False, True, info

    def _reset_member(self, index: int, seed: int | None, options: dict[str, Any] | None) -> tuple[Any, ...]:
        env = self.envs[index]
        try:
            return (*env.reset(seed=seed, options=options), False)
        except (SandboxError, UncertainError) as error:
            observation, info = self._failed(env, error)
            return self._blank() | observation, info, True

    def _blank(self) -> dict[str, Any]:
        blank: dict[str, Any] = dict(encode(Observation()))
        if self._screenshot:
            blank["screenshot"] = np.zeros(SCREENSHOT_SHAPE, np.uint8)
        return blank

    @staticmethod
    def _failed(env: TaskEnv, error: Exception) -> tuple[dict[str, Any], dict[str, Any]]:
        with contextlib.suppress(Exception):
            env.world.close()
        kind = "sim_uncertain" if isinstance(error, UncertainError) else "infra"
        info = {"outcome": kind, "reason": f"{type(error).__name__}: {error}", "success": False}
        return {"error": "The environment failed; this episode is not scored."}, info

    def _each(self, call: Callable[[int], Any]) -> list[Any]:
        if self._pool is None:
            return [call(i) for i in range(self.num_envs)]
        return list(self._pool.map(call, range(self.num_envs)))

    def _batch(self) -> Batch:
        batch: Batch = {}
        for key in self._last[0]:
            values = [observation[key] for observation in self._last]
            batch[key] = np.stack(values) if isinstance(values[0], np.ndarray) else tuple(values)
        return batch

    def _infos(self, infos: list[dict[str, Any]]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for index, info in enumerate(infos):
            merged = self._add_info(merged, info, index)
        return merged
