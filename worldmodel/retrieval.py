"""Nearest recorded transitions, lexically: drafts for the model, a baseline, a measure of support.

Order: agreement on the whole request, on the page that is loaded, on the request's skeleton; then a score, the share
of the context lines of situation and record that both have (Jaccard 1912), each line weighted by its inverse document
frequency (Spaerck Jones 1972). No training, nothing but counting, and the same answer everywhere.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any
from urllib.parse import quote_plus

from worldmodel.document import Lines, body, meta
from worldmodel.pages.pages import Pages
from worldmodel.pages.worth import Worth
from worldmodel.render import Lexicon, skeleton
from worldmodel.results.calls import label_of
from worldmodel.results.programs import Results
from worldmodel.rules.branches import operation
from worldmodel.rules.programs import Programs
from worldmodel.session import Sample, Situation

_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_NAMES = 3
"""Letters of a text that may name somebody."""
MAX_RANKED = 64
"""Candidates that are compared in full."""


@dataclass(frozen=True)
class Hit:
    """One retrieved record."""

    sample: Sample
    exact: bool
    similar: bool
    """The requests have the same skeleton (exact implies similar)."""
    same_page: bool
    """A page load whose answer was that very page."""
    score: float
    """Share in [0, 1] of the situation's context weight that the record has too."""
    branch: str = ""
    """The kind of answer it got, where rules tell kinds apart."""

    @property
    def kind(self) -> tuple[bool, bool, bool]:
        """How well the request itself agrees; compares before the context does."""
        return (self.exact, self.same_page, self.similar)


