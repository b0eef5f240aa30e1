"""The sandbox once more, with other chance: what a model that knew the app by heart would reach.

Which of the bugs that fire by chance do so in an episode follows from its seed, and no model can foresee it. The same
tasks, policies and actions with other draws of the app show how much of every figure that costs: a ceiling for models,
and a check of the measures, which should find nothing wrong with the sandbox beside itself.
"""

from __future__ import annotations

from envsim.rng import draw
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task import Interface, Task
from envsim.types import Transition

AGAIN = "sandbox-again"
"""Its name in reports."""


class AgainWorld(SandboxWorld):
    """A sandbox whose own draws come from another seed than the episode's."""

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`."""
        return super().reset(task, draw(seed, "again") % 2**31)


def again(app: str, interface: Interface, bugs: str) -> AgainWorld:
    """One for `app`, not yet started.

    Raises:
        ContentError: An unknown app or bug.
    """
    spec = find_spec(app)
    return AgainWorld(spec, runtime=get_runtime("auto", spec), interface=interface, bugs=bugs)
