"""tau2's own reward, reproduced: the product of the components in a task's reward basis, each 0 or 1.

- ``DB``: the databases equal, as JSON, those that the gold actions lead to from the same start.
- ``ENV_ASSERTION``: every assertion function returns what it should.
- ``ACTION``: every gold action was called, in any order and by its own side, whether or not it succeeded.
- ``COMMUNICATE``: every text is part of what the agent told the user, in any case and without commas.
- ``NL_ASSERTION``: needs a language model as judge. No task of the three domains has it in its basis
  (their ``nl_assertions`` are comments: neither tau2-bench nor inspect-evals scores them), so none loses a component.
  A task of your own that asks for it is unscorable here: a product without it would be another reward.

Source: ``inspect_evals.tau2.common.scorer`` and its domains' scorers, with which ours is compared on every task.
tau2-bench's own evaluator (``tau2.evaluator``, read but not run: it is on no package index) says the same of the tasks
as they are, with one exception: it gives 0 to an episode cut off at a step limit, which inspect-evals and we score like
any other. For actions of your own, mind that it compares lists in order where inspect-evals does not.

Known weaknesses are kept, because a reward that differs is another benchmark: ``COMMUNICATE`` is a substring match,
and where the gold actions write nothing, an agent that does nothing is rewarded (see `benchmarks/RESULTS.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from envsim.errors import ContentError, UncertainError
from envsim.integrations.tau2.backend import open_backend
from envsim.integrations.tau2.data import Criteria, GoldAction, TauTask, package
from envsim.integrations.tau2.world import Call, Tau2World
from envsim.reward.checks import CheckResult, Verdict
from envsim.state import StateView, diff

COMPONENTS = ("DB", "ENV_ASSERTION", "ACTION", "COMMUNICATE")
_ANY_ARGUMENTS = "transfer_to_human_agents"
"""The one tool whose arguments tau2's action check never compares."""


def judge(task: TauTask, world: Tau2World, said: Sequence[str]) -> Verdict:
    """The reward of an episode that ended in `world` as it stands, with a result per component of its basis.

    Args:
        task: The task it was reset to.
        world: After the last step.
        said: What the agent told the user, in order.

    Raises:
        UncertainError: The basis asks for a judge.
        ContentError: The basis or an assertion is broken.
    """
    criteria = task.evaluation_criteria
    if criteria is None:
        return Verdict(1.0, ())
    for name in criteria.reward_basis:
        if name == "NL_ASSERTION":
            raise UncertainError(
                f"tau2 task {task.id!r} is judged by natural-language assertions, which need a language model. "
                "Leave NL_ASSERTION out of its reward_basis, or score its traces with a judge."
            )
        if name not in COMPONENTS:
            raise ContentError(f"tau2 task {task.id!r} has {name!r} in its reward_basis; there are: {COMPONENTS}.")
    results = []
    for name in (each for each in COMPONENTS if each in criteria.reward_basis):
        failure = _failure(name, task, criteria, world, said)
        results.append(CheckResult(name, not failure, f"{name}: {failure}" if failure else ""))
    return Verdict(float(all(result.held for result in results)), tuple(results))


def gold_view(domain: str, task: TauTask) -> StateView:
    """The state view that the gold actions lead to. What one of them refuses is left undone, as in tau2."""
    start = task.initial_state
    backend = open_backend(domain)
    backend.reset(start.initialization_data if start else None, 0)
    for each in (start.initialization_actions if start else None) or ():
        backend.invoke(each.env_type, each.func_name, each.arguments)
    for action in (task.evaluation_criteria and task.evaluation_criteria.actions) or ():
        with suppress(Exception):
            backend.invoke(action.requestor, action.name, action.arguments)
    return backend.view()


def missing_actions(wanted: Iterable[GoldAction], calls: Sequence[Call]) -> list[GoldAction]:
    """Gold actions that no call of the episode fulfils."""
    equal = package("utils:deep_equal_unordered")

    def fulfils(call: Call, action: GoldAction) -> bool:
        if call.side != action.requestor or not (call.name == action.name or call.name.endswith(f"_{action.name}")):
            return False
        if action.name == _ANY_ARGUMENTS:
            return True
        keys = action.compare_args
        if keys is None:
            return bool(equal(call.arguments, action.arguments))
        return bool(
            equal({key: call.arguments.get(key) for key in keys}, {key: action.arguments.get(key) for key in keys})
        )

    return [action for action in wanted if not any(fulfils(call, action) for call in calls)]


def unsaid(wanted: Iterable[str], said: Iterable[str]) -> list[str]:
    """Texts that are no part of what was said. tau2 drops commas from what was said only; so do we."""
    heard = "\n".join(said).lower().replace(",", "")
    return [text for text in wanted if text.lower() not in heard]


def _failure(name: str, task: TauTask, criteria: Criteria, world: Tau2World, said: Sequence[str]) -> str:
    if name == "DB":
        if criteria.actions is None:
            return ""
        changes = diff(gold_view(world.domain, task), world.state())
        return f"{changes[0][0]} is not as after the gold actions ({len(changes)} such)" if changes else ""
    if name == "ENV_ASSERTION":
        return _broken_assertion(task, criteria, world)
    if name == "ACTION":
        missing = missing_actions(criteria.actions or (), world.calls)
        return f"nobody called {missing[0].name} as wanted ({len(missing)} such)" if missing else ""
    left = unsaid(criteria.communicate_info or (), said)
    return f"the agent never said {left[0]!r} ({len(left)} such)" if left else ""


def _broken_assertion(task: TauTask, criteria: Criteria, world: Tau2World) -> str:
    for each in criteria.env_assertions or ():
        try:
            value = world.check(each.env_type, each.func_name, each.arguments)
        except Exception as error:
            raise ContentError(
                f"{each.func_name} of tau2 task {task.id!r} raised {type(error).__name__} ({error}). "
                "Correct the assertion's arguments."
            ) from error
        if value != each.assert_value:
            return f"{each.func_name}({each.arguments}) is not {each.assert_value}"
    return ""
