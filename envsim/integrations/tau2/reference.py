"""What inspect-evals itself makes of an episode: its solver, its way of calling tools, its scorers; no language model.

For tests and for `benchmarks/tau2.py`, which hold ours against it. It shares nothing with `Tau2World` but the
installed package: databases are loaded anew, calls go through ``inspect_ai.model.execute_tools``, and the
judgement is ``airline_scorer``, ``retail_scorer`` or ``telecom_scorer``. Airline takes a second an episode, the others
less.

Its reader leaves an unpacked database in the temporary folder each time: set ``tempfile.tempdir`` to a
folder that you remove.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, NamedTuple

from envsim.errors import ContentError
from envsim.integrations.tau2.data import find_task, library, package, raw_task
from envsim.integrations.tau2.world import Call

_SCORERS = {
    "airline": ("AirlineAgent", "airline.scorer:airline_scorer", "airline.tools:all_airline_tools"),
    "retail": ("RetailAgent", "retail.scorer:retail_scorer", "retail.tools:all_retail_tools"),
    "telecom": ("TelecomAgent", "telecom.scorer:telecom_scorer", "telecom.tools:all_telecom_agent_tools"),
}
"""Of each domain: the agent's name in the store, the scorer, the tools; as in ``inspect_evals.tau2.tau2``."""


class Scored(NamedTuple):
    """The original's verdict."""

    reward: float
    reason: str
    results: tuple[str, ...]
    """What each call returned: the tool's text, or ``"Error: <why>"``."""


def original(domain: str, tau_id: str, calls: Sequence[Call], said: Sequence[str]) -> Scored:
    """The reward inspect-evals gives to an episode in which these calls were made and these texts told the user.

    Raises:
        ContentError: No such domain or task.
        PrerequisiteError: The extra ``tau2`` is not installed.
    """
    find_task(domain, tau_id)
    if domain not in _SCORERS:
        raise ContentError(f"There is no original scorer of {domain!r}.")
    return copy_context().run(_score, domain, tau_id, calls, said)


def _score(domain: str, tau_id: str, calls: Sequence[Call], said: Sequence[str]) -> Scored:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = library("inspect_ai.util:Store")()
        library("inspect_ai.util._store:init_subtask_store")(store)
        # Or each call would compare the whole database before and after, for a log that nobody reads.
        with library("inspect_ai.util._store:suspend_store_events")():
            return asyncio.run(_episode(domain, tau_id, calls, said, store))


async def _episode(domain: str, tau_id: str, calls: Sequence[Call], said: Sequence[str], store: Any) -> Scored:
    instance, scorer, agent_tools = _SCORERS[domain]
    state = _state(domain, tau_id, instance, said, store)
    if domain == "telecom":
        await package("telecom.solver:telecom_initializer")()(state, None)
    sides = {
        "assistant": [make() for make in package(agent_tools)],
        "user": [make() for make in package("telecom.user_tools:all_telecom_user_tools")]
        if domain == "telecom"
        else [],
    }
    log = library("inspect_ai.util:store_as")(package("common.agents:StoredAgentState"), instance)
    messages: dict[str, list[Any]] = {"assistant": log.messages, "user": state.messages}
    results = []
    for index, call in enumerate(calls):
        message = _message(index, call)
        messages[call.side].append(message)
        results.append(await _result(message, sides[call.side]))
    log.messages = messages["assistant"]
    score = await package(scorer)()(state, library("inspect_ai.scorer:Target")(""))
    return Scored(float(score.value == "C"), str(score.explanation or ""), tuple(results))


def _state(domain: str, tau_id: str, instance: str, said: Sequence[str], store: Any) -> Any:
    # The sample's messages are the user simulator's: there, what the agent says comes from the other side.
    user_message = library("inspect_ai.model:ChatMessageUser")
    return library("inspect_ai.solver:TaskState")(
        model="none/none",
        sample_id=tau_id,
        epoch=1,
        input="",
        messages=[package("common.dataset:USER_MESSAGE"), *(user_message(content=text) for text in said)],
        metadata={"instance": instance, "task": raw_task(domain, tau_id)},
        store=store,
    )


def _message(index: int, call: Call) -> Any:
    tool_call = library("inspect_ai.tool:ToolCall")(id=f"call_{index}", function=call.name, arguments=call.arguments)
    return library("inspect_ai.model:ChatMessageAssistant")(content="", tool_calls=[tool_call])


async def _result(message: Any, tools: list[Any]) -> str:
    # What is neither a refusal nor a parsing error ends the turn in the original's loop, which goes on.
    with suppress(Exception):
        answered = await library("inspect_ai.model:execute_tools")([message], tools)
        (reply,) = answered.messages
        return f"Error: {reply.error.message}" if reply.error is not None else str(reply.text)
    return "Error: the tool raised"
