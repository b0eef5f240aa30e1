"""Random but sensible actions: the floor any trained policy must beat, and broad data for world models."""

from __future__ import annotations

import json
from typing import Any

from envsim.page.lines import INTERACTIVE, Line, parse_lines, split_options
from envsim.rng import Rng
from envsim.task import Task
from envsim.types import Action, JsonValue, Observation

_CLICKED = INTERACTIVE - {"textbox", "searchbox", "spinbutton", "combobox", "listbox", "slider", "file"}
_WORDS = ("blue", "large", "mug", "lamp", "gift", "10", "2026-03-09", "anna@example.com", "WELCOME10", "Main Street 5")
_SAYINGS = (
    "Could you tell me your {}?", "What is the {}, please?", "Please give me the {}.", "I have changed the {} for you.",
    "Your {} is all set.", "I am sorry, I cannot do that.", "Is it {}?", "One moment, please.", "Anything else?",
    "Thank you, I have verified who you are.", "Hello, how can I help you?", "Goodbye.",
)  # fmt: skip
"""What an agent without a plan says; the blank takes the name or value of something it has seen."""
_TALK = 0.3
"""Probability of saying something instead of calling a tool, where somebody listens."""
_DEPTH = 4
"""Nesting at which generated arguments stop."""
_SEEN = 200
"""Values of earlier results that are remembered."""


class RandomPolicy:
    """Uniform over what can be acted on; fills fields and arguments with values it has seen.

    Args:
        stop: Probability per step of ending the episode with some answer.
    """

    def __init__(self, stop: float = 0.03) -> None:
        self._stop = stop
        self._rng = Rng("policy", "random", 0)
        self._tools: list[dict[str, Any]] = []
        self._seen: list[tuple[str, JsonValue]] = []
        self._listened_to = False

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        del task
        self._rng = Rng("policy", "random", seed)
        self._tools = tools
        self._seen = []
        self._listened_to = False

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        if self._rng.chance(self._stop):
            return Action.answer(self._blurt(observation))
        return self.explore(observation)

    def explore(self, observation: Observation) -> Action:
        """An action that does not end the episode."""
        for message in observation.messages:
            if message.role == "user":
                self._listened_to = True
                for word in message.text.split():
                    self._remember("", word.strip(".,!?"))
        if self._listened_to and self._rng.chance(_TALK):
            return self._speak()
        if observation.page or any(tool.get("name") == "click" for tool in self._tools):
            return self._browse(parse_lines(observation.page))
        self._remember("", _read(observation.result))
        return self._call()

    # -- pages --------------------------------------------------------------------------------------

    def _browse(self, lines: list[Line]) -> Action:
        targets = [line for line in lines if line.ref and "disabled" not in line.states]
        if not targets or self._rng.chance(0.06):
            return Action.call(self._rng.choice(["go_back", "go_back", "noop"]))
        if self._rng.chance(0.02):
            # What a confused agent does; the world must answer it with an error.
            return Action.call("click", bid="ezzzz")
        # Links outnumber all else on most pages; forms are where an app has its state.
        fields = [line for line in targets if line.role != "link"]
        line = self._rng.choice(fields if fields and self._rng.chance(0.5) else targets)
        if line.role in _CLICKED:
            return Action.call("click", bid=line.ref)
        if line.role in ("combobox", "listbox"):
            options = split_options(line.states.get("options", ""))
            return Action.call("select_option", bid=line.ref, options=self._rng.choice(options) if options else "")
        if line.role in ("spinbutton", "slider"):
            return Action.call("fill", bid=line.ref, value=str(self._rng.integer(12)))
        return Action.call("fill", bid=line.ref, value=self._rng.choice(_WORDS))

    def _speak(self) -> Action:
        names = [name for name, _ in self._seen if name]
        values = [str(value) for _, value in self._seen]
        about = self._rng.choice(names or ["name"]) if self._rng.chance(0.6) else self._rng.choice(values or ["it"])
        return Action.say(self._rng.choice(_SAYINGS).format(about.replace("_", " ")))

    # -- tools --------------------------------------------------------------------------------------

    def _call(self) -> Action:
        if not self._tools:
            return Action.call("noop")
        tool = self._rng.choice(self._tools)
        made = self._make("", tool.get("parameters") or {}, 0)
        return Action.call(str(tool["name"]), **(made if isinstance(made, dict) else {}))

    def _make(self, name: str, schema: dict[str, Any], depth: int) -> JsonValue:
        """A value that fits `schema`, as far as JSON schema is used by OpenAPI documents."""
        if choices := schema.get("enum"):
            chosen: JsonValue = self._rng.choice(list(choices))
            return chosen
        for key in ("anyOf", "oneOf"):
            if schema.get(key) and depth < _DEPTH:
                return self._make(name, self._rng.choice(schema[key]), depth + 1)
        match schema.get("type"):
            case "object" if depth < _DEPTH:
                required = schema.get("required", ())
                return {
                    key: self._make(key, inner, depth + 1)
                    for key, inner in schema.get("properties", {}).items()
                    if key in required or self._rng.chance(0.4)
                }
            case "array" if depth < _DEPTH:
                return [self._make(name, schema.get("items", {}), depth + 1) for _ in range(1 + self._rng.integer(2))]
            case "integer" | "number":
                return self._number(name, schema)
            case "boolean":
                return self._rng.chance(0.5)
            case "null":
                return None
            case _:
                return str(self._known(name, str) or self._rng.choice(_WORDS))

    def _number(self, name: str, schema: dict[str, Any]) -> int:
        known = self._known(name, int)
        if isinstance(known, int):
            return known
        low = int(schema.get("minimum", 0))
        return low + self._rng.integer(max(1, min(int(schema.get("maximum", low + 20)), low + 1000) - low + 1))

    def _known(self, name: str, kind: type) -> JsonValue:
        """A value seen in a result, most of the time one of a field with a similar name."""
        fitting = [(key, value) for key, value in self._seen if type(value) is kind]
        alike = [value for key, value in fitting if key and name and (key in name or name in key)]
        if alike and self._rng.chance(0.8):
            return self._rng.choice(alike)
        return self._rng.choice(fitting)[1] if fitting and self._rng.chance(0.3) else None

    def _remember(self, name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self._remember(key, inner)
        elif isinstance(value, list):
            for inner in value[:10]:
                self._remember(name, inner)
        elif isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) < 80:
            self._seen = [*self._seen[-_SEEN:], (name, value)]

    def _blurt(self, observation: Observation) -> JsonValue:
        names = [line.name for line in parse_lines(observation.page) if line.name] if observation.page else []
        known = [value for _, value in self._seen]
        return self._rng.choice([*names, *known]) if names or known else None


def _read(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
