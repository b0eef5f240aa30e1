"""Proof that tasks are sound: the oracle solves every instance; doing nothing, guessing and cheating solve none."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from envsim.env import TaskEnv
from envsim.policy import get_policy
from envsim.reward.checks import Record, evaluate
from envsim.rollout import run_episode
from envsim.state import canonical
from envsim.task import Interface, Task
from envsim.task_template import find_template
from envsim.types import JsonValue

EXPECTED = {"oracle": 1.0, "null": 0.0, "random": 0.0}
"""Reward each policy must have on every instance."""

ENDING_SEEDS = 20
"""Instances at least on which an ending is tried before it is said to pass always."""


@dataclass(frozen=True)
class TaskAudit:
    """What the audit of one template found.

    Attributes:
        task: Template id.
        means: Mean reward of each policy over the seeds; an episode that could not be scored counts 0.
        failures: One sentence for each instance and policy that did not get what it must, naming the
            seed and the first failing check.
    """

    task: str
    means: dict[str, float]
    failures: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def audit_template(
    env: TaskEnv, template_id: str, seeds: Sequence[int], on_episode: Callable[[], None] = lambda: None
) -> TaskAudit:
    """Audit one template in an environment of its interface.

    Besides the policies in `EXPECTED`, each instance is judged on an untouched state with answers
    that a cheat would try (see `cheats`); none may pass. Nor may one and the same ending pass on
    every seed: who always gives up must be wrong somewhere.

    Args:
        env: Where the episodes run.
        template_id: The template.
        seeds: Of the instances and their episodes.
        on_episode: Called after each episode.
    """
    rewards: dict[str, list[float]] = {name: [] for name in EXPECTED}
    failures: list[str] = []
    for seed in seeds:
        for name, expected in EXPECTED.items():
            policy = get_policy(name)
            done = run_episode(env, policy, seed=seed, task=f"{template_id}@{seed}", name=name)
            reward = done.outcome.reward
            rewards[name].append(reward or 0.0)
            if reward is None:
                failures.append(f"seed {seed}: {name} could not be scored ({done.outcome.kind}): {done.outcome.reason}")
            elif reward != expected:
                why = " ".join(part for part in (done.outcome.reason, getattr(policy, "stuck", "")) if part)
                failures.append(f"seed {seed}: {name} got {reward:g}, not {expected:g}: {why or 'every check holds.'}")
            on_episode()
        assert env.task is not None
        failures += [f"seed {seed}: {cheat}" for cheat in _passing_cheats(env.task, env.world.seed_view())]
    failures += _passing_endings(template_id, env, seeds)
    means = {name: sum(values) / len(values) if values else 0.0 for name, values in rewards.items()}
    return TaskAudit(template_id, means, tuple(failures))


def _passing_endings(template_id: str, env: TaskEnv, seeds: Sequence[int]) -> Iterator[str]:
    """Endings that pass on all instances without anything being done."""
    view = env.world.seed_view()
    template = find_template(env.app, template_id)
    # A few seeds may all be infeasible by chance; judging an untouched state costs no episode.
    tasks = [template.instantiate(seed, view) for seed in sorted({*seeds, *range(ENDING_SEEDS)})]
    endings = {
        "report_infeasible()": Record(view, view, infeasible=True),
        "answer()": Record(view, view, answered=True),
    }
    for ending, record in endings.items():
        if all(evaluate(task, record).reward for task in tasks):
            yield (
                f"every seed: {ending} at once passes on all {len(tasks)} instances. "
                "Draw some on which it is wrong, with checks for both (see `when` in docs/tasks.md)."
            )


def cheats(task: Task) -> Iterator[tuple[str, JsonValue]]:
    """Answers that must never pass: everything at once, in the hope that a check looks for a part.

    Each comes with what it is, for the report.
    """
    values = list(_leaves(task.params))
    yield "an answer of all that could be asked, in one text", ", ".join(str(value) for value in values)
    yield "an answer of all that could be asked, as a list", list(values)
    yield "an answer of the parameters as JSON", canonical(task.params)
    yield "the answer true", True
    yield "the goal as answer", task.goal


def _passing_cheats(task: Task, view: dict[str, JsonValue]) -> Iterator[str]:
    for what, answer in cheats(task):
        said = (str(answer),)
        if evaluate(task, Record(view, view, answered=True, answer=answer, said=said)).reward:
            yield f"{what} passes."


def _leaves(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value[:50]:
            yield from _leaves(inner)
    else:
        yield value


def audit(
    app: str,
    template_ids: Sequence[str],
    *,
    seeds: int = 20,
    bugs: str = "production",
    workers: int = 1,
    on_done: Callable[[TaskAudit], None] = lambda audited: None,
) -> list[TaskAudit]:
    """Audit templates over ``range(seeds)``; results in the order asked for, whatever `workers` is.

    Args:
        app: Name of the app.
        template_ids: Which of its templates.
        seeds: How many instances of each.
        bugs: As `TaskEnv`.
        workers: Processes; 1 runs here.
        on_done: Called in this process after each template.
    """
    found: dict[str, TaskAudit] = {}
    if workers <= 1:
        for template_id in template_ids:
            found[template_id] = _audit_one(app, template_id, seeds, bugs)
            on_done(found[template_id])
    else:
        # spawn: a forked child would share sockets and locks with this process.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting = [pool.submit(_audit_one, app, template_id, seeds, bugs) for template_id in template_ids]
            for future in as_completed(waiting):
                audited = future.result()
                found[audited.task] = audited
                on_done(audited)
    return [found[template_id] for template_id in template_ids]


def _audit_one(app: str, template_id: str, seeds: int, bugs: str) -> TaskAudit:
    interface: Interface = find_template(app, template_id).interface
    env = TaskEnv(app, interface=interface, bugs=bugs, policy="audit")
    try:
        return audit_template(env, template_id, range(seeds))
    finally:
        env.close()
