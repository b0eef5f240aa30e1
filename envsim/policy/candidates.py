"""What an agent could do on a page, as a finite list: the action space of policies that choose rather than write.

Values to type come from the goal alone (`spans`): names, numbers, amounts, quoted words, codes, dates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from envsim.page.lines import Line, split_options
from envsim.types import Action

TYPED = frozenset({"textbox", "searchbox", "spinbutton", "slider"})
CHOSEN = frozenset({"combobox", "listbox"})
_MOST_OPTIONS = 40
_MOST_AMOUNTS = 24
_AMOUNT = re.compile(r"\$(\d[\d,]*(?:\.\d{2})?)")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip
_MONTH = "|".join(_MONTHS)
_LONG_DATE = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}}) (?P<month>{_MONTH}),?|(?P<Month>{_MONTH}) (?P<Day>\d{{1,2}}),?) (?P<year>\d{{4}})\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<!\w)['\"“‘]([^'\"“”‘’]+)['\"”’](?!\w)")
_RUN = re.compile(
    # Words that begin with a capital, figures and what joins them: names, streets, codes, postcodes.
    r"(?:[A-ZÀ-Þ0-9][\w'’&.-]*[\w'’]|[A-ZÀ-Þ0-9])(?: (?:& |of |and )?(?:[A-ZÀ-Þ0-9][\w'’&.-]*[\w'’]|[A-ZÀ-Þ0-9]))*"
)
_FIGURE = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the goal that may be a value.

    Attributes:
        text: As it would be typed.
        kind: ``"quote"``, ``"amount"``, ``"date"``, ``"number"``, ``"code"`` or ``"name"``; the last two with
            ``" and number"`` where a figure stands at either end ("OR 97201", "3 Mill Lane").
        before: The two words before it, lower case; ``*`` for one that is part of another value.
        shown: How a page may write it.
    """

    text: str
    kind: str
    before: str
    shown: tuple[str, ...] = ()

    def within(self, text: str) -> bool:
        """Whether a text of a page mentions it; what is as short as "3" stands everywhere and is never mentioned."""
        return len(self.text) > 2 and any(form in text for form in self.shown)


@lru_cache(maxsize=1024)
def spans(goal: str) -> tuple[Span, ...]:
    """The values that a goal mentions, in its order, each once."""
    found: list[tuple[int, str, str]] = [(m.start(1), m[1], "quote") for m in _QUOTED.finditer(goal)]
    for m in _AMOUNT.finditer(goal):
        amount = m[1].replace(",", "")
        found += [(m.start(), text, "amount") for text in dict.fromkeys((amount, amount.removesuffix(".00")))]
    for m in _LONG_DATE.finditer(goal):
        month, day = m["month"] or m["Month"], m["day"] or m["Day"]
        iso = f"{m['year']}-{_MONTHS.index(month.lower()) + 1:02d}-{int(day):02d}"
        found.append((m.start(), iso, "date"))
    # What is a quotation, an amount or a date is nothing else.
    plain = goal
    for pattern in (_QUOTED, _AMOUNT, _LONG_DATE):
        plain = pattern.sub(lambda m: "." * len(m[0]), plain)
    for m in _RUN.finditer(plain):
        if m[0].isalpha() and goal[: m.start()].rstrip()[-1:] in ("", ".", "?", "!"):
            continue  # the first word of a sentence
        found += [(m.start(), text, _kind(text)) for text in _readings(m[0])]
    held = bytearray(len(goal))
    seen: set[str] = set()
    out = []
    for at, text, kind in sorted(found, key=lambda entry: entry[0]):
        if text not in seen:
            seen.add(text)
            out.append(Span(text, kind, _before(goal, at, held), _shown(text, kind)))
        held[at : at + len(text)] = b"\1" * len(held[at : at + len(text)])
    return tuple(out)


def _before(goal: str, at: int, held: bytearray) -> str:
    """The two words before a place; what stands in another value says nothing of this one but that it is one."""
    words = list(re.finditer(r"[A-Za-z]+|\d+", goal[:at]))[-2:]
    return " ".join("*" if held[word.start()] else word[0].lower() for word in words)


