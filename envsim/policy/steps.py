r"""The language of oracles: what a task's author would do, step by step, seeing only what an agent sees.

A step is a call string, or a table where production may go either way::

    oracle = [
      'fill("@textbox Quantity", "{quantity}")',
      'click("@button Add to cart")',
      { when = "@dialog", do = ['click("@dialog >> button Close")'], else = [] },
      { until = "@heading ~Thank you", do = ['click("@button Place order")'], max = 5 },
      { save = { number = "@heading ~Order" }, pattern = '#(\d+)' },
      'answer("{saved.number}")',
    ]

``bid`` arguments are locators (`envsim.policy.locator`). Placeholders name the task's parameters,
``url`` and, under ``saved``, what was saved so far. A condition is a locator, ``!`` and a locator (no such
element), or a JMESPath query over ``{result, error, url, title, saved, message, heard, <parameters>}``;
of a list, all must hold. ``message`` is what the task's user said last, ``heard`` all it has said.
``until`` looks before each round, so its steps may run no time at all. What is saved is an element's
text or value, or what a query finds; ``pattern`` keeps its first group, and with ``optional = true``
what does not match leaves what was saved before (null at first) instead of ending the episode::

    { until = "saved.code", max = 6, do = [
      'send_msg_to_user("Which order is it about? Please give me its number.")',
      { save = { code = "message" }, pattern = '\b(\d{4})\b', optional = true },
    ] }
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envsim.errors import ActionError, ContentError
from envsim.expressions import compile_query
from envsim.policy.locator import Locator, parse_locator
from envsim.types import Action, JsonValue

SEEN = ("result", "error", "url", "title", "saved", "message", "heard")
"""What an oracle goes by beside the parameters; a parameter of such a name could not be told from it."""
LOCATED = ("bid", "from_bid", "to_bid")
"""Arguments that are locators."""
_KEYS = {"when": {"when", "do", "else"}, "until": {"until", "do", "max"}, "save": {"save", "pattern", "optional"}}


@dataclass(frozen=True)
class Term:
    """One condition: an element that is there (or, `negated`, is not), or a query that is true."""

    locator: Locator | None
    query: str = ""
    negated: bool = False


@dataclass(frozen=True)
class Do:
    """One action; `arguments` may hold placeholders, `located` those that are locators."""

    action: Action
    arguments: Mapping[str, JsonValue]
    located: Mapping[str, Locator]


@dataclass(frozen=True)
class When:
    """Do one thing or another."""

    terms: tuple[Term, ...]
    do: tuple[OracleStep, ...]
    otherwise: tuple[OracleStep, ...]


@dataclass(frozen=True)
class Until:
    """Repeat until the condition holds, at most `most` times."""

    terms: tuple[Term, ...]
    do: tuple[OracleStep, ...]
    most: int


@dataclass(frozen=True)
class Save:
    """Remember something of the current observation."""

    sources: Mapping[str, Term]
    pattern: str | None
    optional: bool = False


OracleStep = Do | When | Until | Save


def parse_steps(raw: Sequence[Any], where: str = "oracle") -> tuple[OracleStep, ...]:
    """Oracle steps from toml.

    Raises:
        ContentError: A step that is not in the language; names it by its position.
    """
    if not isinstance(raw, list | tuple):
        raise ContentError(f"{where}: expected a list of steps, found {type(raw).__name__}.")
    steps: list[OracleStep] = []
    for number, item in enumerate(raw):
        here = f"{where}[{number}]"
        try:
            steps.append(_call(item) if isinstance(item, str) else _table(item, here))
        except ActionError as error:
            raise ContentError(f"{here}: {error}") from None
        except ContentError as error:
            text = str(error)
            raise ContentError(text if text.startswith(where) else f"{here}: {text}") from None
    return tuple(steps)


def _call(text: str) -> Do:
    action = Action.parse(text)
    if action.kind == "say":
        return Do(action, {"text": action.text}, {})
    if action.kind == "answer":
        return Do(action, {"value": action.value}, {})
    located = {
        name: parse_locator(value)
        for name, value in action.arguments.items()
        if name in LOCATED and isinstance(value, str) and value.startswith("@")
    }
    return Do(action, {k: v for k, v in action.arguments.items() if k not in located}, located)


def _table(item: Any, here: str) -> OracleStep:
    if not isinstance(item, Mapping):
        raise ContentError("a step is a call string or a table.")
    kind = next((key for key in _KEYS if key in item), None)
    if kind is None:
        raise ContentError(f"a table step has one of the keys {', '.join(_KEYS)}; found: {', '.join(item) or 'none'}.")
    if unknown := item.keys() - _KEYS[kind]:
        raise ContentError(f"{min(unknown)!r} does not go with {kind!r}. Remove it.")
    if kind == "save":
        return _save(item)
    if "do" not in item:
        raise ContentError(f"{kind!r} needs `do`, a list of steps.")
    do = parse_steps(item["do"], f"{here}.do")
    if kind == "when":
        return When(_terms(item["when"]), do, parse_steps(item.get("else", ()), f"{here}.else"))
    most = item.get("max", 5)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ContentError(f"max must be a positive whole number, not {most!r}.")
    return Until(_terms(item["until"]), do, most)


def _save(item: Mapping[str, Any]) -> Save:
    sources, pattern = item["save"], item.get("pattern")
    if not isinstance(sources, Mapping) or not sources:
        raise ContentError("save needs a table of name = locator or query.")
    if pattern is not None:
        try:
            groups = re.compile(pattern).groups
        except (re.error, TypeError):
            raise ContentError(f"pattern {pattern!r} is not a regular expression. Correct it.") from None
        if groups != 1:
            raise ContentError(f"pattern {pattern!r} needs one group, the part to keep.")
    if not isinstance(optional := item.get("optional", False), bool):
        raise ContentError(f"optional is true or false, not {optional!r}.")
    return Save({name: _term(source) for name, source in sources.items()}, pattern, optional)


def _terms(raw: Any) -> tuple[Term, ...]:
    return tuple(_term(item) for item in (raw if isinstance(raw, list | tuple) else [raw]))


def _term(raw: Any) -> Term:
    if not isinstance(raw, str) or not raw:
        raise ContentError(f"a condition is a locator or a query, not {raw!r}.")
    negated = raw.startswith("!@")
    if negated or raw.startswith("@"):
        return Term(parse_locator(raw.removeprefix("!")), negated=negated)
    compile_query(raw)
    return Term(None, raw)
