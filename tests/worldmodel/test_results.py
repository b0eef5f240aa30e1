"""What tools answer: a toy booking desk whose programs are found from its results, and what becomes of made-up ones."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.errors import EnvsimError
from envsim.rng import Rng
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Observation
from worldmodel.document import to_transition
from worldmodel.metrics import same_result
from worldmodel.results.calls import arguments_of, tool_of, value_of
from worldmodel.results.choice import Question, Tree, grow
from worldmodel.results.evaluate import evaluate
from worldmodel.results.explain import explain
from worldmodel.results.implied import Believed, Rows, rows_of
from worldmodel.results.programs import UNKNOWN, Results
from worldmodel.results.terms import Const, Read, Unknown, from_json, to_json
from worldmodel.results.view import View, arithmetic
from worldmodel.session import Sample, samples, tool_request

CABINS = ("economy", "business")


class Desk:
    """A booking desk: trips of guests, who pay with cards and vouchers. Refunds go to vouchers, unseen."""

    def __init__(self) -> None:
        rng = Rng(0, "desk")
        self.guests: dict[str, Any] = {}
        self.trips: dict[str, Any] = {}
        for number in range(90):
            guest = f"guest_{number:03d}"
            ways = {
                f"card_{number}": {"kind": "card", "digits": f"{1000 + number}"},
                f"voucher_{number}": {"kind": "voucher", "balance": round(5 + 90 * rng.uniform(), 2)},
            }
            self.guests[guest] = {"guest_id": guest, "name": {"first": f"N{number}"}, "ways": ways, "trips": []}
            for each in range(2):
                trip = f"T{number:02d}{each}"
                self.guests[guest]["trips"].append(trip)
                self.trips[trip] = {
                    "trip_id": trip,
                    "guest_id": guest,
                    "state": rng.choice(("open", "open", "flown")),
                    "bags": rng.integer(3),
                    "bag_fare": 5 * (1 + rng.integer(6)),
                    "legs": [
                        {"leg_id": f"L{trip}{n}", "cabin": CABINS[0], "fare": 10.5 + rng.integer(90)} for n in (0, 1)
                    ],
                    "payments": [{"way": rng.choice(sorted(ways)), "amount": round(20 + 80 * rng.uniform(), 2)}],
                    "reason": None,
                }

    def call(self, name: str, arguments: Mapping[str, Any]) -> Observation:
        try:
            return Observation(result=getattr(self, name)(**arguments))
        except (AttributeError, TypeError):
            return Observation(error=f"Tool {name} not found")
        except ValueError as refusal:
            return Observation(result=f"Error: {refusal}")

    def get_guest(self, guest_id: str) -> str:
        if guest_id not in self.guests:
            raise ValueError("there is no such guest")
        return json.dumps(self.guests[guest_id])

    def get_trip(self, trip_id: str) -> str:
        return json.dumps(self._trip(trip_id))

    def _trip(self, trip_id: str) -> Any:
        if trip_id not in self.trips:
            raise ValueError(f"trip {trip_id} not found")
        return self.trips[trip_id]

    def cancel_trip(self, trip_id: str, reason: str) -> str:
        trip = self._trip(trip_id)
        if trip["state"] != "open":
            raise ValueError(f"trip {trip_id} is not open")
        payment = trip["payments"][0]
        trip["payments"].append({"way": payment["way"], "amount": -payment["amount"]})
        way = self.guests[trip["guest_id"]]["ways"][payment["way"]]
        if "balance" in way:
            way["balance"] = round(way["balance"] + payment["amount"], 2)
        trip["state"], trip["reason"] = "cancelled", reason
        return json.dumps(trip)

    def add_bags(self, trip_id: str, bags: int, way: str) -> str:
        trip = self._trip(trip_id)
        ways = self.guests[trip["guest_id"]]["ways"]
        if way not in ways:
            raise ValueError("no such way to pay")
        price = trip["bag_fare"] * bags
        if ways[way].get("balance", math.inf) < price:
            raise ValueError("the voucher does not hold enough")
        trip["bags"] += bags
        trip["payments"].append({"way": way, "amount": price})
        return json.dumps({"text": f"{bags} bags added for ${price:.2f}", "trip": trip})

    def set_cabin(self, trip_id: str, leg_ids: list[str], cabin: str) -> str:
        trip = self._trip(trip_id)
        for leg in trip["legs"]:
            if leg["leg_id"] in leg_ids:
                leg["cabin"] = cabin
        return json.dumps(trip)


def calls(desk: Desk, guest: str, rng: Rng) -> Iterator[tuple[str, dict[str, Any]]]:
    """A session of one guest's."""
    yield "get_guest", {"guest_id": guest if rng.chance(0.9) else "guest_xyz1"}
    for trip in desk.guests[guest]["trips"]:
        yield "get_trip", {"trip_id": trip if rng.chance(0.9) else trip + "9"}
        legs = [leg["leg_id"] for leg in desk.trips[trip]["legs"]]
        if rng.chance(0.6):
            yield "set_cabin", {"trip_id": trip, "leg_ids": rng.sample(legs, 1 + rng.integer(2)), "cabin": CABINS[1]}
        if rng.chance(0.6):
            ways = [*sorted(desk.guests[guest]["ways"]), "card_of_none"]
            yield "add_bags", {"trip_id": trip, "bags": 1 + rng.integer(4), "way": rng.choice(ways)}
        if rng.chance(0.5):
            yield "cancel_trip", {"trip_id": trip, "reason": rng.choice(("ill", "late", "no reason given"))}
        if rng.chance(0.1):
            yield rng.choice(("cancel_trips", "get_trips", "book")), {"trip_id": trip}
        yield "get_trip", {"trip_id": trip}
        yield "get_guest", {"guest_id": guest}


