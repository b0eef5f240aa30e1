"""What a language model that plays a user can do: the goal's abilities as tools, and nothing besides.

The model names an ability; which operation that is, and with which arguments, is the goal's to say. The one thing
it fills in is what the agent told it (``{said}``), and only if the agent did.
"""

from __future__ import annotations

import json
import re
from typing import Any

from envsim.goal import Ability, UserGoal
from envsim.types import JsonValue, UserCall
from envsim.user.base import Hands
from envsim.user.utter import readable
from envsim.user.values import value_in
from envsim.user.words import fold

_SLOT = re.compile(r"\{(said|fact)(?:\.([\w.-]+))?\}")
_CHECK = "check_"


class Tools:
    """The tools of one episode.

    Args:
        goal: Declares them.
        hands: Carries them out; None: there are none.
    """

    def __init__(self, goal: UserGoal, hands: Hands | None) -> None:
        self._hands = hands
        self._abilities = dict(goal.abilities) if hands is not None else {}
        if hands is not None:
            for item in goal.items:
                if item.check is not None:
                    look = Ability(tool=item.check.tool, arguments=item.check.arguments, ask=("look",))
                    self._abilities[f"{_CHECK}{item.id}"] = look

    @property
    def schemas(self) -> list[dict[str, Any]]:
        """For the model, as OpenAI function schemas."""
        return [_schema(name, ability) for name, ability in self._abilities.items()]

    def call(self, name: str, arguments: str, heard: str, values: dict[str, JsonValue]) -> tuple[UserCall | None, str]:
        """Carry out what the model asks for.

        Args:
            name: The ability.
            arguments: JSON text, as the model wrote it.
            heard: All that the agent has said.
            values: Facts the user may use now.

        Returns:
            The call, None if there was none to make; and what the model is told.

        Raises:
            SandboxError: The sandbox failed.
        """
        ability = self._abilities.get(name)
        if ability is None or self._hands is None:
            return None, _refusal(f"There is no tool {name[:40]!r}. Known: {', '.join(self._abilities) or 'none'}.")
        try:
            given = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            return None, _refusal("The arguments are not JSON.")
        said = given.get("said") if isinstance(given, dict) else None
        filled: dict[str, JsonValue] = {}
        for key, raw in ability.arguments.items():
            slot = _SLOT.fullmatch(raw) if isinstance(raw, str) else None
            if slot is None:
                filled[key] = raw
                continue
            value = values.get(slot[2] or "") if slot[1] == "fact" else _said(said, ability, heard)
            if value is None:
                return None, _refusal(f"You do not know what to give as {readable(slot[2] or key)}; ask the agent.")
            filled[key] = value
        call = self._hands.call(ability.tool, filled)
        return call, call.result or _refusal(call.error or "Nothing came back.")


def _said(said: Any, ability: Ability, heard: str) -> JsonValue:
    """What the model says it was told, if it was; read as the ability reads it."""
    if not isinstance(said, str | int | float) or isinstance(said, bool) or not str(said).strip():
        return None
    text = str(said).strip()
    if fold(text).casefold() not in fold(heard).casefold():
        return None
    return value_in(text, ability.reads) or text


def _schema(name: str, ability: Ability) -> dict[str, Any]:
    needs = any(isinstance(raw, str) and _SLOT.search(raw) and "{said" in raw for raw in ability.arguments.values())
    about = "what the agent told you to use, word for word"
    properties = {"said": {"type": "string", "description": about}} if needs else {}
    what = "Look for yourself whether it was done." if name.startswith(_CHECK) else f"When asked to {ability.ask[0]}."
    return {
        "name": name,
        "description": what,
        "parameters": {"type": "object", "properties": properties, "required": list(properties)},
    }


def _refusal(why: str) -> str:
    return json.dumps({"error": why})
