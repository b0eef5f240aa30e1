"""Refusals and the tests behind them, on a toy parcel office: few refusals of each kind, each of one or two tasks."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.rng import Rng
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Observation
from worldmodel.document import to_transition
from worldmodel.results.calls import arguments_of
from worldmodel.results.evaluate import evaluate
from worldmodel.results.explain import explain_wording
from worldmodel.results.guards import HOWS, LEAST_PASSED, Guard, Tried, guard_from_json, learn_guards
from worldmodel.results.programs import Results
from worldmodel.results.view import View
from worldmodel.session import Sample, samples

TODAY = "2031-03-05"


class Office:
    """Parcels go on routes at a price for each piece; the purse must be the client's and hold enough."""

    def __init__(self) -> None:
        rng = Rng(0, "office")
        self.clients = {
            f"C{n}": {
                "client_id": f"C{n}",
                "joined_at": f"2031-0{1 + n % 2}-1{n % 9}T08:00:00",
                "purses": {f"purse_{n}a": {"coins": 40 + rng.integer(40)}, f"stamp_{n}b": {"coins": 1}},
            }
            for n in range(24)
        }
        self.clients["C0"]["joined_at"] = self.clients["C1"]["joined_at"] = f"{TODAY}T09:30:00"

    def client(self, client_id: str) -> Any:
        return self.clients[client_id]

    def send(self, client_id: str, purse: str, price: int, legs: list[dict[str, str]]) -> Any:
        for leg in legs:
            if leg["day"] < TODAY:
                return f"Error: no ship {leg['ship']} on day {leg['day']}"
        purses = self.clients[client_id]["purses"]
        if purse not in purses:
            return "Error: purse not found"
        if purse.startswith("stamp"):
            return "Error: stamp cannot be spent"
        if purses[purse]["coins"] < price * len(legs):
            return "Error: purse holds too few coins"
        return {"sent": client_id, "coins": price * len(legs), "legs": legs}


Calls = list[tuple[str, dict[str, Any]]]


def _session(office: Office, task: str, asked: Calls) -> list[Sample]:
    steps = [Step(index=0, observation=Observation())]
    for index, (name, arguments) in enumerate(asked, 1):
        said = getattr(office, name)(**copy.deepcopy(arguments))
        text = said if isinstance(said, str) else json.dumps(said)
        action = Action.call(name, **arguments)
        steps.append(Step(index=index, action=action, observation=Observation(result=text)))
    header = Header(session=task, app="parcels", source="log", interface="tools", task=task)
    return samples(Trace(header, tuple(steps), None))


def _legs(*days: int, ship: str = "S") -> list[dict[str, str]]:
    return [{"ship": f"{ship}{at}{day}", "day": f"2031-03-{day:02d}"} for at, day in enumerate(days)]


def _send(n: int, price: int, legs: list[dict[str, str]], purse: str = "") -> Calls:
    call = {"client_id": f"C{n}", "purse": purse or f"purse_{n}a", "price": price, "legs": legs}
    return [("client", {"client_id": f"C{n}"}), ("send", call)]


@pytest.fixture(scope="module")
def learned() -> tuple[Office, Results]:
    """Of each refusal one task; of a day that is past a single call."""
    office = Office()
    asked = [(f"plain{n}", _send(n, 3 + n % 7, _legs(10 + n % 9, 11, 20)[: 1 + n % 3])) for n in range(2, 14)]
    asked += [("poor", [*_send(14, 90, _legs(12, 13)), *_send(14, 85, _legs(12))])]
    asked += [("stamp", _send(15, 1, _legs(9), "stamp_15b")), ("other", _send(16, 4, _legs(9), "purse_3a"))]
    asked += [("past", _send(17, 4, _legs(9, 2, 1)))]
    asked += [(f"new{n}", _send(n, 5, _legs(14))) for n in (0, 1)]
    asked += [(f"again{n}", [*_send(n, 90, _legs(12)), *_send(n, 90, _legs(12))]) for n in (18, 19, 18, 19)]
    return office, Results.learn([each for task, calls in asked for each in _session(office, task, calls)])


def _answer(office: Office, results: Results, asked: Calls) -> tuple[str, str]:
    sample = _session(office, "fresh", asked)[-1]
    written = results.answer(sample.situation)
    assert written is not None
    assert written.lines is not None
    guess, real = (to_transition(lines, "tools").observation.result for lines in (written.lines, sample.target))
    return guess, real


@pytest.mark.parametrize(
    "asked",
    [
        _send(20, 4, _legs(9, 4, 3)),
        _send(20, 4, _legs(1, ship="T")),
        _send(21, 4, _legs(9), "purse_2a"),
        _send(21, 1, _legs(9), "stamp_21b"),
        _send(22, 81, _legs(9)),
        _send(22, 45, _legs(9, 10)),
        _send(22, 4, _legs(1), "stamp_22b"),
    ],
)
def test_a_kind_of_refusal_that_one_task_met_is_known_elsewhere(learned: tuple[Office, Results], asked: Calls) -> None:
    guess, real = _answer(*learned, asked)
    assert real.startswith("Error")
    assert guess == real


