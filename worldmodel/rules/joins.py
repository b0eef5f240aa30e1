"""Rows that join the account with another thing: its vote for a post, its place on a list.

A table whose keys are made of others' (who, perhaps what kind of thing, which) says what one has to do with the
other. Whether such a row is there decides what the same button does next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from envsim.state import StateView
from envsim.types import JsonValue
from worldmodel.rules.relations import Relations

MOST_KINDS = 6
"""Words that stand between the two in a table's keys."""
_WORDS = range(2, 4)
_HANDLE = re.compile(r"\S*[^\W\d]\S*")
"""What people are called in one word; figures such as a telephone number are none."""


def handles_of(values: Mapping[str, JsonValue], relations: Relations) -> tuple[str, ...]:
    """What the account is called by the rows of others: itself, and the names that no other row has."""
    login = values.get("login")
    if not isinstance(login, str) or not login:
        return ()
    names = [
        value
        for table, fields in relations.names.items()
        for field in fields
        if isinstance(value := values.get(f"login>{table}.{field}"), str) and _HANDLE.fullmatch(value)
    ]
    return tuple(dict.fromkeys([login, *names]))


def joined_with(
    name: str, key: str, handles: tuple[str, ...], state: StateView, relations: Relations
) -> dict[str, JsonValue]:
    """The rows that join the account with the thing that is called `key`, by name."""
    out: dict[str, JsonValue] = {}
    if not handles or not key or " " in key:
        return out
    for collection, kinds in _joining(state, relations):
        table = state[collection]
        for kind, after, between in kinds:
            keys = (f"{who} {between}{key}" if after else f"{key} {between}{who}" for who in handles)
            if (found := next((one for one in keys if one in table), None)) is not None:
                about, row = f"{name}mine {collection}{kind}", table[found]
                out[about] = found
                fields = row.items() if isinstance(row, dict) else ()
                out |= {f"{about}.{field}": value for field, value in fields if isinstance(value, int)}
    return out


def joined_values(values: Mapping[str, JsonValue], state: StateView, relations: Relations) -> dict[str, JsonValue]:
    """The rows that join the account with what an address or a link beside a control names."""
    login = values.get("login")
    if not isinstance(login, str) or not login:
        return {}
    about = {f"login>{table}.{field}": value for table, key in relations.called(state, login)
             for field, value in relations.attributes(state, table, key, 0).items()}  # fmt: skip
    handles = handles_of({"login": login, **about}, relations)
    out: dict[str, JsonValue] = {}
    for name, value in values.items():
        if isinstance(value, str) and name.startswith(("url.", "beside ")):
            out |= joined_with(f"{name}.", value, handles, state, relations)
    return out


Kind = tuple[str, bool, str]
"""(what it is called, whether the account comes first, the words between)."""


def _joining(state: StateView, relations: Relations) -> Iterator[tuple[str, list[Kind]]]:
    """Tables whose keys are of two or three words, and the words that stand between."""
    for name, table in state.items():
        if isinstance(table, dict):
            known = relations.index.kept(table)
            if "joining" not in known:
                known["joining"] = list(_kinds(table))
            if known["joining"]:
                yield name, known["joining"]


def _kinds(table: Mapping[str, JsonValue]) -> Iterator[Kind]:
    between: set[str] = set()
    count = next(iter(table), "").count(" ") + 1
    for key in table:
        words = key.split(" ")
        between.add(" ".join(words[1:-1]))
        if count not in _WORDS or len(words) != count or len(between) > MOST_KINDS:
            return
    for kind in sorted(between):
        for after in (True, False):
            yield (f" {kind}" if kind else ""), after, (f"{kind} " if kind else "")