def _shown(text: str, kind: str) -> tuple[str, ...]:
    if kind == "date":
        year, month, day = text.split("-")
        name = _MONTHS[int(month) - 1].capitalize() if 1 <= int(month) <= len(_MONTHS) else month
        return (text, *(f"{int(day)} {month} {year}" for month in (name, name[:3])))
    if kind == "amount" and len(text.partition(".")[0]) > 3:
        return (text, f"{float(text):,.2f}")
    return (text,)


def _readings(run: str) -> list[str]:
    """A run of words, and its parts where a figure stands at either end: "2 Copper Kettle", "Oregon 97201"."""
    head, _, rest = run.partition(" ")
    front, _, tail = run.rpartition(" ")
    parts = [run]
    if rest and _FIGURE.fullmatch(head):
        parts += [head, rest]
    if front and any(char.isdigit() for char in tail):
        parts += [front, tail]
    return parts


def _kind(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return "date"
    if _FIGURE.fullmatch(text):
        return "number"
    kind = "code" if text.isupper() and len(text) > 1 else "name"
    words = text.split(" ")
    # Whoever types a part of a run of words must be able to tell it from the whole.
    return f"{kind} and number" if len(words) > 1 and (words[0][0].isdigit() or words[-1][-1].isdigit()) else kind


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that could be done.

    Attributes:
        action: Doing it.
        line: Position of its element on the page; -1 where it has none.
        value: What it types, chooses or answers.
        span: Where in the goal that stands; None where it does not come from there.
    """

    action: Action
    line: int = -1
    value: str | None = None
    span: Span | None = None


def candidates(lines: Sequence[Line], goal: Sequence[Span], url: str = "") -> list[Candidate]:
    """Everything that could be done on a page, in the order of its elements; ending the episode comes last.

    Args:
        lines: The page.
        goal: The values to type, from `spans`.
        url: Of the page, so that it can be loaded again; "" for none.
    """
    out: list[Candidate] = []
    amounts: dict[str, int] = {}
    for number, line in enumerate(lines):
        if line.ref and "disabled" not in line.states:
            out += _about(number, line, goal)
        for text in _AMOUNT.findall(line.name)[:2]:
            amounts.setdefault(text, number)
    out.append(Candidate(Action.call("go_back")))
    out += [Candidate(Action.call("goto", url=url))] if url else []
    out += _alike([url, *(line.url for line in lines if line.url)], goal)
    out.append(Candidate(Action.answer()))
    for text, number in list(amounts.items())[:_MOST_AMOUNTS]:
        out.append(Candidate(Action.answer(f"${text}"), number, text))
    return out


def _alike(urls: Sequence[str], goal: Sequence[Span]) -> list[Candidate]:
    """The page of another value of the goal, where an address at hand is that of a value.

    Args:
        urls: Of this page, and of its links.
        goal: The values.
    """
    slugs = {_slug(span.text): span for span in reversed(goal) if "-" in _slug(span.text)}
    at_hand = [url.partition("?")[0].rpartition("/")[::2] for url in urls]
    there = {last for _, last in at_hand}
    folders = dict.fromkeys(path for path, last in at_hand if last in slugs)
    return [
        Candidate(Action.call("goto", url=f"{path}/{slug}"), -1, span.text, span)
        for path in folders
        for slug, span in reversed(slugs.items())
        if span.kind in ("name", "quote", "name and number") and slug not in there
    ]


@lru_cache(maxsize=4096)
def _slug(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))


def _about(number: int, line: Line, goal: Sequence[Span]) -> list[Candidate]:
    if line.role in TYPED:
        return [
            Candidate(_action("fill", line.ref, span.text), number, span.text, span)
            for span in goal
            if span.text != line.value and (line.role in ("textbox", "searchbox") or span.kind in ("number", "amount"))
        ]
    if line.role in CHOSEN:
        options = [option for option in split_options(line.states.get("options", "")) if option != line.value]
        return [
            Candidate(_action("select_option", line.ref, option), number, option) for option in options[:_MOST_OPTIONS]
        ]
    if line.role == "file" or "checked" in line.states:
        return []
    return [Candidate(_action("click", line.ref), number)]


@lru_cache(maxsize=8192)
def _action(name: str, ref: str, value: str = "") -> Action:
    """One object if it is asked for again: pages of one app share most of what can be done on them."""
    if name == "click":
        return Action.call("click", bid=ref)
    return Action.call(name, **{"bid": ref, "value" if name == "fill" else "options": value})
