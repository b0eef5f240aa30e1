"""Which operation a request is, and which of the answers it can get it will get.

An *operation* is a request without its entities: ``click "Remove *" on /account/wishlist``. A *branch* is a kind of
answer to it: where it led and what it announced. Which branch follows is decided by a small tree of tests on what is
known (`worldmodel.rules.trees`), e.g. whether the coupon that was typed is the key of a row, and active.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from worldmodel.document import Lines, body, meta
from worldmodel.requests import Request
from worldmodel.rules.known import Known
from worldmodel.rules.scope import QUOTED, unquoted
from worldmodel.session import Sample

_REF = re.compile(r" \[e[a-z0-9-]+\]")
_ON = re.compile(rf" on ({QUOTED})$")
SAME = "="
SENT_AWAY = 3
"""Requests of people who are not signed in, for a part of an app to be closed to them."""
ANNOUNCED = ("alert ", "status ", "dialog ")


@lru_cache(maxsize=16384)
def operation(request: Request, known: Known) -> str:
    """What kind of request it is."""
    head, *rest = request.lines
    if head.startswith("call "):
        return head
    if head.startswith("get "):
        return f"get {known.address(unquoted(head[4:])).partition('?')[0]}"
    if not head.startswith("click "):
        return head.partition(" ")[0]
    pressed, _, page = head.rpartition(" on ")
    names = [known.mask(unquoted(quoted)) for quoted in re.findall(QUOTED, pressed)]
    group = next((known.mask(unquoted(line[3:])) for line in rest if line.startswith("in ")), "")
    return json.dumps(["click", *names, group, known.address(unquoted(page)).partition("?")[0]], ensure_ascii=False)


def branch(target: Lines, known: Known, request: Request) -> str:
    """What kind of answer it is. What was typed is not part of it, wherever it stands."""
    for line in request.lines[1:]:
        typed = unquoted(line.partition(" = ")[2]) if line[:1] == '"' else ""
        if len(typed) > 2:
            target = tuple(line.replace(typed, "*") if line.lstrip().startswith(ANNOUNCED) else line for line in target)
    if error := meta(target, "error"):
        return f"error {known.mask(_REF.sub('', error))}"
    shown = body(target)
    first = next((line.strip() for line in shown if line.lstrip().startswith(ANNOUNCED)), "")
    if url := meta(target, "url"):
        return f"{known.address(url)} {known.mask(first)}".strip()
    return "result " + " ".join(re.findall(r'"(?:error|status)"', " ".join(shown[:4])))


def closed_to_guests(
    found: Mapping[str, Sequence[Sample]], label: Callable[[Sample], str]
) -> Iterator[tuple[str, str]]:
    """Operations on which nobody came without signing in, and where they would be sent.

    Who may see a part of an app is told by where it is: where all who are not signed in and asked for a page under its
    first directory were sent to one other place, and signed in nobody was, the pages there are for those signed in.
    """
    guests: dict[str, Counter[str]] = {}
    others: dict[str, set[str]] = {}
    for name, samples in found.items():
        if name.startswith("get /"):
            for sample in samples:
                if sample.situation.login:
                    others.setdefault(name, set()).add(label(sample))
                else:
                    guests.setdefault(_directory(name), Counter())[label(sample)] += 1
    open_ = {name for name, samples in found.items() if not all(sample.situation.login for sample in samples)}
    for name in sorted(others.keys() - open_):
        sent = guests.get(_directory(name), Counter())
        where = next(iter(sent), SAME)
        if len(sent) == 1 and sent.total() >= SENT_AWAY and where[:1] != SAME and where not in others[name]:
            yield name, where


def _directory(name: str) -> str:
    return name.removeprefix("get /").partition("/")[0]


def asked(request: Request, known: Known) -> str:
    """The address a request is for, or was made on; "" for a tool call."""
    head = request.lines[0]
    if head.startswith("get "):
        return known.address(unquoted(head[4:]))
    on = _ON.search(head)
    return known.address(unquoted(on[1])) if on else ""


def relative(label: str, address: str) -> str:
    """A branch with ``=`` for the address that was asked for: to come where one wanted is the same everywhere."""
    head, space, rest = label.partition(" ")
    return f"{SAME}{space}{rest}" if address and head == address else label


def absolute(label: str, address: str) -> str:
    """The inverse of `relative`."""
    return address + label[1:] if label == SAME or label.startswith(f"{SAME} ") else label
