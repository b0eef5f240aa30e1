"""What of recorded answers page programs are learned from, and what an answer is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl

from envsim.state import split_path
from envsim.types import JsonValue
from worldmodel.document import Lines, meta, read_delta
from worldmodel.pages.nodes import URL, Node
from worldmodel.requests import Request
from worldmodel.rules.scope import unquoted
from worldmodel.session import Sample, Situation

USUAL_NAME = 0.9
"""Share of the new rows of people who are not signed in that call them the same."""
_OF_FORMS = ("field.", "choice.", "typed", "button", "group")


def words_of(found: Sequence[Sample]) -> frozenset[str]:
    """Texts of one word that fields of rows have, in what sessions begin with."""
    state = next((sample.situation.state for sample in found if sample.situation.state), {})
    rows = [row for table in state.values() if isinstance(table, dict) for row in table.values()]
    texts = {value for row in rows if isinstance(row, dict) for value in row.values() if isinstance(value, str)}
    return frozenset(text for text in texts if text.islower() and text.isalpha())


def guest_of(found: Sequence[Sample]) -> str:
    """What new rows call somebody who is not signed in, where others are named; "" unless mostly the same."""
    of_others: set[tuple[str, str]] = set()
    of_guests: dict[tuple[str, str], Counter[str]] = {}
    for sample in found:
        login = sample.situation.login
        for path, *rest in read_delta(sample.target) if sample.index > 0 else ():
            collection, *keys = split_path(str(path))
            row = rest[0] if rest and len(keys) == 1 else None
            for field, value in {"@": keys[0], **row}.items() if isinstance(row, dict) else ():
                if login and value == login:
                    of_others.add((collection, field))
                elif not login and isinstance(value, str):
                    of_guests.setdefault((collection, field), Counter())[value] += 1
    names = sum((names for where, names in of_guests.items() if where in of_others), Counter[str]())
    name, often = max(names.items(), key=lambda entry: (entry[1], entry[0]), default=("", 0))
    return name if often >= max(2, USUAL_NAME * names.total()) else ""


def path_of(address: str, words: frozenset[str]) -> str:
    """The path of an address; what rows hold is a value, even where it is a plain word, as shelves are."""
    return "/".join("*" if part in words else part for part in address.partition("?")[0].split("/"))


def kind_like(branch: str, kinds: Mapping[str, str], words: frozenset[str]) -> str | None:
    """The kind of page of a kind of answer never seen: that of most which lead to such an address and say the same."""
    there, _, said = branch.partition(" ")
    path = path_of(there, words)
    found = Counter(
        kind for other, kind in kinds.items()
        if kind.rpartition(" ")[0] == path and other.partition(" ")[2] == said
    )  # fmt: skip
    return max(found, key=lambda kind: (found[kind], kind), default=None)


def alike(name: str, known: Iterable[str]) -> Iterator[str]:
    """Of known operations and where they lead: page loads of the same directory to the same place, as deep first."""
    wanted, _, there = name.rpartition(" ")
    directory = "/".join([*wanted.split("/")[:2], ""])
    if wanted.startswith("get /"):
        for one in sorted(known, key=lambda one: (abs(one.count("/") - name.count("/")), one)):
            operation, _, place = one.rpartition(" ")
            if place == there and f"{operation}/".startswith(directory):
                yield one


def plain_requests(found: Sequence[Sample], branch: Mapping[int, str]) -> list[int]:
    """Places of browser requests; of a kind of answer that comes without bugs too, those without.

    What a browser filled in again is no part of what an app answers.
    """
    asked_for = [n for n, s in enumerate(found) if s.index > 0 and s.situation.interface == "browser"]
    asked_for = [n for n in asked_for if not found[n].situation.restored]
    spoiled = {n for n in asked_for if any(line.startswith("@event ") for line in found[n].target)}
    total = Counter(branch[n] for n in asked_for)
    plain = Counter(branch[n] for n in asked_for if n not in spoiled)
    return [n for n in asked_for if n not in spoiled or 4 * plain[branch[n]] <= total[branch[n]]]


def without_changes(target: Lines) -> Lines:
    """What of a document an agent sees."""
    return tuple(line for line in target if line[:1] != "!" and not line.startswith("@event "))


def bin_of(sure: float) -> str:
    """Support in three steps."""
    return "high" if sure >= 0.9 else "middle" if sure >= 0.6 else "low"


def content(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """All but the address."""
    return tuple(node for node in nodes if node.role != URL)


def page_before(situation: Situation) -> Lines:
    """The answer before this request."""
    return situation.past[-1][1] if situation.past else ()


def unless_in_address(asked: Mapping[str, JsonValue], url: str) -> list[tuple[str, JsonValue]]:
    """What was asked, less the fields of a form where its answer's address holds them: the page follows from that."""
    fields = {name: value for name, value in asked.items() if name.startswith("field.")}
    query = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    same = {str(value) for value in fields.values() if value} & {value for _, value in query}
    if not fields or not (same or len(query) >= max(2, len(fields))):
        return list(asked.items())
    return [(name, value) for name, value in asked.items() if not name.startswith(_OF_FORMS)]


def seen_before(situation: Situation, url: str, fits: Callable[[Lines], bool]) -> Lines:
    """The latest answer of this session at the address that `fits`; else one at the same address with another query."""
    path = url.partition("?")[0]
    other: Lines = ()
    for _, lines in reversed(situation.past):
        there = meta(lines, "url")
        if there.partition("?")[0] != path or not fits(lines):
            continue
        if there == url:
            return lines
        other = other or lines
    return other


def about_of(target: Lines, situation: Situation) -> str:
    """What an answer is about: its address without a query, or what was asked."""
    return meta(target, "url").partition("?")[0] or situation.request.key


def asked_url(request: Request) -> str:
    """The address that a request goes to, or was made on."""
    head = request.lines[0]
    if head.startswith("get "):
        return unquoted(head[4:])
    on = head.rpartition(" on ")[2]
    return unquoted(on) if on.startswith('"') else ""
