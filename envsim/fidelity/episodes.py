"""Episodes of the same policies, tasks and seeds in one world: recorded, resumable, and timed apart."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.env import TaskEnv
from envsim.errors import UncertainError
from envsim.policy import get_policy
from envsim.rollout import Job, Rollout, is_complete, recorded, run_episode, run_jobs
from envsim.trace import Trace, TraceReader

TIMED = 2
"""Episodes per policy that are timed: enough for a figure in two digits, and few enough for slow worlds."""


@dataclass(frozen=True)
class Played:
    """One world's episodes.

    Attributes:
        rollouts: One per job, in job order.
        root: Folder of their traces; an episode that could not be started has none.
    """

    rollouts: tuple[Rollout, ...]
    root: Path

    def traces(self) -> list[Trace]:
        """The recordings, in the order of `rollouts`."""
        reader = None
        found = []
        for path in (self.root / f"{rollout.session}.jsonl" for rollout in self.rollouts):
            if is_complete(path):
                reader = reader or TraceReader(self.root)
                found.append(reader.read(path))
        return found


def play(
    options: dict[str, Any], jobs: Sequence[Job], root: Path, done: Callable[[], None], *, workers: int = 1
) -> Played:
    """Run `jobs`, or what is left of them: episodes whose trace is complete under `root` are taken from there."""
    kept = {rollout.session: rollout for rollout in recorded(jobs, root)}
    for _ in kept:
        done()
    todo = [job for job in jobs if job.session not in kept]
    new = run_jobs(todo, {**options, "record": root}, workers=workers, on_done=lambda _: done())
    kept |= {job.session: rollout for job, rollout in zip(todo, new, strict=True)}
    return Played(tuple(kept[job.session] for job in jobs), root)


def folder(root: Path, kind: str, fingerprint: str) -> Path:
    """Where the episodes of a world made from traces are kept; those of an earlier model are removed."""
    own = root / f"{kind}-{fingerprint[:10]}"
    for other in root.glob(f"{kind}-{'?' * 10}"):
        if other != own:
            shutil.rmtree(other, ignore_errors=True)
    return own


def speed(options: dict[str, Any], jobs: Sequence[Job], done: Callable[[], None]) -> float:
    """Environment steps per second over the first `TIMED` episodes of each policy, one environment, nothing recorded.

    Resets count, the first start of the world does not.
    """
    chosen = [job for job in jobs if job.index < TIMED]
    with opened(options) as env:
        with contextlib.suppress(UncertainError):
            env.reset(seed=0)
        steps, start = 0, time.perf_counter()
        for job in chosen:
            steps += run_episode(env, get_policy(job.policy), seed=job.seed, name=job.policy).steps
            done()
        elapsed = time.perf_counter() - start
    return steps / elapsed if steps else float("nan")


@contextlib.contextmanager
def opened(options: dict[str, Any]) -> Iterator[TaskEnv]:
    """An environment, closed at the end."""
    env = TaskEnv(**options)
    try:
        yield env
    finally:
        env.close()
