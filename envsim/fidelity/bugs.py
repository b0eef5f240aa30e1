"""Bug fidelity: whether each bug fires in the other world, where it should and as often as it should.

Nothing says where a bug could have fired and did not. So its *opportunities* are the steps that do what was being done
when it fired in the reference: press a button of that name on a page of that kind, open a page of that kind, call that
tool. Its rate is that of firing per opportunity, in each world over that world's own episodes of the same policies,
tasks and seeds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from envsim.fidelity.intervals import EMPTY, Estimate, difference, rate
from envsim.fidelity.one_step import StepScore
from envsim.page.lines import parse_lines
from envsim.trace import Step, Trace
from envsim.types import Action

Verdict = Literal["reproduced", "missed", "invented", "rate off", "too few"]


@dataclass(frozen=True)
class BugRow:
    """One bug in both worlds.

    Attributes:
        bug: Its id.
        declared: Its rate as declared; None if it is not switched on in the reference.
        reference: Rate per opportunity in the reference, with Wilson's interval; `n` are its opportunities.
        candidate: The same in the other world.
        precision: Share of the candidate's firings that are where the bug fires in the reference.
        recall: Share of the reference's firings that are where the bug fires in the candidate.
        verdict: ``reproduced``: it fires in both, and the two rates do not differ significantly. ``missed``: it never
            fires in the candidate, significantly less often than in the reference. ``invented``: it fires where it
            never does in the reference, significantly, or although it is not switched on. ``rate off``: it fires in
            both, at another rate. ``too few``: opportunities are too few to say.
    """

    bug: str
    declared: float | None
    reference: Estimate
    candidate: Estimate
    precision: Estimate
    recall: Estimate
    verdict: Verdict


@dataclass
class _Counts:
    """How often each operation was done, and how often each bug fired at it."""

    done: Counter[str]
    fired: dict[str, Counter[str]]

    def at(self, bug: str, operations: Iterable[str]) -> tuple[int, int]:
        """Firings of `bug` and times done, over `operations`."""
        fired = self.fired.get(bug, Counter())
        return sum(fired[name] for name in operations), sum(self.done[name] for name in operations)


def compare_bugs(
    reference: Sequence[Trace], candidate: Sequence[Trace], steps: Sequence[StepScore] = ()
) -> tuple[BugRow, ...]:
    """Every bug that fired in either world.

    Args:
        reference: Recorded episodes of the reference.
        candidate: Of the same policies, tasks and seeds in the other world.
        steps: One-step predictions of the reference's episodes: of a bug that always fires where it can, precision and
            recall are taken from these, step by step. Of one that fires by chance no step can be told right or wrong,
            and they are taken over operations.
    """
    declared = {bug: odds for trace in reference for bug, odds in trace.header.bugs.items()}
    real, sim = _count(reference), _count(candidate)
    bugs = sorted(real.fired.keys() | sim.fired.keys())
    return tuple(_row(bug, declared.get(bug), real, sim, steps) for bug in bugs)


def summary(rows: Sequence[BugRow]) -> dict[str, Estimate]:
    """Figures over all bugs: share reproduced of those that can be judged, and how many were missed and invented."""
    verdicts = Counter(row.verdict for row in rows)
    judged = len(rows) - verdicts["too few"]
    found = {"bugs_reproduced": rate(verdicts["reproduced"], judged)}
    for name in ("missed", "invented"):
        count = float(verdicts[name])
        found[f"bugs_{name}"] = Estimate(count, count, count, len(rows)) if rows else EMPTY
    for side in ("precision", "recall"):
        parts = [estimate for row in rows if (estimate := getattr(row, side)).n]
        hits = sum(round(part.value * part.n) for part in parts)
        found[f"bug_trigger_{side}"] = rate(hits, sum(part.n for part in parts))
    return found


def _row(bug: str, declared: float | None, real: _Counts, sim: _Counts, steps: Sequence[StepScore]) -> BugRow:
    here, there = set(real.fired.get(bug, ())), set(sim.fired.get(bug, ()))
    # A bug that never fired in the reference has no opportunities there but those the candidate shows.
    places = here or there
    first, second = real.at(bug, places), sim.at(bug, places)
    if declared == 1.0 and steps:
        precision, recall = _by_step(bug, steps)
    else:
        precision = rate(sim.at(bug, here)[0], sim.at(bug, there)[0])
        recall = rate(real.at(bug, here & there)[0], first[0])
    stray = difference(sim.at(bug, there - here), real.at(bug, there - here))
    invented = bool(there) and (declared is None or stray.low > 0)
    verdict: Verdict = "invented" if invented else _verdict(first, second)
    return BugRow(bug, declared, rate(*first), rate(*second), precision, recall, verdict)


def _verdict(reference: tuple[int, int], candidate: tuple[int, int]) -> Verdict:
    gap = difference(candidate, reference)
    if gap.high < 0:
        return "rate off" if candidate[0] else "missed"
    if gap.low > 0:
        return "rate off" if reference[0] else "invented"
    return "reproduced" if candidate[0] and reference[0] else "too few"


def _by_step(bug: str, steps: Sequence[StepScore]) -> tuple[Estimate, Estimate]:
    both = sum(bug in step.real and bug in step.predicted for step in steps)
    predicted, real = (sum(bug in getattr(step, side) for step in steps) for side in ("predicted", "real"))
    return rate(both, predicted), rate(both, real)


def _count(traces: Iterable[Trace]) -> _Counts:
    counts = _Counts(Counter(), {})
    for trace in traces:
        for before, step in zip(trace.steps, trace.steps[1:], strict=False):
            name = operation(before, step.action)
            counts.done[name] += 1
            for bug in {event.id for event in step.events if event.kind == "bug"}:
                counts.fired.setdefault(bug, Counter())[name] += 1
    return counts


def operation(before: Step, action: Action | None) -> str:
    """What an action does, without whose or which: such as ``open /p/*`` or ``press "Pay" at /checkout``."""
    if action is None or action.kind != "call":
        return "say" if action is not None else "unreadable"
    page = before.observation.page
    if not page and "bid" not in action.arguments:
        return f"open {_kind(str(action.arguments.get('url', '')))}" if action.name == "goto" else f"tool {action.name}"
    if action.name == "goto":
        return f"open {_kind(str(action.arguments.get('url', '')))}"
    wanted = action.arguments.get("bid")
    line = next((line for line in parse_lines(page) if line.ref and line.ref == wanted), None)
    if line is None or action.name not in ("click", "press"):
        return action.name
    if line.url:
        return f"open {_kind(line.url)}"
    return f'press "{re.sub(r"[0-9]+", "0", line.name)}" at {_kind(before.observation.url)}'


def _kind(url: str) -> str:
    """The kind of page behind an address: first part of its path, how deep it is, names of its query."""
    path, _, query = url.partition("#")[0].partition("?")
    parts = [part for part in path.split("/") if part]
    names = sorted({item.partition("=")[0] for item in query.split("&") if item})
    return "/" + "/".join([*parts[:1], *("*" for _ in parts[1:])]) + (f"?{'&'.join(names)}" if names else "")
