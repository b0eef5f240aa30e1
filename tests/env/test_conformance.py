"""The kit finds what it is for."""

import pytest

from envsim.task import Task
from envsim.testing import FakeWorld, NonConformance, check_world
from envsim.types import Action, Observation, Transition

TASK = Task(id="t@0", template="t", app="shelf", interface="tools", split="train", goal="g")


def test_the_fake_world_conforms():
    check_world(FakeWorld, [TASK])


class Forgets(FakeWorld):
    def reset(self, task, seed):
        view = self._view
        answer = super().reset(task, seed)
        self._view = view
        return answer


class HidesChanges(FakeWorld):
    def step(self, action: Action) -> Transition:
        return super().step(action).model_copy(update={"delta": ()})


class Raises(FakeWorld):
    def step(self, action: Action) -> Transition:
        if action.name == "no_such_operation":
            raise KeyError(action.name)
        return super().step(action)


class SaysNothing(FakeWorld):
    def step(self, action: Action) -> Transition:
        answer = super().step(action)
        return Transition(observation=Observation(result=answer.observation.result), delta=answer.delta)


class CannotFork(FakeWorld):
    def restore(self, token: object) -> None:
        self._steps = 0


@pytest.mark.parametrize("world", [Forgets, HidesChanges, SaysNothing, CannotFork])
def test_a_world_that_breaks_the_contract_is_found(world):
    with pytest.raises(NonConformance):
        check_world(world, [TASK])


def test_an_exception_is_not_swallowed():
    with pytest.raises(KeyError):
        check_world(Raises, [TASK])
