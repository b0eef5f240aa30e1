"""The desk's tasks solved in other words than the oracle's: what is right must not hang on how it is said."""

import json
import re
from pathlib import Path

import pytest

from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.rollout import run_episode
from envsim.task_template import load_tasks
from envsim.types import Action

MANNERS = json.loads(Path(__file__).with_name("rephrased.json").read_text("utf-8"))
"""By manner: [pattern, replacement] of what the oracles say, in order."""
TEMPLATES = [template.id for template in load_tasks("desk")]


class Rephrased:
    """Does what the oracle does, and says it in its own manner."""

    def __init__(self, manner):
        self.oracle = OraclePolicy()
        self.phrases = [(re.compile(pattern), words) for pattern, words in MANNERS[manner]]
        self.changed = 0

    def reset(self, task, seed, tools):
        self.oracle.reset(task, seed, tools)

    def act(self, observation):
        action = self.oracle.act(observation)
        if action.kind != "say":
            return action
        text = action.text
        for pattern, words in self.phrases:
            text = pattern.sub(words, text)
        self.changed += text != action.text
        return Action.say(text)


@pytest.fixture(scope="module")
def desk():
    env = TaskEnv("desk", interface="tools")
    yield env
    env.close()


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_other_words_solve_the_task(desk, template, manner):
    agent = Rephrased(manner)
    outcome = run_episode(desk, agent, seed=1, task=f"{template}@1").outcome
    assert outcome.reward == 1.0, outcome.reason
    assert agent.changed > 0
