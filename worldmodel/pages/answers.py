"""What of recorded answers page programs are learned from, and what an answer is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from envsim.types import JsonValue
from worldmodel.document import Lines, meta
from worldmodel.pages.nodes import URL, Node
from worldmodel.requests import Request
from worldmodel.rules.scope import unquoted
from worldmodel.session import Sample, Situation

_OF_FORMS = ("field.", "choice.", "typed", "button", "group")


def words_of(found: Sequence[Sample]) -> frozenset[str]:
    """Texts of one word that fields of rows have, in what sessions begin with."""
    state = next((sample.situation.state for sample in found if sample.situation.state), {})
    rows = [row for table in state.values() if isinstance(table, dict) for row in table.values()]
    texts = {value for row in rows if isinstance(row, dict) for value in row.values() if isinstance(value, str)}
    return frozenset(text for text in texts if text.islower() and text.isalpha())


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


def seen_before(situation: Situation, url: str) -> Lines:
    """The latest answer of this session at the address; without one, at the same address with another query."""
    path = url.partition("?")[0]
    other: Lines = ()
    for _, lines in reversed(situation.past):
        there = meta(lines, "url")
        if there == url:
            return lines
        if not other and there.partition("?")[0] == path:
            other = lines
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
