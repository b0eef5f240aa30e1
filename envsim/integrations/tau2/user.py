"""Who a tau2 task's user is, as a goal for the seeded user."""

from __future__ import annotations

from envsim.goal import UserGoal
from envsim.integrations.tau2.data import TauTask


def user_goal(domain: str, task: TauTask) -> UserGoal | None:
    return None
