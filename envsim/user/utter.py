"""What a user says, from what it means: templates by dialogue act and manner, then casing and typos.

**The format of a bank** (``templates.json`` of a population, and the built-in ``data/templates.toml``)::

    {"format": "envsim-templates/1",
     "templates": {KEY: {MANNER: [TEXT, ...]}}}

``KEY`` is one dialogue act, or several joined by ``+`` in the order they are said. An act is its kind
(``inform``), or kind and what it is about (``inform:area``); the longer key wins, the named one before
the general one. ``MANNER`` is ``formal``, ``casual``, ``terse``, ``chatty`` or ``any``; a manner without
texts falls back to ``any``, a key without texts to the built-in bank. A text said twice in the list
is drawn twice as often.

Slots of a text with one act: ``{value}`` (inform, correct, change), ``{name}`` (a fact in words), ``{want}``
(wish, restate...), ``{about}`` and ``{bound}`` (limit). With several acts the n-th act's slots carry its number
(``{value1}``, ``{want2}``), or stand as the fact's own name for a named act: ``inform:area+inform:food`` may say
``some {food} place in the {area}``. A value of `LONG` words or more takes the key ``inform_long`` first, one that
nobody asked for ``inform_unasked``.

Values go into the text verbatim: what changes case or letters works on the words around them.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from pydantic import Field, field_validator

from envsim.content import PACKAGE
from envsim.errors import ContentError
from envsim.types import Frozen, JsonValue

T = TypeVar("T")

MANNERS = ("formal", "casual", "terse", "chatty", "any")
MAX_TEMPLATE = 600
"""Characters of one template at most."""

LONG = 4
"""Words from which a value is a phrase of its own: "My reason is the lid came off in the post" is no English."""

_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_KEY = re.compile(r"[a-z_]+(?::[a-z][a-z0-9_]*)?(?:\+[a-z_]+(?::[a-z][a-z0-9_]*)?)*")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


class TemplateBank(Frozen):
    """Delexicalised utterances by dialogue acts and manner; see the module's docstring for the format."""

    format: Literal["envsim-templates/1"] = "envsim-templates/1"
    templates: dict[str, dict[str, tuple[str, ...]]] = Field(description="key -> manner -> texts")

    @field_validator("templates")
    @classmethod
    def _well_formed(cls, templates: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, dict[str, tuple[str, ...]]]:
        for key, manners in templates.items():
            if not _KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no key: acts such as inform or inform:area, joined by +")
            for manner, texts in manners.items():
                if manner not in MANNERS:
                    raise ValueError(f"{key}: there is no manner {manner!r}; there are: {', '.join(MANNERS)}")
                for text in texts:
                    if not text.strip() or len(text) > MAX_TEMPLATE or set("{}") & set(_SLOT.sub("", text)):
                        raise ValueError(f"{key}: {text[:60]!r} is empty, too long, or has a brace that is no slot")
        return templates

    def texts(self, key: str, manner: str) -> tuple[str, ...]:
        """What is said for `key` in `manner`; empty where the bank has nothing."""
        manners = self.templates.get(key)
        return (manners.get(manner) or manners.get("any") or ()) if manners else ()


@functools.cache
def builtin_bank() -> TemplateBank:
    """The templates that come with envsim."""
    raw = tomllib.loads((PACKAGE / "user" / "data" / "templates.toml").read_text(encoding="utf-8"))
    return TemplateBank.model_validate({"templates": raw})


class Say(NamedTuple):
    """One dialogue act to be put into words."""

    kind: str
    about: str = ""
    slots: Mapping[str, str] = {}
    text: str = ""
    """The author's own wording, with the same slots; empty: by template."""
    unasked: bool = False
    """Told without a question: "Sure, it's 7" would answer nothing."""

    @property
    def act(self) -> str:
        """``inform:order_number``, or the kind alone."""
        return f"{self.kind}:{self.about}" if self.about else self.kind


class Draws(Protocol):
    """What wording needs of `envsim.user.decisions.Decisions`."""

    def choice(self, what: str, options: Sequence[T]) -> T:
        """One of `options`."""
        ...

    def chance(self, point: str, item: str = "", probability: float | None = None) -> bool:
        """Whether something happens."""
        ...


def readable(name: str) -> str:
    """A fact's name in words: ``order_number`` is ``order number``."""
    return name.replace("_", " ")


