"""Texts learned from too narrow a sample, and mended by further answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from worldmodel.pages.again import EITHER, again, shared_again
from worldmodel.pages.levels import Example, Level, learn_level
from worldmodel.pages.names import open_names
from worldmodel.pages.nodes import Node
from worldmodel.pages.shape import symbol
from worldmodel.pages.writer import Writer
from worldmodel.rules.relations import Relations

NONE = Relations({}, {}, {})


def mask(text: str) -> str:
    return re.sub(r"\d+", "*", text)


def parcel(weight: int, country: str = "home") -> Example:
    """A page that says what sending a parcel costs: nothing at home up to 750 g, and a note for what is sent abroad."""
    price = "$0" if country == "home" and weight <= 750 else "$4" if country == "home" else "$12"
    kids = [Node("text", f"Postage {price}")]
    if country == "abroad":
        kids.append(Node("text", "Customs form"))
    return Example(
        open_names({"url.1": str(weight), "weight": weight, "to": country}, {}, NONE), tuple(kids), "/parcel"
    )


NARROW = [parcel(weight) for weight in (100, 150, 200, 260, 300, 340, 410, 480)]
WIDE = [parcel(10 * n, "abroad" if n % 3 == 0 else "home") for n in range(1, 150)]


def written(level: Level, weight: int, country: str) -> list[str]:
    example = parcel(weight, country)
    return [node.text for node in Writer({}, mask, {}).level(level, example.names, "")[0]]


def test_what_a_sample_had_in_common_is_refuted_by_further_answers():
    level = learn_level([*NARROW, parcel(500, "abroad")], mask, "parcel")
    assert written(level, 900, "home") == ["Postage $0"], "nothing heavy was in the sample"
    mended = again(level, WIDE, mask)
    for weight, country in [(745, "home"), (755, "home"), (905, "home"), (300, "abroad"), (915, "abroad")]:
        assert written(mended, weight, country) == [node.text for node in parcel(weight, country).kids]


def test_what_is_right_stays_and_is_believed_as_far_as_it_was_tried():
    level = again(learn_level(WIDE[: EITHER + 20], mask, "parcel"), WIDE, mask)
    rule = level.parts[0].text
    assert rule is not None
    doubted = replace(level.parts[0], text=replace(rule, sure=0.8))
    held = again(replace(level, parts=(doubted, *level.parts[1:])), [*WIDE, *WIDE], mask).parts[0].text
    assert held is not None
    assert (held.choice, held.ways) == (rule.choice, rule.ways)
    assert held.sure > 0.95, "right on all that it was tried on"


def test_what_nothing_tells_is_not_learned_by_heart():
    def told(n: int) -> Example:
        values: dict[str, Any] = {"url.1": f"thing-{n}"}
        return Example(open_names(values, {}, NONE), (Node("text", f"Words {'ab' * (n * 7 % 11)}"),), f"/t/{n}")

    examples = [told(n) for n in range(90)]
    level = learn_level(examples[:20], mask, "things")
    rule = again(level, examples, mask).parts[0].text
    assert rule is not None
    assert rule.sure < 0.6


def test_shared_levels_are_tried_on_all_kinds_of_pages():
    def page(example: Example, role: str) -> Example:
        return replace(example, kids=(Node("table", "Totals", example.kids), Node("text", role)))

    name = symbol(Node("table", "Totals"), mask)
    shared = {name: learn_level([*NARROW, parcel(500, "abroad")], mask, "shared"), "table\nOther": NARROW_LEVEL}
    pages = [page(one, ("cart", "till")[n % 2]) for n, one in enumerate(WIDE)]
    mended = shared_again(shared, pages, mask)
    assert written(mended[name], 905, "home") == ["Postage $4"]
    assert mended["table\nOther"].parts == NARROW_LEVEL.parts, "no page had it"


NARROW_LEVEL = learn_level(NARROW, mask, "narrow")