class Memory:
    """All transitions of the training sessions, indexed by request.

    Args:
        samples: The records.
        lexicon: Decides what is wording and what a value.
        rules: Say what kind of answer a request gets and what it does to the state; None without.
        results: Say what tools answer; None without.
        pages: Say how an answer of a kind reads; None without.
        worth: Says whether their pages or neighbours' are the better drafts.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        lexicon: Lexicon,
        rules: Programs | None = None,
        results: Results | None = None,
        pages: Pages | None = None,
        worth: Worth | None = None,
    ) -> None:
        self.samples = list(samples)
        self.lexicon = lexicon
        self.rules = rules
        self.pages = pages
        self.results = results
        self.worth = worth if worth is not None else Worth()
        self._branches = [self._branch(sample) for sample in self.samples]
        self._by_key: dict[str, list[int]] = defaultdict(list)
        self._by_page: dict[str, list[int]] = defaultdict(list)
        # What is the same for equal requests is kept once for all of them.
        self._by_skeleton: dict[str, dict[str, list[int]]] = defaultdict(dict)
        self._by_word: dict[str, list[str]] = defaultdict(list)
        self._words: dict[str, frozenset[str]] = {}
        self._shapes: list[str] = []
        self._urls: list[str] = []
        self._context: list[frozenset[str]] = []
        lines: Counter[str] = Counter()
        for i, sample in enumerate(self.samples):
            key = sample.situation.request.key
            self._by_key[key].append(i)
            self._shapes.append(self.shape(sample.situation))
            self._by_skeleton[self._shapes[i]][key] = self._by_key[key]
            self._urls.append(meta(sample.target, "url").partition("?")[0])
            self._by_page[self._urls[i]].append(i)
            if key not in self._words:
                self._words[key] = frozenset(_WORD.findall(key))
                for word in self._words[key]:
                    self._by_word[word].append(key)
            context = context_of(sample.situation)
            self._context.append(context)
            lines.update(context)
        self._often = {word: sum(len(self._by_key[key]) for key in keys) for word, keys in self._by_word.items()}
        total = len(self.samples) + 1
        self._weight: Mapping[str, int] = {line: _fixed(math.log(total / n)) for line, n in lines.items()}
        self._unseen = _fixed(math.log(total))
        self._whole = [sum(map(self._weight.__getitem__, context)) for context in self._context]

    def _branch(self, sample: Sample) -> str:
        if self.results is not None and sample.situation.interface == "tools":
            return label_of(sample.situation.request.key, sample.target)
        return self.rules.branch(sample) if self.rules is not None else ""

    def alike(self, situation: Situation, hit: Hit) -> bool:
        """Whether a record is of the same operation: what another one did to the state, this one does not."""
        if self.rules is None:
            return True
        ours, theirs = (operation(one.request, self.rules.known) for one in (situation, hit.sample.situation))
        return ours == theirs

    def shape(self, situation: Situation) -> str:
        """The skeleton of a request, fields by name only."""
        head, *rest = situation.request.lines
        # By name, and whether they hold anything: an empty search is another thing than a search.
        fields = sorted({line.partition(" = ")[0] + '""' * line.endswith(' = ""') for line in rest if " = " in line})
        return "\n".join((skeleton(self.lexicon, (head.partition(" on ")[0],)), *fields))

    def nearest(
        self, situation: Situation, k: int = 1, *, without: str | None = None, branch: str | None = None
    ) -> list[Hit]:
        """The best `k` records, best first; [] when nothing is like the request.

        Args:
            situation: What to answer.
            k: How many.
            without: A group (task instance or session) whose records may not be used: in training
                a sample must not find itself, nor a rerun of its own task.
            branch: Prefer records with this kind of answer.
        """
        key = situation.request.key
        shape = self.shape(situation)
        pool = self._first(reversed(self._by_key.get(key, ())), without)
        if len(pool) < k and (url := _page_of(situation)):
            # The page itself may have been seen as the answer to something else.
            pool = self._first(chain(pool, reversed(self._by_page.get(url, ()))), without)
        if len(pool) < k:
            pool = self._first(chain(pool, self._alike(key, shape)), without)
        if len(pool) < k:
            pool = self._first(chain(pool, self._by_words(key)), without)
        if branch is not None and any(self._branches[i] == branch for i in pool):
            pool = [i for i in pool if self._branches[i] == branch]
        asked = _Asked(key, shape, _page_of(situation), context_of(situation))
        whole = sum(self._weight.get(line, self._unseen) for line in asked.context)
        hits = [self._hit(i, asked, whole) for i in pool]
        # What was filled in again is of that session; without it they are answers to the same.
        hits.sort(key=lambda hit: (*(-part for part in hit.kind), bool(hit.sample.situation.restored), -hit.score))
        return hits[:k]

    def programs(self) -> dict[str, Any]:
        """What was learned, as JSON, by the names under which a model's `config.json` has it."""
        learned = {"rules": self.rules, "results": self.results, "pages": self.pages, "worth": self.worth}
        return {name: part.to_json() for name, part in learned.items() if part is not None}

    def over(self, samples: Sequence[Sample]) -> Memory:
        """The same programs over other records."""
        return Memory(samples, self.lexicon, self.rules, self.results, self.pages, self.worth)

    def with_pages(self, pages: Pages) -> Memory:
        """The same records with other page programs."""
        other = copy(self)
        other.pages = pages
        return other

    def at(self, situation: Situation, url: str) -> Iterator[Sample]:
        """Records of the same request, then of answers at `url` whatever its query, latest first."""
        same = self._by_key.get(situation.request.key, ())
        there = self._by_page.get(url.partition("?")[0], ()) if url else ()
        return (self.samples[i] for part in (same, there) for i in reversed(part))

    def _first(self, ranked: Iterable[int], without: str | None) -> list[int]:
        """The first `MAX_RANKED` different ones that may be used."""
        # Latest first: of equal records the most recently recorded is the one to believe.
        allowed = (i for i in ranked if self.samples[i].group != without)
        return list(islice(dict.fromkeys(islice(allowed, 2 * MAX_RANKED)), MAX_RANKED))

    def _alike(self, key: str, shape: str) -> Iterator[int]:
        """Records of requests with the same skeleton, those that share most words first."""
        words = frozenset(_WORD.findall(key))
        shared: dict[int, list[list[int]]] = defaultdict(list)
        for other, found in self._by_skeleton.get(shape, {}).items():
            shared[len(words & self._words[other])].append(found)
        return _latest(shared)

    def _by_words(self, key: str) -> Iterator[int]:
        """Records by the words that their requests share with this one, rare words counting more."""
        scores: dict[str, int] = defaultdict(int)
        total = len(self.samples) + 1
        for word in set(_WORD.findall(key)):
            weight = _fixed(math.log(total / self._often[word])) if word in self._often else 0
            for other in self._by_word.get(word, ()):
                scores[other] += weight
        found: dict[int, list[list[int]]] = defaultdict(list)
        for other, score in scores.items():
            found[score].append(self._by_key[other])
        return _latest(found)

    def _hit(self, i: int, asked: _Asked, whole: int) -> Hit:
        """How well record `i` fits; `whole` is the weight of the context that is asked about."""
        sample = self.samples[i]
        both = sum(map(self._weight.__getitem__, asked.context & self._context[i]))
        either = whole + self._whole[i] - both
        return Hit(
            sample,
            exact=sample.situation.request.key == asked.key,
            similar=self._shapes[i] == asked.shape,
            same_page=asked.page == self._urls[i] != "",
            score=both / either if either else 1.0,
            branch=self._branches[i],
        )


@dataclass(frozen=True)
class _Asked:
    """A request as records are compared with it."""

    key: str
    shape: str
    page: str
    context: frozenset[str]


