"""tau2-bench (airline, retail, telecom) as environments, with the data, tools and rewards of `inspect-evals`.

Needs the extra: ``pip install 'envsim[tau2]'``. See ``docs/tau2.md``.
"""

from envsim.integrations.tau2.data import DOMAINS, TauTask, env_task_id, find_task, policy, split_of, splits, tasks
from envsim.integrations.tau2.env import Tau2Env
from envsim.integrations.tau2.replay import GoldReplay, replay_gold
from envsim.integrations.tau2.reward import judge
from envsim.integrations.tau2.source import Tau2Source, make_task
from envsim.integrations.tau2.user import user_goal
from envsim.integrations.tau2.world import Call, Tau2World

__all__ = [
    "DOMAINS",
    "Call",
    "GoldReplay",
    "Tau2Env",
    "Tau2Source",
    "Tau2World",
    "TauTask",
    "env_task_id",
    "find_task",
    "judge",
    "make_task",
    "policy",
    "replay_gold",
    "split_of",
    "splits",
    "tasks",
    "user_goal",
]
