"""tau2-bench tasks as tasks of ours."""

from __future__ import annotations

from envsim.integrations.tau2.data import env_task_id, find_task, policy, split_of
from envsim.integrations.tau2.world import PARAMS_KEY
from envsim.task import Task

MAX_STEPS = 200
"""tau2-bench's own default limit on steps of a simulation."""


def make_task(domain: str, wanted: str) -> Task:
    """One tau2 task, with its whole JSON in ``params["tau2"]``; the agent's goal is the domain's policy.

    Args:
        domain: ``"airline"``, ``"retail"`` or ``"telecom"``.
        wanted: tau2's id, or ours (`env_task_id`).

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
        max_steps=MAX_STEPS,
        params={PARAMS_KEY: tau.model_dump(mode="json")},
    )
