"""What a session did and saw before a request, as named counts that tests may ask about.

::

    session requests                    how many there were
    session did "Sign up" in "News"     how often something was pressed
    session did in "News"               how often anything in there was pressed
    session shown status "Saved."       how often an answer announced it
    session at /p/*                     how often an answer was of that page
    session since                       requests since the last one of this kind
    made.orders                         key of the row that was added last to a collection

No expression reads the counts: that a quantity equals a number of requests is chance. Ground truth about bugs, which
recorded answers may hold, is no part of it: nobody who uses an app sees that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from envsim.state import split_path
from envsim.types import JsonValue
from worldmodel.document import Lines, meta
from worldmodel.rules.branches import ANNOUNCED
from worldmodel.rules.known import Known
from worldmodel.rules.scope import QUOTED, unquoted

SESSION = "session "
_LATELY = 20
"""Requests beyond which it does not matter how long ago something was."""


def history(request: str, past: Sequence[tuple[str, Lines]], known: Known) -> dict[str, JsonValue]:
    """The counts, by name.

    Args:
        request: Key of the request that is to be answered.
        past: (request key, answer) of those before it, oldest first.
        known: What to mask.
    """
    counts: Counter[str] = Counter()
    made: dict[str, JsonValue] = {}
    for key, lines in past:
        made.update(_made(lines))
        counts.update(_seen(lines, known))
        counts.update(done(key, known))
    out: dict[str, JsonValue] = {SESSION + name: count for name, count in counts.items()} | made
    out[f"{SESSION}requests"] = len(past)
    kind = done(request, known)[:1]
    since = next((n for n, (key, _) in enumerate(reversed(past), 1) if kind and done(key, known)[:1] == kind), 0)
    if 0 < since <= _LATELY:
        out[f"{SESSION}since"] = since
    return out


@lru_cache(maxsize=16384)
def done(key: str, known: Known) -> tuple[str, ...]:
    """What was pressed, without the page it stood on."""
    head, _, rest = key.partition("\n")
    if head.startswith(("get ", "open ")):
        return ()
    pressed, _, _ = head.rpartition(" on ")
    names = " ".join(known.mask(unquoted(quoted)) for quoted in re.findall(QUOTED, pressed or head))
    group = next((known.mask(unquoted(line[3:])) for line in rest.split("\n") if line.startswith("in ")), "")
    what = f'did "{names}"' if names else f"did {head}"
    return (f'{what} in "{group}"', f'did in "{group}"') if group else (what,)


@lru_cache(maxsize=16384)
def _seen(lines: Lines, known: Known) -> tuple[str, ...]:
    shown = {f"shown {known.mask(line.strip())}" for line in lines if line.lstrip().startswith(ANNOUNCED)}
    return (*sorted(shown), *([f"at {place(lines, known)}"] if meta(lines, "url") else []))


@lru_cache(maxsize=16384)
def _made(lines: Lines) -> tuple[tuple[str, str], ...]:
    """(``made.`` collection, key) of the rows that an answer added."""
    added = (unquoted(line[2:].partition(" = ")[0]) for line in lines if line.startswith("! ") and " = {" in line)
    parts = (split_path(path) for path in added)
    return tuple((f"made.{path[0]}", path[1]) for path in parts if len(path) == 2)


def place(lines: Lines, known: Known) -> str:
    """The page an answer is of, without its query."""
    return known.address(meta(lines, "url")).partition("?")[0]
