"""Bug fidelity on sessions written by hand: opportunities, rates, triggers, verdicts."""

import pytest

from envsim.fidelity.bugs import compare_bugs, operation, summary
from envsim.fidelity.one_step import StepScore
from envsim.page.lines import Line, assign_refs, format_lines
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Event, Observation

LINES = assign_refs([Line("button", "Pay 3 items"), Line("link", "Mug", url="/p/mug?ref=1"), Line("textbox", "Code")])
PAGE = Observation(url="/checkout/7", page=format_lines(LINES))
PAY = Action.call("click", bid=LINES[0].ref)
LOOK = Action.call("click", bid=LINES[1].ref)
BUGS = {"down": 0.2, "modal": 1.0, "stale": 1.0}


def session(*steps: tuple[Action, str], bugs: dict[str, float] = BUGS) -> Trace:
    rows = [Step(index=0, observation=PAGE)]
    for index, (action, bug) in enumerate(steps, start=1):
        events = (Event(kind="bug", id=bug),) if bug else ()
        rows.append(Step(index=index, action=action, observation=PAGE, events=events))
    header = Header(session="s", app="x", source="rollout", interface="browser", bugs=bugs)
    return Trace(header, tuple(rows), None)


def pays(fired: int, of: int, bug: str = "down") -> Trace:
    return session(*[(PAY, bug if i < fired else "") for i in range(of)])


def test_an_operation_says_what_is_done_without_whose():
    before = Step(index=0, observation=PAGE)
    assert operation(before, PAY) == 'press "Pay 0 items" at /checkout/*'
    assert operation(before, LOOK) == "open /p/*?ref"
    assert operation(before, Action.call("goto", url="/c/mugs?page=2&sort=x")) == "open /c/*?page&sort"
    assert operation(before, Action.call("fill", bid=LINES[2].ref, value="X")) == "fill"
    assert operation(before, Action.say("hello")) == "say"
    tools = Step(index=0, observation=Observation(result="{}"))
    assert operation(tools, Action.call("get_order", number="7")) == "tool get_order"


@pytest.mark.parametrize(
    ("reference", "candidate", "verdict"),
    [
        (pays(8, 40), pays(9, 40), "reproduced"),
        (pays(8, 40), pays(30, 40), "rate off"),
        (pays(20, 40), pays(0, 40), "missed"),
        (pays(1, 5), pays(0, 5), "too few"),
        (pays(8, 40), session(), "too few"),  # it never came to pay at all
        (pays(0, 40), pays(20, 40), "invented"),
        (pays(0, 40), pays(20, 40, "unheard-of"), "invented"),
    ],
)
def test_verdicts(reference, candidate, verdict):
    (row,) = compare_bugs([reference], [candidate])
    assert row.verdict == verdict


def test_rates_count_opportunities_in_each_world():
    real = session((PAY, "down"), (PAY, ""), (LOOK, ""), (LOOK, ""))
    sim = session((PAY, ""), (PAY, ""), (PAY, "down"), (LOOK, ""))
    (row,) = compare_bugs([real], [sim])
    assert (row.declared, row.reference.value, row.reference.n) == (0.2, 0.5, 2)
    assert (row.candidate.value, row.candidate.n) == (pytest.approx(1 / 3), 3)
    assert (row.precision.value, row.recall.value) == (1.0, 1.0)


def test_a_bug_that_fires_at_another_step_is_invented_there():
    real = session(*[(PAY, "down")] * 10, *[(LOOK, "")] * 30)
    sim = session(*[(PAY, "down")] * 10, *[(LOOK, "down")] * 20)
    (row,) = compare_bugs([real], [sim])
    assert row.verdict == "invented"
    assert row.precision.value == pytest.approx(10 / 30)
    assert row.recall.value == 1.0


def test_a_bug_that_always_fires_is_compared_step_by_step():
    def score(real: str, predicted: str) -> StepScore:
        return StepScore("s", 1, True, 1.0, True, True, 0, real=(real,), predicted=(predicted,))

    steps = [score("modal", "modal"), score("modal", ""), score("", "modal"), score("modal", "modal")]
    (row,) = compare_bugs([pays(3, 4, "modal")], [pays(3, 4, "modal")], steps)
    assert (row.precision.value, row.precision.n) == (pytest.approx(2 / 3), 3)
    assert (row.recall.value, row.recall.n) == (pytest.approx(2 / 3), 3)


def test_figures_over_all_bugs():
    real = [pays(8, 40), pays(20, 40, "stale"), pays(1, 2, "modal")]
    sim = [pays(8, 40), pays(0, 40, "stale"), pays(20, 40, "made-up")]
    found = summary(compare_bugs(real, sim))
    # "modal" fired once and never in the other world: with as many opportunities that tells nothing.
    assert (found["bugs_reproduced"].value, found["bugs_reproduced"].n) == (pytest.approx(1 / 3), 3)
    assert (found["bugs_missed"].value, found["bugs_invented"].value) == (1.0, 1.0)
    assert summary(())["bugs_invented"].n == 0
