"""All page programs of one app: which document an answer is, given its kind and the state after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from envsim.rng import Rng
from envsim.state import StateView, apply
from envsim.types import JsonValue
from worldmodel.document import Lines, body, dump, meta, read_delta
from worldmodel.pages.again import MOST as MOST_TEXTS
from worldmodel.pages.again import PER_KIND, again, shared_again
from worldmodel.pages.answers import (
    about_of,
    alike,
    asked_url,
    bin_of,
    content,
    guest_of,
    kind_like,
    page_before,
    path_of,
    plain_requests,
    seen_before,
    unless_in_address,
    without_changes,
    words_of,
)
from worldmodel.pages.grown import MOST as MOST_GROWN
from worldmodel.pages.grown import Added, Answer, added_rows, grow_level, grow_shared
from worldmodel.pages.learned import LEARNED, Address, Learned, Page, Written
from worldmodel.pages.levels import Example, Level, everywhere, is_late, learn_level
from worldmodel.pages.names import Names, open_names, sums
from worldmodel.pages.nodes import URL, Node, read, url_of, write
from worldmodel.pages.picks import MOST, held_back, pick
from worldmodel.pages.refit import MOST as MOST_LISTS
from worldmodel.pages.refit import refit
from worldmodel.pages.shape import Shape
from worldmodel.pages.sharing import learn_shared
from worldmodel.pages.writer import VOICES, Memory, Recorder, Writer
from worldmodel.requests import Request
from worldmodel.rules.branches import operation
from worldmodel.rules.known import Known
from worldmodel.rules.programs import Outcome
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import address, asked
from worldmodel.session import Sample, Situation, leaves

MOST_MASKED = 65_536
"""Texts whose wording is kept at hand."""


@dataclass
class Pages:
    """See the module.

    Attributes:
        relations: How the state's collections belong together.
        known: The names of things.
        kinds: Branch -> kind of page.
        pages: By kind.
        addresses: By operation and kind.
        shared: Levels below elements that several kinds of pages have, by the element's symbol.
        memory: What pages showed that no rule tells.
        words: Plain words that rows hold.
        guest: What rows call somebody who is not signed in, where that is one name.
        tried: By kind, which recorded answers its program was tried on, after learning.
        trial: What was tried: programs learned from none of those answers; None for those of these pages.
    """

    relations: Relations
    known: Known
    kinds: dict[str, str] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)
    shared: dict[str, Level] = field(default_factory=dict)
    memory: Memory = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    guest: str = ""
    tried: dict[str, list[int]] = field(default_factory=dict, compare=False)
    trial: Pages | None = field(default=None, compare=False)
    _masked: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    # -- learning --------------------------------------------------------------------------------------

    def learn(self, found: Sequence[Sample], branch: Mapping[int, str], seed: int = 0) -> None:
        """Find programs in recorded answers; `branch` gives the kind of answer of each, by its place in `found`."""
        self.words, self.guest = words_of(found), guest_of(found)
        by_kind: dict[str, list[int]] = defaultdict(list)
        by_address: dict[str, list[int]] = defaultdict(list)
        for number in plain_requests(found, branch):
            sample = found[number]
            kind = self.kind(sample.target, sample.situation)
            self.kinds.setdefault(branch[number], kind)
            by_kind[kind].append(number)
            by_address[self._operation(sample.situation.request, kind)].append(number)
        picked: dict[str, list[int]] = {}
        examples: dict[str, list[Example]] = {}
        held: dict[str, set[int]] = {}
        for kind, numbers in sorted(by_kind.items()):
            recorded = [(found[n], branch[n]) for n in numbers]
            picked[kind] = pick(recorded, Rng(seed, "page", kind), self._mask)
            examples[kind] = self._examples([recorded[i] for i in picked[kind]])
            held[kind], left = held_back(picked[kind], len(numbers))
            self.tried[kind] = [numbers[at] for at in left]
        away = {number for tried in self.tried.values() for number in tried}
        own = {kind: self._own(numbers, found, branch, kind) for kind, numbers in by_kind.items()}
        heard = {n: (found[n], branch[n]) for ns in by_kind.values() for n in ns[:: -(-len(ns) // PER_KIND)]}
        rows = {n: one for some in own.values() for n, one in some.items()}
        rest, apart = self._learn_shared(examples, held, heard, rows, away)
        self.shared = rest | apart
        trial = self.trial = replace(self, pages={}, addresses={}, shared=rest, trial=None)
        for name, numbers in sorted(by_address.items()):
            if not name.startswith("call "):
                self._learn_addresses(name, found, numbers, away, trial, seed)
        for kind, numbers in sorted(by_kind.items()):
            mine = examples.pop(kind)
            recorded, tried = [(found[n], branch[n]) for n in numbers], {*self.tried[kind]}
            trial._learn_page(kind, [one for at, one in enumerate(mine) if at not in held[kind]])
            before = [one for one, n in zip(recorded, numbers, strict=True) if n not in tried]
            trial._refit(kind, before, [one for n, one in own[kind].items() if n not in tried])
            trial._remember(recorded, kind)
            trial._try([(found[n], branch[n]) for n in self.tried[kind]], kind)
            self.pages[kind] = trial.pages[kind]
            if held[kind]:
                self._learn_page(kind, mine)
                self._refit(kind, recorded, [*own[kind].values()])
            if held[kind] or apart:
                self._remember(recorded, kind)

    def on_trial(self) -> Pages:
        """Programs that were not learned from what they were tried on (`tried`)."""
        return self.trial or self

    def kind(self, target: Lines, situation: Situation) -> str:
        """The kind of a recorded answer: its address without entities, and what it begins with."""
        first = next(iter(body(target)), "").partition(" ")[0]
        if situation.interface == "tools":
            return f"{situation.request.lines[0]} {first} {bool(meta(target, 'error'))}"
        return f"{path_of(self.known.address(meta(target, 'url')), self.words)} {first}"

    def _operation(self, request: Request, kind: str) -> str:
        # An overlay or a notice says nothing about where it came up.
        return f"{operation(request, self.known)} {kind.rpartition(' ')[0]}"

    def _learn_addresses(
        self, name: str, found: Sequence[Sample], numbers: Sequence[int], away: set[int], trial: Pages, seed: int
    ) -> None:
        """Where an operation leads, by requests that nothing is tried on; by all of them, where those are few."""
        rest = [n for n in numbers if n not in away]
        if rest:
            trial.addresses[name] = self._learn_address([found[n] for n in rest], Rng(seed, "address", name))
        if len(rest) >= MOST or len(rest) == len(numbers):
            self.addresses[name] = trial.addresses[name]
        else:
            self.addresses[name] = self._learn_address([found[n] for n in numbers], Rng(seed, "address", name))

    def _learn_address(self, found: Sequence[Sample], rng: Rng) -> Address:
        chosen = [found[i] for i in sorted(rng.sample(range(len(found)), min(MOST, len(found))))]
        if all(asked_url(s.situation.request) == meta(s.target, "url") for s in chosen):
            return Address(True, Level(Shape()))
        examples = []
        for sample in chosen:
            names = self._names(sample.situation, apply(sample.situation.state, read_delta(sample.target)), "")
            nodes = tuple(node for node in read(sample.target, "browser") if node.role == URL)
            examples.append(Example(names, nodes, ""))
        return Address(False, learn_level(examples, self._mask, "address"))

    def _learn_page(self, kind: str, examples: Sequence[Example]) -> None:
        checked = self.pages[kind].checked if kind in self.pages else {}
        self.pages[kind] = Page(learn_level(examples, self._mask, kind, frozenset(self.shared)), checked)

    def _refit(self, kind: str, found: Sequence[tuple[Sample, str]], own: Sequence[Answer]) -> None:
        """Find the queries of its lists again with as many answers as there are, and texts that some of them refute."""
        some = found[:: -(-len(found) // MOST_LISTS)]
        seen = ((self._known(*one), content(read(one[0].target, one[0].situation.interface))) for one in some)
        level = refit(self.pages[kind].level, seen, self._mask)
        tried = [self._example(*one) for one in found[:: -(-len(found) // MOST_TEXTS)]]
        level = again(level, tried, self._mask)
        self.pages[kind] = replace(self.pages[kind], level=grow_level(level, own, self._mask))

    def _learn_shared(
        self, examples: Mapping[str, Sequence[Example]], held: Mapping[str, set[int]],
        heard: Mapping[int, tuple[Sample, str]], own: Mapping[int, Answer], away: set[int],
    ) -> tuple[dict[str, Level], dict[str, Level]]:  # fmt: skip
        """The levels that several kinds of pages share, without what is `away`; and those that differ with it."""
        every, rest = learn_shared(examples, self._mask, held)
        apart = {name: level for name, level in every.items() if level is not rest[name]}
        left = [one for n, one in heard.items() if n not in away]
        rest = self._refit_shared(rest, left, [one for n, one in own.items() if n not in away])
        return rest, self._refit_shared(apart, heard.values(), [*own.values()])

    def _refit_shared(
        self, shared: Mapping[str, Level], found: Iterable[tuple[Sample, str]], own: Sequence[Answer]
    ) -> dict[str, Level]:
        """The same for levels that several kinds of pages share."""
        tried = (self._example(*one) for one in found) if shared else ()
        return grow_shared(shared_again(shared, tried, self._mask), own, self._mask)

    def _own(
        self, numbers: Sequence[int], found: Sequence[Sample], branch: Mapping[int, str], kind: str
    ) -> dict[int, Answer]:
        """Some answers after the session had added rows since it saw this page before; that page is `Example.kept`."""
        added: dict[int, tuple[Lines, Added, int]] = {}
        for number in numbers:
            situation, target = found[number].situation, found[number].target
            before, since = self._seen_before(situation, meta(target, "url"), kind)
            rows = added_rows(situation, apply(situation.state, read_delta(target))) if before else ()
            if any(at > since for at, _, _ in rows):
                added[number] = before, rows, since
        out = {}
        for number in [*added][:: -(-len(added) // MOST_GROWN) or 1]:
            before, rows, since = added[number]
            example = self._example(found[number], branch[number])
            out[number] = replace(example, kept=content(read(before, found[number].situation.interface))), rows, since
        return out

    def _known(self, sample: Sample, branch: str) -> Names:
        """What is known of a recorded answer."""
        after = apply(sample.situation.state, read_delta(sample.target))
        return self._names(sample.situation, after, meta(sample.target, "url"), branch)

    def _examples(self, found: Sequence[tuple[Sample, str]]) -> list[Example]:
        examples = [self._example(*one) for one in found]
        made = sums(example.names for example in examples)
        for example in examples:
            example.names.add({name: example.names.value(name) for name in made})
        return examples

    def _example(self, sample: Sample, branch: str) -> Example:
        nodes = content(read(sample.target, sample.situation.interface))
        before = content(read(page_before(sample.situation), sample.situation.interface))
        about = about_of(sample.target, sample.situation)
        return Example(self._known(sample, branch), nodes, about, before, everywhere(nodes, self._mask))

    def _remember(self, found: Sequence[tuple[Sample, str]], kind: str) -> None:
        """What the latest groups were shown of each thing, when they saw it first: later they may have changed it."""
        first: dict[str, dict[str, int]] = defaultdict(dict)
        for number, (sample, _) in enumerate(found):
            first[about_of(sample.target, sample.situation)].setdefault(sample.group, number)
        recorder = Recorder(self.memory, self._mask, self.shared)
        for number in sorted(number for numbers in first.values() for number in list(numbers.values())[-VOICES:]):
            sample, branch = found[number]
            names = self._known(sample, branch)
            nodes = content(read(sample.target, sample.situation.interface))
            recorder.take(self.pages[kind].level, names, nodes, about_of(sample.target, sample.situation), sample.group)

    def _try(self, found: Sequence[tuple[Sample, str]], kind: str) -> None:
        """How often programs get answers right that they were not learned from, by how sure they are."""
        right: dict[str, list[int]] = {}
        for sample, branch in found:
            after = apply(sample.situation.state, read_delta(sample.target))
            written = self.document(sample.situation, Outcome(branch, None, 1.0), after, (), sample.group)
            if written is not None:
                counts = right.setdefault(bin_of(written.support), [0, 0])
                counts[0] += written.lines == without_changes(sample.target)
                counts[1] += 1
        checked = {bin_: (counts[0], counts[1]) for bin_, counts in right.items()}
        self.pages[kind] = replace(self.pages[kind], checked=checked)

    # -- on disk ---------------------------------------------------------------------------------------

    def to_json(self) -> Any:
        """The programs and what is remembered; relations and names are found again in the dataset."""
        return LEARNED.dump_python(
            Learned(
                self.kinds, self.pages, self.addresses, self.shared, self.memory, tuple(sorted(self.words)), self.guest
            ),
            mode="json",
        )  # fmt: skip

    def read(self, data: Any) -> None:
        """Take over what `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            found = LEARNED.validate_python(data)
        except (ValidationError, RecursionError) as error:
            raise ValueError(f"no page programs: {str(error)[:200]}") from None
        self.kinds, self.pages, self.addresses = (found.kinds, found.pages, found.addresses)
        self.shared, self.memory = found.shared, found.memory
        self.words, self.guest = frozenset(found.words), found.guest

    # -- names -----------------------------------------------------------------------------------------

    def _names(self, situation: Situation, after: StateView, url: str, branch: str = "") -> Names:
        values: dict[str, JsonValue] = {}
        found = asked(situation.request, situation.state, self.known)
        for name, value in found.items() if not url else unless_in_address(found, url):
            values[f"asked.{name}" if name.startswith(("url.", "query.")) else name] = value
        if where := asked_url(situation.request):
            values["asked.path"] = where.partition("?")[0]
        if url:
            values |= address(url)
            values["url"] = url
            values["url.path"] = url.partition("?")[0]
        if login := ("" if leaves(situation.request) else situation.login) or self.guest:
            values["login"] = login
        if branch:
            values["branch"] = branch
        return open_names(values, after, self.relations)

    def _mask(self, text: str) -> str:
        found = self._masked.get(text)
        if found is None:
            if len(self._masked) > MOST_MASKED:
                self._masked.clear()
            found = self._masked[text] = self.known.mask(text)
        return found

    # -- writing ---------------------------------------------------------------------------------------

    def document(
        self, situation: Situation, outcome: Outcome, after: StateView, draft: Lines = (), without: str | None = None
    ) -> Written | None:
        """The answer, without state changes; None for a kind of answer that was never seen.

        Args:
            situation: What was asked.
            outcome: The kind of answer.
            after: The state after the request.
            draft: Another guess, for what no rule and no memory tells.
            without: A group whose memories may not be used.
        """
        kind = self.kind_of(outcome.branch)
        page = self.pages.get(kind or "")
        if kind is None or page is None:
            return None
        url, sure = self._url(situation, after, kind)
        if url is None:
            return None
        names = self._names(situation, after, url, outcome.branch)
        about = url.partition("?")[0] or situation.request.key
        before, since = self._seen_before(situation, url, kind)
        own = added_rows(situation, after)
        writer = Writer(self.memory, self._mask, self.shared, without, meta(before, "url") == url, own, since)
        kept = content(read(page_before(situation), situation.interface))
        guess = content(read(draft, situation.interface))
        earlier = content(read(before, situation.interface))
        nodes: list[Node] = []
        for _ in range(2 if is_late(page.level, self.shared) else 1):
            if nodes:
                names.add(everywhere(nodes, self._mask))
            nodes, one = writer.level(page.level, names, about, kept, guess, earlier)
        if situation.interface == "browser":
            nodes = [*(node for node in read((f"@url {dump(url)}",), "browser")), *nodes]
        return Written(write(nodes, situation.interface), page.sure(min(sure, one)), min(sure, one), kind)

    def _seen_before(self, situation: Situation, url: str, kind: str) -> tuple[Lines, int]:
        """What the session saw at an address, and which of its answers that was; -1 if none."""
        # A page that broke off is no page like this.
        before = seen_before(situation, url, lambda lines: self.kind(lines, situation) == kind)
        at = (n for n in range(len(situation.past) - 1, -1, -1) if situation.past[n][1] is before)
        return before, next(at, -1) if before else -1

    def kind_of(self, branch: str) -> str | None:
        """The kind of page of a kind of answer; of one never seen, as most have that lead there and say the same."""
        return self.kinds.get(branch) or kind_like(branch, self.kinds, self.words)

    def _url(self, situation: Situation, after: StateView, kind: str) -> tuple[str | None, float]:
        if situation.interface == "tools":
            return "", 1.0
        name = self._operation(situation.request, kind)
        # An operation that never led there: as others of its part of the app do.
        rule = self.addresses.get(name) or next((self.addresses[one] for one in alike(name, self.addresses)), None)
        if rule is None:
            return None, 0.0
        if rule.same:
            return asked_url(situation.request), 1.0
        names = self._names(situation, after, "")
        nodes, sure = Writer(self.memory, self._mask, self.shared).level(rule.level, names, "")
        return (url_of(nodes[0]), sure) if nodes else (None, 0.0)
