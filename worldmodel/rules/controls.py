"""Controls that stand on more than one page: what they are called, and what they do wherever they stand.

The same button in a form of the same name does the same thing on every page that has it: votes in a list of posts,
a sign-out in a header. An operation that was hardly recorded on one page is answered by what was recorded on others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from worldmodel.session import Sample

MOST_PAGES = 400
"""Pages whose buttons are looked at."""
FEW = 8
"""Requests of an operation below which others say more about it."""
_BUTTON = "button "
T = TypeVar("T")


def labels(found: Sequence[Sample]) -> Iterator[str]:
    """What the buttons are called that were pressed, and those on a fair share of the pages."""
    some = found[:: max(1, -(-len(found) // MOST_PAGES))]
    shown = {line.lstrip() for sample in some for line in sample.target if line.lstrip().startswith(_BUTTON)}
    heads = {sample.situation.request.lines[0].removeprefix("click ") for sample in found}
    for line in sorted(chain(shown, (head for head in heads if head.startswith(_BUTTON)))):
        name, mark, _ = line[len(_BUTTON) + 1 :].partition('"')
        if mark and "\\" not in name:
            yield name


def anywhere(operation: str) -> str:
    """An operation wherever it is, its page left out; ``""`` for one that stands on no page, or in no named form."""
    if not operation.startswith("["):
        return ""
    click, *rest, group, _ = json.loads(operation)
    return json.dumps([click, *rest, group, "*"], ensure_ascii=False) if group else ""


def pooled(by_operation: Mapping[str, Sequence[T]]) -> dict[str, list[str]]:
    """`anywhere` -> the operations it stands for, where these are several."""
    out: dict[str, list[str]] = defaultdict(list)
    for name in sorted(by_operation):
        if where := anywhere(name):
            out[where].append(name)
    return {where: names for where, names in out.items() if len(names) > 1}
