"""tau2-bench tasks as tasks of ours: one at a time, or as what a `TaskEnv` draws from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from envsim.errors import ContentError
from envsim.integrations.tau2.data import TauTask, env_task_id, find_task, policy, split_of, splits, tasks
from envsim.integrations.tau2.phone import request
from envsim.integrations.tau2.reward import judge
from envsim.integrations.tau2.user import user_goal
from envsim.integrations.tau2.world import PARAMS_KEY, Tau2World, tau_task
from envsim.reward.checks import Record, Verdict
from envsim.rng import draw
from envsim.task import Task
from envsim.types import Action
from envsim.world import World

MAX_STEPS = 200
"""tau2-bench's own default limit on steps of a simulation."""


class Tau2Source:
    """All tasks of a domain, a split, or one; a `TaskSource` for environments around a `Tau2World`.

    Args:
        domain: ``"airline"``, ``"retail"`` or ``"telecom"``.
        task: A task by tau2's id or ours; None for all of `split`.
        split: One of `splits(domain)`, ``"train"`` and ``"test"`` among them; None for every task.
        with_user: Whether tasks bring their user.

    Raises:
        ContentError: No such domain, task or split.
        PrerequisiteError: The extra ``tau2`` is not installed.
    """

    def __init__(
        self, domain: str, *, task: str | None = None, split: str | None = None, with_user: bool = True
    ) -> None:
        known = splits(domain)
        if split is not None and split not in known:
            raise ContentError(f"tau2 {domain} has no split {split!r}. Use one of: {', '.join(sorted(known))}.")
        self.domain = domain
        self._with_user = with_user
        self._world: Tau2World | None = None
        self.ids: tuple[str, ...] = tuple(tasks(domain)) if split is None else known[split]
        """tau2's ids of the tasks to draw from."""
        if task is not None:
            self.ids = (find_task(domain, task).id,)

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        """See `TaskSource.choose`."""
        if not isinstance(world, Tau2World):
            raise ContentError(f"tau2 tasks need a Tau2World, not {type(world).__name__}. Use Tau2Env(domain).")
        self._world = world
        tau_id = wanted if wanted is not None else self.ids[draw(seed, "tau2 task") % len(self.ids)]
        return make_task(self.domain, tau_id, with_user=self._with_user)

    def judge(self, task: Task, record: Record) -> Verdict:
        """See `TaskSource.judge`: tau2's own reward of the world as it stands."""
        if self._world is None:
            raise ContentError("No task has been chosen. Call reset() on the environment first.")
        return judge(tau_task(task), self._world, record.said)


def make_task(domain: str, wanted: str, *, with_user: bool = True) -> Task:
    """One tau2 task, with its whole JSON in ``params["tau2"]``; the agent's goal is the domain's policy.

    Args:
        domain: ``"airline"``, ``"retail"`` or ``"telecom"``.
        wanted: tau2's id, or ours (`env_task_id`).
        with_user: Whether the task has a user (`user_goal`); without one the agent works alone.

    Raises:
        ContentError: No such domain or task.
        PrerequisiteError: The extra ``tau2`` is not installed.
    """
    tau = find_task(domain, wanted)
    name = env_task_id(domain, tau.id)
    return Task(
        id=name,
        template=name,
        app=f"tau2-{domain}",
        interface="tools",
        split=split_of(domain, tau.id),
        goal=policy(domain),
        user=user_goal(domain, tau) if with_user else None,
        max_steps=MAX_STEPS,
        oracle=tuple(gold_oracle(tau)),
        params={PARAMS_KEY: tau.model_dump(mode="json")},
    )


def gold_oracle(task: TauTask) -> Iterator[Any]:
    """The gold solution as oracle steps (`envsim.policy.steps`): its calls, requests to the user, what must be said.

    A user that only says it has done something is asked once more; one that has done it repeats what the phone says.
    """
    criteria = task.evaluation_criteria
    for action in (criteria and criteria.actions) or ():
        if action.requestor == "assistant":
            yield _spelled(Action(kind="call", name=action.name, arguments=action.arguments))
            continue
        asked = _spelled(Action.say(request(action.name, action.arguments)))
        yield asked
        yield {"when": f"!({_DONE})", "do": [asked]}
    for text in (criteria and criteria.communicate_info) or ():
        yield _spelled(Action.say(f"For your information: {text}."))


_DONE = "contains(lower(message), 'status bar') || contains(lower(message), 'payment of')"
"""What telecom's phone answers to everything that changes it."""


def _spelled(action: Action) -> str:
    return action.model_dump_json(exclude_defaults=True)
