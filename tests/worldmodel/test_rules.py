"""Rules: found in recorded changes of a small till, and true of requests that were never recorded."""

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.rng import Rng
from envsim.state import apply, diff
from worldmodel.document import delta_lines
from worldmodel.requests import Request
from worldmodel.rules.branches import branch, operation
from worldmodel.rules.effects import Effects, group
from worldmodel.rules.expressions import (
    ALPHABETS,
    MOST_OFFSET,
    Clock,
    Combine,
    Const,
    Find,
    Fresh,
    Number,
    Opaque,
    Read,
    Switch,
    Text,
    Unknown,
    evaluate,
    from_json,
    to_json,
)
from worldmodel.rules.known import Known
from worldmodel.rules.programs import Programs
from worldmodel.rules.readings import READERS
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope, open_scope
from worldmodel.rules.times import FORMS
from worldmodel.rules.trees import Tree
from worldmodel.session import Sample, Situation

PEOPLE = ("ann@shop.test", "bob@shop.test", "cleo@shop.test", "dan@shop.test")
COLOURS = ("Moss", "Sand", "Clay", "Plum")
DATA = {
    "products": {f"{kind}-{noun}": {"name": f"{kind.title()} {noun.title()}", "price_cents": 1000 + 137 * i + 450 * j}
                 for i, kind in enumerate(("oak", "tin", "jute")) for j, noun in enumerate(("lamp", "chair", "rug"))},
    "variants": {}, "carts": {}, "lines": {}, "orders": {"41": {"who": PEOPLE[0], "total_cents": 5, "by": "post"}},
    "order_lines": {}, "people": {mail: {"name": mail.partition("@")[0].title()} for mail in PEOPLE},
    "coupons": {code: {"active": active, "off": int(code[-2:])}
                for code, active in (("MAY10", 1), ("OLD20", 0), ("SPRING05", 1))},
}  # fmt: skip
for number, slug in enumerate(DATA["products"]):
    for at, colour in enumerate(COLOURS[: 2 + number % 3]):
        DATA["variants"][f"SKU{number:02d}-{at}"] = {
            "product": slug, "label": colour, "extra_cents": 90 * at, "stock": 9 + number,
        }  # fmt: skip


@dataclass
class Till:
    """A shop as pure functions: what is asked, what changes, where it leads."""

    who: str
    state: dict = field(default_factory=lambda: json.loads(json.dumps(DATA)))

    def add(self, sku, quantity):
        """One line in the cart; the option is shown with its price where it costs more."""
        row = self.state["variants"][sku]
        product = self.state["products"][row["product"]]
        price = f" (${(product['price_cents'] + row['extra_cents']) / 100:.2f})" if row["extra_cents"] else ""
        request = [
            f'click button "Add" on "/p/{row["product"]}"', 'in "Add to cart"',
            f'"Option" = "{row["label"]}{price}, in stock"', f'"Quantity" = "{quantity}"',
        ]  # fmt: skip
        line = {"cart": self.who, "sku": sku, "qty": quantity}
        return (
            request,
            {"lines": {f"{self.who} {sku}": line}, "carts": {self.who: {"coupon": None, "by": None}}},
            "/cart?notice=added",
        )

    def coupon(self, code):
        request = ['click button "Apply" on "/cart"', 'in "Coupon"', f'"Code" = {json.dumps(code.lower())}']
        row = self.state["coupons"].get(code)
        if row is None or not row["active"]:
            return request, {}, "/cart/coupon"
        return request, {"carts": {self.who: {"coupon": code}}}, "/cart?notice=applied"

    def ship(self, by):
        label = {"post": "By post, 3 days", "bike": "By bike, today"}[by]
        request = ['click button "Continue" on "/checkout"', 'in "Shipping"', f"{json.dumps(label)} checked"]
        return request, {"carts": {self.who: {"by": by}}}, "/checkout/review"

    def place(self):
        """An order, its lines, less in stock, an empty cart."""
        lines = {key: row for key, row in self.state["lines"].items() if row["cart"] == self.who}
        number = str(max(map(int, self.state["orders"])) + 1)
        cart = self.state["carts"][self.who]
        prices = {key: self._price(row["sku"]) for key, row in lines.items()}
        total = sum(prices[key] * row["qty"] for key, row in lines.items())
        change = {
            "orders": {number: {"who": self.who, "total_cents": total, "by": cart["by"]}},
            "order_lines": {f"{number} {row['sku']}": {"order": int(number), "sku": row["sku"], "qty": row["qty"],
                                                     "unit_cents": prices[key]} for key, row in lines.items()},
            "variants": {row["sku"]: {"stock": self.state["variants"][row["sku"]]["stock"] - row["qty"]}
                         for row in lines.values()},
            "lines": dict.fromkeys(lines), "carts": {self.who: {"coupon": None, "by": None}},
        }  # fmt: skip
        self.page = (f'  row "Total | ${total / 100:,.2f}"',)
        return (
            [f'click button "Place order for ${total / 100:,.2f}" on "/checkout/review"', 'in "Place order"'],
            change,
            f"/done/{number}",
        )

    def _price(self, sku):
        row = self.state["variants"][sku]
        return self.state["products"][row["product"]]["price_cents"] + row["extra_cents"]


