"""Agents that call tau2's retail and telecom tools for one customer: valid by script, spoiled by noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from envsim.rng import Rng
from envsim.state import StateView

Call = tuple[str, dict[str, Any]]
ADDRESS = ("address1", "address2", "city", "state", "country", "zip")


class Calls(ABC):
    """One session. `state` is what the tools would show: agents look arguments up in it."""

    def __init__(self, state: StateView, customer: str, rng: Rng) -> None:
        self.state = state
        self.customer = customer
        self.rng = rng

    @abstractmethod
    def found(self) -> Iterator[Call]:
        """How the customer is found."""

    @abstractmethod
    def make(self, name: str) -> Iterator[Call]:
        """A call of a tool with arguments that are valid now, after what it needs looked up; or nothing."""

    @abstractmethod
    def spoiled(self, call: Call) -> Call:
        """A call with something wrong about it."""

    @property
    @abstractmethod
    def extra(self) -> tuple[str, ...]:
        """Tools that gold lists seldom use."""

    def session(self, gold: Iterable[str], noise: float) -> Iterator[Call]:
        """The whole session."""
        names = [name for name in gold if not name.startswith("find_user")][:8]
        names += [self.rng.choice(self.extra) for _ in range(2 + self.rng.integer(4))]
        seen: list[Call] = []
        for call in self._plan(names, skip=noise > 0 and self.rng.chance(0.2)):
            if noise and self.rng.chance(noise):
                kind = self.rng.integer(4)
                if kind == 0 and seen:
                    yield seen[self.rng.integer(len(seen))]
                if kind == 1:
                    yield call
                    seen.append(call)
                made = self.spoiled(call) if kind != 1 else call
            else:
                made = call
            yield made
            seen.append(made)

    def _plan(self, names: Iterable[str], skip: bool) -> Iterator[Call]:
        known: set[str] = set()
        for call in [] if skip else list(self.found()):
            known.add(repr(call))
            yield call
        for name in names:
            for call in self.make(name):
                look_up = call[0].startswith(("get_", "list_", "find_")) and call[0] != name
                # What was looked up already is not looked up again; a hasty agent looks nothing up.
                if look_up and (repr(call) in known or skip):
                    continue
                known.add(repr(call))
                yield call

    def pick(self, options: Iterable[Any]) -> Any:
        """One of the options, None if there are none."""
        found = list(options)
        return self.rng.choice(found) if found else None

    def typo(self, text: str) -> str:
        """An id with one digit changed."""
        places = [i for i, c in enumerate(text) if c.isdigit()]
        if not places:
            return text + "1"
        at = self.rng.choice(places)
        return text[:at] + str((int(text[at]) + 1 + self.rng.integer(9)) % 10) + text[at + 1 :]


class RetailAgent(Calls):
    """Retail: users, orders, products."""

    extra = (
        "get_order_details", "modify_pending_order_payment", "cancel_pending_order", "modify_pending_order_address",
        "exchange_delivered_order_items", "return_delivered_order_items", "modify_pending_order_items",
        "get_product_details", "get_user_details", "list_all_product_types", "calculate",
    )  # fmt: skip

    @property
    def user(self) -> dict[str, Any]:
        """The customer's row."""
        return dict(self.state["users"][self.customer])

    def order(self, *states: str) -> Any:
        """One of the customer's orders in one of these states, or in any."""
        orders = [self.state["orders"][each] for each in self.user["orders"]]
        return self.pick(order for order in orders if not states or order["status"] in states)

    def found(self) -> Iterator[Call]:
        """See `Calls.found`."""
        user = self.user
        if self.rng.chance(0.5):
            yield "find_user_id_by_email", {"email": user["email"]}
        else:
            yield "find_user_id_by_name_zip", {**user["name"], "zip": user["address"]["zip"]}
        yield "get_user_details", {"user_id": self.customer}

    def make(self, name: str) -> Iterator[Call]:
        """See `Calls.make`."""
        match name:
            case "get_user_details":
                yield name, {"user_id": self.customer}
            case "list_all_product_types" | "transfer_to_human_agents":
                yield name, {} if name.startswith("list") else {"summary": "The customer asks for something else."}
            case "calculate":
                if order := self.order():
                    yield name, {"expression": " + ".join(str(item["price"]) for item in order["items"])}
            case "get_order_details" | "get_product_details":
                if order := self.order():
                    yield "get_order_details", {"order_id": order["order_id"]}
                    if name == "get_product_details":
                        yield name, {"product_id": self.pick(order["items"])["product_id"]}
            case "modify_user_address":
                yield name, {"user_id": self.customer, **self._address()}
            case _:
                yield from self._write(name)

    def _write(self, name: str) -> Iterator[Call]:
        delivered = name.startswith(("exchange", "return"))
        order = self.order("delivered") if delivered else self.order("pending")
        if order is None:
            return
        key = {"order_id": order["order_id"]}
        yield "get_order_details", key
        match name:
            case "cancel_pending_order":
                yield name, {**key, "reason": self.rng.choice(("no longer needed", "ordered by mistake"))}
            case "modify_pending_order_address":
                yield name, {**key, **self._address()}
            case "modify_pending_order_payment":
                used = order["payment_history"][0]["payment_method_id"]
                if other := self.pick(each for each in self.user["payment_methods"] if each != used):
                    yield name, {**key, "payment_method_id": other}
            case "return_delivered_order_items":
                items = self._some(order)
                cards = [each for each in self.user["payment_methods"] if each.startswith("gift")]
                way = self.rng.choice([order["payment_history"][0]["payment_method_id"], *cards])
                yield name, {**key, "item_ids": [item["item_id"] for item in items], "payment_method_id": way}
            case _:
                yield from self._swap(name, order)

    def _swap(self, name: str, order: dict[str, Any]) -> Iterator[Call]:
        old, new = [], []
        for item in self._some(order):
            yield "get_product_details", {"product_id": item["product_id"]}
            variants = self.state["products"][item["product_id"]]["variants"].values()
            other = self.pick(v["item_id"] for v in variants if v["available"] and v["item_id"] != item["item_id"])
            if other is not None and item["item_id"] not in old:
                old.append(item["item_id"])
                new.append(other)
        way = self.pick(self.user["payment_methods"])
        if old:
            yield name, {"order_id": order["order_id"], "item_ids": old, "new_item_ids": new, "payment_method_id": way}

    def _some(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        return self.rng.sample(order["items"], 1 + self.rng.integer(2))

    def _address(self) -> dict[str, Any]:
        other = self.state["users"][self.rng.choice(sorted(self.state["users"]))]["address"]
        return {field: other[field] for field in ADDRESS}

    def spoiled(self, call: Call) -> Call:
        """See `Calls.spoiled`."""
        name, arguments = call
        arguments = dict(arguments)
        kind = self.rng.integer(8)
        if kind == 0 and arguments:
            arguments.pop(self.rng.choice(sorted(arguments)))
            return name, arguments
        if kind == 1:
            return "get_" + name, arguments
        if "payment_method_id" in arguments and kind < 5:
            stranger = self.state["users"][self.rng.choice(sorted(self.state["users"]))]
            used = self.state["orders"][arguments["order_id"]]["payment_history"][0]["payment_method_id"]
            ways = [*self.user["payment_methods"], *stranger["payment_methods"], used]
            return name, arguments | {"payment_method_id": self.rng.choice(ways)}
        if "item_ids" in arguments and kind < 7:
            return name, arguments | self._wrong_items(arguments)
        if "order_id" in arguments and kind < 7 and (order := self.order()):
            # Whatever state it is in.
            return name, arguments | {"order_id": order["order_id"]}
        if "reason" in arguments and self.rng.chance(0.5):
            return name, arguments | {"reason": "changed my mind"}
        return self._wrong_id(name, arguments)

    def _wrong_items(self, arguments: dict[str, Any]) -> dict[str, Any]:
        old, new = list(arguments["item_ids"]), list(arguments.get("new_item_ids", ()))
        match self.rng.integer(4):
            case 0:
                old[0] = self.typo(old[0])
            case 1 if new:
                new[0] = old[0]
            case 2 if new:
                products = self.state["products"]
                variants = products[self.rng.choice(sorted(products))]["variants"]
                new[0] = self.rng.choice(sorted(variants))
            case _:
                old = [*old, old[0]]
        return {"item_ids": old} | ({"new_item_ids": new} if new else {})

    def _wrong_id(self, name: str, arguments: dict[str, Any]) -> Call:
        keys = [key for key in ("order_id", "user_id", "product_id", "email", "zip") if key in arguments]
        if not keys:
            return "get_user_details", {"user_id": self.typo(self.customer)}
        key = self.rng.choice(keys)
        return name, arguments | {key: self.typo(str(arguments[key]))}


class TelecomAgent(Calls):
    """Telecom: customers, lines, devices, plans, bills."""

    extra = ("get_data_usage", "refuel_data", "enable_roaming", "disable_roaming", "suspend_line", "resume_line",
             "send_payment_request", "get_bills_for_customer", "get_details_by_id")  # fmt: skip

    @property
    def row(self) -> dict[str, Any]:
        """The customer's row."""
        return dict(self.state["customers"][self.customer])

    def found(self) -> Iterator[Call]:
        """See `Calls.found`."""
        row = self.row
        match self.rng.integer(3):
            case 0:
                yield "get_customer_by_phone", {"phone_number": row["phone_number"]}
            case 1:
                yield "get_customer_by_name", {"full_name": row["full_name"], "dob": row["date_of_birth"]}
            case _:
                yield "get_customer_by_id", {"customer_id": self.customer}
        for line in row["line_ids"]:
            yield "get_details_by_id", {"id": line}

    def make(self, name: str) -> Iterator[Call]:
        """See `Calls.make`."""
        row, who = self.row, {"customer_id": self.customer}
        lines = [self.state["lines"][each] for each in row["line_ids"]]
        match name:
            case "transfer_to_human_agents":
                yield name, {"summary": "The customer asks for something else."}
            case "get_bills_for_customer":
                yield name, who | ({"limit": 1 + self.rng.integer(4)} if self.rng.chance(0.5) else {})
            case "get_details_by_id":
                every = [*row["line_ids"], *row["bill_ids"], self.customer]
                every += [line[key] for line in lines for key in ("plan_id", "device_id")]
                yield name, {"id": self.rng.choice(every)}
            case "send_payment_request":
                if bill := self.pick(row["bill_ids"]):
                    yield "get_bills_for_customer", who
                    yield name, who | {"bill_id": bill}
            case _:
                wanted = {"suspend_line": "Active", "resume_line": "Suspended"}.get(name)
                if line := self.pick(line for line in lines if wanted in (None, line["status"])):
                    yield from self._on_line(name, line, who)

    def _on_line(self, name: str, line: dict[str, Any], who: dict[str, Any]) -> Iterator[Call]:
        yield "get_details_by_id", {"id": line["line_id"]}
        if name in ("refuel_data", "get_data_usage"):
            yield "get_details_by_id", {"id": line["plan_id"]}
        more: dict[str, dict[str, Any]] = {
            "suspend_line": {"reason": "The customer travels."},
            "refuel_data": {"gb_amount": 0.5 * (1 + self.rng.integer(6))},
        }
        yield name, {**who, "line_id": line["line_id"], **more.get(name, {})}

    def spoiled(self, call: Call) -> Call:
        """See `Calls.spoiled`."""
        name, arguments = call
        arguments = dict(arguments)
        kind = self.rng.integer(8)
        if kind == 0 and arguments:
            arguments.pop(self.rng.choice(sorted(arguments)))
            return name, arguments
        if kind == 1:
            return "get_" + name, arguments
        if "gb_amount" in arguments and kind == 2:
            return name, arguments | {"gb_amount": -1.0}
        if "line_id" in arguments and kind < 6 and (line := self.pick(self.row["line_ids"])):
            # Whatever state it is in.
            return name, arguments | {"line_id": line}
        if "customer_id" in arguments and kind < 7:
            return name, arguments | {"customer_id": self.rng.choice(sorted(self.state["customers"]))}
        ids = (key for key, value in arguments.items() if isinstance(value, str) and key not in ("reason", "summary"))
        keys = sorted(ids)
        if not keys:
            return "get_customer_by_id", {"customer_id": self.typo(self.customer)}
        key = self.rng.choice(keys)
        return name, arguments | {key: self.typo(arguments[key])}
