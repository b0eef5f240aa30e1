"""Episodes of the same policies, tasks and seeds in one world: recorded, resumable, and timed apart."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.env import TaskEnv
from envsim.errors import UncertainError
from envsim.fidelity.free_running import Session, replay_one
from envsim.fidelity.intervals import Estimate, mean, share
from envsim.policy import get_policy
from envsim.rollout import Job, Rollout, is_complete, recorded, run_episode, run_jobs
from envsim.task_template import find_template
from envsim.trace import Step, Trace, TraceReader

_CHUNK = 10
"""Recordings that a process replays at a time."""
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


def replay_all(
    options: dict[str, Any], recordings: Sequence[Trace], done: Callable[[], None], *, workers: int = 1
) -> list[Session]:
    """Replay every recording in a world made with ``TaskEnv(**options)``; in their order, whatever `workers` is."""
    chunks = [recordings[at : at + _CHUNK] for at in range(0, len(recordings), _CHUNK)]
    if workers <= 1 or len(chunks) <= 1:
        return _replay_chunk(options, recordings, done)
    found: list[Session] = []
    # spawn, as rollouts do: a forked child would share sockets and locks with this process.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for sessions in pool.map(_replay_chunk, [options] * len(chunks), chunks):
            found += sessions
            for _ in sessions:
                done()
    return found


def _replay_chunk(
    options: dict[str, Any], recordings: Sequence[Trace], done: Callable[[], None] = lambda: None
) -> list[Session]:
    sessions = []
    with opened(options) as env:
        for trace in recordings:
            template, _, seed = trace.header.task.partition("@")
            task = find_template(trace.header.app, template).instantiate(int(seed), env.world.seed_view())
            sessions.append(replay_one(env.world, task, trace))
            done()
    return sessions


def sandbox_share(traces: Sequence[Trace], *, seed: int = 0) -> Estimate:
    """Share of steps that a sandbox answered, because the world fell back to one; empty where it never can."""
    sums, counts = [], []
    for trace in traces:
        steps = trace.steps[1:]
        first = next((i for i, step in enumerate(trace.steps) if _fell_back(step)), len(trace.steps))
        sums.append(float(min(len(steps), len(trace.steps) - first)))
        counts.append(len(steps))
    return share(sums, counts, seed=seed)


def _fell_back(step: Step) -> bool:
    return any(event.kind == "fallback" and event.id == "sandbox" for event in step.events)


def extra_replays(traces: Sequence[Trace], *, seed: int = 0) -> Estimate:
    """How often a hybrid world led a sandbox there once more, with other chance, per episode."""
    return mean([float(sum(_again(step) for step in trace.steps)) for trace in traces], seed=seed)


def _again(step: Step) -> int:
    return sum(event.kind == "fallback" and event.id == "again" for event in step.events)


def set_aside(fallbacks: Path, jobs: Sequence[Job], root: Path) -> None:
    """Move what a hybrid world kept of `jobs` out of the model's directory: held-out tasks are no training data."""
    seeds = {job.seed for job in jobs}
    for path in sorted(fallbacks.glob("*.jsonl")):
        try:
            header = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
            ours = header["seed"] in seeds
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if ours:
            root.mkdir(parents=True, exist_ok=True)
            # Not renamed: the report may be on another file system.
            shutil.move(path, root / path.name)
            if header.get("state"):
                _copy_blob(fallbacks, root, header["state"])


def _copy_blob(source: Path, target: Path, digest: str) -> None:
    place = target / "blobs" / digest
    if (source / "blobs" / digest).is_file() and not place.exists():
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(source / "blobs" / digest, place)


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
            env.reset(seed=chosen[0].seed)
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
