"""What whoever acts, or whoever wrote an app, can put in the way of page programs and rules: nothing stops them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.page.lines import Line, assign_refs, format_lines
from envsim.types import Action, Observation, Transition
from worldmodel.document import observation_lines
from worldmodel.pages.choices import Choice
from worldmodel.pages.levels import Example, Level, Part, is_late, learn_level
from worldmodel.pages.lists import Condition, ListExample, ListRule, merge_ranks
from worldmodel.pages.names import Names, open_names
from worldmodel.pages.nodes import Node, read, write
from worldmodel.pages.queries import _referring, _whole
from worldmodel.pages.shape import Place, Shape
from worldmodel.pages.sharing import learn_shared
from worldmodel.pages.texts import Template, TextRule
from worldmodel.pages.writer import Writer
from worldmodel.requests import Request, get
from worldmodel.rules.expressions import Find, Number, Read, Unknown, evaluate
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope, asked
from worldmodel.rules.trees import Test as Question
from worldmodel.session import Session, tool_request

NONE = Relations({}, {}, {})
GOODS = {"goods": {"a": {"n": 7}, "b": {"n": 8}}}


def names(values: dict[str, Any], state: dict[str, Any] | None = None, relations: Relations = NONE) -> Names:
    return open_names(values, state or {}, relations)


def same(text: str) -> str:
    return text


# -- what is asked -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["²", "9" * 5000, "", "-1", "x"])
def test_a_number_that_is_none_finds_nothing(text):
    rule = ListRule("goods", (Condition("n", "is", "url.1", always=True),), limit=1, page="query.page")
    assert rule.run(names({"url.1": text, "query.page": text}, GOODS))[0] == []
    assert rule.run(names({"url.1": "7", "query.page": text}, GOODS))[0] == ["a"]
    with pytest.raises(Unknown):
        evaluate(Number(Read("field.n", "as is")), Scope({"field.n": text}, GOODS, NONE))


def test_what_was_recorded_of_such_a_page_is_of_the_first():
    example = ListExample(names({"query.page": "9" * 5000}, GOODS), [(Node("link", "a"),)], ["a"])
    assert _whole(ListRule("goods", limit=1, page="query.page"), [example])[0] == ["a"]


def test_an_argument_without_anything_in_it_finds_no_row():
    request = tool_request(Action(kind="call", name="find", arguments={"of": [], "with": {}}))
    scope = Scope(asked(request, GOODS, Known(frozenset())), GOODS, NONE)
    assert scope.value("argument.of") == []
    for name in ("argument.of", "argument.with"):
        with pytest.raises(Unknown):
            evaluate(Find("goods", (("n", Read(name, "as is")),)), scope)


def test_a_number_of_hundreds_of_digits_is_more_than_any():
    scope = Scope({"argument.n": 10**400, "argument.m": -(10**400)}, {}, NONE)
    assert Question("argument.n", "over", 5).holds(scope)
    assert not Question("argument.m", "over", 5).holds(scope)


@pytest.mark.parametrize("url", ["//[x", "http://[x/y", "http://app.test:x/[", "///[x/y?a=1"])
def test_an_address_that_is_none_is_said_to_be_none_or_stands_as_it_is(url):
    session = Session("browser")
    session.answer(Request(('get "/"',)), Transition(observation=Observation(url="/", page='link "A" [e1] -> /a')))
    found = session.ask(Action(kind="call", name="goto", arguments={"url": url}))
    if isinstance(found, Transition):
        assert url in found.observation.error
    else:
        assert found.request.lines[0].startswith('get "/')
    assert asked(get(url), {}, Known(frozenset()))


# -- what states hold ----------------------------------------------------------------------------------


def test_rows_that_refer_may_be_called_anything_or_be_gone():
    links: dict[tuple[str, str], tuple[str, ...]] = {("stock", "good"): ("goods",), ("price list", "good"): ("goods",)}
    relations = Relations(links, {}, {})
    stock = {"1": {"good": "a", "left": 2, "on order": 1}, "2": {"good": "b", "left": 0, "on order": 1}}
    state = {**GOODS, "stock": stock, "price list": {"1": {"good": "a", "cents": 3}}}
    assert _referring(names({}, state, relations), "goods") == ["stock good left"]
    some = Condition("stock good left", "some", "query.left")
    here, gone = (names({"query.left": "1"}, known, relations) for known in (state, GOODS))
    assert [some.holds({}, key, "1", here) for key in "ab"] == [True, False]
    assert not some.holds({}, "a", "1", gone)


def test_collections_may_be_anything():
    state: dict[str, Any] = {"few": [1, 2], "count": 3, "goods": {f"good{n}": {"n": n} for n in range(4)}, "none": None}
    delta = (("few/0", {"x": 1}), ("count/a", {"y": 2}))
    relations = Relations.learn(state, [delta])
    assert relations.names == {}
    twins = Relations({}, {"goods": ("more",)}, {})
    assert dict(twins.attributes({"goods": {"a": {"n": 7}}, "more": 3}, "goods", "a")) == {"@": "a", "n": 7}


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6), max_size=6))
def test_orders_are_merged_from_those_with_the_fewest_before_them(sequences):
    found = merge_ranks(sequences)
    assert sorted(found) == sorted({key for one in sequences for key in one})
    pairs = [pair for one in sequences for pair in pairwise(one)]
    ahead = {pair for pair in pairs if pairs.count(pair) > pairs.count(pair[::-1])}
    for at, key in enumerate(found):
        left = {k: sum((other, k) in ahead for other in found[at:]) for k in found[at:]}
        assert (left[key], key) == min((count, k) for k, count in left.items())


# -- what pages say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        [Line("raw", "x"), Line("link", "y", 1, url="/y")],
        [Line("list"), Line("link", "a\x1fb", 1, url="/z"), Line("text", "c", 2), Line("text", "d", 1)],
        [Line("textbox", "c", value="\x00"), Line("textbox", "d", value="\x02")],
        [Line("button", "c", states={"x": "a\x1eb"})],
    ],
)
def test_elements_with_marks_in_their_texts_come_back_as_they_were(lines):
    page = observation_lines(Observation(url="/x", page=format_lines(assign_refs(lines))))
    assert write(read(page, "browser"), "browser") == page


def test_lines_that_are_no_elements_keep_their_place():
    page = ('@url "/x"', "list", "  ?? !!", "    text", "  text", "%")
    assert write(read(page, "browser"), "browser") == page


def test_of_two_shared_levels_either_may_be_within_the_other():
    def example(kind: str, number: int, outer: str, inner: str) -> Example:
        shown = [Line("region", outer), Line("text", f"in {outer}", 1), Line("region", inner, 1),
                 Line("text", f"in {inner}", 2)]  # fmt: skip
        page = observation_lines(Observation(url="/x", page=format_lines(assign_refs(shown))))
        return Example(names({"url.0": kind, "query.of": outer}), read(page, "browser")[1:], f"/{kind}/{number}")

    seen = {kind: [example(kind, n, *("AB", "BA")[n % 2]) for n in range(12)] for kind in ("k", "l", "m")}
    shared, _ = learn_shared(seen, same)
    within = {name.partition("\x1f")[0]: [part.shared for part in level.parts] for name, level in shared.items()}
    assert ["B" in "".join(within["region\nA"]), "A" in "".join(within["region\nB"])] == [True, True]
    top = learn_level(seen["k"], same, "k", frozenset(shared))
    assert not is_late(top, shared)
    for outer, inner in ("AB", "BA"):
        wanted = example("k", 99, outer, inner)
        nodes, _ = Writer({}, same, shared).level(top, wanted.names, wanted.about)
        assert tuple(nodes) == wanted.kids


def test_a_level_is_not_written_within_itself():
    always = Choice(((1, 1),))

    def level(other: str, late: int = 0) -> Level:
        text = TextRule((Template((other,)),), Choice(((0, 1),)), 1.0, late=late)
        return Level(Shape((Place("region"),)), (Part(always, text=text, shared=other),))

    shared = {"a": level("b"), "b": level("a")}
    nodes, _ = Writer({}, same, shared).level(level("a"), names({}), "/")
    assert [node.text for node in nodes[0].kids] == ["b"]
    assert not is_late(level("a"), shared)
    assert is_late(level("a"), {**shared, "b": level("a", 2)})
    assert is_late(level("*"), {**shared, "c": level("", 2)}), "its own may be any"
    assert not is_late(level("a"), {**shared, "c": level("", 2)})
