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
            picked[kind] = self._pick(recorded, Rng(seed, "page", kind))
            examples[kind] = self._examples([recorded[i] for i in picked[kind]])
            held[kind], left = _held_back(picked[kind], len(numbers))
            self.tried[kind] = [numbers[at] for at in left]
        self.shared, rest = learn_shared(examples, self._mask, held)
        trial = self.trial = replace(self, pages={}, addresses={}, shared=rest, trial=None)
        apart = any(rest[name] is not level for name, level in self.shared.items())
        away = {number for tried in self.tried.values() for number in tried}
        for name, numbers in sorted(by_address.items()):
            if not name.startswith("call "):
                self._learn_addresses(name, found, numbers, away, trial, seed)
        for kind, numbers in sorted(by_kind.items()):
            mine = examples.pop(kind)
            recorded, tried = [(found[n], branch[n]) for n in numbers], {*self.tried[kind]}
            trial._learn_page(kind, [one for at, one in enumerate(mine) if at not in held[kind]])
            trial._refit(kind, [one for one, n in zip(recorded, numbers, strict=True) if n not in tried])
            trial._remember(recorded, kind)
            trial._try([(found[n], branch[n]) for n in self.tried[kind]], kind)
            self.pages[kind] = trial.pages[kind]
            if held[kind]:
                self._learn_page(kind, mine)
                self._refit(kind, recorded)
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
        """Find the queries of its lists again with as many answers as there are."""
        some = found[:: -(-len(found) // MOST_LISTS)]
        seen = ((self._known(*one), content(read(one[0].target, one[0].situation.interface))) for one in some)
        self.pages[kind] = replace(self.pages[kind], level=refit(self.pages[kind].level, seen, self._mask))

    def _known(self, sample: Sample, branch: str) -> Names:
        """What is known of a recorded answer."""
        after = apply(sample.situation.state, read_delta(sample.target))
        return self._names(sample.situation, after, meta(sample.target, "url"), branch)

    def _examples(self, found: Sequence[tuple[Sample, str]]) -> list[Example]:
        examples = []
        for sample, branch in found:
            names = self._known(sample, branch)
            nodes = content(read(sample.target, sample.situation.interface))
            before = content(read(page_before(sample.situation), sample.situation.interface))
            about = about_of(sample.target, sample.situation)
            examples.append(Example(names, nodes, about, before, everywhere(nodes, self._mask)))
        made = sums(example.names for example in examples)
        for example in examples:
            example.names.add({name: example.names.value(name) for name in made})
        return examples

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
        # A page that broke off is no page like this.
        before = seen_before(situation, url, lambda lines: self.kind(lines, situation) == kind)
        writer = Writer(self.memory, self._mask, self.shared, without, meta(before, "url") == url)
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


def _held_back(picked: Sequence[int], count: int) -> tuple[set[int], list[int]]:
    """Of `count` answers of a kind, some `picked` as examples: which examples nothing may learn from before programs
    are tried, and the answers on which they then are.

    These are answers that were not picked; where too few are left, a third of the examples too.
    """
    if count < LEAST_CHECKS:
        return set(), []
    held = {at for at in range(len(picked)) if at % 3 == 0} if count - len(picked) < LEAST_CHECKS else set()
    known = {number for at, number in enumerate(picked) if at not in held}
    left = [number for number in range(count) if number not in known]
    return held, left[:: max(1, len(left) // MOST_CHECKS)]