def after(state, change):
    out = json.loads(json.dumps(state))
    for collection, rows in change.items():
        for key, row in rows.items():
            if row is None:
                del out[collection][key]
            else:
                out[collection][key] = {**out[collection].get(key, {}), **row}
    return out


def sessions(count, seed):
    """Samples of people who fill carts, try coupons and order."""
    out = []
    for number in range(count):
        rng = Rng(seed, number)
        till = Till(rng.choice(PEOPLE))
        skus = rng.shuffled(sorted(till.state["variants"]))[: 1 + rng.integer(3)]
        steps = [partial(till.add, sku, 1 + rng.integer(3)) for sku in skus]
        steps.append(partial(till.coupon, rng.choice(("SPRING05", "MAY10", "OLD20", "NOPE7", "HI99"))))
        steps += [partial(till.ship, rng.choice(("post", "bike"))), till.place]
        for index, step in enumerate(steps, 1):
            till.page = ()
            request, change, url = step()
            new = after(till.state, change)
            delta = tuple(map(tuple, diff(till.state, new)))
            situation = Situation(
                "browser", Request(tuple(request)), till.page, (), (f'login "{till.who}"',), till.state
            )
            target = (*delta_lines(delta), f'@url "{url}"', "main")
            out.append(Sample(f"s{number}", f"s{number}", index, situation, target))
            till.state = new
    return out


@pytest.fixture(scope="module")
def learned():
    return Programs.learn(DATA, sessions(60, 1))


def test_every_change_of_new_sessions_is_foretold(learned):
    """New people, carts, sums and order numbers: nothing here was recorded."""
    for sample in sessions(25, 2):
        outcome = learned.outcome(sample.situation)
        asked = sample.situation.request.key
        assert outcome is not None, asked
        assert outcome.branch == learned.branch(sample), asked
        assert outcome.delta is not None, asked
        real = tuple(line for line in sample.target if line.startswith("!"))
        assert delta_lines(outcome.delta) == real, asked
        assert outcome.sure > 0.5


def test_a_coupon_never_tried_is_judged_by_its_row(learned):
    """What decides is that there is an active row, not which code was seen to work."""
    situation = sessions(1, 3)[0].situation
    state = after(
        situation.state,
        {"coupons": {"NEW30": {"active": 1, "off": 30}}, "carts": {PEOPLE[0]: {"coupon": None, "by": None}}},
    )
    request = ('click button "Apply" on "/cart"', 'in "Coupon"', '"Code" = "NEW30"')
    outcome = learned.outcome(
        replace(situation, request=Request(request), state=state, facts=(f'login "{PEOPLE[0]}"',))
    )
    assert outcome is not None
    assert outcome.delta == ((f"carts/{PEOPLE[0]}/coupon", "NEW30"),)


