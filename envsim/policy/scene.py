"""What a page offers to somebody with a goal, as far as the page alone decides it."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from envsim.page.lines import Line, split_options
from envsim.policy.candidates import CHOSEN, TYPED, Candidate, Span, candidates, spans
from envsim.policy.layout import Layout, read_layout

_WORD = re.compile(r"[a-zà-ÿ]+|\d+")
_DIGITS = re.compile(r"\d+")
_SIGNS = {"%": "percent", "$": "dollars"}
"""How signs are read out."""
_MOST_WORDS = 14
_MOST_SHOWN = 8
_MOST_FIELDS = 8
_MOST = 0.6
"""Share of its words that makes a text be of the goal."""


@dataclass(frozen=True)
class Scene:
    """A page for somebody with a goal.

    Attributes:
        options: What could be done.
        kinds: Per option, what kind of action it is: its element by role and name, and what it types by where the goal
            says it.
        names: Per option, its action and the role of its element.
        mentions: Per option, how it mentions values of the goal.
        tried: Per option, what is counted when it is taken: itself anywhere, itself on this path, what it types.
        signs: Hashes of `kinds`, shape (len(options),).
        moment: Hashes of what is true of the page, shape (m,).
        own: Hashes of features of single options, shape (k,).
        owner: Position of the option that each entry of `own` belongs to, shape (k,).
        place: The kind of page.
    """

    options: tuple[Candidate, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    mentions: tuple[tuple[str, ...], ...]
    tried: tuple[tuple[str, ...], ...]
    signs: NDArray[np.uint32]
    moment: NDArray[np.uint32]
    own: NDArray[np.uint32]
    owner: NDArray[np.int32]
    place: str


def hashes(names: Sequence[str]) -> NDArray[np.uint32]:
    """One hash per name, shape (len(names),)."""
    return np.array([zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in names], np.uint32)


@lru_cache(maxsize=256)
def scene(goal: str, page: str, url: str) -> Scene:
    """What a page offers.

    Raises:
        ValueError: A line of the page is not in the grammar.
    """
    return _Look(goal, read_layout(page), url).scene()


class _Look:
    """Works out one scene."""

    def __init__(self, goal: str, layout: Layout, url: str) -> None:
        self.goal, self.layout, self.url = goal, layout, url
        self.spans = spans(goal)
        self.options = tuple(candidates(layout.lines, self.spans, url))
        self.masked = [self._mask(line.name) for line in layout.lines]
        self.kinds = tuple(self._kind(option) for option in self.options)
        self.place = _place(url, layout.lines)
        self._about: dict[int, tuple[str, ...]] = {}

    def scene(self) -> Scene:
        path = self.url.partition("?")[0]
        calls = [f"{option.action.name} {self._ref(option)} {option.value}" for option in self.options]
        tried = [
            (call, f"{path} {call}", *((f"typed {option.value}",) if option.span is not None else ()))
            for option, call in zip(self.options, calls, strict=True)
        ]
        ranks = self._ranks()
        own, owner = [], []
        for number, option in enumerate(self.options):
            found = list(self._own(number, option, ranks[number]))
            own += found
            owner += [number] * len(found)
        mentions = [tuple(dict.fromkeys(text.partition(" after")[0] for text in self._near(o))) for o in self.options]
        return Scene(
            self.options, self.kinds, tuple(map(self._name, self.options)), tuple(mentions), tuple(tried),
            hashes(self.kinds), hashes(list(self._moment())), hashes(own), np.array(owner, np.int32), self.place,
        )  # fmt: skip

    def _ref(self, option: Candidate) -> str:
        return self.layout.lines[option.line].ref if option.line >= 0 else ""

    def _name(self, option: Candidate) -> str:
        name = option.action.name or "answer"
        return f"{name} {self.layout.lines[option.line].role}" if option.line >= 0 else name

    def _kind(self, option: Candidate) -> str:
        name = option.action.name or ("answer value" if option.value is not None else "answer")
        if option.line < 0 or not option.action.name:
            return f"{name} alike" if option.span is not None else name
        line, masked = self.layout.lines[option.line], self.masked[option.line]
        if line.url:
            # A link is told by where it leads: what it is called is often the name of one thing.
            return f"{name} {line.role} {'*' if '*' in masked else ''}->{_leads(line.url, named='*' in masked)}"
        typed = f" {option.span.kind}" if option.span is not None else ""
        # "Quantity of *, Medium": what follows says more about the thing.
        head, star, _ = masked.partition("*")
        return f"{name} {line.role} {head}{star}{typed}"

    def _mask(self, text: str) -> str:
        for span in self.spans:
            if len(span.text) > 2 and span.text in text:
                text = text.replace(span.text, "*")
        return _DIGITS.sub("#", text)[:60]

    def _ranks(self) -> list[int]:
        """The place of each option's element among those of its kind, from 1; four and more are alike."""
        found: Counter[str] = Counter()
        at: dict[tuple[str, int, str | None], int] = {}
        for option, kind in zip(self.options, self.kinds, strict=True):
            element = (kind, option.line, None if option.action.name else option.value)
            if element not in at:
                found[kind] += 1
                at[element] = min(found[kind], 4)
        return [
            at[k, o.line, None if o.action.name else o.value] for o, k in zip(self.options, self.kinds, strict=True)
        ]

    def _moment(self) -> Iterator[str]:
        """What is true of the page and the goal."""
        yield "always"
        yield f"@{self.place}"
        for word in _errand(self.goal):
            yield f"?{word}"
            yield f"@{self.place}?{word}"
        main = [n for n, region in enumerate(self.layout.regions) if region.startswith("main")]
        lines = self.layout.lines
        for number in main:
            if lines[number].role in ("status", "alert") and lines[number].name:
                yield f"says {self.masked[number]}"
        said = "\n".join(lines[n].name for n in main if not lines[n].ref or lines[n].role == "link")
        heading = next((lines[n].name for n in main if lines[n].role == "heading"), "")
        for span in self.spans[:_MOST_SHOWN]:
            if len(span.text) > 2:
                yield f"shows {span.within(said)} {span.kind} after {span.before}"
                if span.within(heading):
                    yield f"is of {span.kind} after {span.before}"
        yield f"is of any {any(span.within(heading) for span in self.spans)}"
        yield from self._fields([lines[n] for n in main])

    def _fields(self, lines: Sequence[Line]) -> Iterator[str]:
        """How far the forms of the page are filled in."""
        values = {span.text for span in self.spans}
        fields = [line for line in lines if line.role in TYPED or line.role in CHOSEN or "checked" in line.states]
        for line in fields[:_MOST_FIELDS]:
            if line.role in TYPED:
                held = "ours" if line.value in values else "other" if line.value else "empty"
            elif line.role in CHOSEN:
                held = "ours" if line.value and self._named(line.value) else "other"
            else:
                held = "checked"
            yield f"field {self._mask(line.name)} {held}"

    def _near(self, option: Candidate) -> tuple[str, ...]:
        """How an element, or what it belongs to, mentions values of the goal: each by what stands before it there."""
        if option.line < 0:
            return ()
        if option.line not in self._about:
            self._about[option.line] = tuple(self._mentions(option.line))
        return self._about[option.line]

    def _mentions(self, number: int) -> Iterator[str]:
        line = self.layout.lines[number]
        seen: set[str] = set()
        for how, text in (("own", line.name), *self.layout.around[number]):
            for span in self.spans:
                if span.text not in seen and span.within(text):
                    seen.add(span.text)
                    yield f"{how}{'=' if text == span.text else '~'}{span.kind} after {span.before}"
        if line.url and line.role == "link":
            share = _slug_share(line.url, self.goal)
            if share > _MOST:
                yield f"slug {'all' if share == 1 else 'most'}"

    def _own(self, number: int, option: Candidate, rank: int) -> Iterator[str]:
        kind, name = self.kinds[number], self._name(option)
        if option.line < 0:
            if option.span is not None:
                yield f"{kind} from {option.span.before}"
                yield f"{kind} shown {any(option.span.within(line.name) for line in self.layout.lines)}"
            return
        line, region = self.layout.lines[option.line], self.layout.regions[option.line]
        mentions = self._near(option)
        yield f"{name} in {region}"
        yield f"{kind} rank {rank}"
        yield f"{kind} rank {rank}@{self.place}"
        for mention in mentions or ("mentions nothing",):
            yield f"{name} {mention}"
            yield f"{name} in {region} {mention}"
            yield f"{kind} {mention}"
            yield f"{kind} {mention} rank {rank}"
        if option.span is not None:
            yield from self._typed(kind, name, option.span, line)
        elif line.role in CHOSEN:
            yield from self._chosen(kind, str(option.value), line)

    def _typed(self, kind: str, name: str, span: Span, line: Line) -> Iterator[str]:
        """A value of the goal that would be typed."""
        held = "ours" if any(line.value == other.text for other in self.spans) else str(bool(line.value))
        yield f"{kind} from {span.before}"
        yield f"{kind} from number {self.spans.index(span)}"
        yield f"{kind} held {held}"
        yield f"{kind} from {span.before} held {held}"
        elsewhere = any(other.value == span.text and other is not line for other in self.layout.lines)
        yield f"{kind} held elsewhere {elsewhere}"
        yield f"{name} held elsewhere {elsewhere}"
        shown = any(span.within(other.name) for other in self.layout.lines if other.role != "heading")
        yield f"{kind} shown {shown}@{self.place}"

    def _chosen(self, kind: str, value: str, line: Line) -> Iterator[str]:
        """An option of a list: whether the goal names it."""
        named = self._named(value)
        for span in named:
            yield f"{kind} option named after {span.before}"
            yield f"{kind} option named whole {span.text == re.split(r', | [(]', value)[0]}"
        share = _share(value, self.goal)
        shares = [_share(option, self.goal) for option in split_options(line.states.get("options", ""))]
        best = share == max(shares, default=0.0)
        yield f"{kind} option named {bool(named)} share {round(share, 1)}"
        yield f"{kind} option best {best} {shares.count(share) == 1}"
        yield f"{kind} option {_DIGITS.sub('#', value)[:40]}"
        now = _share(line.value, self.goal) if line.value else 0.0
        yield f"{kind} now named {now > _MOST}"
        yield f"{kind} now {'more' if now > share else 'less' if now < share else 'alike'}"

    def _named(self, value: str) -> list[Span]:
        return [span for span in self.spans if len(span.text) > 1 and _whole(span.text).search(value)]