def session(number: int) -> Trace:
    rng = Rng(7, "desk session", number)
    desk = Desk()
    guest = rng.choice(sorted(desk.guests))
    steps = [Step(index=0, observation=Observation())]
    for name, arguments in calls(desk, guest, rng):
        action = Action(kind="call", name=name, arguments=copy.deepcopy(arguments))
        steps.append(Step(index=len(steps), action=action, observation=desk.call(name, arguments)))
    header = Header(session=f"s{number}", app="desk", source="log", interface="tools", task=f"{guest}@{number}")
    return Trace(header, tuple(steps), None)


def recorded(numbers: range) -> list[Sample]:
    return [sample for number in numbers for sample in samples(session(number))]


@pytest.fixture(scope="module")
def learned() -> Results:
    return Results.learn(recorded(range(80)))


def right(results: Results, sample: Sample) -> bool:
    said = results.answer(sample.situation)
    if said is None or said.lines is None:
        return False
    guess, truth = (to_transition(lines, "tools").observation for lines in (said.lines, sample.target))
    return guess.error == truth.error and same_result(guess, truth)


def known(sample: Sample) -> bool:
    """Whether the session has looked up the trip and the guest."""
    seen = {arguments_of(key).get(name) for key, target in sample.situation.past
            if not isinstance(value_of(target), str) for name in ("trip_id", "guest_id")}  # fmt: skip
    asked = arguments_of(sample.situation.request.key)
    return any(str(text).startswith("guest") for text in seen) and {asked.get("trip_id"), asked.get("guest_id")} <= {
        *seen,
        None,
    }


def test_answers_about_rows_seen_are_computed_not_remembered(learned: Results) -> None:
    wanted = [sample for sample in recorded(range(1000, 1040)) if known(sample)]
    by_tool: dict[str, list[bool]] = {}
    for sample in wanted:
        by_tool.setdefault(tool_of(sample.situation.request.key), []).append(right(learned, sample))
    assert set(by_tool) >= {"get_guest", "get_trip", "cancel_trip", "add_bags", "set_cabin"}
    assert {name: sum(found) / len(found) for name, found in by_tool.items() if sum(found) < 0.95 * len(found)} == {}


def test_what_no_result_shows_is_learned_from_later_looks(learned: Results) -> None:
    (found,) = [effects for kind, effects in learned.effects.items() if kind[0] == "cancel_trip"]
    assert {effect.field for effect in found} == {"balance"}
    looks = [s for s in recorded(range(1000, 1060)) if s.situation.request.lines[0] == "call get_guest" and known(s)]
    after = [s for s in looks if any(tool_of(key) == "cancel_trip" for key, _ in s.situation.past)]
    assert len(after) > 20
    assert sum(right(learned, sample) for sample in after) >= 0.95 * len(after)


def test_what_was_never_seen_is_not_made_up(learned: Results) -> None:
    first = [s for s in recorded(range(1000, 1030)) if s.index == 1 and not isinstance(value_of(s.target), str)]
    assert first
    for sample in first:
        view = learned.view(sample.situation, sample.group.partition("@")[0])
        assert "arg.guest_id>guest" not in view
        said = learned.answer(sample.situation, sample.group)
        assert said is not None
        assert said.lines is None or not right(learned, sample) or said.sure < 0.5


def test_tools_there_are_not_are_answered_as_recorded(learned: Results) -> None:
    assert UNKNOWN in learned.programs
    asked = recorded(range(1000, 1001))[0].situation
    action = Action.call("fly_to_the_moon", trip_id="T010")
    said = learned.answer(type(asked)("tools", tool_request(action)))
    assert said is not None
    assert said.lines == ('@error "Tool fly_to_the_moon not found"',)