def test_an_operation_never_recorded_is_not_guessed(learned):
    situation = Situation("browser", Request(('click button "Burn it down" on "/admin"',)))
    assert learned.outcome(situation) is None


def test_rules_come_back_from_json(learned):
    text = json.dumps(learned.to_json())
    again = Programs.empty(DATA, sessions(60, 1))
    again.read(json.loads(text))
    assert again == learned
    assert json.dumps(again.to_json()) == text


def made_up(effects):
    return {
        "operations": {"x": {"choice": [], "effects": {"b": effects}, "twists": {}}},
        "bugs": {"families": [], "twists": {}},
        "clock": [],
    }


@pytest.mark.parametrize(
    "damaged",
    [[], {"x": 1}, {"operations": {"x": {"choice": 3, "effects": {}, "twists": {}}}}, made_up([[1]]),
     made_up([[["set", "a", ""], None, ["read", "a", "exec"], [], 1]])],
)  # fmt: skip
def test_made_up_rules_are_refused(damaged):
    with pytest.raises(ValueError, match="no "):
        Programs.empty({}, []).read(damaged)


# -- parts ---------------------------------------------------------------------------------------------


def test_relations_are_found():
    found = Relations.learn(DATA, [(("carts/ann@shop.test", {"coupon": "MAY10"}),)])
    assert found.links["variants", "product"] == ("products",)
    assert "products" in found.names
    attributes = found.attributes(DATA, "variants", "SKU01-1")
    assert attributes["product>products.price_cents"] == DATA["products"]["oak-chair"]["price_cents"]
    assert ("products", "tin-rug") in set(found.called(DATA, "Tin Rug"))


def test_small_counts_are_no_references():
    view = {"rows": {str(i): {"qty": 1 + i % 3} for i in range(9)}, "boxes": {"1": {}, "2": {}, "3": {}}}
    assert ("rows", "qty") not in Relations.learn(view).links


def test_names_are_masked():
    known = Known.learn(DATA)
    assert known.mask("Remove Oak Lamp, Moss: $10.00") == "Remove *, *: *"
    assert known.cut("Remove Oak Lamp, Moss")[1] == ("Oak Lamp", "Moss")
    assert known.address("/p/oak-lamp?notice=added&q=Oak+Lamp") == "/p/*?notice=added"
    request = Request(('click button "Remove" on "/cart?x=1"', 'in "Quantity of Tin Rug"'))
    assert operation(request, known) == operation(Request((request.lines[0], 'in "Quantity of Oak Lamp"')), known)
    typed = Request(('click button "Apply" on "/cart"', '"Code" = "HI99"'))
    assert branch(('@url "/cart"', 'alert "No code HI99."'), known, typed) == '/cart alert "No code *."'


def test_names_in_small_letters_are_names_behind_a_slash():
    members = {f"{name}@x.test": {"handle": name, "mood": "happy"} for name in ("ann", "bob", "eve", "kim", "lou")}
    groups = {name: {"title": name.title()} for name in ("hiking", "birds", "books", "trains", "bread")}
    known = Known.learn({"members": members, "groups": groups, "settings": {"cart": {"open": "yes"}}})
    assert known.address("/cart") == "/cart", "what is one of few is a setting"
    assert known.mask("Join g/hiking") == "Join g/*"
    assert known.cut("message to u/kim")[1] == ("kim",)
    assert known.address("/messages/kim/hiking") == "/messages/*/*"
    assert known.mask("hiking with kim is happy") == "hiking with kim is happy"
    assert known.address("/happy") == "/happy", "what two rows share names neither"