@lru_cache(maxsize=4096)
def _whole(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(text)}\b")


@lru_cache(maxsize=1024)
def _errand(goal: str) -> tuple[str, ...]:
    """What kind of errand it is: the words that are no values, which are told apart by their neighbours."""
    rest = goal
    for span in sorted(spans(goal), key=lambda span: -len(span.text)):
        rest = rest.replace(span.text, " ")
    return tuple(dict.fromkeys(_WORD.findall(rest.lower())))[:_MOST_WORDS]


def _place(url: str, lines: Sequence[Line]) -> str:
    """The kind of page: its path without what names one thing, and whether something covers it."""
    return ("!" if lines and lines[0].role == "dialog" else "") + "/".join(_parts(url))


def _leads(url: str, named: bool) -> str:
    """Where a link leads: the kind of page, and what is asked of it."""
    parts = _parts(url)
    if named:
        parts[-1] = "*"
    asked = [pair.partition("=")[0] for pair in url.partition("?")[2].split("&")]
    return "/".join(parts) + "?" + "&".join(asked)


def _parts(url: str) -> list[str]:
    return [
        part if not part or (part.isalpha() and len(part) < 14) else "*" for part in url.partition("?")[0].split("/")
    ]


@lru_cache(maxsize=8192)
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) | {word for sign, word in _SIGNS.items() if sign in text}


def _share(text: str, goal: str) -> float:
    words = _words(text)
    return len(words & _words(goal)) / len(words) if words else 0.0


def _slug_share(url: str, goal: str) -> float:
    slug = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return _share(slug.replace("-", " "), goal) if "-" in slug else 0.0