def test_what_passes_every_test_is_not_refused(learned: tuple[Office, Results]) -> None:
    office, results = learned
    for n, price in ((20, 6), (21, 9), (22, 4)):
        guess, real = _answer(office, results, _send(n, price, _legs(9, 16)))
        assert json.loads(guess) == json.loads(real)


def test_the_guards_are_those_of_the_office_in_its_order(learned: tuple[Office, Results]) -> None:
    found = {guard.label.removeprefix("text Error: "): guard for guard in learned[1].programs["send"].guards}
    assert found["no ship * on day *"].how == "before"
    assert found["no ship * on day *"].over == "arg.legs"
    assert found["purse not found"].how == "lacks"
    assert (found["stamp cannot be spent"].how, found["stamp cannot be spent"].other) == ("is", '"stamp_"')
    assert (found["purse holds too few coins"].how, found["purse holds too few coins"].other) == ("less", "would.coins")


def test_guards_come_back_from_json(learned: tuple[Office, Results]) -> None:
    results = learned[1]
    again = Results(results.start, results.needs)
    again.read(json.loads(json.dumps(results.to_json())))
    assert again.again == results.again > 0.8
    assert again.programs["send"].guards == results.programs["send"].guards


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        ["a", "less", "b", "c"],
        ["a", "more", "b", "c", ""],
        ["a", "is", "b", 1, ""],
        ["a", "is", "b", "c", "", ["d"]],
    ],
)
def test_made_up_guards_are_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="no guard"):
        guard_from_json(data)


def _tried(number: int, values: dict[str, Any], refusal: str | None = None) -> Tried:
    return Tried(View(values, group=f"g{number}"), f"text {refusal}" if refusal else "object", refusal)


def test_a_test_is_not_believed_against_calls_that_went_well_or_what_the_refusal_speaks_of() -> None:
    refused = [_tried(9, {"arg.card": "x", "arg.card in arg.user>user.cards": False}, "Error: card not found")]
    passed = [_tried(n, {"arg.card": "x", "arg.card in arg.user>user.cards": True}) for n in range(5)]
    assert [guard.how for guard in learn_guards([*refused, *passed], ())] == ["lacks"]
    odd = [_tried(n, {"arg.card": "x", "arg.card in arg.user>user.cards": False}) for n in range(3)]
    assert learn_guards([*refused, *passed, *odd], ()) == ()
    other = [_tried(9, {"arg.card": "x", "arg.card in arg.user>user.cards": False}, "Error: closed on Sunday")]
    assert learn_guards([*other, *passed], ()) == ()  # one task alone, and the wording is of something else
    assert learn_guards(refused, ()) == ()  # nothing ever went well: what would tell it apart?


def test_of_one_task_any_two_figures_of_a_card_are_no_refusal_of_it() -> None:
    def call(number: int, points: int, bags: int, refusal: str | None = None) -> Tried:
        values = {"arg.card": "gift_1", "arg.card>card.points": points, "arg.bags": bags}
        return Tried(View(values, group=f"g{number}"), refusal or "object", refusal)

    passed = [call(n, 9, 1) for n in range(4)]
    assert learn_guards([*passed, call(7, 1, 2, "gift balance too small")], ()) == ()
    assert learn_guards([*passed, call(7, 1, 2, "gift has too few points")], ()) != ()


def test_what_a_refusal_does_not_name_is_not_what_it_is_for() -> None:
    def call(number: int, kind: str, refusal: str | None = None) -> Tried:
        values = {"arg.item>item.kind": kind}
        return Tried(View(values, group=f"g{number}"), refusal or "object", refusal)

    passed = [call(n, "parcel") for n in range(4)]
    assert learn_guards([*passed, call(7, "lamp", "Error: the item is too dear")], ()) == ()
    assert learn_guards([*passed, call(7, "lamp", "Error: a lamp is no item to send")], ()) != ()


def test_two_figures_may_differ_for_an_argument_that_nobody_has_used() -> None:
    def call(number: int, paid: int, refusal: str | None = None) -> Tried:
        values = {"arg.paid": paid, "sum(arg.legs~told.price)": 30, "arg.extras": 0, "arg.name": f"n{number}"}
        return Tried(View(values, group=f"g{number}"), "price is *, paid *" if refusal else "object", refusal)

    passed = [call(n, 30) for n in range(4)]
    (guard,) = learn_guards(
        [*passed, call(8, 20, "Error: price is 30, paid 20"), call(9, 25, "Error: price is 30, paid 25")], ()
    )
    assert guard.usual == (("arg.extras", "0"),)
    assert {guard.told(call(8, 20).view).get(f"culprit.{which}") for which in ("one", "two")} == {20, 30}
    assert guard_from_json(json.loads(json.dumps(guard.to_json()))) == guard
    assert guard.holds(call(5, 29).view) is True
    assert guard.holds(call(5, 40).view.with_names({"arg.extras": 2})) is None


