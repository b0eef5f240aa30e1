"""Explorers in a shop of five pages: who came to buy gets there, and nobody knows what no page has shown."""

from __future__ import annotations

import re
from typing import Any

from envsim.page.lines import Line, assign_refs, format_lines, parse_lines
from envsim.policy import ExplorerPolicy
from envsim.types import Action, Observation

PRIMITIVES: list[dict[str, Any]] = [{"name": "click", "parameters": {}}, {"name": "fill", "parameters": {}}]


def page_of(*lines: Line) -> Observation:
    return Observation(url="/", page=format_lines(assign_refs([Line("main"), *lines])))


SHOP = {
    "shelf": page_of(
        Line("text", "Use the code SUMMER20 today", 1), Line("link", "About us", 1, url="/about"),
        Line("link", "Help", 1, url="/help"), Line("form", "Buy", 1), Line("spinbutton", "Quantity", 2, value="1"),
        Line("button", "Add to cart", 2),
    ),
    "cart": page_of(
        Line("form", "Coupon", 1), Line("textbox", "Coupon code", 2), Line("button", "Apply", 2),
        Line("link", "About us", 1, url="/about"), Line("link", "Go to checkout", 1, url="/checkout"),
    ),
    "pay": page_of(
        Line("link", "Help", 1, url="/help"), Line("form", "Payment", 1), Line("textbox", "Card number", 2),
        Line("button", "Place order", 2),
    ),
    "failed": page_of(Line("form", "Again", 1), Line("button", "Try again", 2), Line("link", "Home", 1, url="/")),
    "done": page_of(Line("heading", "Thank you", 1), Line("link", "Help", 1, url="/help")),
}  # fmt: skip
LEADS = {("shelf", "Add to cart"): "cart", ("cart", "Go to checkout"): "pay", ("pay", "Place order"): "failed",
         ("failed", "Try again"): "done"}  # fmt: skip


def shop_visit(seed: int) -> tuple[list[str], list[Action], set[str]]:
    """Pages, actions and codes typed in 20 steps of one explorer; what is pressed leads on as in a shop."""
    policy = ExplorerPolicy(stop=0.0)
    policy.reset(None, seed, PRIMITIVES)
    pages, actions, codes = ["shelf"], [], set()
    for _ in range(20):
        page = SHOP[pages[-1]]
        action = policy.act(page)
        name = next((line.name for line in parse_lines(page.page) if line.ref == action.arguments.get("bid")), "")
        if name == "Coupon code":
            codes.add(str(action.arguments["value"]))
        actions.append(action)
        back = action.name == "go_back" and len(pages) > 1
        pages.append(pages[-2] if back else LEADS.get((pages[-1], name), pages[-1]))
    return pages, actions, codes


def test_explorers_who_came_to_buy_get_there_and_know_nothing_secret() -> None:
    visits = [shop_visit(seed) for seed in range(60)]
    assert [shop_visit(seed)[1] for seed in range(5)] == [actions for _, actions, _ in visits[:5]]
    assert sum("done" in pages for pages, _, _ in visits) > 20
    assert any("done" not in pages for pages, _, _ in visits), "some only look around"
    codes = set().union(*(codes for _, _, codes in visits))
    assert {"SUMMER20", "summer20"} <= codes, "what was shown is tried, as people type it"
    assert all(code.upper() == "SUMMER20" or re.fullmatch("(SAVE|TRAIL|HELLO|PICNIC)[0-9]{2}", code) for code in codes)
    cards = {
        str(a.arguments["value"]).replace(" ", "") for _, actions, _ in visits for a in actions if a.name == "fill"
    }
    digits = {len(card) for card in cards if card.isdecimal()}
    assert 16 in digits
    assert digits & set(range(8, 12)), "now and then some digits are missing"


def test_explorers_send_some_forms_twice() -> None:
    """Back, and the same button once more."""
    again = 0
    for seed in range(60):
        _, actions, _ = shop_visit(seed)
        for before, back, after in zip(actions, actions[1:], actions[2:], strict=False):
            again += back.name == "go_back" and before.name == after.name == "click" and before == after
    assert again > 5
