"""Rows, pages and times of any make, read for what they are to a request: nothing breaks, and all is read once."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from envsim.state import apply
from worldmodel.document import Lines, delta_lines
from worldmodel.pages.grown import _owners, added_rows, means, of_thing
from worldmodel.pages.levels import Example
from worldmodel.pages.names import Names, open_names
from worldmodel.pages.viewer import _local, flags
from worldmodel.requests import Request
from worldmodel.rules import beside as links
from worldmodel.rules.beside import beside
from worldmodel.rules.joins import MOST_KINDS, joined_values, joined_with
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations, _counted
from worldmodel.session import Situation

NONE = Relations({}, {}, {})
PLAIN = Known.learn({})
PRESSED = 'button "Do"'
REQUEST = Request((f'click {PRESSED} on "/"',))


# -- links beside a control ----------------------------------------------------------------------------

LINE = st.sampled_from(["listitem", "row", "list", PRESSED, "", *(f'link "x" -> {url}' for url in (
    "/p/3", "/p/4", "/q/5/r/6", "/find?id=8&id=9", "//[x", "#", "/a%2F7/ß/٣?=&x"
))])  # fmt: skip
PAGE = st.lists(st.tuples(st.integers(0, 4), LINE).map(lambda one: " " * one[0] + one[1]), max_size=14).map(tuple)


def around(page: Lines, at: int) -> range | None:
    """The lines of the smallest block around one, found by going up from it."""
    depth = [len(line) - len(line.lstrip(" ")) for line in page]
    least = depth[at]
    for start in reversed(range(at)):
        if depth[start] < least:
            least = depth[start]
            if page[start].strip() in ("listitem", "row"):
                return range(start, next((n for n in range(start + 1, len(page)) if depth[n] <= least), len(page)))
    return None


@settings(max_examples=80)
@given(PAGE)
def test_a_control_belongs_to_the_smallest_block_around_it(page: Lines) -> None:
    blocks = {around(page, at) for at, line in enumerate(page) if line.strip() == PRESSED} - {None}
    found = {start: len([*links._lines_of(page, start)]) for start in links._blocks(page, PRESSED)}
    assert found == {block.start: len(block) for block in blocks if block is not None}
    (lines,) = blocks if len(blocks) == 1 else [range(0)]
    posts = {page[at][-1] for at in lines or () if "/p/" in page[at]}
    assert beside(REQUEST, page, PLAIN).get("beside /p/*") == (posts.pop() if len(posts) == 1 else None)


def test_every_line_of_a_page_of_buttons_is_read_once(monkeypatch: Any) -> None:
    read = []
    depth = links._depth
    monkeypatch.setattr(links, "_depth", lambda line: read.append(line) or depth(line))
    page = ("list", " listitem", *[f"  {PRESSED}"] * 500, '  link "x" -> /p/3')
    assert beside(REQUEST, page, PLAIN) == {"beside /p/*": "3"}
    assert len(read) < 4 * len(page)


# -- rows that join two --------------------------------------------------------------------------------

WORDS = st.sampled_from(["ann", "bo", "post", "7", "", "ß", "x" * 40])
TABLE = st.dictionaries(
    st.lists(WORDS, max_size=4).map(" ".join),
    st.none() | st.integers() | st.dictionaries(st.sampled_from(["a", "b"]), st.integers() | st.text(max_size=3)),
    max_size=5,
)


@settings(max_examples=50)
@given(TABLE, st.sampled_from(["ann", "bo", ""]), st.sampled_from(["7", "post", "", "a b", "ß"]))
def test_what_joins_two_is_a_row_of_both(table: dict[str, Any], who: str, key: str) -> None:
    found = joined_with("it.", key, (who,), {"t": table, "n": 5, "none": {}}, NONE)
    rows = {name: value for name, value in found.items() if name.rpartition("mine t")[2].count(".") == 0}
    for name, value in rows.items():
        assert value in table
        assert {str(value).split(" ")[0], str(value).split(" ")[-1]} == {who, key}
        kind = name.removeprefix("it.mine t").strip()
        assert str(value).split(" ")[1:-1] == (kind.split(" ") if kind else [])
        row = table[str(value)]
        numbers = {
            f"{name}.{field}" for field, one in (row if isinstance(row, dict) else {}).items() if one != str(one)
        }
        assert {one for one in found if one.startswith(f"{name}.")} == numbers
    assert isinstance(joined_values({"login": who, "url.1": key}, {"t": table}, NONE), dict)


def test_a_table_with_a_kind_for_every_row_joins_nothing_however_long_it_is() -> None:
    read = []

    class Key(str):
        __slots__ = ()

        def split(self, *args: Any) -> list[str]:  # type: ignore[override]
            read.append(self)
            return super().split(*args)

    table = {Key(f"ann kind{n} {n}"): {"n": n} for n in range(500)}
    assert joined_with("it.", "7", ("ann",), {"t": table}, NONE) == {}
    assert len(read) == MOST_KINDS + 1


def test_keys_of_thousands_of_digits_count_nothing() -> None:
    assert _counted({"1", "2", "3"})
    assert not _counted({"1", "2", "9" * 5000})
    assert not _counted(set())


# -- rows that the session added -----------------------------------------------------------------------

VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([10**400, 2.5, math.nan, "x", "1", ""]),
    lambda inner: st.dictionaries(st.sampled_from(["1", "2", "of"]), inner) | st.lists(inner, max_size=2),
    max_leaves=5,
)
PATH = st.lists(st.sampled_from(["n", "m", "1", "2", ""]), min_size=1, max_size=3).map("/".join)
DELTA = st.lists(st.tuples(PATH, VALUE) | st.tuples(PATH), max_size=3)


def names_of(state: dict[str, Any]) -> Names:
    return open_names({"url.1": "x"}, state, NONE)


@settings(max_examples=40)
@example([[], [("n/1", {"of": "x"})], [("n", 5)]], {})
@example([[], [("n/1", {"of": "x"})], [("n", "10")]], {})
@example([[], [("n/1", {"of": "x"})], [("n/1", 5)]], {})
@given(st.lists(DELTA, max_size=4), st.dictionaries(st.sampled_from(["n", "m"]), VALUE))
def test_rows_that_were_added_are_there(deltas: list[Any], start: dict[str, Any]) -> None:
    state = start
    for delta in deltas:
        state = apply(state, delta)
    past = tuple(("key", (*delta_lines(delta), "text")) for delta in deltas)
    situation = Situation("browser", Request(("click",)), past=past, state=start)
    added = added_rows(situation, state)
    assert len(set(added)) == len(added)
    for at, collection, key in added:
        assert 0 < at <= len(past)
        assert key in state[collection]
        assert isinstance(state[collection], dict)
    names = names_of(state)
    fields = [(c, f) for _, c, k in added if isinstance(row := state[c][k], dict) for f, v in row.items() if v == "x"]
    assert sorted(_owners([(Example(names, (), ""), added, 0)] * 6)) == sorted(set(fields))
    for collection in ("n", "m", "none"):
        assert all(key in state[collection] for key in of_thing(added, 0, collection, "of", names))


@settings(max_examples=50)
@example(f"1 of {'9' * 400}", [{"mark": 3}])
@example("4.5 of 3", [{"mark": 10**400}, {"mark": 3}])
@given(
    st.text("0123456789. ٣²Ⅷ", max_size=8).map(lambda text: text.replace("9", "9" * 200)),
    st.lists(st.dictionaries(st.sampled_from(["mark", "id"]), VALUE), max_size=3),
)
def test_means_of_any_figures_are_figures(base: str, rows: list[dict[str, Any]]) -> None:
    state = {"n": {str(number): row for number, row in enumerate(rows)}}
    found = means(base, "n", [*state["n"], "gone"], names_of(state))
    assert type(found["number"]) is int
    assert all(isinstance(value, float) and math.isfinite(value) for name, value in found.items() if name != "number")


# -- who looks -----------------------------------------------------------------------------------------


@given(
    st.dates() | st.sampled_from([date.min, date.max]), st.sampled_from(["Asia/Tokyo", "America/Denver", "No/Where"])
)
def test_any_time_has_a_clock_or_none(day: date, zone: str) -> None:
    local = _local(f"{day.isoformat()}T23:30:00Z", zone)
    assert (local is None) == (zone == "No/Where" or (day == date.max and zone == "Asia/Tokyo"))


def test_never_is_no_moment_anywhere() -> None:
    assert _local("9999-12-31T23:59:59Z", "Asia/Tokyo") is None
    assert _local("9999-12-31T23:59:59Z", "America/Denver") == "9999-12-31T16:59:59"


def test_what_else_than_a_flag_a_field_holds() -> None:
    table = {"1": {"f": 0, "b": 0, "x": 0, "of it": 0}, "2": {"f": 1, "b": True, "x": 2, "of it": 1}, "3": {"f": None}}
    assert flags({"t": table}, "t", NONE) == ["f"]
    assert flags({"t": {}}, "t", NONE) == flags({"t": 5}, "t", NONE) == flags({}, "t", NONE) == []


def test_a_field_with_an_ampersand_is_counted_as_it_is() -> None:
    state = {"t": {"1": {"r&d": "ann", "seen": 0}, "2": {"r&d": "ann", "seen": 1}}}
    names = open_names({"login": "ann"}, state, NONE)
    assert names.value("sum t r&d login") == 2
