"""Lists, searches and filters of small made-up apps: what their page programs must find, one thing at a time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from envsim.page.lines import Line, assign_refs, format_lines
from envsim.rng import Rng
from envsim.types import Observation, Transition
from worldmodel.document import delta_lines, observation_lines
from worldmodel.examples import _fitting
from worldmodel.pages.answers import alike, guest_of, kind_like, seen_before
from worldmodel.pages.choices import grow
from worldmodel.pages.levels import Example, learn_level
from worldmodel.pages.names import Names, open_names, sums
from worldmodel.pages.nodes import read, write
from worldmodel.pages.refit import refit
from worldmodel.pages.sharing import learn_shared
from worldmodel.pages.texts import TextExample, learn_text
from worldmodel.pages.writer import Writer
from worldmodel.requests import Request
from worldmodel.retrieval import Hit
from worldmodel.rules import trees as rules_trees
from worldmodel.rules.branches import closed_to_guests
from worldmodel.rules.known import Known
from worldmodel.rules.programs import Outcome
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope
from worldmodel.session import Sample, Session, Situation, leaves

NONE = Relations({}, {}, {})


def names(values: dict[str, Any], state: dict[str, Any] | None = None) -> Names:
    return open_names(values, state or {}, NONE)


def page(*lines: Line) -> tuple[str, ...]:
    return observation_lines(Observation(url="/x", page=format_lines(assign_refs(list(lines)))))


def plain(text: str) -> str:
    """Wording without figures."""
    return "".join("*" if char.isdigit() else char for char in text)


# -- who is signed in ----------------------------------------------------------------------------------

FORM = ('click button "Sign in" on "/login"', 'in "Sign in"', '"E-mail" = "ada@x.org"', '"Password" = "secret"')
LOGIN = [Line("form", "Sign in"), Line("textbox", "E-mail", 1), Line("textbox", "Password", 1)]


@pytest.mark.parametrize(
    ("asked", "shown", "before", "after"),
    [
        (FORM, [Line("heading", "Welcome")], "", "ada@x.org"),
        (FORM, [Line("alert", "Wrong password."), *LOGIN], "", ""),
        (('click button "Sign out" on "/me"', 'in "Sign out"'), [Line("main")], "ada@x.org", ""),
        (('click link "Log out" on "/me"',), [Line("main")], "ada@x.org", ""),
        (('get "/logout"',), [Line("main")], "ada@x.org", ""),
        (('get "/help/outlook"',), [Line("main")], "ada@x.org", "ada@x.org"),
        (('click button "Search" on "/"', '"Search" = "sign out"'), [Line("main")], "ada@x.org", "ada@x.org"),
    ],
)
def test_who_is_signed_in_follows_from_what_was_asked_and_answered(asked, shown, before, after):
    session = Session("browser", login=before)
    observation = Observation(url="/x", page=format_lines(assign_refs(list(shown))))
    session.answer(Request(asked), Transition(observation=observation))
    assert session.login == after
    assert leaves(Request(asked)) == (before != "" and not after)
    assert session.situation(Request(('get "/"',))).login == after


# -- texts and choices ---------------------------------------------------------------------------------


def test_wording_that_nothing_explains_hides_no_other():
    """Two in three lists are counted otherwise than we can; of one thing it still says so in the singular."""
    seen = [(None, f"{n + 40} things") for n in range(20)] + [(n, f"{n} shelves") for n in range(4, 12)]
    seen += [(1, "1 shelf")] * 4
    rule = learn_text([
        TextExample(names({} if count is None else {"list a.count": count}), text, "/search") for count, text in seen
    ])  # fmt: skip
    assert rule.render(names({"list a.count": 7}), None, None)[0] == "7 shelves"
    assert rule.render(names({"list a.count": 1}), None, None)[0] == "1 shelf"


def test_what_a_form_is_called_is_wording_on_the_page_it_leads_to():
    seen = [(code, {"group": "Coupon", "login>baskets.code": code}) for code in ("TEN", "FIVE", "TEN", "SPRING")]
    rule = learn_text([TextExample(names(known), f"Coupon {code}", "/b") for code, known in seen])
    later = names({"group": "Quantity", "login>baskets.code": "FIVE"})
    assert rule.render(later, None, None)[0] == "Coupon FIVE"


def test_a_switch_has_as_many_values_as_it_has():
    rng = Rng(0, "switch")
    ways = {f"order_{char}": number for number, char in enumerate("abcdefgh")}
    seen = [
        (names({"query.sort": sort, "noise": rng.choice(range(9))}), way)
        for _ in range(6)
        for sort, way in ways.items()
    ]
    tree, told = grow(seen)
    assert told == [way for _, way in seen]
    assert [tree.decide(names({"query.sort": sort}))[0] for sort in ways] == list(ways.values())
    # What by chance divides them as well at first hides no such switch.
    coincidence = [(names({"query.sort": sort, "many": int(way > 3)}), way) for sort, way in ways.items()] * 4
    tree, _ = grow(coincidence)
    assert [tree.decide(names({"query.sort": sort}))[0] for sort in ways] == list(ways.values())
    # What needs as many questions about different things is still more than is believed.
    bits = [(names({f"b{k}": n >> k & 1 for k in range(7)}), n % 2 ^ n >> 6) for n in range(128)] * 2
    depth = max(_depths(grow(bits)[0]))
    assert depth <= 4


def _depths(tree: Any, depth: int = 0) -> list[int]:
    return [depth] if tree.test is None else [d for one in (tree.yes, tree.no) for d in _depths(one, depth + 1)]


# -- links ---------------------------------------------------------------------------------------------


def test_a_link_keeps_what_was_asked_and_not_left_empty():
    """The link to the next page has the filters that are set, in their order."""

    def example(sort: str, brand: str) -> Example:
        kept = [f"{key}={value}" for key, value in (("sort", sort), ("brand", brand)) if value]
        link = page(Line("link", "Next", url="/s?" + "&".join([*kept, "page=2"])))
        found = {"url.0": "s", "query.sort": sort, "query.brand": brand}
        return Example(names({key: value for key, value in found.items() if value}), read(link, "browser")[1:], "/s")

    asked = [(sort, brand) for sort in ("", "name", "price") for brand in ("", "Oak & Co", "Tin")]
    level = learn_level([example(*one) for one in asked if one != ("price", "Tin")] * 3, plain, "s")
    for one in asked:
        wanted = example(*one)
        nodes, _ = Writer({}, plain, {}).level(level, wanted.names, "/s")
        assert write(nodes, "browser") == write(wanted.kids, "browser")


def test_what_shows_a_value_is_there_where_there_is_one():
    """Both ends of a price range were set by all who set one; a part of the link tells of its own end."""

    def example(low: str, high: str) -> Example:
        kept = [f"{key}={value}" for key, value in (("min", low), ("max", high)) if value]
        link = page(Line("link", "Next", url="/s?" + "&".join([*kept, "page=2"])))
        found = {"query.min": low, "query.max": high}
        return Example(names({key: value for key, value in found.items() if value}), read(link, "browser")[1:], "/s")

    level = learn_level([example("", ""), example("5", "20"), example("", ""), example("8", "30")] * 2, plain, "s")
    wanted = example("5", "")
    nodes, _ = Writer({}, plain, {}).level(level, wanted.names, "/s")
    assert write(nodes, "browser") == write(wanted.kids, "browser")


# -- guests --------------------------------------------------------------------------------------------


def visit(number: int, login: str, *delta: Any) -> Sample:
    lines = (*delta_lines(delta), '@url "/basket"')
    return Sample(f"s{number}", "g", 1, Situation("browser", Request(("get",)), facts=(f'login "{login}"',)), lines)


def test_a_guest_has_the_name_that_rows_give_to_guests():
    mine = [visit(n, who, (f"baskets/{who}", {"note": "x"})) for n, who in enumerate(("ann", "ben", "ann"))]
    guests = [visit(n, "", ("baskets/guest-1", {"note": f"n{n}"}), ("log/9", {"of": "nobody"})) for n in range(3, 6)]
    assert guest_of([*mine, *guests]) == "guest-1"
    assert guest_of([*mine, guests[0]]) == "", "once is no custom"
    assert guest_of([*mine, *(visit(n, "", (f"baskets/guest-{n}", {})) for n in range(3, 9))]) == ""
    assert guest_of(guests) == "", "nobody knows which rows tell whose they are"


def test_what_only_those_signed_in_asked_for_is_closed_where_guests_were_sent_away():
    def asked(name: str, login: str, times: int = 3) -> list[Sample]:
        return [visit(n, login) for n in range(times)]

    def label(sample: Sample) -> str:
        return "=" if sample.situation.login else "/in"

    found = {
        "get /my/list": [*asked("list", "ann"), *asked("list", "")],
        "get /my/notes": asked("notes", "ann"),
        "get /my/notes/*": asked("note", "ben"),
        "get /help": asked("help", "ann"),
        "get /": asked("", ""),
    }
    assert dict(closed_to_guests(found, label)) == {"get /my/notes": "/in", "get /my/notes/*": "/in"}
    assert not dict(closed_to_guests({**found, "get /my/list": asked("list", "", 2)}, label)), "twice is no custom"
    assert not dict(closed_to_guests({**found, "get /my/open": [visit(9, "")]}, lambda _: "=")), "they were let in"
    places = {
        "get /my /in": 0,
        "get /my/list /in": 1,
        "get /my/list /my/list": 2,
        "get /help /in": 3,
        'click "My" /in': 4,
    }
    assert list(alike("get /my/notes /in", places)) == ["get /my/list /in", "get /my /in"]
    assert not list(alike('click "Notes" on /my/notes /in', places))


def test_nothing_known_is_not_the_same_as_known_to_be_nothing():
    """A basket without an address, and somebody without a basket."""
    relations = Relations.learn({"baskets": {"ann": {"to": None}, "ben": {"to": "1"}}})
    known = Known.learn({})
    empty = Scope({"login": "ann", "mine.to": None}, {}, relations)
    assert rules_trees.Test("mine.to", "is", None).holds(empty)
    assert not rules_trees.Test("mine.to", "is", None).holds(Scope({"login": ""}, {}, relations))
    seen = [(Scope({"mine.to": None, "n": n}, {}, relations), "ask") for n in range(9)]
    seen += [(Scope({"n": n}, {}, relations), "in") for n in range(9)]
    tree = rules_trees.grow([*seen, *((Scope({"mine.to": "1", "n": 1}, {}, relations), "go") for _ in range(9))], known)
    assert [tree.decide(scope)[0] for scope, _ in (seen[0], seen[-1])] == ["ask", "in"]


# -- kinds of pages, and what was seen -----------------------------------------------------------------


def test_an_answer_of_a_kind_never_seen_is_the_page_that_is_there():
    kinds = {"/c/red": "/c/* banner", "/c/red status Saved.": "/c/* banner", "/c/red dialog News": "/c/* dialog"}
    assert kind_like("/c/blue?note=1", kinds, frozenset({"red", "blue"})) == "/c/* banner"
    assert kind_like("/c/blue dialog News", kinds, frozenset({"red", "blue"})) == "/c/* dialog"
    assert kind_like("/c/blue alert No.", kinds, frozenset({"red", "blue"})) is None
    assert kind_like("/elsewhere", kinds, frozenset({"red", "blue"})) is None


def test_where_no_bug_fires_a_page_that_broke_off_is_no_draft():
    def hit(kind: str, request: str, *events: str) -> Hit:
        told = tuple(f'@event "{event}"' for event in events)
        sample = Sample("s", "g", 1, Situation("browser", Request((request,))), (*told, '@url "/s"', kind))
        return Hit(sample, request == "same", True, False, 1.0)

    class Known:
        def kind_of(self, branch: str) -> str:
            return "banner"

        def kind(self, target: tuple[str, ...], situation: Situation) -> str:
            return target[-1]

    memory: Any = SimpleNamespace(pages=Known())
    cut, slow = hit("main", "same", "bug:cut"), hit("banner", "same", "bug:slow")
    whole, other = hit("banner", "same"), hit("banner", "other")
    plainly = Outcome("/s", None, 1.0)
    assert _fitting([cut, whole, other], plainly, memory) is whole
    assert _fitting([cut, other], plainly, memory) is other
    assert _fitting([cut, slow, other], plainly, memory) is slow, "much of it is as it should be"
    assert _fitting([whole, cut], Outcome("/s", None, 1.0, events=("bug:cut",)), memory) is cut
    assert _fitting([cut], plainly, memory) is cut
    assert _fitting([], plainly, memory) is None


def test_a_page_that_broke_off_is_not_what_was_seen_there():
    whole, broken = page(Line("banner"), Line("main")), page(Line("main"), Line("text", "Cut off."))
    there = tuple(line.replace("/x", "/x?a=1") for line in whole)
    past = (("get", there), ("get", whole), ("get", broken))
    situation = Situation("browser", Request(('get "/x"',)), broken, past)
    assert seen_before(situation, "/x", lambda lines: "banner" in lines) == whole
    assert seen_before(situation, "/x?b=2", lambda lines: "banner" in lines) == whole
    assert seen_before(situation, "/x", lambda lines: "Cut off." in " ".join(lines)) == broken


# -- levels of several kinds of pages ------------------------------------------------------------------


def test_a_shared_header_counts_what_only_some_kinds_of_pages_have_rows_of():
    """Pieces in a basket, not its lines: pages on which everybody's basket was empty or of single pieces say either."""

    def example(who: str, pieces: list[int], number: int) -> Example:
        rows = {f"{who} {n}": {"basket": who, "qty": qty} for n, qty in enumerate(pieces)}
        known = open_names({"login": who, "row": number}, {"lines": rows}, NONE)
        header = page(Line("banner"), Line("link", f"Basket ({sum(pieces)})", 1, url="/b"))
        return Example(known, read(header, "browser")[1:], f"/{number}")

    people = ("ann", "ben", "cat")
    single = {f"/k{k}": [example(people[n % 3], [1] * (n % 4), n) for n in range(24)] for k in range(3)}
    several = {"/b": [example(people[n % 3], [n % 3 + 1] * (n % 3), n) for n in range(12)]}
    for members in several.values():  # others have no such name yet
        made = sums(one.names for one in members)
        for one in members:
            one.names.add({name: one.names.value(name) for name in made})
    level = learn_shared({**single, **several}, plain)[0]["banner\n\x1f\x1f\x00\x1f"]
    wanted = example("ann", [5, 2], 99)
    nodes, _ = Writer({}, plain, {}).level(level, wanted.names, "/99")
    assert nodes[0].text.startswith("Basket (7)")


