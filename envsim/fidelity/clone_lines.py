"""Answers as lines, and which parts of them say nothing because they are never the same twice.

An answer (a page, a tool's result, a state delta) is a list of lines. Two answers to the same request that differ
where nothing was done differently, two replays of a clone under other seeds and clocks or two recordings of one
session, show what is volatile: those words of a line become a pattern, and whatever fits it counts as equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from envsim.page.lines import parse_line, without_focus

MAX_LINES = 4_000
"""Lines of one answer that are aligned; the rest is compared without regard to order."""
_TOKEN = re.compile(r"[^\W_]+|[\W_]")
_SIMILAR = 0.5


@lru_cache(maxsize=2048)  # a session is made again many times, and most pages are the same
def page_lines(page: str) -> tuple[str, ...]:
    """The elements of a page text without refs, indents and focus: what an app answered, not how it is addressed."""
    lines = []
    for text in without_focus(page).split("\n"):
        if not text.strip():
            continue
        try:
            lines.append(replace(parse_line(text), ref="", depth=0).format())
        except ValueError:
            lines.append(text.strip())
    return tuple(lines)


def json_lines(text: str) -> tuple[str, ...]:
    """A JSON text as one line a leaf: ``orders / 0 / total = 4900``; other text line by line."""
    if not text:
        return ()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return tuple(line for line in text.split("\n") if line.strip())
    return tuple(_leaves(value, ()))


def delta_lines(delta: Iterable[Sequence[Any]]) -> tuple[str, ...]:
    """A state delta as lines: ``carts / 7 / coupon = "SPRING"``, or ``carts / 7 = (gone)``."""
    lines: list[str] = []
    for change in delta:
        path = str(change[0])
        lines += _leaves(change[1], (path,)) if len(change) > 1 else [f"{path} = (gone)"]
    return tuple(lines)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _leaves(value[key], (*path, str(key)))
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from _leaves(item, (*path, str(at)))
    else:
        yield f"{' / '.join(path)} = {json.dumps(value, ensure_ascii=False, sort_keys=True)}"


@dataclass
class Mask:
    """What is volatile in the answers to one step.

    Attributes:
        patterns: Of lines; each matches a line as a whole, its groups are the volatile words.
        optional: Lines that are there in one of two equal visits only.
    """

    patterns: list[re.Pattern[str]] = field(default_factory=list)
    optional: set[str] = field(default_factory=set)

    def learn(self, first: Sequence[str], second: Sequence[str]) -> None:
        """Take in two answers that should have been equal."""
        for group in pairs(first, second):
            for one, two in group.both:
                if one != two and (pattern := generalised(one, two)) is not None:
                    if not any(known.pattern == pattern.pattern for known in self.patterns):
                        self.patterns.append(pattern)
                elif one != two:
                    self.optional |= {one, two}
            self.optional |= {*group.first, *group.second}

    def fits(self, one: str, two: str) -> bool:
        """Whether two lines are the same but for volatile words."""
        return one == two or any(known.fullmatch(one) and known.fullmatch(two) for known in self.patterns)

    def may_lack(self, line: str) -> bool:
        """Whether a line may be there or not."""
        return any(self.fits(line, known) for known in self.optional)

    def words(self, one: str, two: str) -> tuple[tuple[str, str], ...]:
        """The volatile words of two lines that fit, each with its counterpart."""
        for pattern in self.patterns:
            if (first := pattern.fullmatch(one)) and (second := pattern.fullmatch(two)):
                return tuple(zip(first.groups(), second.groups(), strict=True))
        return ()

    def __bool__(self) -> bool:
        return bool(self.patterns or self.optional)


@dataclass(frozen=True)
class Group:
    """Lines at one place of two answers: in both, in the first only, in the second only."""

    both: tuple[tuple[str, str], ...] = ()
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()


def pairs(first: Sequence[str], second: Sequence[str]) -> Iterator[Group]:
    """Two answers aligned: equal lines, then within what differs the likeliest counterparts in order."""
    matcher = SequenceMatcher(None, first[:MAX_LINES], second[:MAX_LINES], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            yield Group(tuple(zip(first[a:b], second[c:d], strict=True)))
        else:
            yield _counterparts(first[a:b], second[c:d])


def _counterparts(first: Sequence[str], second: Sequence[str]) -> Group:
    left, both, alone = list(second), [], []
    for one in first:
        at = next((at for at, two in enumerate(left) if _alike(one, two)), None)
        if at is None:
            alone.append(one)
        else:
            both.append((one, left[at]))
            del left[at]
    return Group(tuple(both), tuple(alone), tuple(left))


def _alike(one: str, two: str) -> bool:
    if one.split(" ", 1)[0] != two.split(" ", 1)[0]:
        return False
    return SequenceMatcher(None, _TOKEN.findall(one), _TOKEN.findall(two), autojunk=False).ratio() >= _SIMILAR


def generalised(one: str, two: str) -> re.Pattern[str] | None:
    """A pattern that both lines fit and that keeps what they share; None where they share no word."""
    first, second = _TOKEN.findall(one), _TOKEN.findall(two)
    parts: list[str] = []
    kept = 0
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind == "equal":
            parts += map(re.escape, first[a:b])
            kept += sum(token.isalnum() for token in first[a:b])
        elif b - a == d - c:
            parts += [_class(x, y) for x, y in zip(first[a:b], second[c:d], strict=True)]
        else:
            parts.append("(.{0,200}?)")
    # The role is always shared, and says too little by itself.
    return re.compile("".join(parts), re.DOTALL) if kept > 1 else None


def _class(one: str, two: str) -> str:
    if one == two:
        return re.escape(one)
    if one.isdigit() and two.isdigit():
        return r"(\d+)"
    if one.isalnum() and two.isalnum():
        return r"([^\W\d_]+)" if one.isalpha() and two.isalpha() else r"([^\W_]+)"
    return r"(\S{1,40}?)"


@dataclass(frozen=True)
class Difference:
    """How two answers differ once what is volatile is masked.

    Attributes:
        missing: Lines of production's answer that the clone's has not.
        extra: Lines of the clone's answer that production's has not.
        moved: Whether the same lines stand in another order.
        f1: Over lines as multisets, as `changed_f1` is over changed lines; 1 for two empty answers.
    """

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    moved: bool = False
    f1: float = 1.0

    @property
    def equal(self) -> bool:
        """Whether they do not differ at all."""
        return not (self.missing or self.extra or self.moved)


def compare(production: Sequence[str], clone: Sequence[str], mask: Mask) -> Difference:
    """The difference of two answers under `mask`."""
    if tuple(production) == tuple(clone):
        return Difference()
    places = _matched(production, clone, mask)
    taken = set(places.values())
    missing = [line for at, line in enumerate(production) if at not in places and not mask.may_lack(line)]
    extra = [line for at, line in enumerate(clone) if at not in taken and not mask.may_lack(line)]
    total = 2 * len(places) + len(missing) + len(extra)
    order = [places[at] for at in sorted(places)]
    moved = not missing and not extra and order != sorted(order)
    return Difference(tuple(missing), tuple(extra), moved, 2 * len(places) / total if total else 1.0)


def _matched(production: Sequence[str], clone: Sequence[str], mask: Mask) -> dict[int, int]:
    """Place in production's answer -> place of the same line in the clone's: aligned, then wherever else they are."""
    matcher = SequenceMatcher(None, production[:MAX_LINES], clone[:MAX_LINES], autojunk=False)
    places = {block.a + at: block.b + at for block in matcher.get_matching_blocks() for at in range(block.size)}
    free = [at for at in range(len(clone)) if at not in set(places.values())]
    for fits in (str.__eq__, mask.fits):
        for at in range(len(production)):
            if at not in places:
                found = next((other for other in free if fits(production[at], clone[other])), None)
                if found is not None:
                    places[at] = found
                    free.remove(found)
    return places
