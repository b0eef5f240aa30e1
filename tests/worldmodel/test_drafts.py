"""Drafts: what code alone makes of a neighbour's step, on pages and on tool results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from envsim.state import diff
from envsim.trace import Header, Step, Trace, TraceReader
from envsim.types import Action, Observation
from worldmodel import dataset
from worldmodel.document import result_text, to_transition
from worldmodel.examples import choose_draft, with_events
from worldmodel.merge import carry_over
from worldmodel.render import Lexicon
from worldmodel.retrieval import Memory
from worldmodel.rules.programs import Outcome, Programs
from worldmodel.session import Situation, samples
from worldmodel.train import learn_vocabulary


def test_a_merge_keeps_our_frame_and_takes_their_step() -> None:
    base = ("banner", "  Ada", "main", "  product A", "footer")
    theirs = ("banner", "  Ada", "main", "  saved!", "  product A", "footer")
    ours = ("banner", "  Bob", "  admin", "main", "  product B", "footer")
    merged = carry_over(base, ours, theirs, lambda lines: lines)
    assert merged == ("banner", "  Bob", "  admin", "main", "  saved!", "  product B", "footer")


def test_a_merge_with_itself_changes_nothing() -> None:
    page = ("a", "b", "c")
    assert carry_over(page, page, ("a", "x", "c"), lambda lines: lines) == ("a", "x", "c")


def test_drafts_beat_the_neighbour_they_come_from(tiny_traces: Path, tiny_held_out: Path, tmp_path: Path) -> None:
    _, memory = learn_vocabulary(dataset.build(tiny_traces, tmp_path))
    draft = near = total = 0
    for trace in TraceReader(tiny_held_out):
        for sample in samples(trace):
            total += 1
            draft += choose_draft(sample.situation, memory).lines == sample.target
            near += memory.nearest(sample.situation)[0].sample.target == sample.target
    assert draft >= near
    assert draft > 0.6 * total


def order(number: str, status: str, total: int) -> dict[str, object]:
    return {"id": number, "customer": f"c-{number}", "status": status, "total_cents": total, "lines": [{"sku": "a1"}]}


def tools_trace(name: str, number: str, total: int, cancel: bool) -> Trace:
    steps = [Step(index=0, observation=Observation())]
    state = {"orders": {number: {"status": "paid"}}}
    calls = [("get_order", order(number, "paid", total), ())]
    if cancel:
        after = {"orders": {number: {"status": "cancelled"}}}
        delta = tuple(tuple(change) for change in diff(state, after))
        calls.append(("cancel_order", order(number, "cancelled", total), delta))
    for tool, result, delta in calls:
        action = Action.call(tool, order_id=number)
        observation = Observation(result=json.dumps(result))
        steps.append(Step(index=len(steps), action=action, observation=observation, delta=delta))
    return Trace(Header(session=name, app="t", source="test", interface="tools", task=name), tuple(steps), None, state)


def test_a_result_is_drafted_from_what_the_session_saw_of_the_entity() -> None:
    recorded = [s for n in range(4) for s in samples(tools_trace(f"s{n}", f"R{n}17", 1000 + n, True))]
    lexicon = Lexicon.build((s.session, (*s.situation.request.lines, *s.target)) for s in recorded)
    memory = Memory(recorded, lexicon)
    cancel = samples(tools_trace("new", "R917", 77_745, True))[-1]
    draft = choose_draft(cancel.situation, memory)
    assert draft.source == "past"
    assert json.loads(result_text(draft.lines)) == order("R917", "paid", 77_745)
    assert to_transition(draft.lines, "tools").delta == (("orders/R917/status", "cancelled"),)


def test_a_draft_is_for_the_outcome_that_was_drawn(tiny_traces: Path, tmp_path: Path) -> None:
    """One that comes two times in ten is drafted for two points in ten; in training, for what really happened."""
    _, memory = learn_vocabulary(dataset.build(tiny_traces, tmp_path))
    sample = next(sample for sample in memory.samples if sample.index > 0)
    assert memory.rules is not None
    usual = memory.rules.outcome(sample.situation)
    assert usual is not None
    rare = Outcome(usual.branch, (("cart/made-up", 1),), 0.2, 0.2, ("bug:rare",))

    class Two(Programs):
        def outcomes(self, situation: Situation) -> tuple[Outcome, ...]:
            del situation
            return (replace(usual, p=0.8), rare)

    both = Memory(memory.samples, memory.lexicon, Two(memory.rules.relations, memory.rules.known))
    drawn = [choose_draft(sample.situation, both, point=at / 10) for at in range(10)]
    assert [draft.label for draft in drawn] == ["ok"] * 8 + ["bug:rare"] * 2
    assert drawn[9].lines[0] == '! "cart/made-up" = 1'
    assert with_events(drawn[9])[:2] == ('! "cart/made-up" = 1', '@event "bug:rare"')
    happened = replace(sample, target=('@event "bug:rare"', *sample.target))
    assert choose_draft(sample.situation, both, told=happened).outcome == rare
    assert choose_draft(sample.situation, both, told=sample).label == "ok"
    assert choose_draft(sample.situation, both).label == "ok"