def _latest(found: Mapping[int, Sequence[Sequence[int]]]) -> Iterator[int]:
    """Score -> runs of records, each from the first to the latest: those of the highest score first, latest first."""
    for score in sorted(found, reverse=True):
        yield from heapq.merge(*map(reversed, found[score]), reverse=True)


def _fixed(weight: float) -> int:
    """A weight in units of 2**-32: sums of whole numbers are the same in any order, and so on any day."""
    return round(weight * 2**32)


def _page_of(situation: Situation) -> str:
    """The page that a plain page load asks for, "" for other requests and for pages with a query."""
    head = situation.request.lines[0]
    return head[5:-1] if head.startswith('get "') and "?" not in head else ""


def context_of(situation: Situation) -> frozenset[str]:
    """What counts for similarity beyond the request: lines on screen and believed facts."""
    return frozenset((*situation.request.lines, *body(situation.current), *situation.facts))


def substitution(lexicon: Lexicon, source: Situation, target: Situation) -> dict[str, str]:
    """Values of `source` -> values of `target` that stand in the same places.

    Requests are aligned first; then every line that mentions a mapped value in both contexts, if
    the two lines differ in values only (a product's name and price follow from its URL).
    """
    mapping: dict[str, str] = {}
    for a, b in zip(source.request.lines, target.request.lines, strict=False):
        _align(lexicon, a, b, mapping)
    if source.login and target.login:
        mapping[source.login] = target.login
        for a, b in _own_texts(source, target):
            mapping.setdefault(a, b)
    for collection, ours in _by_collection(source.facts).items():
        for a, b in zip(ours, _by_collection(target.facts).get(collection, ()), strict=False):
            _align(lexicon, a, b, mapping)
    for _ in range(2):
        size = len(mapping)
        _align_blocks(lexicon, source.current, target.current, mapping)
        if len(mapping) == size:
            break
    return {a: b for a, b in mapping.items() if a != b}


def _own_texts(source: Situation, target: Situation) -> Iterator[tuple[str, str]]:
    """What the rows of one account say of it, and what the other's say in the same fields."""
    for collection, table in source.state.items():
        other = target.state.get(collection)
        theirs = table.get(source.login) if isinstance(table, dict) else None
        ours = other.get(target.login) if isinstance(other, dict) else None
        if isinstance(theirs, dict) and isinstance(ours, dict):
            pairs = ((a, ours.get(field)) for field, a in theirs.items())
            texts = ((a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str))
            yield from ((a, b) for a, b in texts if min(len(a), len(b)) >= _NAMES)


def _by_collection(facts: Lines) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for line in facts:
        out.setdefault(line.partition("/")[0].partition(" ")[0], []).append(line)
    return out


def _align(lexicon: Lexicon, a: str, b: str, mapping: dict[str, str]) -> bool:
    left, right = lexicon.pieces(a), lexicon.pieces(b)
    if len(left) != len(right) or any(p != q and not (p[0] and q[0]) for p, q in zip(left, right, strict=True)):
        return False
    for (is_value, x), (_, y) in zip(left, right, strict=True):
        if is_value:
            mapping.setdefault(x, y)
    return True


def _align_blocks(lexicon: Lexicon, source: Lines, target: Lines, mapping: dict[str, str]) -> None:
    for x, y in list(mapping.items()):
        i = next((n for n, line in enumerate(source) if x in line and _is_value(lexicon, line, x)), None)
        j = next((n for n, line in enumerate(target) if y in line and _is_value(lexicon, line, y)), None)
        if i is None or j is None:
            continue
        # A card or row spans a few lines; walk on while the lines still correspond.
        for step in range(4):
            if i + step >= len(source) or j + step >= len(target):
                break
            if not _align(lexicon, source[i + step], target[j + step], mapping):
                break


def _is_value(lexicon: Lexicon, line: str, text: str) -> bool:
    return (True, text) in lexicon.pieces(line)


def substitute(lexicon: Lexicon, lines: Lines, mapping: Mapping[str, str]) -> Lines:
    """`lines` with mapped values replaced, whole values and those inside longer ones."""
    if not mapping:
        return lines
    long = [a for a in sorted(mapping, key=len, reverse=True) if len(a) > 3 or (len(a) > 1 and a.isalpha())]
    inside = re.compile("|".join(rf"(?<!\w){re.escape(a)}(?!\w)" for a in long)) if long else None
    out = []
    for line in lines:
        text = []
        in_url = line.startswith("@url ")
        for is_value, piece in lexicon.pieces(line):
            new = piece
            if is_value and piece in mapping:
                new = mapping[piece]
            elif is_value and inside is not None:
                new = inside.sub(lambda m: mapping[m[0]], piece)
            text.append(quote_plus(new) if in_url and new != piece else new)
        out.append("".join(text))
    return tuple(out)
