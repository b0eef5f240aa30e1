"""The grammar the model reads and writes: lines <-> tokens, with values as slots.

Text is split into *literals* (wording that recurs: roles, labels, keys) and *values* (names, ids,
amounts, path segments). A value becomes a slot token numbered by first appearance in the example,
so an entity never seen in training reads like any other and copying it is one token. Small whole
numbers have tokens of their own; literals go through a byte-level BPE trained on this project's lines.

An answer is one outcome token and edits of a draft, in order::

    <outcome> ( <edit> L_i L_j  ( L_k | text <nl> )* )*  <end>

``<edit> L_i L_j`` replaces draft lines i..j-1 (none when i = j) by the lines that follow; ``L_k`` alone
is a copy of draft line k. Every token sequence that the mask of `worldmodel.decode` lets through is
in this language.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from envsim.state import StateView
from worldmodel.document import Lines

MAX_SLOTS = 192
MAX_LINES = 384
MAX_NUMBER = 100
MAX_OUTCOMES = 32
SPECIALS = ("<pad>", "<request>", "<facts>", "<current>", "<draft>", "<out>", "<edit>", "<nl>", "<end>", "<skip>")
KINDS = ("past", "exact", "page", "similar", "other", "current", "rules")
"""Where a draft is from, best first: this session; a neighbour with the same request, with the same page, with a
request of the same kind, with any other; the current page for want of any."""
PAD, REQUEST, FACTS, CURRENT, DRAFT, OUT, EDIT, NL, END, SKIP = range(len(SPECIALS))

_SPAN = re.compile(r'"((?:[^"\\]|\\.)*)"|-> (\S+)')
_NUMBER = re.compile(r"\w*\d\w*(?:[.,:-]\w*\d\w*)*")
_SEGMENT = re.compile(r"[^/?&=#]+")
_HOLE = "\x00"

Piece = tuple[bool, str]
"""(is a value, text)."""


def mask(text: str) -> str:
    """`text` with every word that holds a digit blanked."""
    return _NUMBER.sub(_HOLE, text)


def candidates(line: str) -> Iterator[tuple[int, int]]:
    """Spans of `line` that may be values: quoted strings and URLs, by segment where they are paths."""
    for match in _SPAN.finditer(line):
        group = 1 if match[1] is not None else 2
        start, end = match.span(group)
        text = line[start:end]
        if "/" in text and " " not in text:
            yield from ((start + s.start(), start + s.end()) for s in _SEGMENT.finditer(text))
        elif text:
            yield start, end


@dataclass(frozen=True)
class Lexicon:
    """Which strings are wording; everything else in a candidate span is a value."""

    literals: frozenset[str]

    @classmethod
    def build(
        cls,
        documents: Iterable[tuple[str, Lines]],
        entities: frozenset[str] = frozenset(),
        share: float = 0.02,
        spread: float = 0.3,
    ) -> Lexicon:
        """Learn it from (session, lines) pairs.

        A string is wording if it makes up `share` of what stands at its site (the line with all
        candidates blanked), or if it occurs in a `spread` of all sessions; unless it is one of `entities`.
        """
        sites: dict[str, Counter[str]] = defaultdict(Counter)
        seen: dict[str, set[str]] = defaultdict(set)
        sessions = set()
        for session, lines in documents:
            sessions.add(session)
            for line in set(lines):
                spans = list(candidates(line))
                site, at = "", 0
                for start, end in spans:
                    site += line[at:start] + _HOLE
                    at = end
                site = mask(site + line[at:]).strip()
                for number, (start, end) in enumerate(spans):
                    text = mask(line[start:end])
                    sites[f"{site}{number}"][text] += 1
                    seen[text].add(session)
        least = max(2, spread * len(sessions))
        literals = {text for text, where in seen.items() if len(where) >= least}
        for counts in sites.values():
            total = counts.total()
            literals |= {text for text, n in counts.items() if n >= max(3, share * total) and len(seen[text]) >= 2}
        return cls(frozenset(literals - {_HOLE} - {mask(text) for text in entities}))

    def pieces(self, line: str) -> tuple[Piece, ...]:
        """`line` cut into literal text and values; joined, the texts are the line again."""
        return _pieces(self, line)


@lru_cache(maxsize=131072)
def _pieces(lexicon: Lexicon, line: str) -> tuple[Piece, ...]:
    out: list[Piece] = []
    at = 0
    for start, end in candidates(line):
        text = line[start:end]
        if mask(text) in lexicon.literals or _NUMBER.fullmatch(text):
            continue
        out += _split_numbers(line[at:start])
        out.append((True, text))
        at = end
    out += _split_numbers(line[at:])
    return tuple(out)


@lru_cache(maxsize=65536)
def _split_numbers(text: str) -> tuple[Piece, ...]:
    out: list[Piece] = []
    at = 0
    for match in _NUMBER.finditer(text):
        word = match[0]
        if _small(word) or not word.isascii():
            continue
        if match.start() > at:
            out.append((False, text[at : match.start()]))
        out.append((True, word))
        at = match.end()
    if at < len(text):
        out.append((False, text[at:]))
    return tuple(out)


def _small(word: str) -> bool:
    return word.isdecimal() and word.isascii() and int(word) < MAX_NUMBER and str(int(word)) == word


def entities_of(view: StateView) -> frozenset[str]:
    """Texts that name rows of a state view: keys, and columns whose texts (nearly) all differ."""
    out: set[str] = set()
    for table in view.values():
        if not isinstance(table, dict) or len(table) < 4:
            continue
        out.update(table)
        columns: dict[str, list[str]] = defaultdict(list)
        for row in table.values():
            for name, value in row.items() if isinstance(row, dict) else ():
                if isinstance(value, str):
                    columns[name].append(value)
        for texts in columns.values():
            if len(set(texts)) >= 0.5 * len(texts) and len(set(texts)) >= 4:
                out.update(texts)
    return frozenset(out)


def skeleton(lexicon: Lexicon, lines: Sequence[str]) -> str:
    """Lines with their values blanked: equal for requests that differ in entities only."""
    return "\n".join("".join(_HOLE if is_value else text for is_value, text in lexicon.pieces(line)) for line in lines)


def values(lexicon: Lexicon, lines: Iterable[str]) -> list[str]:
    """All values of `lines`, in order, with repeats."""
    return [text for line in lines for is_value, text in lexicon.pieces(line) if is_value]


@dataclass
class Slots:
    """Slot number <-> value text, for one example."""

    texts: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    def add(self, text: str) -> int | None:
        """The slot of `text`, made if there is room."""
        at = self.index.get(text)
        if at is None and len(self.texts) < MAX_SLOTS:
            at = self.index[text] = len(self.texts)
            self.texts.append(text)
        return at

    def inside(self, text: str) -> str | None:
        """The longest known value that is a part of `text` between word borders."""
        best = ""
        for known in self.texts:
            if len(best) < len(known) < len(text) and len(known) > 3 and known in text and _bounded(known, text):
                best = known
        return best or None


def _bounded(known: str, text: str) -> bool:
    at = text.find(known)
    before, after = text[at - 1 : at], text[at + len(known) : at + len(known) + 1]
    return not before.isalnum() and not after.isalnum()


class Vocabulary:
    """Token ids: specials, outcomes, small numbers, slots, draft-line marks, then the BPE.

    Args:
        bpe: A `tokenizers.Tokenizer`.
        lexicon: What is wording.
        outcomes: Names of outcomes, most frequent first.
    """

    def __init__(self, bpe: Any, lexicon: Lexicon, outcomes: Sequence[str]) -> None:
        self.bpe = bpe
        self.lexicon = lexicon
        self.outcomes = list(outcomes)[:MAX_OUTCOMES]
        self.kind0 = len(SPECIALS)
        self.outcome0 = self.kind0 + len(KINDS)
        self.number0 = self.outcome0 + MAX_OUTCOMES
        self.slot0 = self.number0 + MAX_NUMBER
        self.line0 = self.slot0 + MAX_SLOTS
        self.text0 = self.line0 + MAX_LINES
        self.size = self.text0 + bpe.get_vocab_size()
        self._cache: dict[str, list[int]] = {}

    def line(self, line: str, slots: Slots, grow: bool) -> list[int]:
        """One line as tokens. With `grow`, unknown values get a slot; else they are spelt out."""
        out: list[int] = []
        for is_value, text in self.lexicon.pieces(line):
            self._piece(is_value, text, slots, grow, out)
        return out

    def _piece(self, is_value: bool, text: str, slots: Slots, grow: bool, out: list[int]) -> None:
        if is_value:
            at = slots.index.get(text)
            if at is None and (known := slots.inside(text)) is not None:
                before, _, after = text.partition(known)
                for part in (before, known, after):
                    if part == known:
                        out.append(self.slot0 + slots.index[known])
                    else:
                        for inner_value, inner in _split_numbers(part):
                            self._piece(inner_value, inner, slots, grow, out)
                return
            if at is None and grow:
                at = slots.add(text)
            if at is not None:
                out.append(self.slot0 + at)
                return
        out += self.text(text)

    def knows(self, line: str, slots: Slots) -> bool:
        """Whether every value of `line` is in a slot, whole or in parts."""
        return all(
            not is_value or text in slots.index or slots.inside(text) is not None
            for is_value, text in self.lexicon.pieces(line)
        )

    def text(self, text: str) -> list[int]:
        """Literal text as number and BPE tokens."""
        known = self._cache.get(text)
        if known is None:
            known = []
            at = 0
            for match in re.finditer(r"\d+", text):
                if _small(match[0]):
                    known += self._bpe(text[at : match.start()])
                    known.append(self.number0 + int(match[0]))
                    at = match.end()
            known += self._bpe(text[at:])
            if len(self._cache) < 65536:
                self._cache[text] = known
        return known

    def _bpe(self, text: str) -> list[int]:
        return [self.text0 + i for i in self.bpe.encode(text).ids] if text else []

    def read(self, tokens: Sequence[int], slots: Slots) -> str:
        """The text of content tokens."""
        out: list[str] = []
        run: list[int] = []
        for token in (*tokens, PAD):
            if token >= self.text0:
                run.append(token - self.text0)
                continue
            if run:
                out.append(self.bpe.decode(run))
                run = []
            if self.slot0 <= token < self.line0:
                at = token - self.slot0
                out.append(slots.texts[at] if at < len(slots.texts) else "")
            elif self.number0 <= token < self.slot0:
                out.append(str(token - self.number0))
        return "".join(out)

    def state(self) -> dict[str, Any]:
        """JSON to save beside the weights."""
        return {
            "bpe": json.loads(self.bpe.to_str()),
            "literals": sorted(self.lexicon.literals),
            "outcomes": self.outcomes,
        }


def patch(draft: Sequence[str], target: Sequence[str]) -> list[tuple[int, int, list[str]]]:
    """Edits ``(i, j, lines)`` that turn `draft` into `target`: lines i..j-1 become `lines`.

    Only the first `MAX_LINES` lines can be named; the rest of a longer draft goes with the last edit.
    """
    matcher = difflib.SequenceMatcher(None, draft, target, autojunk=False)
    edits: list[tuple[int, int, list[str]]] = []
    for tag, i, j, a, b in matcher.get_opcodes():
        if tag == "replace" and j - i == b - a:
            edits += [(i + k, i + k + 1, [target[a + k]]) for k in range(j - i)]
        elif tag != "equal":
            edits.append((i, j, list(target[a:b])))
    return edits


def apply_patch(draft: Sequence[str], edits: Iterable[tuple[int, int, Sequence[str]]]) -> Lines:
    """`draft` with edits applied; they are in order and do not overlap."""
    out: list[str] = []
    at = 0
    for i, j, lines in edits:
        out += draft[at:i]
        out += lines
        at = j
    return (*out, *draft[at:])