def render(value: JsonValue, kind: str, *, long_dates: bool = False) -> str:
    """A value as a person writes it: text verbatim, a number of money as ``$34.50``, true as ``yes``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "money" and isinstance(value, int | float):
        return f"{'-' if value < 0 else ''}${abs(value):,.2f}".removesuffix(".00")
    if kind == "date" and long_dates and isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return value
        return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"
    if isinstance(value, list):
        parts = [render(part, kind, long_dates=long_dates) for part in value]
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    if isinstance(value, str | int | float):
        return str(value)
    raise ContentError(f"A user cannot say {value!r}: give text, a number, true or false, or a list of these.")


Pieces = list[tuple[bool, str]]
"""Parts of an utterance: (whether it is a value, text)."""


def utter(says: Sequence[Say], bank: TemplateBank, style: Any, draws: Draws) -> str:
    """`says` in words.

    Args:
        says: What is meant, in order.
        bank: Templates; what it lacks is taken from the built-in bank.
        style: A `envsim.user.persona.Style`.
        draws: Choices, keyed by place, so that equal turns are equal.
    """
    pieces: Pieces = []
    at = 0
    while at < len(says):
        size, chosen = _segment(says[at:], bank, style.manner, draws, at)
        if pieces:  # two acts are two sentences, though a terse template ends without a stop
            pieces.append((False, " " if pieces[-1][1].endswith((".", "!", "?", ":", "...")) else ". "))
        pieces += _fill(chosen, says[at : at + size])
        at += size
    return _styled(pieces, style, draws)


def _segment(says: Sequence[Say], bank: TemplateBank, manner: str, draws: Draws, at: int) -> tuple[int, str]:
    """How many of `says` one template covers, and that template: the longest, the most specific."""
    if says[0].text:
        return 1, says[0].text
    for size in range(min(len(says), 4), 0, -1):
        part = says[:size]
        if any(say.text for say in part):
            continue
        keys = ["+".join(say.act for say in part), "+".join(say.kind for say in part)]
        if size == 1 and len(says[0].slots.get("value", "").split()) >= LONG:
            keys[1:] = [f"{says[0].kind}_long", says[0].kind]
        elif size == 1 and says[0].unasked:
            keys[1:] = [f"{says[0].kind}_unasked", says[0].kind]
        # A single act always finds its words in the built-in bank; several are joined only where the bank itself does.
        for source in (bank,) if size > 1 else (bank, builtin_bank()):
            for key in keys:
                texts = source.texts(key, manner)
                if texts and (size == 1 or draws.chance("_join", f"{at}.{size}.{key}", 0.6)):
                    return size, draws.choice(f"{at}.{key}", texts)
    raise ContentError(f"No template says {says[0].kind!r}. Add one to the bank.")


def _fill(template: str, says: Sequence[Say]) -> Pieces:
    slots = {name: text for say in says for name, text in say.slots.items()}
    for number, say in enumerate(says, start=1):
        slots |= {f"{name}{number}": text for name, text in say.slots.items()}
        if say.about and "value" in say.slots:
            slots[say.about] = say.slots["value"]
    parts = _SLOT.split(template)
    return [(index % 2 == 1, slots.get(part, "") if index % 2 else part) for index, part in enumerate(parts) if part]


def _styled(pieces: Pieces, style: Any, draws: Draws) -> str:
    # "My name is Sara M.." and "by noon?.": a value that ends a sentence ends it once.
    for index in range(1, len(pieces)):
        value, text = pieces[index]
        if not value and text.startswith(".") and pieces[index - 1][1].endswith((".", "!", "?")):
            pieces[index] = (False, text[1:])
    if style.lower and draws.chance("_lower", probability=style.lower):
        pieces = [(value, text if value else text.lower()) for value, text in pieces]
    if style.typos:
        pieces = [(v, t if v else _mistyped(t, style.typos, draws, i)) for i, (v, t) in enumerate(pieces)]
    if style.exclaim and draws.chance("_exclaim", probability=style.exclaim):
        pieces = [(value, text if value else re.sub(r"\.(?= |$)", "!", text)) for value, text in pieces]
    if pieces and not pieces[-1][0] and style.no_stop and draws.chance("_no_stop", probability=style.no_stop):
        pieces[-1] = (False, pieces[-1][1].removesuffix("."))
    return "".join(text for _, text in pieces).strip()


def _mistyped(text: str, rate: float, draws: Draws, place: int) -> str:
    def swap(match: re.Match[str]) -> str:
        word = match[0]
        at = 1 + (len(word) - 3) // 2
        if not draws.chance("_typo", f"{place}.{match.start()}", rate):
            return word
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return re.sub(r"\b[a-z]{5,}\b", swap, text)