def test_what_is_not_known_is_neither_refused_nor_let_pass() -> None:
    guard = Guard("e", "less", "each(arg.legs~told.seats)", "arg.people", "arg.legs")
    legs = [{"n": "A1"}, {"n": "B2"}]
    known = View({"arg.legs": legs, "arg.people": 2, "arg.legs~told.seats": [3, 1]})
    assert guard.look(known) == (True, 1)
    assert guard.told(known).get("culprit.n") == "B2"
    assert guard.holds(View({"arg.legs": legs, "arg.people": 2, "arg.legs~told.seats": [3, None]})) is None
    assert guard.holds(View({"arg.legs": legs, "arg.people": 2, "arg.legs~told.seats": [3, 2]})) is False
    assert guard.holds(View({"arg.people": 2})) is None


NUMBERS = st.integers(-9, 9) | st.sampled_from([2.5, -0.0, math.nan, math.inf, -math.inf, 10**99])
TEXTS = st.text("ab1-", max_size=10) | st.sampled_from([f"{TODAY}T00:00:00", "2031-01-01", "Zoë_1", ""])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "x_1"]), inner),
    max_leaves=6,
)


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "l", "x(l)"]), JSON), st.sampled_from(HOWS), st.sampled_from(["", "l"])
)
def test_any_call_can_be_looked_at(values: dict[str, Any], how: str, over: str) -> None:
    guard = Guard("e", how, "a", "b", over)
    assert guard.holds(View(values)) in (True, False, None)
    assert isinstance(guard.told(View(values)), View)


NAMED = ("arg.a", "arg.l", "arg.l>row.a", "len(arg.l)", "arg.a in arg.l>row.a", "now", "each(arg.l)")


@settings(max_examples=40)
@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(NAMED), JSON), st.booleans()), max_size=8))
def test_guards_are_true_of_every_refusal_they_are_learned_from(calls: list[tuple[dict[str, Any], bool]]) -> None:
    calls = [({**values, "now": TODAY}, refused) for values, refused in calls]  # it is a stamp wherever it is known
    tried = [_tried(n, values, "Error: a b row 1" if refused else None) for n, (values, refused) in enumerate(calls)]
    for guard in learn_guards(tried, ()):
        assert guard_from_json(json.loads(json.dumps(guard.to_json()))) == guard
        held = [guard.holds(call.view) for call in tried if call.refusal]
        assert False not in held
        assert [guard.holds(call.view) for call in tried if call.refusal is None].count(False) >= LEAST_PASSED
        assert all(isinstance(guard.told(call.view), View) for call in tried)


@settings(max_examples=50)
@given(JSON | st.lists(TEXTS | st.sampled_from(HOWS) | st.lists(TEXTS, max_size=3), max_size=8))
def test_whatever_a_file_has_is_a_guard_or_is_refused(data: Any) -> None:
    try:
        guard = guard_from_json(data)
    except ValueError:
        return
    assert guard.to_json() == data
    assert guard.how in HOWS


def test_numbers_beyond_all_bounds_are_numbers() -> None:
    """A result may hold a whole number that no float can be compared with, or hundreds of digits in a text."""
    office = Office()
    asked = [call for n in range(2, 8) for call in _send(n, 3, _legs(9 + n))]
    found = _session(office, "plain", asked)
    office.clients["C9"]["purses"]["purse_9a"]["coins"] = 10**400
    office.clients["C10"]["note"] = "7" * 400
    for n in (9, 10):
        found += _session(office, f"odd{n}", [*_send(n, 10**300, _legs(9, 10)), *_send(n, 3, _legs(9))])
    results = Results.learn(found)
    assert all(results.answer(sample.situation) is not None for sample in found if sample.index)
    assert arguments_of("call f\na = " + "9" * 101 + "\nb = -" + "9" * 101 + "\nc = 7") == {
        "a": math.inf, "b": -math.inf, "c": 7,
    }  # fmt: skip


def test_a_refusal_met_once_speaks_of_the_next_call() -> None:
    seen = View({"culprit.n": "A1", "arg.day": "2031-03-02"})
    term, share = explain_wording([(seen, "Error: A1 is full on 2031-03-02")])
    assert share == 1.0
    assert evaluate(term, View({"culprit.n": "C7", "arg.day": "2031-03-09"})) == "Error: C7 is full on 2031-03-09"


def test_what_was_refused_is_refused_again_though_nobody_knows_why() -> None:
    office = Office()
    strange = [
        ("send", {"client_id": f"C{n}", "purse": "purse_2a", "price": 1, "legs": _legs(9)}) for n in (3, 4, 5, 6)
    ]
    found = [each for n, call in enumerate(strange) for each in _session(office, f"t{n}", [call, call])]
    found += [each for n in range(7, 12) for each in _session(office, f"u{n}", _send(n, 2, _legs(9)))]
    results = Results.learn(found)
    sample = _session(office, "new", [*_send(20, 99, _legs(9, 10)), *_send(20, 99, _legs(9, 10))])[-1]
    written = results.answer(sample.situation)
    assert written is not None
    assert written.lines is not None
    assert to_transition(written.lines, "tools").observation.result == "Error: purse holds too few coins"
