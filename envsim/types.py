"""The values every part of envsim exchanges: frozen, JSON-native, validated at the edges.

An `Action` is what an assistant message is in every chat API: one tool call, or text to the
user, or a final answer. Browser actions are tool calls with BrowserGym's primitive names.
"""

from __future__ import annotations

import ast
import json
import keyword
import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from envsim.errors import ActionError
from envsim.state import StateView

__all__ = [
    "AGENT_TOOLS",
    "Action",
    "ActionKind",
    "Event",
    "Frozen",
    "JsonValue",
    "Message",
    "Observation",
    "Outcome",
    "OutcomeKind",
    "StateDelta",
    "StateView",
    "Transition",
]

ActionKind = Literal["call", "say", "answer"]
OutcomeKind = Literal["policy", "env_bug", "infra", "sim_uncertain"]
StateDelta = tuple[tuple[JsonValue, ...], ...]
"""Changes as in `envsim.state.diff`: ``((path, value), (deleted_path,), ...)``."""

MAX_ACTION_CHARS = 16_384
"""Longest text accepted as one action; more is refused before it is parsed."""

MAX_INTEGER_BITS = 1024
"""Longest whole number in an action."""

MAX_ACTION_DEPTH = 64
"""Deepest nesting of lists and objects in an action: far above any tool's, far below any parser's."""


