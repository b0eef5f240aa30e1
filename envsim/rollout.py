"""The one agent-environment loop, and many of them in parallel."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.content import list_templates
from envsim.env import TaskEnv
from envsim.errors import ContentError, SandboxError, UncertainError
from envsim.policy import Policy, get_policy
from envsim.recorder import file_name
from envsim.rng import draw
from envsim.sandbox.seed import folder_hash
from envsim.sandbox.spec import find_spec
from envsim.state import state_hash
from envsim.trace import TraceReader
from envsim.types import Outcome
from envsim.world import foresee


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
    trial: int = 0
    task_seed: int | None = None
    """Seed that chooses the task; None: that of the episode."""


def run_episode(
    env: TaskEnv,
    policy: Policy,
    *,
    seed: int,
    task: str | None = None,
    session: str | None = None,
    name: str = "",
    task_seed: int | None = None,
) -> Rollout:
    """Run one episode to its end.

    Args:
        env: A `TaskEnv`; reset here.
        policy: Chooses the actions.
        seed: Of the episode and of the policy.
        task: Template or instance; None lets the seed choose.
        session: Name of the trace.
        name: Of the policy, for the result.
        task_seed: Chooses the task instead of `seed`.
    """
    steps = 0
    options = {"task": task, "session": session} | ({} if task_seed is None else {"task_seed": task_seed})
    try:
        env.reset(seed=seed, options=options)
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
    assert env.outcome is not None
    # Where not even the task could be drawn, because its world did not start, there is none to name.
    return Rollout(name, env.task.id if env.task else task or "", seed, steps, env.outcome, session or "")


def run_together(
    envs: Sequence[TaskEnv], policies: Sequence[Policy], jobs: Sequence[tuple[str, int, int]]
) -> Iterator[tuple[int, int, Rollout]]:
    """Run episodes side by side, one in each environment at a time; worlds that can answer in batches do.

    Args:
        envs: As many episodes run at once. For batches, of one model.
        policies: One per environment.
        jobs: Of each episode: task, task seed, seed. See `run_episode`.

    Yields:
        Position of the job, position of the policy that played it (which plays no other before the next is asked
        for), and its rollout, as they end.
    """
    waiting = list(enumerate(jobs))[::-1]
    running: dict[int, tuple[int, int]] = {}
    while waiting or running:
        for member in range(len(envs)):
            while member not in running and waiting:
                number, (task, instance, seed) = waiting.pop()
                if _begin(envs[member], policies[member], task, instance, seed):
                    running[member] = (number, 0)
                else:
                    yield number, member, _ended(envs[member], task, seed, 0)
        actions = {member: policies[member].act(envs[member].observation) for member in running}
        foresee([(envs[member].world, action) for member, action in actions.items()])
        for member, action in actions.items():
            envs[member].step(action)
            number, steps = running[member]
            running[member] = (number, steps + 1)
            if envs[member].outcome is not None:
                del running[member]
                yield number, member, _ended(envs[member], jobs[number][0], jobs[number][2], steps + 1)


def _begin(env: TaskEnv, policy: Policy, task: str, instance: int, seed: int) -> bool:
    """Start an episode; False where the world could not."""
    try:
        env.reset(seed=seed, options={"task": task, "task_seed": instance})
    except (SandboxError, UncertainError):
        if env.outcome is None:
            raise
        return False
    policy.reset(env.task, seed, env.tools)
    return True


def _ended(env: TaskEnv, task: str, seed: int, steps: int) -> Rollout:
    assert env.outcome is not None
    return Rollout("", env.task.id if env.task else task, seed, steps, env.outcome)


def plan(
    env_options: Mapping[str, Any], policies: Iterable[str], episodes: int, seed: int, trials: int = 1
) -> list[Job]:
    """The jobs of a rollout: `episodes` per policy, the same episode seeds for each policy.

    Further trials of an episode have its task instance and another seed for everything else: the
    bugs that fire, the user and its persona.

    A session's name ends in a digest of all that its bytes depend on (the environment's options, the
    app's and its tasks' files), so a recording is only ever taken for another of the same.

    Args:
        env_options: Arguments of `TaskEnv`.
        policies: Names; each counts once.
        episodes: Per policy.
        seed: Of the whole rollout.
        trials: Per episode.

    Raises:
        ContentError: An unknown app or policy.
    """
    app = env_options["app"]
    settings = {key: str(value) for key, value in env_options.items() if key not in ("record", "app")}
    if str(env_options.get("user", "")).startswith("chat:"):
        # The same name at another endpoint is another model.
        settings["endpoint"] = os.environ.get("OPENAI_BASE_URL", "")
    files = [*list_templates(app).values()]
    if env_options.get("model") is not None:
        files.append(Path(env_options["model"]) / "config.json")
    folders = list(find_spec(app).folders)
    if (population := env_options.get("population")) is not None and Path(population).is_dir():
        folders.append(Path(population))
    mark = state_hash([settings, *map(folder_hash, folders), *map(_content, files)])[:8]
    names = list(dict.fromkeys(policies))
    for name in names:
        get_policy(name)
    return [
        _job(name, index, trial, seed, f"{app}-{file_name(name)}-{seed}", mark)
        for name in names
        for index in range(episodes)
        for trial in range(trials)
    ]


def _job(policy: str, index: int, trial: int, seed: int, stem: str, mark: str) -> Job:
    first = draw(seed, "episode", index) % 2**31
    if trial == 0:
        return Job(policy, index, first, f"{stem}-{index:05d}-{mark}")
    again = draw(seed, "episode", index, "trial", trial) % 2**31
    return Job(policy, index, again, f"{stem}-{index:05d}.{trial}-{mark}", trial, task_seed=first)


def _content(path: Path) -> str:
    # A missing model is reported by whoever opens it.
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def is_complete(path: Path) -> bool:
    """Whether a trace file ends with its end line."""
    try:
        lines = path.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)
    except (FileNotFoundError, NotADirectoryError):
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
    root = Path(record) if record is not None else None
    if root is not None and any(part.exists() and not part.is_dir() for part in (root, *root.parents)):
        raise ContentError(f"{root} is not a directory. Give a directory for the traces.")
    todo = [job for job in jobs if root is None or not is_complete(root / f"{job.session}.jsonl")]
    for job in todo:
        if root is not None:
            (root / f"{job.session}.jsonl").unlink(missing_ok=True)
    results: dict[tuple[str, int, int], Rollout] = {}
    for rollout, job in _run_all(todo, env_options, workers):
        results[job.policy, job.index, job.trial] = rollout
        on_done(rollout)
    return [results[job.policy, job.index, job.trial] for job in todo]


def recorded(jobs: Iterable[Job], root: Path) -> list[Rollout]:
    """The results of those of `jobs` whose traces are complete under `root`, in job order.

    Raises:
        TraceError: One of them cannot be read.
    """
    found = []
    for job in jobs:
        path = root / f"{job.session}.jsonl"
        if is_complete(path):
            trace = TraceReader(path).read(path)
            assert trace.end is not None
            if trace.end.outcome is not None:
                steps = len(trace.steps) - 1
                found.append(Rollout(job.policy, trace.header.task, job.seed, steps, trace.end.outcome, job.session))
    return found


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
        try:
            for future in as_completed(waiting):
                yield future.result(), waiting[future]
        except BaseException:
            # An error or an interrupt must show now, not after everything that is still queued.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class _Worker:
    """One process's environment and policy; remade when a job is of another policy, whose name its traces carry."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._current: tuple[str, TaskEnv, Policy] | None = None

    def run(self, job: Job) -> Rollout:
        if self._current is None or self._current[0] != job.policy:
            self.close()
            self._current = (job.policy, TaskEnv(**self._options, policy=job.policy), get_policy(job.policy))
        _, env, policy = self._current
        session = job.session if self._options.get("record") is not None else None
        return run_episode(env, policy, seed=job.seed, session=session, name=job.policy, task_seed=job.task_seed)

    def close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None


_worker: _Worker | None = None
"""Of this pool process: an executor's initializer has nowhere else to leave it."""


def _start_worker(options: dict[str, Any]) -> None:
    global _worker  # noqa: PLW0603
    _worker = _Worker(options)


def _run_in_worker(job: Job) -> Rollout:
    assert _worker is not None
    return _worker.run(job)
