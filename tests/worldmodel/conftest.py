"""A tiny shop as pure functions, and sessions recorded in it: what the model is tested on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from envsim.page.lines import Line, assign_refs, format_lines, parse_lines
from envsim.rng import Rng
from envsim.state import diff
from envsim.trace import Header, Step, TraceWriter
from envsim.types import Action, Observation, Outcome
from worldmodel.train import Args, train

NOUNS = ("kettle", "pan", "lamp", "chair", "clock", "mug", "rug", "vase")
KINDS = ("copper", "steel", "oak", "linen", "glass", "stone")
PRODUCTS = {
    f"{kind}-{noun}": (f"{kind.title()} {noun}", 10 + 7 * i + 3 * j)
    for i, kind in enumerate(KINDS)
    for j, noun in enumerate(NOUNS)
}


@dataclass
class TinyShop:
    """Home, categories, products and a cart."""

    cart: dict[str, int] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        return {
            "products": {slug: {"name": name, "price": price} for slug, (name, price) in PRODUCTS.items()},
            "carts": {"me": dict(self.cart)},
        }

    def page(self, url: str) -> Observation:
        title, main = self._main(url)
        header = [
            Line("banner"),
            Line("link", "Home", 1, url="/"),
            Line("link", f"Cart ({sum(self.cart.values())})", 1, url="/cart"),
            Line("main"),
        ]
        return Observation(url=url, title=title, page=format_lines(assign_refs([*header, *main, Line("contentinfo")])))

    def _main(self, url: str) -> tuple[str, list[Line]]:
        if url.startswith("/c/"):
            kind = url[3:]
            lines = [Line("heading", kind.title(), 1, states={"level": "1"})]
            for slug, (name, price) in PRODUCTS.items():
                if slug.startswith(kind):
                    lines += [Line("link", name, 1, url=f"/p/{slug}"), Line("text", f"${price}.00", 1)]
            return kind.title(), lines
        if url.startswith("/p/") and url[3:] in PRODUCTS:
            name, price = PRODUCTS[url[3:]]
            return name, [
                Line("heading", name, 1, states={"level": "1"}),
                Line("text", f"${price}.00", 1),
                Line("form", "Add to cart", 1),
                Line("combobox", "Quantity", 2, value="1", states={"options": "1 | 2 | 3"}),
                Line("button", "Add to cart", 2),
            ]
        if url == "/cart":
            lines = [Line("heading", "Your cart", 1, states={"level": "1"})]
            for slug, quantity in self.cart.items():
                name, price = PRODUCTS[slug]
                lines += [
                    Line("link", name, 1, url=f"/p/{slug}"),
                    Line("text", f"{quantity} x ${price}.00", 1),
                    Line("button", f"Remove {name}", 1),
                ]
            return "Your cart", lines or [Line("text", "Your cart is empty.", 1)]
        kinds = [Line("link", kind.title(), 1, url=f"/c/{kind}") for kind in KINDS]
        return "Home", [Line("heading", "Welcome", 1, states={"level": "1"}), *kinds]


def record(root: Path, count: int, seed: int = 0, steps: int = 8) -> Path:
    """`count` sessions of a wandering shopper."""
    for number in range(count):
        rng = Rng(seed, "tiny-shop", number)
        shop = TinyShop()
        header = Header(
            session=f"s{seed}-{number}",
            app="tiny",
            source="test",
            interface="browser",
            task=f"t{number % 12}@{number}",
            meta={"start": {"url": "/", "login": None, "setup": []}},
        )
        writer = TraceWriter(root, header, state=shop.state())
        observation = shop.page("/")
        writer.write(Step(index=0, observation=observation))
        quantity = "1"
        for index in range(1, steps + 1):
            before = shop.state()
            action, observation, quantity = _wander(shop, observation, quantity, rng)
            delta = tuple(tuple(change) for change in diff(before, shop.state()))
            writer.write(Step(index=index, action=action, observation=observation, delta=delta))
        writer.finish(Outcome(kind="policy", reward=0.0))
    return root


def _wander(shop: TinyShop, shown: Observation, quantity: str, rng: Rng) -> tuple[Action, Observation, str]:
    lines = parse_lines(shown.page)
    button = next((line for line in lines if line.role == "button"), None)
    choice = next((line for line in lines if line.role == "combobox"), None)
    if button is not None and button.name == "Add to cart":
        if choice is not None and rng.chance(0.4):
            wanted = rng.choice(["1", "2", "3"])
            new = [_chosen(line, wanted) if line is choice else _unfocused(line) for line in lines]
            page = format_lines(new)
            action = Action.call("select_option", bid=choice.ref, options=wanted)
            return action, shown.model_copy(update={"page": page}), wanted
        if rng.chance(0.7):
            slug = shown.url[3:]
            shop.cart[slug] = shop.cart.get(slug, 0) + int((choice.value if choice else None) or 1)
            return Action.call("click", bid=button.ref), shop.page("/cart"), "1"
    if button is not None and button.name.startswith("Remove") and rng.chance(0.4):
        shop.cart.pop(next(iter(shop.cart)))
        return Action.call("click", bid=button.ref), shop.page("/cart"), "1"
    link = rng.choice([line for line in lines if line.role == "link"])
    return Action.call("click", bid=link.ref), shop.page(link.url), "1"


def _chosen(line: Line, value: str) -> Line:
    return replace(line, value=value, states={**line.states, "focused": ""})


def _unfocused(line: Line) -> Line:
    return replace(line, states={key: text for key, text in line.states.items() if key != "focused"})


@pytest.fixture(scope="session")
def tiny_traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("tiny") / "traces", 30)


@pytest.fixture(scope="session")
def tiny_held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("tiny") / "held_out", 10, seed=1)


@pytest.fixture(scope="session")
def tiny_model(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the tiny shop that was hardly trained: for what does not depend on how good it is."""
    out = tmp_path_factory.mktemp("tiny") / "model"
    return train(Args(tiny_traces, out, epochs=1, width=32, layers=1, heads=2, batch_tokens=2048, device="cpu"))