class Frozen(BaseModel):
    """Base of all value types: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Frozen):
    """One utterance in the conversation between agent and user."""

    role: Literal["user", "assistant", "system"]
    text: str


class Action(Frozen):
    """What a policy does in one step. Build one with `call`, `say` or `answer`."""

    kind: ActionKind
    name: str = Field(default="", description="tool or primitive name; kind 'call' only")
    arguments: dict[str, JsonValue] = Field(default={}, description="by name; kind 'call' only")
    text: str = Field(default="", description="what is said to the user; kind 'say' only")
    value: JsonValue = Field(default=None, description="the final answer; kind 'answer' only")

    @model_validator(mode="after")
    def _is_one_kind_and_json(self) -> Action:
        if (self.kind == "call") != bool(self.name):
            raise ValueError("a call, and only a call, has a name")
        if (self.arguments and self.kind != "call") or (self.text and self.kind != "say"):
            raise ValueError(f"an action of kind {self.kind!r} has no such field")
        if self.value is not None and self.kind != "answer":
            raise ValueError("only an answer has a value")
        _check_json([self.name, self.arguments, self.text, self.value])
        return self

    @classmethod
    def call(cls, name: str, /, **arguments: JsonValue) -> Action:
        """A tool call, e.g. ``Action.call("click", bid="e4kq2")``."""
        return cls(kind="call", name=name, arguments=arguments)

    @classmethod
    def say(cls, text: str) -> Action:
        """A message to the user; the episode goes on."""
        return cls(kind="say", text=text)

    @classmethod
    def answer(cls, value: JsonValue = None) -> Action:
        """Ends the episode, with a value where the goal asks a question."""
        return cls(kind="answer", value=value)

    @classmethod
    def parse(cls, raw: Action | str | dict[str, Any]) -> Action:
        """Read an action from any form a policy may emit.

        Accepts an `Action`; its JSON (text or dict); an OpenAI tool call or assistant message;
        or a call string such as ``click("e4kq2")``. Call strings are read as literals and
        never evaluated. A call of ``answer`` or ``send_msg_to_user`` is an answer or a message
        in every form, unless JSON says ``"kind": "call"``.

        Raises:
            ActionError: `raw` is none of these; the message says what was expected.
        """
        if isinstance(raw, Action):
            return raw
        if isinstance(raw, str):
            if len(raw) > MAX_ACTION_CHARS:
                raise ActionError(f"The action has {len(raw)} characters; at most {MAX_ACTION_CHARS} are read.")
            text = raw.strip()
            if not text.startswith("{"):
                return _parse_call(text)
            try:
                raw = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ActionError(f"The action is not valid JSON ({error}); send one JSON object.") from None
        if not isinstance(raw, dict):
            raise ActionError('An action is a JSON object or a call such as click("e4kq2").')
        try:
            return _from_json(raw)
        except (ValidationError, ValueError) as error:
            raise ActionError(f"The action does not fit its schema: {_first_line(error)}.") from None

    def to_call(self) -> str:
        """The call string of this action; ``Action.parse(a.to_call()) == a`` up to `MAX_ACTION_CHARS`.

        A call whose names Python cannot spell (``orders.list``, an argument ``from``) becomes JSON.
        """
        if self.kind == "say":
            return f"send_msg_to_user({_literal(self.text)})"
        if self.kind == "answer":
            return f"answer({_literal(self.value)})" if self.value is not None else "answer()"
        if self.name in _NOT_CALLS or not all(map(_spells, (self.name, *self.arguments))):
            return json.dumps({"kind": "call", "name": self.name, "arguments": self.arguments}, ensure_ascii=False)
        return f"{self.name}({', '.join(f'{k}={_literal(v)}' for k, v in self.arguments.items())})"


class Event(Frozen):
    """Ground truth about a step that the agent never sees: a bug that fired, a fault injected."""

    kind: Literal["bug", "fault", "fallback", "drift"]
    id: str = Field(description="as declared; 'sandbox' or 'again' for a fallback, 'trust' for drift")
    detail: str = ""


class Observation(Frozen):
    """What the agent sees after a step. Text first; unused fields are empty strings."""

    goal: str = ""
    url: str = Field(default="", description="path and query of the active page; no host, so it is the same anywhere")
    title: str = ""
    page: str = Field(default="", description="element lines, see envsim.page.lines; browser interface only")
    result: str = Field(default="", description="JSON text of the last tool result; tools interface only")
    messages: tuple[Message, ...] = Field(default=(), description="said to the agent since its last action")
    error: str = Field(default="", description="why the last action could not be carried out")


class UserCall(Frozen):
    """One operation a simulated user carried out in a session of its own."""

    action: Action
    result: str = Field(default="", description="JSON text of the result")
    error: str = Field(default="", description="why no call was made at all")


class UserTurn(Frozen):
    """What a simulated user does in one turn. The agent sees `text` and nothing else."""

    text: str = Field(default="", description="what it says")
    acts: tuple[str, ...] = Field(default=(), description="dialogue acts, such as 'inform:order_number'")
    calls: tuple[UserCall, ...] = Field(default=(), description="what it did meanwhile, with tools of its own")
    decisions: tuple[str, ...] = Field(default=(), description="decision points that fired, such as 'misremember'")
    done: bool = Field(default=False, description="it has left: nothing more will be said")
    fault: str = Field(
        default="", description="the simulator broke an invariant of its own; the turn is not to be trusted"
    )


class Transition(Frozen):
    """What a world answers to one action."""

    observation: Observation
    delta: StateDelta = Field(default=(), description="what the action changed in the state view")
    events: tuple[Event, ...] = ()
    trust: float = Field(default=1.0, ge=0, le=1, description="the world's own P(this transition is right)")
    trusted: bool = Field(default=True, description="whether that is inside the world's own trust region")
    odds: float = Field(
        default=1.0, ge=0, le=1, description="the world's own P(what happens now and then happens as it does here)"
    )
    user: UserTurn | None = Field(default=None, description="what the task's user did; the environment's to fill in")


class Outcome(Frozen):
    """How an episode ended and who is answerable for it.

    `reward` is None whenever the episode cannot be scored: infrastructure failure and simulator
    uncertainty are never reward 0.
    """

    kind: OutcomeKind
    reward: float | None = Field(description="in [0, 1]; None when unscorable")
    reason: str = Field(default="", description="first failed check, or what broke")

    @property
    def success(self) -> bool:
        """Whether it was scored and every check held."""
        return self.reward == 1.0


# Positional arguments of the primitives in call strings, in BrowserGym's order.
POSITIONAL: dict[str, tuple[str, ...]] = {
    "noop": ("wait_ms",),
    "scroll": ("delta_x", "delta_y"),
    "fill": ("bid", "value"),
    "select_option": ("bid", "options"),
    "click": ("bid", "button", "modifiers"),
    "dblclick": ("bid", "button", "modifiers"),
    "hover": ("bid",),
    "press": ("bid", "key_comb"),
    "focus": ("bid",),
    "clear": ("bid",),
    "drag_and_drop": ("from_bid", "to_bid"),
    "goto": ("url",),
    "go_back": (),
    "go_forward": (),
    "new_tab": (),
    "tab_close": (),
    "tab_focus": ("index",),
    "report_infeasible": ("reason",),
}

_NOT_CALLS: dict[str, tuple[str, ...]] = {"send_msg_to_user": ("text",), "answer": ("value",)}
"""Names that are called as tools are, but speak to the user: nothing the world carries out."""


def _tool(name: str, description: str, argument: str, *, required: bool = True) -> dict[str, Any]:
    properties = {argument: {"type": "string"}}
    parameters = {"type": "object", "properties": properties, "required": [argument] if required else []}
    return {"name": name, "description": description, "parameters": parameters}


AGENT_TOOLS: tuple[dict[str, Any], ...] = (
    _tool("answer", "End the task. Give the value alone where the goal asks a question.", "value", required=False),
    _tool("report_infeasible", "End the task because its goal cannot be reached.", "reason"),
    _tool("send_msg_to_user", "Say something to the user.", "text"),
)
"""What any agent can call beside the world's own tools, as OpenAI function schemas."""


