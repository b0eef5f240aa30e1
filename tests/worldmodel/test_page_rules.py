"""What page programs take for a rule where examples leave it open: keys, shares, seldom wording, orders, figures."""

from __future__ import annotations

import re
from typing import Any

import pytest

from worldmodel.pages.choices import grow
from worldmodel.pages.levels import Example, learn_level
from worldmodel.pages.lists import AFTER, ListExample
from worldmodel.pages.names import open_names, totals
from worldmodel.pages.nodes import Node
from worldmodel.pages.queries import learn_list
from worldmodel.pages.shape import START, learn_shape
from worldmodel.pages.texts import TextExample, learn_text
from worldmodel.pages.writer import Writer
from worldmodel.rules.relations import Relations

NONE = Relations({}, {}, {})


def names(values: dict[str, Any], state: dict[str, Any] | None = None):
    return open_names(values, state or {}, NONE)


def test_a_key_that_all_examples_share_is_still_a_name():
    """Everyone who was watched used one and the same voucher, on two kinds of pages."""
    state = {"vouchers": {"SPRING": {"off": 10}, "AUTUMN": {"off": 20}}}
    seen = [
        TextExample(names({f"{place}.voucher": "SPRING", "n": n}, state), "Voucher SPRING is used", str(n))
        for n, place in enumerate(["url.1>bills", "login>baskets"] * 12)
    ]
    rule = learn_text(seen)
    for place in ("url.1>bills", "login>baskets"):
        asked = names({f"{place}.voucher": "AUTUMN", "n": 99}, state)
        assert rule.render(asked, None, None)[0] == "Voucher AUTUMN is used"


def test_the_number_of_the_row_at_hand_is_a_name_though_all_saw_the_first():
    seen = [TextExample(names({"each.@": "9", "each.sum": n}), f"Payment 9 | {n} francs", "9") for n in range(30, 54)]
    rule = learn_text(seen)
    assert rule.render(names({"each.@": "11", "each.sum": 70}), None, None)[0] == "Payment 11 | 70 francs"


def test_a_comma_after_a_number_is_no_part_of_it():
    seen = [
        TextExample(names({"each.code": f"K{n}-{n % 3}", "each.why": why}), f"Claim K{n}-{n % 3}, {why}", str(n))
        for n, why in enumerate(["torn", "wet", "late"] * 6, 100)
    ]
    rule = learn_text(seen)
    assert rule.render(names({"each.code": "M7-12", "each.why": "lost"}), None, None)[0] == "Claim M7-12, lost"


def test_what_no_row_is_called_stays_wording():
    seen = [TextExample(names({"login>person.town": "Ulm", "n": n}), "Made in Ulm", str(n)) for n in range(24)]
    assert learn_text(seen).render(names({"login>person.town": "Bonn", "n": 99}), None, None)[0] == "Made in Ulm"


@pytest.mark.parametrize(("off", "taken"), [(10, 1250), (100, 12500), (2000, 2000), (20000, 12500)])
def test_nothing_takes_more_than_all_of_it(off, taken):
    known = names({"login>baskets.off": 10})
    made = [name for name in totals({"near Sum 0": 12500}, known) if " % of " in name]
    assert made == ["login>baskets.off % of near Sum 0"]
    assert names({"login>baskets.off": off, "near Sum 0": 12500}).value(made[0]) == taken


def test_seldom_wording_is_found_beside_frequent_wording_that_nothing_explains():
    texts = (
        [(0, "nobody")] * 20
        + [(1, f"{n * 7} mails, some of {n * 3} days") for n in range(1, 6)]
        + [(2, "2 guests")] * 3
    )
    seen = [TextExample(names({"count": count}), text, "/inbox") for count, text in texts]
    rule = learn_text(seen)
    assert rule.render(names({"count": 2}), None, None)[0] == "2 guests"


