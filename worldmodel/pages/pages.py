"""All page programs of one app: which document an answer is, given its kind and the state after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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
from worldmodel.pages.grown import Answer, added_rows, grow_level, grow_shared
from worldmodel.pages.learned import LEARNED, Address, Learned, Page, Written
from worldmodel.pages.levels import Example, Level, everywhere, is_late, learn_level
from worldmodel.pages.names import Names, open_names, sums
from worldmodel.pages.nodes import URL, Node, read, url_of, write
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

MOST = 72
"""Examples that one kind of answer is learned from."""
LEAST_CHECKS = 9
MOST_MASKED = 65_536
"""Texts whose wording is kept at hand."""
MOST_CHECKS = 60
"""Further examples that a kind is tried on."""
PER_ADDRESS = 3
"""Of these, about the same address."""
HEARD = 4
"""Examples with wording that several addresses have, for it to count as heard."""
MOST_SELDOM = 24
"""Examples more, for wording that would hardly be heard."""


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
        trials: The program that was tried, where another has been learned from those answers too.
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
    trials: dict[str, Page] = field(default_factory=dict, compare=False)
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
        for name, numbers in sorted(by_address.items()):
            if not name.startswith("call "):
                self.addresses[name] = self._learn_address([found[n] for n in numbers], Rng(seed, "address", name))
        picked: dict[str, list[int]] = {}
        examples: dict[str, list[Example]] = {}
        for kind, numbers in sorted(by_kind.items()):
            recorded = [(found[n], branch[n]) for n in numbers]
            picked[kind] = self._pick(recorded, Rng(seed, "page", kind))
            examples[kind] = self._examples([recorded[i] for i in picked[kind]])
        self.shared |= learn_shared(examples, self._mask)
        everything = ((kind, [(found[n], branch[n]) for n in numbers]) for kind, numbers in sorted(by_kind.items()))
        self._refit_shared(list(everything))
        for kind, numbers in sorted(by_kind.items()):
            mine = examples.pop(kind)
            kept = list(range(len(mine)))
            if len(numbers) - len(mine) < LEAST_CHECKS <= len(numbers):
                # Too few are left over to try it on: it is tried on a third after being learned from the rest.
                kept = [at for at in kept if at % 3]
            recorded = [(found[n], branch[n]) for n in numbers]
            known = {picked[kind][at] for at in kept}
            left = [at for at in range(len(numbers)) if at not in known]
            left = left[:: max(1, len(left) // MOST_CHECKS)] if len(numbers) >= LEAST_CHECKS else []
            self._learn_page(kind, [mine[at] for at in kept])
            self._refit(kind, [recorded[at] for at in sorted({*range(len(recorded))} - {*left})])
            self._remember(recorded, kind)
            self._try([recorded[at] for at in left], kind)
            self.tried[kind] = [numbers[at] for at in left]
            if len(kept) < len(mine):
                self.trials[kind] = self.pages[kind]
                self._learn_page(kind, mine)
                self._refit(kind, recorded)
                self._remember(recorded, kind)

    def on_trial(self) -> Pages:
        """Programs that were not learned from what they were tried on (`tried`)."""
        return replace(self, pages={**self.pages, **self.trials})

    def kind(self, target: Lines, situation: Situation) -> str:
        """The kind of a recorded answer: its address without entities, and what it begins with."""
        first = next(iter(body(target)), "").partition(" ")[0]
        if situation.interface == "tools":
            return f"{situation.request.lines[0]} {first} {bool(meta(target, 'error'))}"
        return f"{path_of(self.known.address(meta(target, 'url')), self.words)} {first}"

    def _operation(self, request: Request, kind: str) -> str:
        # An overlay or a notice says nothing about where it came up.
        return f"{operation(request, self.known)} {kind.rpartition(' ')[0]}"

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

    def _pick(self, found: Sequence[tuple[Sample, str]], rng: Rng) -> list[int]:
        """Places of some of each branch, of different addresses first."""
        order = rng.sample(range(len(found)), len(found))
        seen: dict[tuple[str, str], int] = defaultdict(int)
        ranked: list[tuple[bool, int, int, int]] = []
        for at in order:
            sample, branch = found[at]
            verb = sample.situation.request.lines[0].partition(" ")[0]
            asked_for = sorted(name for name in address(meta(sample.target, "url")) if name.startswith("query."))
            kind = f"{branch} {verb} {bool(sample.situation.login)} {asked_for}"
            key = (kind, about_of(sample.target, sample.situation))
            seen[key] += 1
            seen[kind, ""] += 1
            ranked.append((seen[key] > PER_ADDRESS, seen[kind, ""], len(ranked), at))
        picked = [at for *_, at in sorted(ranked)[:MOST]]
        return sorted([*picked, *self._seldom(found, picked, order)])

    def _seldom(self, found: Sequence[tuple[Sample, str]], picked: Sequence[int], order: Sequence[int]) -> list[int]:
        """Places of answers with wording that several addresses have, and hardly one of those picked."""
        lines = [{self._mask(line.strip()) for line in body(sample.target)} for sample, _ in found]
        heard = Counter(line for at in picked for line in lines[at])
        addresses: dict[str, set[str]] = defaultdict(set)
        for at, (sample, _) in enumerate(found):
            for line in lines[at]:
                addresses[line].add(meta(sample.target, "url"))
        out: list[int] = []
        known = set(picked)
        left = [at for at in order if at not in known]
        for at in left:
            if len(out) < MOST_SELDOM and any(
                heard[line] < HEARD and len(addresses[line]) >= HEARD for line in lines[at]
            ):
                out.append(at)
                heard.update(lines[at])
        return out

    def _learn_page(self, kind: str, examples: Sequence[Example]) -> None:
        checked = self.pages[kind].checked if kind in self.pages else {}
        self.pages[kind] = Page(learn_level(examples, self._mask, kind, frozenset(self.shared)), checked)

    def _refit(self, kind: str, found: Sequence[tuple[Sample, str]]) -> None:
        """Find the queries of its lists again with as many answers as there are, and texts that some of them refute."""
        some = found[:: -(-len(found) // MOST_LISTS)]
        seen = ((self._known(*one), content(read(one[0].target, one[0].situation.interface))) for one in some)
        level = refit(self.pages[kind].level, seen, self._mask)
        tried = [self._example(*one) for one in found[:: -(-len(found) // MOST_TEXTS)]]
        level = again(level, tried, self._mask)
        level = grow_level(level, self._own(found, kind), self._mask)
        self.pages[kind] = replace(self.pages[kind], level=level)

    def _refit_shared(self, kinds: Sequence[tuple[str, Sequence[tuple[Sample, str]]]]) -> None:
        """The same for levels that several kinds of pages share."""
        tried = (self._example(*one) for _, found in kinds for one in found[:: -(-len(found) // PER_KIND)])
        self.shared = shared_again(self.shared, tried, self._mask)
        self.shared = grow_shared(
            self.shared, [one for kind, found in kinds for one in self._own(found, kind)], self._mask
        )

    def _own(self, found: Sequence[tuple[Sample, str]], kind: str) -> list[Answer]:
        """Some answers after the session had added rows."""
        own = [one for sample, branch in found if (one := self._own_rows(sample, branch, kind))]
        return own[:: -(-len(own) // MOST_GROWN) or 1]

    def _own_rows(self, sample: Sample, branch: str, kind: str) -> Answer | None:
        """An answer after the session had added rows since it saw this page before; that page is `Example.kept`."""
        situation = sample.situation
        before, since = self._seen_before(situation, meta(sample.target, "url"), kind)
        added = added_rows(situation, apply(situation.state, read_delta(sample.target))) if before else ()
        if not any(at > since for at, _, _ in added):
            return None
        kept = content(read(before, situation.interface))
        return replace(self._example(sample, branch), kept=kept), added, since

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
