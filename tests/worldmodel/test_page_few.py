"""What few sessions tell of lists: which orders are by chance, and what was seen with another query."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envsim.page.lines import Line, assign_refs, format_lines
from envsim.types import Observation
from worldmodel.document import observation_lines
from worldmodel.pages.levels import Example, learn_level
from worldmodel.pages.lists import ListExample, Order, evidence
from worldmodel.pages.names import Names, open_names
from worldmodel.pages.nodes import read, write
from worldmodel.pages.queries import learn_list
from worldmodel.pages.writer import Recorder, Writer
from worldmodel.rules.relations import Relations

GOODS = {f"good-{n:02d}": {"shelf": "abcd"[n % 4], "name": f"Good {n:02d}", "cents": n * n * 7 % 89} for n in range(24)}
SHOWN_FIRST = sorted(GOODS, key=lambda key: (int(key[-2:]) * 17 % 37, key))
"""An order that no attribute gives."""
BY_PRICE = sorted(GOODS, key=lambda key: GOODS[key]["cents"])
LIMIT = 8


def example(keys: list[str], **asked: str) -> Example:
    lines = [Line("text", f"{len(keys)} goods"), *(Line("link", GOODS[k]["name"], url=f"/g/{k}") for k in keys[:LIMIT])]
    if len(keys) > LIMIT:
        lines.append(Line("navigation", f"Page 1 of {-(-len(keys) // LIMIT)}"))
    page = observation_lines(Observation(url="/s", page=format_lines(assign_refs(lines))))
    url = "&".join(["/s?", *(f"{name}={value}" for name, value in asked.items())])
    known: dict[str, Any] = {"url": url, "url.0": "s", **{f"query.{name}": value for name, value in asked.items()}}
    return Example(open_names(known, {"goods": GOODS}, Relations({}, {}, {})), read(page, "browser")[1:], "/s")


def search(key: str) -> Example:
    """A search for one thing, which also names the shelf that it is on."""
    return example([key], **{"q": GOODS[key]["name"], "q>goods.shelf": GOODS[key]["shelf"]})


def plain(text: str) -> str:
    return "".join("*" if char.isdigit() else char for char in text)


def rows(one: Example) -> ListExample:
    return ListExample(one.names, [(node,) for node in one.kids if node.role == "link"])


def test_a_name_orders_lists_of_several_rows_though_few_were_asked_for_it():
    """Single rows are in any order: the shelves of what was searched for are no orders of lists."""
    usual = [example(SHOWN_FIRST) for _ in range(60)]
    found = [search(key) for key in SHOWN_FIRST[:16] for _ in range(3)]
    sorted_ = [example(BY_PRICE, sort="price")] * 2
    query = learn_list([rows(one) for one in (*usual, *found, *sorted_)])
    assert query is not None
    assert query.switch == "query.sort"
    for one in (*usual, *found, *sorted_):
        assert [f"/g/{key}" for key in query.run(one.names)[0]] == [
            node.text.split("\x1f")[1] for node in one.kids if node.role == "link"
        ]
    without = learn_list([rows(one) for one in (*usual, *found)])
    assert without is not None
    assert without.switch == ""


def test_rows_that_are_in_an_order_by_chance_are_no_evidence():
    keys = BY_PRICE[:3]
    few = [replace(rows(example(keys)), keys=keys, orders={("goods", *keys): {Order("cents")}})] * 9
    assert evidence(few, "goods", Order("cents")) == pytest.approx(2.585, abs=1e-3), "one list, however often"
    assert evidence(few, "goods", Order("name")) == 0.0
    alike = {key: {**GOODS[key], "cents": 5} for key in keys}
    same = [replace(few[0], names=open_names({}, {"goods": alike}, Relations({}, {}, {})))]
    assert evidence(same, "goods", Order("cents")) == pytest.approx(0.0, abs=1e-9), "all orders are this one"


def written(level: Any, wanted: Example, seen: Example, sure: float) -> list[str]:
    """A page where only `seen` is remembered, and the query is right on a share `sure` of lists."""
    number = next(n for n, part in enumerate(level.parts) if part.query is not None)
    part = replace(level.parts[number], query=replace(level.parts[number].query, sure=sure), remember=0.8)
    level = replace(level, parts=(*level.parts[:number], part, *level.parts[number + 1 :]))
    memory: dict[str, Any] = {}
    Recorder(memory, plain, {}).take(level, seen.names, seen.kids, seen.about, "somebody")
    nodes, _ = Writer(memory, plain, {}).level(level, wanted.names, wanted.about)
    return [line.strip() for line in write(nodes, "browser")]


@pytest.fixture(scope="module")
def level() -> Any:
    shelves = [example([k for k in SHOWN_FIRST if GOODS[k]["shelf"] == s], shelf=s) for s in "abcd"]
    return learn_level([*(example(SHOWN_FIRST) for _ in range(12)), *shelves * 3], plain, "s")


def test_what_was_seen_with_another_query_is_no_answer_where_rows_are_asked_for(level: Any):
    wanted = example([key for key in SHOWN_FIRST if GOODS[key]["shelf"] == "c"], shelf="c")
    for sure in (0.3, 0.9):
        assert written(level, wanted, example(SHOWN_FIRST), sure) == [
            line.strip() for line in write(wanted.kids, "browser")
        ]


def test_how_many_rows_there_are_is_known_though_their_order_is_remembered(level: Any):
    other = example(SHOWN_FIRST[::-1])
    assert written(level, other, other, 0.3) == [line.strip() for line in write(other.kids, "browser")]


def test_names_that_are_asked_for_are_not_those_of_the_path():
    known: Names = example(SHOWN_FIRST, shelf="a").names
    query = learn_list([rows(example([k for k in SHOWN_FIRST if GOODS[k]["shelf"] == s], shelf=s)) for s in "abcd" * 2])
    assert query is not None
    assert query.conditions
    owned = replace(query, conditions=tuple(replace(one, always=True) for one in query.conditions))
    path = replace(query, conditions=tuple(replace(one, name="url.0") for one in query.conditions))
    assert [one.narrows(known) for one in (replace(query, conditions=()), owned, path)] == [False] * 3
    free = replace(query, conditions=tuple(replace(one, always=False) for one in query.conditions))
    assert free.narrows(known)
    assert not free.narrows(example(SHOWN_FIRST).names)