def test_two_figures_of_one_owner_are_compared_though_neither_tells_alone():
    """What can be sent back: what came, unless it was sent back as a whole; who paid for the parcel is chance."""

    def parcel(number: int, status: str, came: int, back: int, paid: int) -> dict[str, Any]:
        lines = {f"{number} a": {"parcel": number, "qty": came}}
        state = {"lines": lines, "backs": {"1": {"parcel": number, "qty": back}} if back else {}}
        values = {"url.1": str(number), "status": status, "paid": paid}
        for table in ("lines", "backs"):
            figure = f"sum {table} parcel url.1 : each.qty"
            values[figure] = names({"url.1": str(number)}, state).value(figure)
        return values

    kinds = [("here", 3, 0, 0), ("here", 3, 1, 0), ("here", 4, 3, 0), ("here", 3, 3, 1), ("here", 1, 1, 1),
             ("sent", 2, 0, 1), ("sent", 4, 0, 1), ("here", 2, 0, 0), ("sent", 3, 0, 1), ("here", 4, 4, 1),
             ("here", 5, 4, 0), ("here", 1, 0, 0), ("here", 2, 1, 1), ("here", 2, 2, 0), ("sent", 1, 0, 0)]  # fmt: skip
    seen = [
        (names(parcel(100 + n, *kind)), int(kind[0] == "here" and kind[2] < kind[1]))
        for n, kind in enumerate(kinds * 4)
    ]
    tree, _ = grow(seen)
    assert tree.decide(names(parcel(500, "here", 6, 5, 1)))[0] == 1
    assert tree.decide(names(parcel(501, "here", 6, 6, 0)))[0] == 0
    assert tree.decide(names(parcel(502, "sent", 6, 0, 0)))[0] == 0


BEGIN = ["moss", "fern", "ivy", "oak", "ash"]


def shelf(added: list[str], gone: str = "") -> ListExample:
    """Books of an account: those there from the beginning, in an order that nothing tells, then those that came."""
    rows = {key: {"of": "ann", "title": f"On {key}"} for key in [*sorted(BEGIN), *added] if key != gone}
    shown = [key for key in [*BEGIN, *added] if key in rows]
    return ListExample(names({"login": "ann"}, {"books": rows}), [(Node("link", f"On {key}"),) for key in shown])


def test_what_sessions_add_comes_after_what_was_there():
    seen = [
        shelf(added) for added in (["yew"], ["elm", "yew"], ["yew", "bay"], ["bay", "elm"], [], ["elm"], ["bay"], [])
    ]
    rule = learn_list([*seen, shelf(["bay", "yew"], "ivy"), shelf([], "oak"), shelf([], "moss"), shelf(["yew", "elm"])])
    assert rule is not None
    assert rule.order.by == AFTER
    assert rule.run(shelf(["elm", "bay", "sloe"], "fern").names)[0] == [
        "moss",
        "ivy",
        "oak",
        "ash",
        "elm",
        "bay",
        "sloe",
    ]


def digits(text: str) -> str:
    return re.sub(r"[0-9]+", "*", text)


def claims(number: int, *sizes: int, paid: int = 0) -> Example:
    """A case with what was claimed and what was paid in one table, all claims first; `paid` without a claim."""
    claimed = {str(10 * number + n): {"case": number, "size": size} for n, size in enumerate(sizes)}
    paying = {
        str(60 * number + n): {"case": number, "sum": 7 * size} for n, size in enumerate([*sizes, *[paid] * bool(paid)])
    }
    rows = [f"Claim {key} | {row['size']} parts | open" for key, row in claimed.items()]
    rows += [f"Payment {key} | {row['sum']} francs | {'done' if paid else 'due'}" for key, row in paying.items()]
    known = names(
        {"url.1": str(number), "paid": paid}, {"claims": {**claimed, "5": {"case": 9, "size": 5}}, "payments": paying}
    )
    return Example(known, tuple(Node("row", row) for row in ("What | How much | State", *rows)), str(number))


def test_two_lists_in_one_table_are_two_lists():
    seen = [claims(n, *sizes) for n, sizes in enumerate([(2,), (3, 4), (1,), (6,), (4,), (2, 8, 3), (5,)], 1)]
    seen += [claims(n, paid=3 * n) for n in range(20, 25)]
    level = learn_level(seen, digits, "case")
    new = claims(33, 6, 2, 9)
    nodes, _ = Writer({}, digits, {}).level(level, new.names, "33")
    assert tuple(nodes) == new.kids


def test_rows_of_one_list_may_begin_with_different_words():
    seen = [
        tuple(Node("row", f"{word} {n} | {n} pages | x") for n, word in enumerate(words))
        for words in (["Letter", "Parcel", "Letter"], ["Parcel", "Letter", "Parcel"], ["Letter", "Letter"]) * 3
    ]
    assert [place.after for place in learn_shape(seen, digits).places if place.many] == [START]
