"""The one agent-environment loop, and many of them in parallel."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.env import TaskEnv
from envsim.errors import ContentError, SandboxError, UncertainError
from envsim.policy import Policy, get_policy
from envsim.recorder import file_name
from envsim.rng import draw
from envsim.types import Outcome


@dataclass(frozen=True)
class Rollout:
    """One finished episode.

    Attributes:
        policy: Name of the policy.
        task: Task instance id.
        seed: Of the episode.
        steps: Actions taken.
        outcome: How it ended.
        session: Name of its trace; empty when not recorded.
    """

    policy: str
    task: str
    seed: int
    steps: int
    outcome: Outcome
    session: str = ""


@dataclass(frozen=True)
class Job:
    """One episode to run. Its policy and index determine the seed, so any subset can be rerun."""

    policy: str
    index: int
    seed: int
    session: str


def run_episode(
    env: TaskEnv, policy: Policy, *, seed: int, task: str | None = None, session: str | None = None, name: str = ""
) -> Rollout:
    """Run one episode to its end.

    Args:
        env: A `TaskEnv`; reset here.
        policy: Chooses the actions.
        seed: Of the episode and of the policy.
        task: Template or instance; None lets the seed choose.
        session: Name of the trace.
        name: Of the policy, for the result.
    """
    steps = 0
    try:
        env.reset(seed=seed, options={"task": task, "session": session})
    except (SandboxError, UncertainError):
        # A bad rollout is data, not a crash: the outcome is typed, and the next job goes on.
        if env.outcome is None:
            raise
    else:
        assert env.task is not None
        policy.reset(env.task, seed, env.tools)
        while env.outcome is None:
            env.step(policy.act(env.observation))
            steps += 1
    assert env.task is not None
    assert env.outcome is not None
    return Rollout(name, env.task.id, seed, steps, env.outcome, session or "")


def plan(app: str, policies: Iterable[str], episodes: int, seed: int) -> list[Job]:
    """The jobs of a rollout command: `episodes` per policy, the same episode seeds for each policy."""
    return [
        Job(policy, index, draw(seed, "episode", index) % 2**31, f"{app}-{file_name(policy)}-{seed}-{index:05d}")
        for policy in policies
        for index in range(episodes)
    ]


def is_complete(path: Path) -> bool:
    """Whether a trace file ends with its end line."""
    try:
        lines = path.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)
    except FileNotFoundError:
        return False
    return lines[-1].startswith(b'{"type":"end"') and lines[-1].endswith(b"}")


def run_jobs(
    jobs: list[Job],
    env_options: dict[str, Any],
    *,
    workers: int = 1,
    on_done: Callable[[Rollout], None] = lambda rollout: None,
) -> list[Rollout]:
    """Run `jobs`, each in an environment made with ``TaskEnv(**env_options)``; results in job order.

    Jobs whose trace is already complete are skipped and those cut off are run again, so an
    interrupted command resumes. The result does not depend on `workers`.

    Args:
        jobs: From `plan`.
        env_options: Arguments of `TaskEnv`; ``record`` is the directory of the traces.
        workers: Processes to use; 1 runs here.
        on_done: Called in this process after each episode.

    Raises:
        ContentError: The record directory is a file.
    """
    record = env_options.get("record")
    if record is not None and Path(record).exists() and not Path(record).is_dir():
        raise ContentError(f"{record} is a file. Give a directory for the traces.")
    todo = [job for job in jobs if record is None or not is_complete(Path(record) / f"{job.session}.jsonl")]
    for job in todo:
        if record is not None:
            (Path(record) / f"{job.session}.jsonl").unlink(missing_ok=True)
    results: dict[tuple[str, int], Rollout] = {}
    for rollout, job in _run_all(todo, env_options, workers):
        results[job.policy, job.index] = rollout
        on_done(rollout)
    return [results[job.policy, job.index] for job in todo]


def _run_all(todo: list[Job], options: dict[str, Any], workers: int) -> Iterator[tuple[Rollout, Job]]:
    if workers <= 1 or len(todo) <= 1:
        worker = _Worker(options)
        try:
            for job in todo:
                yield worker.run(job), job
        finally:
            worker.close()
        return
    # spawn: a forked child would share sockets, locks and browser pipes with this process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(options,)) as pool:
        waiting: dict[Future[Rollout], Job] = {pool.submit(_run_in_worker, job): job for job in todo}
        for future in as_completed(waiting):
            yield future.result(), waiting[future]


class _Worker:
    """One process's environments, one per policy so that traces carry its name."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._envs: dict[str, TaskEnv] = {}

    def run(self, job: Job) -> Rollout:
        if job.policy not in self._envs:
            self.close()
            self._envs[job.policy] = TaskEnv(**self._options, policy=job.policy)
        session = job.session if self._options.get("record") is not None else None
        return run_episode(
            self._envs[job.policy], get_policy(job.policy), seed=job.seed, session=session, name=job.policy
        )

    def close(self) -> None:
        for env in self._envs.values():
            env.close()
        self._envs.clear()


_worker: _Worker | None = None
"""Of this pool process: an executor's initializer has nowhere else to leave it."""


def _start_worker(options: dict[str, Any]) -> None:
    global _worker  # noqa: PLW0603
    _worker = _Worker(options)


def _run_in_worker(job: Job) -> Rollout:
    assert _worker is not None
    return _worker.run(job)
