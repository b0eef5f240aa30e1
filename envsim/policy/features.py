"""What a linear policy sees of an action it could take: sparse binary features, hashed to columns.

Everything is read off the page, the goal and the episode so far. Values of the goal are named by what
stands before them there ("option", "set ... to"), never by themselves, so that what is learned about one product
holds for any other.

Source: the hashing trick, Weinberger et al. 2009 (arXiv:0902.2206).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envsim.page.lines import Line, parse_lines
from envsim.policy.candidates import Candidate, Span, candidates, spans
from envsim.types import Action, Observation

COLUMNS = 1 << 18
"""Hashed features share these; a collision costs accuracy, never correctness."""
_WORD = re.compile(r"[a-zà-ÿ]+|\d+")
_DIGITS = re.compile(r"\d+")
_NEAR = 4
"""Lines before an element that may say what it is about."""
_MOST_WORDS = 14
_MOST = 0.6
"""Share of its words that makes a text be of the goal."""


@dataclass(frozen=True)
class Choice:
    """One decision: what could be done, and the columns of each option.

    Attributes:
        options: In order.
        columns: Columns of all options, one after the other, shape (n,).
        owner: Position of the option that each entry of `columns` belongs to, shape (n,).
    """

    options: tuple[Candidate, ...]
    columns: NDArray[np.int32]
    owner: NDArray[np.int32]

    def scores(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """One score per option, shape (len(options),), from weights of shape (COLUMNS,)."""
        scores = np.bincount(self.owner, weights[self.columns], minlength=len(self.options))
        return scores.astype(np.float64)


@dataclass
class Reader:
    """Follows one episode and lays out its decisions."""

    goal: str
    _spans: tuple[Span, ...] = ()
    _words: tuple[str, ...] = ()
    _done: Counter[str] = field(default_factory=Counter)
    _last: tuple[str, str] = ("", "")
    _url: str = ""
    _stayed: int = 0

    def __post_init__(self) -> None:
        self._spans = spans(self.goal)
        rest = self.goal
        for span in sorted(self._spans, key=lambda span: -len(span.text)):
            rest = rest.replace(span.text, " ")
        # What kind of errand it is; the values are told apart by their neighbours.
        self._words = tuple(dict.fromkeys(_WORD.findall(rest.lower())))[:_MOST_WORDS]

    def choice(self, observation: Observation) -> Choice:
        """The decision that an observation asks for."""
        lines = parse_lines(observation.page) if observation.page else []
        place = _place(observation, lines)
        self._stayed = self._stayed + 1 if place == self._url else 0
        self._url = place
        options = tuple(candidates(lines, self._spans, observation.url))
        about = [self._about(lines, number) for number in range(len(lines))]
        columns: list[int] = []
        owner: list[int] = []
        for number, option in enumerate(options):
            found = [_column(name) for name in self._features(option, lines, about, place, bool(observation.error))]
            columns += found
            owner += [number] * len(found)
        return Choice(options, np.array(columns, np.int32), np.array(owner, np.int32))

    def took(self, choice: Choice, number: int, page: str) -> None:
        """Take note of what was done, on which page."""
        option = choice.options[number]
        lines = parse_lines(page) if page else []
        self._done[_identity(option.action)] += 1
        self._last = (self._sign(option, lines), self._last[0])

    def _sign(self, option: Candidate, lines: Sequence[Line]) -> str:
        """What kind of action it is: its element by role and name, and what it types by where the goal says it."""
        action = option.action
        name = action.name or ("answer value" if option.value is not None else "answer")
        if option.line < 0:
            return name
        line = lines[option.line]
        typed = f" {option.span.kind}" if option.span is not None else ""
        return f"{name} {line.role} {self._mask(line.name)}{typed}"

    def _mask(self, name: str) -> str:
        for span in self._spans:
            if len(span.text) > 2 and span.text in name:
                name = name.replace(span.text, "*")
        return _DIGITS.sub("#", name)[:60]

    def _about(self, lines: Sequence[Line], number: int) -> tuple[str, ...]:
        """Which values of the goal an element or what stands before it mentions, by what stands before them there."""
        own = lines[number]
        texts = [own.name, *(line.name for line in lines[max(0, number - _NEAR) : number] if line.depth >= own.depth)]
        found = []
        for distance, text in enumerate((texts[0], " | ".join(texts[1:]))):
            for span in self._spans:
                if len(span.text) > 2 and span.text in text:
                    exact = "=" if text == span.text else "~"
                    found.append(f"{'near' if distance else 'own'}{exact}{span.kind} after {span.before}")
        if own.url and own.role == "link":
            share = _slug_share(own.url, self.goal)
            found += [f"slug {'all' if share == 1 else 'most'}"] if share > _MOST else []
        return tuple(found)

    def _features(
        self, option: Candidate, lines: Sequence[Line], about: Sequence[tuple[str, ...]], place: str, failed: bool
    ) -> Iterator[str]:
        sign = self._sign(option, lines)
        done = min(self._done[_identity(option.action)], 3)
        yield sign
        yield f"{sign}@{place}"
        yield f"{sign}<{self._last[0]}"
        yield f"{sign}<{self._last[0]}<{self._last[1]}"
        yield f"{sign} done {done}"
        yield f"{option.action.name} done {done}"
        yield f"{sign} stayed {min(self._stayed, 8)}"
        if failed:
            yield f"{sign} after error"
        for word in self._words:
            yield f"{sign}?{word}"
            yield f"{sign}@{place}?{word}"
        if option.line < 0:
            return
        role = f"{option.action.name} {lines[option.line].role}"
        mentions = about[option.line]
        if not mentions:
            yield f"{role} mentions nothing"
            yield f"{sign} mentions nothing"
        for mention in mentions:
            yield f"{role} {mention}"
            yield f"{role} {mention.partition(' after')[0]} done {done}"
            yield f"{sign} {mention}"
        if option.span is not None:
            yield f"{sign} from {option.span.before}"
            yield f"{sign} held {lines[option.line].value is not None}"
            yield f"{sign} held ours {any(lines[option.line].value == span.text for span in self._spans)}"
        elif option.value is not None:
            yield from self._chosen(sign, str(option.value), lines[option.line])

    def _chosen(self, sign: str, value: str, line: Line) -> Iterator[str]:
        """An option of a list: whether the goal names it."""
        named = [
            span for span in self._spans if len(span.text) > 1 and re.search(rf"\b{re.escape(span.text)}\b", value)
        ]
        for span in named:
            yield f"{sign} option named after {span.before}"
            yield f"{sign} option named whole {span.text == re.split(r', | [(]', value)[0]}"
        yield f"{sign} option named {bool(named)} share {round(_share(value, self.goal), 1)}"
        yield f"{sign} option {_DIGITS.sub('#', value)[:40]}"
        yield f"{sign} now named {line.value is not None and _share(line.value, self.goal) > _MOST}"


def _identity(action: Action) -> str:
    return action.to_call()


def _place(observation: Observation, lines: Sequence[Line]) -> str:
    """The kind of page: its path without what names one thing, and whether something covers it."""
    path = observation.url.partition("?")[0]
    parts = [part if part.isalpha() and len(part) < 14 else "*" for part in path.split("/")]
    covered = "!" if lines and lines[0].role == "dialog" else ""
    return covered + "/".join(parts)


def _share(text: str, goal: str) -> float:
    words = set(_WORD.findall(text.lower()))
    return len(words & set(_WORD.findall(goal.lower()))) / len(words) if words else 0.0


def _slug_share(url: str, goal: str) -> float:
    slug = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return _share(slug.replace("-", " "), goal) if "-" in slug else 0.0


def _column(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % COLUMNS
