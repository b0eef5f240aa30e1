"""``envsim/Tau2-v0``: tau2-bench as a gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envsim.env import TaskEnv
from envsim.integrations.tau2.source import Tau2Source
from envsim.integrations.tau2.world import Tau2World
from envsim.user.base import User
from envsim.vector import TaskVectorEnv


class Tau2Env(TaskEnv):
    """One tau2 domain: the agent follows the policy in ``observation["goal"]`` and serves a simulated user.

    An episode ends when the user leaves, when the agent answers (``answer()``), or after `max_steps`; its
    reward is tau2's own (`envsim.integrations.tau2.reward`).

    Args:
        domain: ``"airline"``, ``"retail"`` or ``"telecom"``.
        task: A task by tau2's id or by ours; None lets each episode's seed choose.
        split: ``"train"``, ``"test"`` or another of tau2's splits; None for every task.
        user: Who plays the user, as in `TaskEnv`; None for an agent that works alone.
        population: What the user's persona is drawn from.
        record: Directory for a trace of every episode.
        render_mode: ``"ansi"`` or None.
        max_steps: Overrides tau2's limit of 200.
        policy: Name written into traces.

    Raises:
        ContentError: No such domain, task or split.
        PrerequisiteError: The extra ``tau2`` is not installed.
    """

    def __init__(
        self,
        domain: str = "airline",
        *,
        task: str | None = None,
        split: str | None = None,
        user: str | Callable[[], User] | None = "agenda",
        population: str | Path = "default",
        record: str | Path | None = None,
        render_mode: str | None = None,
        max_steps: int | None = None,
        policy: str = "",
    ) -> None:
        self.domain = domain
        super().__init__(
            f"tau2-{domain}",
            interface="tools",
            source=Tau2Source(domain, task=task, split=split, with_user=user is not None),
            world=Tau2World(domain),
            user="agenda" if user is None else user,
            population=population,
            record=record,
            render_mode=render_mode,
            max_steps=max_steps,
            policy=policy,
        )


class Tau2VectorEnv(TaskVectorEnv):
    """Many `Tau2Env` behind one vector environment; takes the same arguments and ``num_envs``."""

    member = Tau2Env