def test_a_name_may_be_a_sentence():
    long = "One name of a thing can be as long as the longest title that a person would ever write?"
    known = Known.learn({"posts": {"1": {"title": "Is it cheating?"}, "2": {"title": long[:60]}}})
    assert known.mask("Upvote “Is it cheating?”") == "Upvote “*”"
    assert known.mask(f"Upvote {long[:60]} now") == "Upvote * now"
    assert known.mask("Is it cheating") == "Is it cheating"


def test_a_scope_names_what_is_known():
    relations, known = Relations.learn(DATA), Known.learn(DATA)
    lines = (
        'click button "Add" on "/p/oak-lamp?sort=new"',
        'in "Oak Lamp"',
        '"Quantity" = "2"',
        '"Quantity of Tin Rug" = "5"',
        '"By post, 3 days" checked',
    )
    scope = open_scope(Request(lines), "bob@shop.test", ('row "Total | $12.50"', "x 3", "x 4"), DATA, relations, known)
    expected = {
        "url.1": "oak-lamp", "query.sort": "new", "field.Quantity": "2", "field.Quantity of *": "5",
        "choice.0#1": "3 days", "button": "Add",
        "group.0": "Oak Lamp", "login": "bob@shop.test", 'page row "Total | *" 0': "$12.50",
        "url.1>products.price_cents": 1000, "login>people.name": "Bob",
    }  # fmt: skip
    assert {name: scope.value(name) for name in expected} == expected
    assert not scope.knows("page x * 0"), "two lines read so"
    tool = open_scope(Request(("call refund", "amount = 3", 'order.id = "41"')), "", (), DATA, relations, known)
    assert tool.value("argument.amount") == 3
    assert tool.value("argument.order.id>orders.by") == "post"


words = st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | words
reads = st.builds(Read, words, st.sampled_from(sorted(READERS)))
expressions = st.recursive(
    st.builds(Const, scalars) | reads | st.builds(Fresh, words) | st.builds(Fresh, words, words)
    | st.builds(Clock, st.integers(-MOST_OFFSET, MOST_OFFSET), st.sampled_from(FORMS))
    | st.builds(Opaque, st.sampled_from(sorted(ALPHABETS)), st.integers(1, 64))
    | st.builds(Find, words, st.lists(st.tuples(words, reads), min_size=1, max_size=2).map(tuple)),
    lambda inner: st.builds(Number, inner) | st.builds(Combine, st.sampled_from("+-*"), inner, inner)
    | st.lists(inner, max_size=3).flatmap(
        lambda parts: st.lists(words, min_size=len(parts) + 1, max_size=len(parts) + 1).map(
            lambda literals: Text(tuple(literals), tuple(parts))))
    | st.builds(Switch, reads, st.lists(st.tuples(scalars, inner), max_size=3).map(tuple), st.none() | inner),
    max_leaves=6,
)  # fmt: skip


@given(expressions)
def test_expressions_come_back_from_json(expression):
    again = from_json(json.loads(json.dumps(to_json(expression))))
    assert again == expression
    assert json.dumps(to_json(again)) == json.dumps(to_json(expression))


@given(expressions, st.dictionaries(words, scalars | st.lists(words, max_size=2), max_size=4))
def test_any_expression_is_evaluated_or_unknown(expression, values):
    scope = Scope(values, DATA, Relations.learn(DATA))
    try:
        value = evaluate(expression, scope)
    except Unknown:
        return
    assert value is None or isinstance(value, str | int | list)


json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)


@given(json_values)
def test_made_up_files_never_crash_a_reader(data):
    for read in (from_json, Effects.from_json, Tree.from_json):
        with suppress(ValueError):
            read(data)


@given(st.lists(st.tuples(st.sampled_from(sorted(DATA["variants"])), st.integers(0, 20)), max_size=5))
def test_changes_are_grouped_without_loss(changes):
    new = after(DATA, {"variants": {sku: {"stock": stock} for sku, stock in changes}})
    delta = tuple(map(tuple, diff(DATA, new)))
    assert apply(DATA, delta) == new
    assert sum(len(items) for items in group(delta).values()) == len(delta)
