"""What searches list has no id of its own: a toy ferry line, whose crossings are a ship and a day."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.rng import Rng
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Observation
from worldmodel.document import to_transition
from worldmodel.results.choice import grow
from worldmodel.results.evaluate import evaluate
from worldmodel.results.explain import explain
from worldmodel.results.programs import Results
from worldmodel.results.terms import Const
from worldmodel.results.told import Told, told_by
from worldmodel.results.view import View
from worldmodel.session import Sample, Situation, samples, tool_request

DECKS = ("inside", "outside")
DAYS = ("2031-03-01", "2031-03-02", "2031-03-03")


class Line:
    """A ferry line. Fares are told by searches alone; a changed ticket tells them again, a refused one the total."""

    def __init__(self) -> None:
        rng = Rng(0, "line")
        self.fares = {
            (f"S{ship}", day): {deck: 10 + rng.integer(90) for deck in DECKS} for ship in range(6) for day in DAYS
        }
        self.tickets = {
            f"K{number}": {
                "ticket_id": f"K{number}",
                "deck": rng.choice(DECKS),
                "people": [{"name": f"P{number}{each}"} for each in range(1 + rng.integer(3))],
                "legs": [self._leg(*rng.choice(sorted(self.fares)), rng.choice(DECKS))],
                "paid": [{"card": f"card_{number}", "sum": 20 + rng.integer(80)}],
            }
            for number in range(60)
        }

    def _leg(self, ship: str, day: str, deck: str) -> dict[str, Any]:
        return {"ship": ship, "day": day, "fare": self.fares[ship, day][deck]}

    def search(self, day: str) -> Any:
        return [{"ship": ship, "fares": fares} for (ship, on), fares in sorted(self.fares.items()) if on == day]

    def change(self, ticket_id: str, deck: str, legs: list[dict[str, str]], card: str) -> Any:
        ticket = self.tickets[ticket_id]
        made = []
        for leg in legs:
            old = [each for each in ticket["legs"] if {**each, **leg} == each and ticket["deck"] == deck]
            made.append({**leg, "fare": old[0]["fare"] if old else self.fares[leg["ship"], leg["day"]][deck]})
        people = len(ticket["people"])
        more = people * (sum(each["fare"] for each in made) - sum(each["fare"] for each in ticket["legs"]))
        ticket["legs"] = made
        if more:
            ticket["paid"].append({"card": card, "sum": more})
        return ticket

    def buy(self, legs: list[dict[str, str]], deck: str, pay: list[dict[str, int]]) -> Any:
        total = sum(self.fares[leg["ship"], leg["day"]][deck] for leg in legs)
        paid = sum(each["sum"] for each in pay)
        if paid != total:
            return f"Error: it costs {total}, not {paid}"
        return {"state": "sold", "legs": [self._leg(leg["ship"], leg["day"], deck) for leg in legs]}


def session(number: int) -> Trace:
    line, rng = Line(), Rng(1, "session", number)
    ticket = f"K{number}"
    days = [rng.choice(DAYS) for _ in range(1 + rng.integer(2))]
    legs = [{"ship": f"S{rng.integer(6)}", "day": day} for day in days]
    deck = rng.choice(DECKS)
    if number % 3 == 0:
        kept = line.tickets[ticket]
        deck, legs = kept["deck"], [{name: leg[name] for name in ("ship", "day")} for leg in kept["legs"]] + legs
    total = sum(line.fares[leg["ship"], leg["day"]][deck] for leg in legs)
    calls = [("show", {"ticket_id": ticket}), *(("search", {"day": leg["day"]}) for leg in legs)]
    calls.append(("buy", {"legs": legs, "deck": deck, "pay": [{"sum": total + 5 * (number % 2)}]}))
    calls.append(("change", {"ticket_id": ticket, "deck": deck, "legs": legs, "card": f"card_{number}"}))
    steps = [Step(index=0, observation=Observation())]
    for index, (name, asked) in enumerate(calls, 1):
        found = line.tickets[ticket] if name == "show" else getattr(line, name)(**copy.deepcopy(asked))
        text = found if isinstance(found, str) else json.dumps(found)
        steps.append(Step(index=index, action=Action.call(name, **asked), observation=Observation(result=text)))
    header = Header(session=f"s{number}", app="line", source="log", interface="tools", task=f"t{number}")
    return Trace(header, tuple(steps), None)


def recorded(numbers: range) -> list[Sample]:
    return [sample for number in numbers for sample in samples(session(number))]


TOLD = Told()
for _one in recorded(range(1)):
    TOLD.take(_one.situation.request.key, _one.target)


@pytest.fixture(scope="module")
def learned() -> Results:
    return Results.learn(recorded(range(36)))


@pytest.mark.parametrize("tool", ["change", "buy"])
def test_a_fare_that_a_search_told_is_put_into_the_answer_and_added_up(learned: Results, tool: str) -> None:
    asked = [sample for sample in recorded(range(36, 60)) if tool in sample.situation.request.lines[0]]
    right = 0
    for sample in asked:
        said = learned.answer(sample.situation)
        assert said is not None
        assert said.lines is not None, sample.situation.request.lines
        guess, real = (to_transition(lines, "tools").observation.result for lines in (said.lines, sample.target))
        right += (guess == real) if real.startswith("Error") else (json.loads(guess) == json.loads(real))
    assert len(asked) == 24
    assert right >= 23


def test_what_no_search_told_has_no_value() -> None:
    only = Results.learn([s for s in recorded(range(36)) if "call show" not in s.situation.request.lines[0]])
    key = tool_request(Action.call("buy", legs=[{"ship": "S9", "day": DAYS[0]}], deck="inside", pay=[{"sum": 12}]))
    said = only.answer(Situation("tools", key))
    assert said is None or said.lines is None or said.sure < 0.5


def test_a_thing_is_found_by_all_the_fields_that_are_given() -> None:
    told = Told()
    for sample in recorded(range(4)):
        told.take(sample.situation.request.key, sample.target, f"g{sample.session}")
    lines = (line for sample in recorded(range(4)) for line in sample.situation.request.lines)
    day = next(json.loads(line[6:]) for line in lines if line.startswith("day = "))
    found = told.find({"ship": "S3", "day": day})
    assert found is not None
    assert found["fares"] == Line().fares["S3", day]
    assert told.find({"ship": "S3", "day": "2040-01-01"}) is None
    assert told.find({"deck": "inside"}) is None  # which thing is meant, a word without a digit does not say


def test_what_a_group_of_sessions_saw_can_be_left_out() -> None:
    told, sample = Told(), recorded(range(1))[1]
    told.take(sample.situation.request.key, sample.target, "mine")
    (first, *_) = told_by(sample.situation.request.key, sample.target)
    wanted = {"ship": first["ship"], "day": first["day"]}
    assert told.find(wanted) == first
    assert told.find(wanted, "theirs") == first
    assert told.find(wanted, "mine") is None


@given(st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.integers(), st.text(max_size=4)), max_size=4))
def test_any_object_can_be_asked_about(wanted: dict[str, Any]) -> None:
    found = TOLD.find(wanted)
    assert found is None or all(found[name] == value for name, value in wanted.items() if name in found)


def test_what_one_task_alone_shows_is_no_rule() -> None:
    labels = ["yes" if group == 0 else "no" for group in range(6) for _ in range(3)]
    views = [
        View({"arg.city": "Rome" if group == 0 else "Oslo"}, group=f"g{group}") for group in range(6) for _ in "abc"
    ]
    assert grow(views, labels).test is None
    for view in views[3:6]:
        view.values["arg.city"] = "Rome"
    both = ["yes" if view.get("arg.city") == "Rome" else "no" for view in views]
    assert grow(views, both).test is not None


def test_a_figure_of_one_task_alone_is_no_constant() -> None:
    one = [(View({"arg.a": n}, group="g0"), 77) for n in range(4)]
    other = [(View({"arg.a": n}, group=f"g{n}"), n) for n in range(1, 4)]
    term, _ = explain([*one, *other])
    assert term != Const("77")
    everywhere = [(View({"arg.a": n}, group=f"g{n}"), 77) for n in range(4)]
    assert evaluate(explain(everywhere)[0], View({})) == 77


def test_a_list_grows_under_a_condition() -> None:
    views = [View({"row.paid": [1], "more": n, "no more": n == 0}, group=f"g{n}") for n in (0, 3, 0, 5, 7, 0, 9)]
    term, share = explain([(view, [1, view.get("more")] if view.get("more") else [1]) for view in views])
    assert share == 1.0
    assert evaluate(term, View({"row.paid": [4], "more": 0, "no more": True})) == [4]
    assert evaluate(term, View({"row.paid": [4], "more": 8, "no more": False})) == [4, 8]
