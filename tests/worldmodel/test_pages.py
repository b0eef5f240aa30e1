"""Page programs: texts, choices, lists and whole pages of small apps, learned from examples and tried on others."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.lines import Line, assign_refs, format_lines, join_options
from envsim.rng import Rng
from envsim.state import apply, diff
from envsim.types import Observation, Transition
from worldmodel.document import meta, observation_lines, read_delta, to_lines
from worldmodel.pages.answers import without_changes
from worldmodel.pages.choices import grow
from worldmodel.pages.forms import shown
from worldmodel.pages.levels import Example
from worldmodel.pages.lists import ListExample, Order, merge_ranks
from worldmodel.pages.names import open_names
from worldmodel.pages.nodes import Node, read, write
from worldmodel.pages.pages import Pages
from worldmodel.pages.picks import seldom
from worldmodel.pages.queries import learn_list
from worldmodel.pages.sharing import _contrasts
from worldmodel.pages.texts import TextExample, learn_text
from worldmodel.requests import Request
from worldmodel.rules.known import Known
from worldmodel.rules.programs import Outcome, Programs
from worldmodel.rules.relations import Relations
from worldmodel.session import Sample, Situation

NONE = Relations({}, {}, {})


def names(values: dict[str, Any], state: dict[str, Any] | None = None, relations: Relations = NONE):
    return open_names(values, state or {}, relations)


# -- nodes ---------------------------------------------------------------------------------------------

TEXT = st.text(string.ascii_letters + string.digits + " ,:{}|\"'\\?=&é→", max_size=12)


@st.composite
def pages(draw: st.DrawFn) -> list[Line]:
    depth, out = 0, []
    for _ in range(draw(st.integers(1, 8))):
        depth = draw(st.integers(0, depth + 1 if out else 0))
        labels = draw(st.lists(TEXT.filter(bool), max_size=3))
        states = {"options": join_options(labels)} if labels else {}
        if draw(st.booleans()):
            states["level"] = draw(st.sampled_from(["1", "two, three: {4}"]))
        value = draw(st.one_of(st.none(), TEXT, st.sampled_from(labels) if labels else st.none()))
        out.append(
            Line("combobox", draw(TEXT), depth, url=draw(st.sampled_from(["", "/a?b=c"])), value=value, states=states)
        )
    return out


@given(pages(), st.sampled_from(["/", "/p/a-b?x=1&y=&z", "/s?q=a+b%26c", "/s?q=a b", "/login?next=/cart"]), TEXT)
def test_pages_come_back_as_they_were(lines, url, title):
    observation = Observation(url=url, title=title, page=format_lines(assign_refs(lines)))
    target = observation_lines(observation)
    assert write(read(target, "browser"), "browser") == target


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**6) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_results_come_back_as_they_were(value):
    target = observation_lines(Observation(result=json.dumps(value)))
    assert write(read(target, "tools"), "tools") == target


# -- examples ------------------------------------------------------------------------------------------


def test_wording_that_is_seldom_and_everywhere_is_heard():
    """Of a hundred searches four find one thing alone; of a hundred things each says something of itself."""
    pages = Pages(NONE, Known.learn({}))

    def found(number: int) -> tuple[Sample, str]:
        count = "1 thing" if number % 25 == 7 else f"{number + 2} things"
        lines = (f'@url "/search?q={number}"', f'text "{count}"', f'text "{string.ascii_letters[number % 52]}x"')
        return Sample(f"s{number}", "g", 1, Situation("browser", Request(('click button "Search"',))), lines), "/search"

    searches = [found(number) for number in range(100)]
    order = list(range(100))
    picked = [number for number in order if number % 25 != 7][:40]
    rare = seldom(searches, picked, order, pages._mask)
    assert rare == [7, 32, 57, 82]
    assert not seldom(searches, [*picked, *rare], order, pages._mask)


def test_a_shared_level_hears_who_was_asked_the_same_and_shows_it_otherwise():
    def example(query: dict[str, Any]) -> Example:
        return Example(names({f"query.{name}": value for name, value in query.items()}), (), "")

    kinds = {"/search": [example({"q": str(n)}) for n in range(300)], "/admin": [example({}), example({"q": "lamp"})]}
    chosen = _contrasts(kinds)
    assert chosen[:4] == [kinds["/admin"][0], kinds["/admin"][1], kinds["/search"][0], kinds["/search"][1]]
    assert len(chosen) == 4


# -- texts and choices ---------------------------------------------------------------------------------


def test_amounts_dates_and_words_are_told_apart():
    assert ("amount", "$1,234.50") in shown(123450)
    assert ("plain amount", "1234.50") in shown(123450), "as a field to type in has it"
    assert ("less", "-$5.00") in shown(500)
    assert ("day month", "2 Mar 2026") in shown("2026-03-02T21:00:00Z")
    assert ("weekday day month", "Mon, 2 Mar 2026") in shown("2026-03-02")
    assert ("day month time", "2 Mar 2026, 21:00") in shown("2026-03-02T21:00:00Z")
    assert not [form for form, _ in shown("2026-02-30") if "weekday" in form], "there is no such day"
    assert ("first word", "Ada") in shown("Ada Lovelace")
    assert ("spaced capital", "In stock") in shown("in_stock")


def test_a_text_is_a_template_over_names():
    rule = learn_text([
        TextExample(names({"each.name": name, "each.price_cents": price}), f"{name}: ${price / 100:.2f} each", name)
        for name, price in [("Oak chair", 12900), ("Lamp", 4550), ("Rug", 7700)]
    ])  # fmt: skip
    text, sure = rule.render(names({"each.name": "Steel pan", "each.price_cents": 999}), None, None)
    assert (text, sure) == ("Steel pan: $9.99 each", 1.0)


def test_which_template_follows_from_a_limit():
    def label(stock: int) -> str:
        return "out of stock" if stock <= 0 else f"only {stock} left" if stock <= 3 else "in stock"

    rule = learn_text([
        TextExample(names({"each.stock": stock, "each.row": n}), label(stock), str(n))
        for n, stock in enumerate([0, 1, 2, 3, 4, 5, 9, 0, 2, 3, 7, 1, 0, 30, 4, 3])
    ])  # fmt: skip
    for stock in (0, 1, 3, 4, 12):
        assert rule.render(names({"each.stock": stock, "each.row": 99}), None, None)[0] == label(stock)


def test_what_nothing_explains_is_remembered_or_left_open():
    rule = learn_text([
        TextExample(names({"url.1": f"p{n}"}), text, f"/p/{n}")
        for n, text in enumerate(["Soft as moss.", "Three legs, no nails.", "For soups.", "It hums at night."])
    ])  # fmt: skip
    assert rule.render(names({"url.1": "p7"}), "Warm, and round.", None)[0] == "Warm, and round."
    assert rule.render(names({"url.1": "p8"}), None, None) == (None, 0.0)


def test_a_choice_that_was_learned_by_heart_is_not_believed():
    rng = Rng(0, "noise")
    seen = [(names({"a": rng.choice(range(6)), "b": rng.choice(range(6))}), rng.choice((0, 1))) for _ in range(40)]
    tree, told = grow(seen)
    right = sum(a == b for a, (_, b) in zip(told, seen, strict=True))
    assert right <= 30
    known = [(one, int(one.value("a") == 2)) for one, _ in seen]
    tree, told = grow(known)
    assert told == [way for _, way in known]
    assert tree.decide(names({"a": 2, "b": 0}))[0] == 1


# -- lists ---------------------------------------------------------------------------------------------

THINGS = {
    f"thing-{n:02d}": {"shelf": "abc"[n % 3], "price_cents": 100 * ((n * 7) % 30), "name": f"Thing {n}"}
    for n in range(30)
}
HIDDEN = sorted(THINGS, key=lambda key: key[::-1])


def listed(shelf: str, least: int | None, sort: str, page: int) -> list[str]:
    keys = [k for k in HIDDEN if THINGS[k]["shelf"] == shelf and (least is None or THINGS[k]["price_cents"] >= least)]
    if sort == "price":
        keys.sort(key=lambda key: THINGS[key]["price_cents"])
    return keys[(page - 1) * 4 : page * 4]


def list_example(shelf: str, least: int | None, sort: str, page: int) -> ListExample:
    values = {"url.0": "c", "url.1": shelf, "query.sort": sort, "query.page": str(page)}
    values["query.min"] = "" if least is None else f"{least // 100}.00"
    instances = [
        (Node("link", f"{THINGS[key]['name']}\x1f/t/{key}\x1f\x00\x1f"),) for key in listed(shelf, least, sort, page)
    ]
    return ListExample(names(values, {"things": THINGS}), instances)


def test_a_list_is_a_query_with_conditions_order_and_pages():
    rng = Rng(0, "lists")
    seen = [
        list_example(rng.choice(["a", "b", "c"]), rng.choice([None, 500, 1000]), rng.choice(["", "price"]), page)
        for page in (1, 2, 3) for _ in range(24)
    ]  # fmt: skip
    rule = learn_list(seen)
    assert rule is not None
    assert rule.collection == "things"
    assert rule.limit == 4
    assert {(c.field, c.how, c.name) for c in rule.conditions} >= {
        ("shelf", "is", "url.1"),
        ("price_cents", "least", "query.min"),
    }
    for wanted in (("b", 300, "price", 1), ("a", None, "", 2), ("c", 1500, "", 1)):
        keys, figures = rule.run(list_example(*wanted).names)
        assert keys == listed(*wanted)
        assert figures["shown"] == len(keys)


def test_rows_of_the_account_are_found_by_their_number():
    state = {
        "lines": {
            f"{who} {sku}": {"cart": who, "sku": sku, "qty": n}
            for n, (who, sku) in enumerate([("ann", "s1"), ("bob", "s2"), ("ann", "s3"), ("cat", "s1"), ("ann", "s9")])
        }
    }
    seen = []
    for who in ("ann", "bob", "cat"):
        rows = [key for key, row in state["lines"].items() if row["cart"] == who]
        seen.append(ListExample(names({"login": who}, state), [(Node("row", key.split()[1]),) for key in rows]))
    rule = learn_list(seen)
    assert rule is not None
    assert [(c.field, c.name) for c in rule.conditions] == [("cart", "login")]
    assert rule.sure == 1.0


def test_a_remembered_order_agrees_with_all_that_was_seen():
    assert merge_ranks([["b", "d"], ["d", "a"], ["b", "a", "c"]]) == ("b", "d", "a", "c")
    assert Order() == Order("", False)


# -- whole pages ---------------------------------------------------------------------------------------

PEOPLE = {f"{name.lower()}@x.org": {"name": f"{name} Poe"} for name in ("Ada", "Ben", "Cleo", "Dov")}
GOODS = {
    f"good-{n}": {"name": f"{kind} {noun}", "price_cents": 350 + 425 * n, "stock": (n * 5) % 8}
    for n, (kind, noun) in enumerate([(k, n) for k in ("Oak", "Tin", "Wool") for n in ("box", "cup", "hat", "bag")])
}


def view(basket: dict[tuple[str, str], int]) -> dict[str, Any]:
    lines = {f"{who} {good}": {"basket": who, "good": good, "qty": qty} for (who, good), qty in basket.items()}
    return {"people": PEOPLE, "goods": GOODS, "lines": lines}


def basket_page(who: str, basket: dict[tuple[str, str], int], notice: bool) -> list[Line]:
    mine = {good: qty for (owner, good), qty in basket.items() if owner == who}
    total = sum(GOODS[good]["price_cents"] * qty for good, qty in mine.items())
    out = [Line("banner"), Line("link", f"{PEOPLE[who]['name'].split()[0]}'s account", 1, url="/me"),
           Line("link", f"Basket ({sum(mine.values())})", 1, url="/basket"), Line("main")]  # fmt: skip
    if notice:
        out.append(Line("status", "Put into your basket.", 1))
    if not mine:
        return [*out, Line("text", "Nothing here yet.", 1)]
    for good, qty in mine.items():
        row = GOODS[good]
        out += [Line("row", f"{row['name']} | {qty} | ${qty * row['price_cents'] / 100:,.2f}", 1),
                Line("button", f"Remove {row['name']}", 2)]  # fmt: skip
    post = 0 if total >= 3000 else 495
    out += [Line("text", f"Goods: ${total / 100:,.2f}", 1), Line("text", f"Post: {'free' if not post else '$4.95'}", 1),
            Line("text", f"Sum: ${(total + post) / 100:,.2f}", 1)]  # fmt: skip
    return out


def good_page(good: str) -> list[Line]:
    row = GOODS[good]
    return [Line("banner"), Line("main"), Line("heading", row["name"], 1),
            Line("text", f"${row['price_cents'] / 100:,.2f}", 1), Line("text", SAID[good], 1)]  # fmt: skip


SAID = {good: f"w{'aeiou'[n % 5]}{'y' * n}z said {n * 'la'}" for n, good in enumerate(GOODS)}


def visits(count: int, seed: int) -> list[Sample]:
    out = []
    for session in range(count):
        rng = Rng(seed, "basket", session)
        who, basket = rng.choice(list(PEOPLE)), {}
        past: tuple[tuple[str, tuple[str, ...]], ...] = ()
        for index in range(1, 7):
            before, notice = view(basket), False
            good = rng.choice(list(GOODS))
            if rng.chance(0.3):
                lines, url = good_page(good), f"/g/{good}"
                request = Request((f'get "{url}"',))
            else:
                if rng.chance(0.7):
                    basket = {**basket, (who, good): rng.choice((1, 2, 3, 4))}
                    notice = True
                url = "/basket?put=1" if notice else "/basket"
                request = Request((f'click button "Put" on "/g/{good}"',) if notice else ('get "/basket"',))
                lines = basket_page(who, basket, notice)
            observation = Observation(url=url, title=f"Page of {url[1:2]}", page=format_lines(assign_refs(lines)))
            delta = tuple(tuple(change) for change in diff(before, view(basket)))
            target = to_lines(Transition(observation=observation, delta=delta))
            situation = Situation("browser", request, past[-1][1] if past else (), past, (f'login "{who}"',), before)
            out.append(Sample(f"s{session}", f"g{session}", index, situation, target))
            past = (*past, (request.key, target))
    return out


UNSEEN = "good-11"


def training() -> list[Sample]:
    """Sessions in which nobody looks at one of the goods."""
    return [sample for sample in visits(40, 1) if meta(sample.target, "url") != f"/g/{UNSEEN}"]


@pytest.fixture(scope="module")
def learned() -> tuple[Programs, Pages]:
    found = training()
    rules = Programs.empty(view({}), found)
    pages = Pages(rules.relations, rules.known)
    pages.learn(found, {number: rules.branch(sample) for number, sample in enumerate(found)})
    return rules, pages


def answers(rules: Programs, pages: Pages, count: int) -> list[tuple[Sample, Any]]:
    out = []
    for sample in visits(count, 2):
        after = apply(sample.situation.state, read_delta(sample.target))
        out.append((sample, pages.document(sample.situation, Outcome(rules.branch(sample), None, 1.0), after)))
    return out


def test_pages_of_new_sessions_are_written_from_state_and_memory(learned):
    wrong = [
        (without_changes(sample.target), written)
        for sample, written in answers(*learned, 15)
        if written is None or written.lines != without_changes(sample.target)
        if UNSEEN not in meta(sample.target, "url")
    ]
    assert len(wrong) <= 2, wrong[0]


def test_sure_answers_are_right(learned):
    found = [(sample, written) for sample, written in answers(*learned, 15) if written is not None]
    sure = [written.lines == without_changes(sample.target) for sample, written in found if written.sure >= 0.8]
    assert len(sure) >= 60
    assert sum(sure) >= 0.95 * len(sure)


def test_what_nobody_saw_is_taken_from_the_draft_and_not_believed(learned):
    rules, pages = learned
    sample = next(s for s in visits(40, 2) if meta(s.target, "url") == f"/g/{UNSEEN}")
    outcome = Outcome(rules.branch(sample), None, 1.0)
    with_draft = pages.document(sample.situation, outcome, sample.situation.state, sample.target)
    without = pages.document(sample.situation, outcome, sample.situation.state)
    assert with_draft is not None
    assert with_draft.lines == without_changes(sample.target)
    assert without is not None
    assert without.lines == tuple(line for line in with_draft.lines if SAID[UNSEEN] not in line)
    assert max(with_draft.support, without.support) < 0.6


def test_what_the_session_saw_itself_is_known(learned):
    """No other session looked at it."""
    rules, pages = learned
    sample = next(s for s in visits(40, 2) if meta(s.target, "url") == f"/g/{UNSEEN}")
    before = (*sample.situation.past, (sample.situation.request.key, sample.target), ("get", ("main",)))
    outcome = Outcome(rules.branch(sample), None, 1.0)
    again = pages.document(replace(sample.situation, past=before), outcome, sample.situation.state)
    assert again is not None
    assert again.lines == without_changes(sample.target)


def test_an_answer_of_a_kind_nobody_saw_is_left_to_others(learned):
    _, pages = learned
    sample = visits(1, 2)[0]
    assert pages.document(sample.situation, Outcome("/elsewhere", None, 1.0), sample.situation.state) is None


def test_page_programs_come_back_from_json_and_are_the_same_again(learned):
    rules, pages = learned
    again = Pages(pages.relations, pages.known)
    again.read(json.loads(json.dumps(pages.to_json())))
    assert again == pages
    other = Pages(rules.relations, rules.known)
    found = training()
    other.learn(found, {number: rules.branch(sample) for number, sample in enumerate(found)})
    assert json.dumps(other.to_json()) == json.dumps(pages.to_json())


@pytest.mark.parametrize(
    "damaged", [None, {}, {"kinds": 3}, {"kinds": {}, "pages": {"a": {}}, "addresses": {}, "memory": {}}]
)
def test_made_up_page_programs_are_refused(damaged):
    with pytest.raises(ValueError, match="page programs"):
        Pages(NONE, Programs.empty({}, []).known).read(damaged)
