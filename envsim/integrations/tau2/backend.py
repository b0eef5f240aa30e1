"""tau2's own tools on databases of their own: what a `Tau2World` runs.

The tools are the functions that `inspect-evals` gives to a model. They look their database up in a
context variable, so every backend has a context; they never wait for anything, so no event loop is needed.
Around them stands what `inspect_ai` does with a model's call: arguments are validated against the JSON
schema and scalars converted. (Its own `execute_tools` keeps a log of the whole database: 0.2 s a call.)
"""

from __future__ import annotations

import warnings
from collections.abc import Coroutine, Mapping
from contextvars import Context, copy_context
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from envsim.integrations.tau2.data import InitialData, Side, database, library, package
from envsim.integrations.tau2.rows import Rows
from envsim.rng import draw
from envsim.state import StateView, apply, diff
from envsim.types import JsonValue


class CallError(Exception):
    """No call was made: there is no such tool, or the arguments do not fit its schema."""


class Tool(NamedTuple):
    """One tool as a model sees it, and the function behind it."""

    schema: dict[str, JsonValue]
    validator: Any
    execute: Any

    def read(self, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """`arguments` validated, with numbers converted as `inspect_ai` converts them.

        Raises:
            CallError: They do not fit; worded as `inspect_ai` words it.
        """
        if errors := [error.message for error in self.validator.iter_errors(arguments)]:
            lines = [f"Found {len(errors)} validation errors parsing tool input arguments:"]
            raise CallError("\n".join(lines + [f"- {message}" for message in errors]))
        types = {name: each.get("type") for name, each in self.validator.schema["properties"].items()}
        return {name: _CONVERT.get(types[name], _same)(value) for name, value in arguments.items()}


def _same(value: Any) -> Any:
    return value


_CONVERT: dict[str | None, Any] = {"integer": int, "number": float}
"""JSON Schema takes 5.0 for an integer and 5 for a number; the tools' annotations do not."""

_TOOLS: dict[tuple[str, Side], str] = {
    ("airline", "assistant"): "airline.tools:all_airline_tools",
    ("retail", "assistant"): "retail.tools:all_retail_tools",
    ("telecom", "assistant"): "telecom.tools:all_telecom_agent_tools",
    ("telecom", "user"): "telecom.user_tools:all_telecom_user_tools",
}


@cache
def tools(domain: str, side: Side) -> dict[str, Tool]:
    """The tools of one side by name, in the package's order; only telecom's users have any."""
    if (domain, side) not in _TOOLS:
        return {}
    define, validator = library("inspect_ai.tool:ToolDef"), library("jsonschema:Draft7Validator")
    found: dict[str, Tool] = {}
    for make in package(_TOOLS[domain, side]):
        execute = make()
        defined = define(execute)
        parameters = defined.parameters.model_dump(exclude_none=True)
        schema = {"name": defined.name, "description": defined.description, "parameters": parameters}
        found[defined.name] = Tool(schema, validator(parameters), execute)
    return found


class Backend:
    """Databases and tools of one domain.

    Args:
        domain: One of `envsim.integrations.tau2.data.DOMAINS`.

    Raises:
        PrerequisiteError: The extra is not installed.
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self._enter = library("inspect_ai.util._store:init_subtask_store")
        self._context: Context = copy_context()
        self._store: Any = None
        self._sides: dict[Side, Any] = {}

    def reset(self, data: InitialData | None, seed: int) -> None:
        """Fresh databases, with `data` merged in."""
        self._store = library("inspect_ai.util:Store")()
        self._context = copy_context()
        self._context.run(self._enter, self._store)
        self._sides = self._open(data, seed)
        self.settle()

    def call(self, side: Side, name: str, arguments: dict[str, JsonValue]) -> str:
        """What a tool answers to a model's call.

        Raises:
            CallError: No call was made.
            Exception: Whatever the tool raises to refuse; it may have changed something before.
        """
        tool = tools(self.domain, side).get(name)
        if tool is None:
            raise CallError(f"Tool {name} not found")
        read = tool.read(arguments)
        try:
            return str(self._run(tool.execute, read))
        finally:
            self.settle(arguments)

    def invoke(self, side: Side, function: str, arguments: dict[str, Any]) -> Any:
        """Call any function of a side's environment as tau2's evaluator does: no schema, no conversion.

        Raises:
            Exception: Whatever it raises.
        """
        target = getattr(self._sides[side], function, None)
        if target is None:  # not of the environment, but a tool beside it
            target = tools(self.domain, side)[function].execute
        try:
            return self._run(target, deepcopy(arguments))
        finally:
            self.settle(arguments)

    def settle(self, arguments: dict[str, Any] | None = None) -> None:
        """Bring the sides in line with each other after a call."""

    def view(self) -> StateView:
        """All databases as JSON; rows that did not change are shared with earlier views."""
        raise NotImplementedError

    def save(self) -> object:
        """A token for the whole state."""
        raise NotImplementedError

    def load(self, token: Any) -> None:
        """Return to a saved state of this domain."""
        raise NotImplementedError

    def _open(self, data: InitialData | None, seed: int) -> dict[Side, Any]:
        raise NotImplementedError

    def _run(self, function: Any, arguments: dict[str, Any]) -> Any:
        with warnings.catch_warnings():
            # Some tools store a float where the model says int; serialising it warns, and tau2 goes on.
            warnings.simplefilter("ignore")
            result = self._context.run(function, **arguments)
            return self._context.run(_finish, result) if isinstance(result, Coroutine) else result


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    finally:
        coroutine.close()
    raise RuntimeError("a tau2 tool waited for something")


class KeyedBackend(Backend):
    """Airline and retail: one database of large keyed collections, copied row by row."""

    _classes = {
        "airline": ("airline.AirlineAgentTools:AirlineAgentTools", "AirlineTools", "airline.data_model:FlightDB"),
        "retail": ("retail.RetailAgentTools:RetailAgentTools", "RetailTools", "retail.data_model:RetailDB"),
    }

    def _open(self, data: InitialData | None, seed: int) -> dict[Side, Any]:
        rows, self._view = _base(self.domain)
        if data is not None and data.agent_data:
            rows, self._view = _parse(self.domain, _merged(database(self.domain, "db"), data.agent_data))
        return self._hold(rows)

    def _hold(self, rows: dict[str, dict[str, Any]]) -> dict[Side, Any]:
        kit, instance, model = self._classes[self.domain]
        self._rows = {name: Rows(each) for name, each in rows.items()}
        content = package(model).model_construct(**self._rows)
        self._store.set(f"{kit.partition(':')[2]}:{instance}:db", content)
        return {"assistant": package(kit)(store=self._store, instance=instance, initialized=True)}

    def view(self) -> StateView:
        """See `Backend.view`."""
        for name, rows in self._rows.items():
            old = self._view[name]
            seen = {key: old[key] for key in rows.touched if key in old}
            now = {key: _dump(row) for key in rows.touched if (row := rows.look(key)) is not None}
            rows.touched.clear()
            if changes := diff(seen, now):
                self._view = {**self._view, name: apply(old, changes)}
        return self._view

    def save(self) -> object:
        """See `Backend.save`."""
        view = self.view()
        return {name: rows.share() for name, rows in self._rows.items()}, view

    def load(self, token: Any) -> None:
        """See `Backend.load`."""
        rows, self._view = token
        self._sides = self._hold(rows)


class TelecomBackend(Backend):
    """Telecom: a small database for the agent, another for the user's phone, and a sync between them."""

    _kits: dict[Side, tuple[str, str, str]] = {
        "assistant": ("telecom.TelecomAgentTools:TelecomAgentTools", "telecom.data_model:TelecomDB", "db"),
        "user": ("telecom.TelecomUserTools:TelecomUserTools", "telecom.user_data_model:TelecomUserDB", "user_db"),
    }

    def _open(self, data: InitialData | None, seed: int) -> dict[Side, Any]:
        self._seed = seed
        self._charges = 0
        extra = {} if data is None else {"assistant": data.agent_data, "user": data.user_data}
        sides: dict[Side, Any] = {}
        for side, (kit, model, file) in self._kits.items():
            content = package(model).model_validate(_merged(database("telecom", file), extra.get(side) or {}))
            make = package(kit)
            sides[side] = make(store=self._store, instance=make.__name__, db=content, initialized=True)
        self._environment = package("telecom.environment:Environment")(sides["user"], sides["assistant"])
        return sides

    def settle(self, arguments: dict[str, Any] | None = None) -> None:
        """As tau2: the phone follows the line, a payment follows the bill. Bills get ids that a seed determines."""
        content = self._sides["assistant"].db
        if arguments is None:
            self._known = {bill.bill_id for bill in content.bills}
        for bill in content.bills:
            if bill.bill_id not in self._known:
                self._name(content, bill, arguments or {})
        self._context.run(self._environment.sync_tools)

    def _name(self, content: Any, bill: Any, arguments: dict[str, Any]) -> None:
        # A charge to a customer without a draft bill makes one, with an id from uuid4: other bytes every time.
        if bill.bill_id not in arguments.values():
            self._charges += 1
            old, bill.bill_id = bill.bill_id, f"B{draw(self._seed, 'bill', self._charges) % 2**32:08x}"
            for customer in content.customers:
                customer.bill_ids = [bill.bill_id if each == old else each for each in customer.bill_ids]
        self._known.add(bill.bill_id)

    def view(self) -> StateView:
        """See `Backend.view`."""
        agent, user = _dump(self._sides["assistant"].db), _dump(self._sides["user"].db)
        return {**{name: _by_id(name, rows) for name, rows in agent.items()}, **user}

    def save(self) -> object:
        """See `Backend.save`."""
        # In one copy: a phone whose VPN was broken shares the broken settings with the toolkit's default.
        return deepcopy((dict(self._store.items()), self._known)), self._charges

    def load(self, token: Any) -> None:
        """See `Backend.load`."""
        (items, self._known), self._charges = deepcopy(token[0]), token[1]
        for key, value in items.items():
            self._store.set(key, value)


def open_backend(domain: str) -> Backend:
    """A backend of `domain`, to be reset before use."""
    return TelecomBackend(domain) if domain == "telecom" else KeyedBackend(domain)


@cache
def _base(domain: str) -> tuple[dict[str, dict[str, Any]], StateView]:
    """A domain's database as rows and as view; shared by everybody, so changed by nobody."""
    return _parse(domain, database(domain, "db"))


def _parse(domain: str, raw: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], StateView]:
    content = package(KeyedBackend._classes[domain][2]).model_validate(dict(raw))
    return {name: getattr(content, name) for name in type(content).model_fields}, _dump(content)


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", warnings=False)


def _by_id(collection: str, rows: Any) -> Any:
    key = f"{collection.removesuffix('s')}_id"
    return {row[key]: row for row in rows} if isinstance(rows, list) else rows


def _merged(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """As tau2's `update_db`: objects are merged key by key, all else is replaced."""
    out = dict(base)
    for key, value in update.items():
        both = isinstance(out.get(key), dict) and isinstance(value, dict)
        out[key] = _merged(out[key], value) if both else value
    return out