def _parse_call(text: str) -> Action:
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ActionError(f'Cannot read {text[:80]!r}: send one call such as click("e4kq2"), or JSON.') from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ActionError(f'{text[:80]!r} is not a call: send one call such as click("e4kq2"), or JSON.')
    name = node.func.id
    try:
        positional = [ast.literal_eval(arg) for arg in node.args]
        keyword = {kw.arg: ast.literal_eval(kw.value) for kw in node.keywords if kw.arg is not None}
        if len(keyword) != len(node.keywords):
            raise ValueError("** is not read")
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ActionError(
            f"The arguments of {name}() must be literals: strings, numbers, lists, true values."
        ) from None
    return _assemble(name, positional, keyword)


def _assemble(name: str, positional: list[Any], keyword: dict[str, Any]) -> Action:
    names = _NOT_CALLS.get(name) or POSITIONAL.get(name, ())
    if len(positional) > len(names):
        raise ActionError(f"{name}() takes {len(names)} positional arguments, not {len(positional)}; name the others.")
    arguments = dict(zip(names, positional, strict=False))
    if clash := arguments.keys() & keyword.keys():
        raise ActionError(f"{name}() got {sorted(clash)[0]!r} twice; give it once.")
    return _named(name, arguments | keyword)


def _named(name: str, arguments: Any) -> Action:
    """The action that a call of `name` is, whatever form it came in."""
    try:
        if name in _NOT_CALLS and (unknown := arguments.keys() - set(_NOT_CALLS[name])):
            raise ValueError(f"it takes {_NOT_CALLS[name][0]!r} only, not {min(unknown)!r}")
        if name == "send_msg_to_user":
            if "text" not in arguments:
                raise ValueError("'text' is missing")
            return Action.say(arguments["text"])
        if name == "answer":
            return Action.answer(arguments.get("value"))
        return Action(kind="call", name=name, arguments=arguments)
    except ValueError as error:
        raise ActionError(f"The arguments of {name[:80]}() do not fit: {_first_line(error)}.") from None


def _from_json(raw: dict[str, Any]) -> Action:
    """The action an assistant message, an OpenAI tool call, or an action's own JSON is."""
    if calls := raw.get("tool_calls"):
        if not isinstance(calls, list) or len(calls) != 1 or not isinstance(calls[0], dict):
            raise ValueError("send exactly one tool call per step")
        raw = calls[0]
    if isinstance(function := raw.get("function"), dict):
        raw = function
    if "kind" not in raw:
        if isinstance(name := raw.get("name"), str):
            arguments = raw.get("arguments", {})
            if isinstance(arguments, str):
                arguments = json.loads(arguments or "{}")
            if not isinstance(arguments, dict):
                raise ValueError("arguments: not a JSON object")
            return _named(name, arguments)
        if isinstance(raw.get("content"), str):
            return Action.say(raw["content"])
    return Action.model_validate(raw)


def _spells(name: str) -> bool:
    # ASCII only: Python folds other identifiers to a normal form, and the name would not read back.
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def _check_json(value: Any, depth: int = -1) -> None:
    """Refuse what pydantic's JsonValue lets through and no JSON file can hold."""
    if depth > MAX_ACTION_DEPTH:
        raise ValueError(f"it nests deeper than {MAX_ACTION_DEPTH} levels")
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("a string holds half a surrogate pair")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif isinstance(value, int):
        # A hexadecimal literal can be longer than Python is willing to print in decimal.
        if value.bit_length() > MAX_INTEGER_BITS:
            raise ValueError(f"a whole number has more than {MAX_INTEGER_BITS} bits")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_json(key, depth)
            _check_json(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_json(item, depth + 1)


def _literal(value: JsonValue) -> str:
    # Python literals, not JSON ones: the call string is read back by ast.literal_eval.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "action"
        return f"{where}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
