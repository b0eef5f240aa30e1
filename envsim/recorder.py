"""Writes the episodes of an environment as traces."""

from __future__ import annotations

import re
from pathlib import Path

from envsim.state import StateView
from envsim.task import Task
from envsim.trace import Header, Step, TraceWriter
from envsim.types import JsonValue, Outcome
from envsim.world import World


def file_name(policy: str) -> str:
    """A policy's name as part of a session's: ``noisy:0.3`` -> ``noisy=0.3``."""
    return re.sub(r"[^A-Za-z0-9._@=+-]", "-", policy.replace(":", "="))


def _user(task: Task) -> dict[str, JsonValue]:
    """The hidden goal: what personas are mined from needs it, and a trace is for trainers, not for agents."""
    return {} if task.user is None else {"user": {"goal": task.user.model_dump(mode="json", exclude_defaults=True)}}


def _faults(world: World) -> dict[str, JsonValue]:
    profile = getattr(world, "faults", None)
    return {"faults": {"rates": dict(profile.rates), "patience_s": profile.patience_s}} if profile else {}


class Recorder:
    """Appends one episode after another to a directory; does nothing without one."""

    def __init__(self, root: Path | None, policy: str) -> None:
        self._root = root
        self._policy = policy
        self._writer: TraceWriter | None = None

    def begin(self, task: Task, world: World, seed: int, state: StateView, session: str | None = None) -> None:
        """Open the trace of an episode; the one before is left without an end line if it has none.

        Args:
            task: The instance.
            world: What it is run in.
            seed: Of the episode.
            state: State view at reset.
            session: Name of the trace, which must be free; None makes one from task, policy and seed.
        """
        self.close()
        if self._root is None:
            return
        header = Header(
            session=session or self._free(task, world.kind, seed),
            app=task.app,
            source="rollout",
            world=world.kind,
            interface=task.interface,
            goal=task.goal,
            task=task.id,
            seed=seed,
            policy=self._policy,
            bugs=dict(world.bugs),
            # Primitives of pages are the same everywhere; an app's own operations are part of what was seen.
            tools=tuple(world.tools()) if task.interface == "tools" else (),
            meta={"split": task.split, "start": task.start.model_dump(mode="json")} | _user(task) | _faults(world),
        )
        self._writer = TraceWriter(self._root, header, state=state)

    @property
    def running(self) -> bool:
        """Whether a trace is open, so that a step would be written."""
        return self._writer is not None

    def write(self, step: Step) -> None:
        """Append one step."""
        if self._writer is not None:
            self._writer.write(step)

    def finish(self, outcome: Outcome) -> None:
        """Write the end line."""
        if self._writer is not None:
            self._writer.finish(outcome)
            self._writer = None

    def fork(self) -> Recorder:
        """Another that goes on with a copy of the running trace, in a session named ``<this one>+<number>``."""
        twin = Recorder(self._root, self._policy)
        if self._writer is not None:
            path, number = self._writer.path, 1
            while path.with_name(f"{path.stem}+{number}.jsonl").exists():
                number += 1
            origin: JsonValue = {"session": path.stem, "steps": self._writer.steps}
            twin._writer = self._writer.fork(f"{path.stem}+{number}", {"fork": origin})
        return twin

    def close(self) -> None:
        """Close without an end line; safe to call twice."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _free(self, task: Task, world: str, seed: int) -> str:
        assert self._root is not None
        parts = (task.id.replace("@", "-"), file_name(self._policy), world, str(seed))
        stem = name = "-".join(part for part in parts if part)
        count = 1
        while (self._root / f"{name}.jsonl").exists():
            count += 1
            name = f"{stem}_{count}"  # sorts after the first: "_" > "."
        return name