# -- lists ---------------------------------------------------------------------------------------------

GOODS = {f"good-{n:02d}": {"shelf": "abcdef"[n % 6], "name": f"Good {n}", "left": n % 4} for n in range(36)}
SHOWN_FIRST = sorted(GOODS, key=lambda key: (int(key[-2:]) * 17 % 37, key))
"""An order that no attribute gives."""


def listing(shelf: str, left: bool) -> Example:
    keys = [key for key in SHOWN_FIRST if GOODS[key]["shelf"] == shelf and (not left or GOODS[key]["left"])]
    shown = page(*(Line("link", GOODS[key]["name"], url=f"/g/{key}") for key in keys))
    known = {"url.0": "s", "url.1": shelf, **({"query.left": "1"} if left else {})}
    return Example(names(known, {"goods": GOODS}), read(shown, "browser")[1:], f"/s/{shelf}")


def test_an_order_is_found_in_all_lists_that_were_recorded():
    """A level is learned from lists of half of the shelves; what order the others are in is in the records too."""
    few = [listing(shelf, False) for shelf in "abc"] * 4
    level = learn_level(few, plain, "s")
    every = [(one.names, one.kids) for one in [listing(shelf, False) for shelf in "abcdef"] * 3]
    again = refit(level, every, plain)
    for shelf in "abcdef":
        wanted = listing(shelf, False)
        nodes, _ = Writer({}, plain, {}).level(again, wanted.names, wanted.about)
        assert write(nodes, "browser") == write(wanted.kids, "browser")
    assert refit(level, every[:4], plain) == level, "from hardly any lists nothing is found anew"
    before, _ = Writer({}, plain, {}).level(level, listing("f", False).names, "/s/f")
    assert write(before, "browser") != write(listing("f", False).kids, "browser")


def test_words_that_find_what_no_row_says_are_not_believed():
    """A search for a shelf by the name that only its visitors know: the rows do not have it."""

    def search(words: str) -> Example:
        asked = words if words != "Attic" else "a"
        keys = [key for key in GOODS if asked in (GOODS[key]["shelf"], GOODS[key]["name"].split()[-1])]
        shown = page(*(Line("link", GOODS[key]["name"], url=f"/g/{key}") for key in keys))
        return Example(names({"url.0": "s", "query.q": words}, {"goods": GOODS}), read(shown, "browser")[1:], "/s")

    asked = [str(n) for n in range(10, 36)]
    level = learn_level([search(words) for words in asked], plain, "s")
    again = refit(
        level, [(one.names, one.kids) for one in [*map(search, asked), search("Attic"), search("Attic")]], plain
    )
    query = next(part.query for part in again.parts if part.query is not None)
    assert query.odd == ("Attic",)
    sures = {words: Writer({}, plain, {}).level(again, search(words).names, "/s")[1] for words in ("12", "Attic")}
    assert sures["12"] > 0.9
    assert sures["Attic"] == 0.0