def test_programs_come_back_from_json(learned: Results) -> None:
    again = Results.empty(recorded(range(80)))
    again.read(json.loads(json.dumps(learned.to_json())))
    assert again.to_json() == learned.to_json()
    for sample in recorded(range(1000, 1003)):
        assert again.answer(sample.situation) == learned.answer(sample.situation)


def test_the_same_traffic_gives_the_same_programs() -> None:
    assert Results.learn(recorded(range(12))).to_json() == Results.learn(recorded(range(12))).to_json()


@pytest.mark.parametrize(
    "damaged",
    [[], {}, {"tools": 3, "effects": []}, {"tools": {"a": {}}, "effects": []},
     {"tools": {}, "effects": [["a", "b", [3]]]},
     {"tools": {"a": {"choice": [], "says": {"b": [["read", 3], 1.0]}}}, "effects": []},
     {"tools": {"a": {"choice": {"test": ["a", "runs", ""]}, "says": {}}}, "effects": []}],
)  # fmt: skip
def test_made_up_programs_are_refused(damaged: Any) -> None:
    with pytest.raises(ValueError, match="no "):
        Results.empty([]).read(damaged)


def test_the_latest_look_at_a_row_is_believed_and_excerpts_add_to_it() -> None:
    rows = Rows(Believed([]))
    first = tool_request(Action.call("get", id="A1")).key
    rows.take(first, ("- {", '  "x_id": "A1"', '  "size": 1', '  "name": "n"'))
    rows.take(first, ("- {", '  "x_id": "A1"', '  "size": 2'))
    assert rows.row("x", "A1") == {"x_id": "A1", "size": 2, "name": "n"}
    rows.take(first, ('raw "Error: gone"',))
    assert rows.row("x", "A1")["size"] == 2
    assert rows.row("x", "A2") is None


def test_rows_inside_results_are_found_by_their_first_id() -> None:
    key = tool_request(Action.call("get_user", user_id="u1")).key
    target = ("- {", '  "name": "U"', '  "trips": [', "    - {", '      "trip_id": "t1"', '      "to": "Oslo"')
    assert {(c, k) for c, k, _ in rows_of(key, target)} == {("user", "u1"), ("trip", "t1")}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,6}", fullmatch=True),
        st.text(max_size=8) | st.integers() | st.lists(st.text(max_size=4), max_size=3),
        max_size=4,
    )
)
@settings(deadline=None, max_examples=40)
def test_arguments_are_read_back_from_the_request(arguments: dict[str, Any]) -> None:
    assert arguments_of(tool_request(Action(kind="call", name="t", arguments=arguments)).key) == arguments


@given(values, st.dictionaries(st.text(max_size=4), values, max_size=4))
@settings(deadline=None)
def test_a_value_that_has_a_name_is_read_by_it(value: Any, others: dict[str, Any]) -> None:
    view = View({**others, "the value": value})
    term, share = explain([(view, value)] * 3)
    assert share == 1.0
    assert evaluate(from_json(json.loads(json.dumps(to_json(term)))), view) == value


@given(values)
@settings(deadline=None)
def test_made_up_expressions_are_refused(data: Any) -> None:
    try:
        term = from_json(data)
    except ValueError:
        return
    assert isinstance(term, Const | Read) or term is not None


def test_expressions_have_no_value_where_a_name_is_missing() -> None:
    with pytest.raises(Unknown):
        evaluate(Read("nobody"), View({}))


def test_a_tree_asks_what_tells_answers_apart() -> None:
    views = [View({"state": state, "n": n}) for state in ("open", "closed") for n in range(10)]
    labels = ["ok" if view.get("state") == "open" else "Error" for view in views]
    tree = grow(views, labels)
    assert tree.test is not None
    assert tree.test.name == "state"
    assert all(tree.decide(view)[0][0] == label for view, label in zip(views, labels, strict=True))
    assert Tree.from_json(json.loads(json.dumps(tree.to_json()))) == tree
    assert not Question("missing", "least", "n").holds(views[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 + 2 * 3", 7), ("(1.5 + 2) * 2", 7.0), ("10 / 4 - 1", 1.5), ("2.50", 2.5), ("-(3 - 5)", 2),
     ("1 / 0", None), ("2 ** 3", None), ("(1", None), ("1 2", None), ("", None), ("9" * 9, None)],
)  # fmt: skip
def test_sums_as_text(text: str, value: float | None) -> None:
    assert arithmetic(text) == value


def test_errors_are_of_the_one_tree() -> None:
    assert not issubclass(Unknown, EnvsimError)
