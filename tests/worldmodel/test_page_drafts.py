"""Which draft a page gets, what the session itself saw of it, and what a browser fills in again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.http import HttpDriver
from envsim.page.lines import Line, format_lines, parse_lines
from envsim.page.transport import Response
from envsim.types import Action, Observation
from worldmodel.browser import BrowserState
from worldmodel.pages.nodes import SEP, Node
from worldmodel.pages.shape import learn_shape
from worldmodel.pages.worth import Case, Worth
from worldmodel.pages.writer import as_seen
from worldmodel.typed import left_behind, restore, written

CART = Case("/cart banner", "/cart", "exact", 0.7)
OTHER = Case("/help banner", "/help", "exact", 0.7)


def record(*notes: tuple[Case, int, float], times: int = 1) -> Worth:
    worth = Worth()
    for case, exact, f1 in notes * times:
        worth.note(case, exact, f1)
    return worth


def test_without_a_record_programs_are_preferred():
    assert Worth().prefers(CART)


def test_each_kind_of_page_gets_what_did_better_there():
    worth = record((CART, 1, 0.3), (OTHER, -1, -0.2), times=12)
    assert worth.prefers(CART)
    assert not worth.prefers(OTHER)


def test_a_kind_with_few_requests_is_judged_as_the_others_are():
    worth = record((CART, -1, -0.2), times=20)
    assert not worth.prefers(OTHER), "nothing is known of it, and elsewhere neighbours do better"
    worth.note(OTHER, 1, 0.1)
    assert not worth.prefers(OTHER), "one request says little"
    for _ in range(20):
        worth.note(OTHER, 1, 0.1)
    assert worth.prefers(OTHER)
    assert not worth.prefers(CART)


def test_where_neither_is_right_more_often_the_changed_elements_decide():
    assert record((CART, 0, 0.1), times=5).prefers(CART)
    assert not record((CART, 0, -0.1), times=5).prefers(CART)
    assert record((CART, 1, -0.5), times=5).prefers(CART), "to be right counts first"


def test_answers_of_one_kind_of_page_are_told_apart():
    sold_out = replace(CART, branch="/cart alert")
    worth = record((CART, 1, 0.1), (sold_out, -1, -0.1), times=30)
    assert worth.prefers(CART)
    assert not worth.prefers(sold_out)


def test_the_record_comes_back_from_json():
    worth = record((CART, 1, 0.25), (OTHER, -1, 1 / 3), times=3)
    assert Worth.from_json(json.loads(json.dumps(worth.to_json()))) == worth


@pytest.mark.parametrize("damaged", [None, [], {"a": 1}, {"a": [1, 2]}, {"a": [1, 2, "x"]}, {"a": [None, 0, 0]}])
def test_a_damaged_record_is_refused(damaged):
    with pytest.raises(ValueError, match="record of drafts"):
        Worth.from_json(damaged)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_what_was_seen_keeps_its_order_and_the_rest_its_places(keys, seen):
    ordered = as_seen(keys, seen)
    assert sorted(ordered) == sorted(keys)
    assert [key for key in ordered if key in seen] == [key for key in seen if key in keys]
    assert [key in seen for key in ordered] == [key in seen for key in keys]


def test_things_of_which_one_is_chosen_are_a_list_and_parts_of_an_address_are_not():
    def node(role: str, name: str, *states: str) -> Node:
        return Node(role, SEP.join((name, "", "", *states)))

    towns = [[node("radio", f"At {n}", "checked" * (n == one)) for n in (1, 2)] for one in (1, 2)]
    shape = learn_shape(towns, lambda text: text.replace("1", "*").replace("2", "*"))
    assert [place.many for place in shape.places] == [True]
    parts = [[Node("?min", value), Node("?max", value)] for value in "123"]
    shape = learn_shape(parts, lambda text: "*")
    assert [(place.role, place.many) for place in shape.places] == [("?min", False), ("?max", False)]


# -- what a browser fills in again ----------------------------------------------------------------------

FORM = """<title>T</title><main><form action=/sent aria-label=Order><label>Name <input name=n placeholder=you></label>
<label>Secret password <input name=s type=password></label><label>Size <select name=z><option>S<option>M</select>
</label><label>Gift <input type=checkbox name=g></label><button>Send</button></form><a href=/other>Other</a></main>"""


class Pages:
    """Everything is that form."""

    def send(self, request):
        return Response(200, (("content-type", "text/html"),), FORM.encode())

    def close(self):
        pass


def seen(driver: HttpDriver) -> Observation:
    page = driver.observe()
    return Observation(url=page.url, title=page.title, page=format_lines(page.lines))


def ref(lines, role: str, name: str) -> str:
    return next(line.ref for line in lines if (line.role, line.name) == (role, name))


EDITS = {
    "Name": ("fill", "textbox", {"value": "Ada"}),
    "Secret password": ("fill", "textbox", {"value": "hunter2"}),
    "Size": ("select_option", "combobox", {"options": "M"}),
    "Gift": ("click", "checkbox", {}),
}


@given(st.lists(st.sampled_from(sorted(EDITS)), max_size=4, unique=True), st.integers(0, 2))
def test_going_back_shows_what_was_typed_as_the_driver_does(names, forward):
    driver = HttpDriver(Pages())
    driver.open("/form", {})
    plain = seen(driver)
    state = BrowserState().show(plain)

    def act(action: Action) -> bool:
        nonlocal state
        driver.act(action)
        state, request, _ = state.act(action)
        if request is None:
            state = state.show(state.observation(), loaded=False)
            return False
        return True

    for name in names:
        kind, role, arguments = EDITS[name]
        act(Action(kind="call", name=kind, arguments={"bid": ref(state.tab.lines, role, name), **arguments}))
    for _ in range(forward + 1):
        assert act(Action.call("click", bid=ref(state.tab.lines, "link", "Other")))
        assert state.restored() == ()
        state = state.show(replace_url(plain, f"/other?{forward}"))
        assert act(Action.call("go_back"))
        restored = state.restored()
        real = tuple(without_refs(seen(driver)))
        assert restore(tuple(without_refs(plain)), restored) == real
        assert bool(restored) == bool(set(names) - {"Secret password"})
        state = state.show(seen(driver))


def replace_url(observation: Observation, url: str) -> Observation:
    return observation.model_copy(update={"url": url})


def without_refs(observation: Observation) -> list[str]:
    return [replace(line, ref="").format() for line in parse_lines(observation.page)]


def test_a_control_that_is_there_twice_is_left_as_it_comes():
    came = [Line("textbox", "Name"), Line("textbox", "Name"), Line("textbox", "Town")]
    now = [Line("textbox", "Name", value="a"), Line("textbox", "Name"), Line("textbox", "Town", value="b")]
    typed = written(left_behind(came, now))
    assert typed == ('textbox "Town" = "b"',)
    assert restore(("@url /x", "main", '  textbox "Town" {placeholder: Where}'), typed)[2] == '  textbox "Town" = "b"'


def test_rows_of_a_list_begin_alike_though_one_of_them_says_more():
    def page(*rows: str) -> list[Node]:
        kids = [node for row in rows for node in (Node("text", row), Node("link", f"Edit{SEP}/a/*"), Node("form", "x"))]
        return [Node("heading", "Yours"), *kids, Node("heading", "Add one")]

    found = [page("* default", "*"), page("* default"), page("* default", "A stranger's"), page()]
    shape = learn_shape(found, lambda text: text)
    assert [place.role for place in shape.places] == ["heading", "text", "heading"]
    (rows,) = (number for number, place in enumerate(shape.places) if place.many)
    assert [len(one) for one in shape.divide(page("* default", "*", "* too"), lambda text: text)[rows]] == [3, 3, 3]


def test_labels_before_equal_links_are_no_list():
    labels = [Node("text", "Name"), Node("link", "Change"), Node("text", "Password"), Node("link", "Change")]
    shape = learn_shape([labels, labels], lambda text: text)
    assert {"text\nName", "text\nPassword"} <= set(shape.singles)


def test_what_stands_above_a_list_is_no_row_of_it():
    table = [Node("row", text) for text in ("Article | Price", "* | *", "* | *")]
    cards = [Node("text", "* products"), *[Node("link", f"*{SEP}/p/*"), Node("text", "* · *")] * 2]
    for kids, above in ((table, "row\nArticle | Price"), (cards, "text\n* products")):
        assert above in learn_shape([kids, kids], lambda text: text).singles
