"""Bug fidelity: whether each bug fires in the other world, where it should and as often as it should.

Nothing says where a bug could have fired and did not. So its *opportunities* are the steps that do what was being done
when it fired in either world: press a button of that name on a page of that kind, open a page of that kind, call that
tool. Its rate is that of firing per opportunity, in each world over that world's own episodes of the same policies,
tasks and seeds. All policies share an episode's seed, and so its chance: intervals are Wilson's for the effective
number of opportunities, by the design effect of seeds, and fewer where few seeds tell that effect (Korn and Graubard
1998). A world is held against as many rates as there are bugs, and of twenty right ones a 95% interval misses one:
verdicts are by intervals that hold for all of its bugs together (Bonferroni), those that are shown are for each alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from envsim.fidelity.intervals import EMPTY, Estimate, design_effect, difference, normal, rate, share, student, wilson
from envsim.fidelity.one_step import StepScore
from envsim.page.lines import parse_lines
from envsim.trace import Step, Trace
from envsim.types import Action

LEVEL = 0.95
Verdict = Literal["reproduced", "missed", "invented", "rate off", "too few"]


@dataclass(frozen=True)
class BugRow:
    """One bug in both worlds.

    Attributes:
        bug: Its id.
        declared: Its rate as declared; None if it is not switched on in the reference.
        reference: Rate per opportunity in the reference, with Wilson's interval; `n` are its opportunities.
        candidate: The same in the other world.
        precision: Share of the candidate's firings that are where the bug can fire in the reference.
        recall: Share of the reference's firings that are where the bug can fire in the candidate.
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


Clusters = dict[int, tuple[int, int]]
"""Episode seed -> how often a bug fired, and could have."""


@dataclass
class _Counts:
    """How often each operation was done, and how often each bug fired at it, by episode seed."""

    done: Counter[tuple[int, str]]
    fired: dict[str, Counter[tuple[int, str]]]

    def operations(self, bug: str) -> set[str]:
        """Those at which `bug` fired."""
        return {name for _, name in self.fired.get(bug, ())}

    def at(self, bug: str, operations: Collection[str]) -> Clusters:
        """Firings of `bug` and times done, over `operations`."""
        fired = self.fired.get(bug, Counter())
        out: Clusters = {}
        for (seed, name), done in self.done.items():
            if name in operations:
                hits, total = out.get(seed, (0, 0))
                out[seed] = (hits + fired[seed, name], total + done)
        return out

    def odds(self, bug: str) -> float | None:
        """Its rate over the operations at which it fired; None where it never did."""
        seen = self.at(bug, self.operations(bug)).values()
        fired, done = (sum(pair[side] for pair in seen) for side in (0, 1))
        return fired / done if done else None

    def could_fire(self, bug: str, operation: str, declared: float | None, other: _Counts) -> bool:
        """Whether `bug` fired at an operation, or that was done too seldom to be 95% sure that it would have.

        A bug that always fires does so on a condition: its rate where it fired says how often that is met. Where it
        never fired, the other world's says that: once in twenty there, and never in twenty here, is no difference.
        """
        own = self.operations(bug)
        if operation in own or declared is None:
            return operation in own
        odds = min([declared, *(rate for rate in (self.odds(bug) or other.odds(bug),) if rate is not None)])
        seeds = sum(name == operation for _, name in self.done)
        return (1.0 - odds) ** seeds > 0.05


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
    level = 1.0 - (1.0 - LEVEL) / max(1, len(bugs))
    return tuple(_row(bug, declared.get(bug), real, sim, steps, level) for bug in bugs)


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
        found[f"bug_trigger_{side}"] = share([part.value * part.n for part in parts], [part.n for part in parts])
    return found


def _row(
    bug: str, declared: float | None, real: _Counts, sim: _Counts, steps: Sequence[StepScore], level: float
) -> BugRow:  # fmt: skip
    here, there = real.operations(bug), sim.operations(bug)
    # Operations of both, else the world that names them would seem to fire more often than it does.
    sides = real.at(bug, here | there), sim.at(bug, here | there)
    first, second = _rates(*sides, LEVEL)
    fitting = {name for name in there if real.could_fire(bug, name, declared, sim)}
    found = {name for name in here if sim.could_fire(bug, name, declared, real)}
    precision, recall = _part(sim.at(bug, fitting), sim.at(bug, there)), _part(real.at(bug, found), real.at(bug, here))
    # Fired where there is no such bug, or mostly where it does not belong.
    invented = bool(there) and (declared is None or precision.value < 0.5)
    if declared == 1.0 and steps:
        precision, recall = _by_step(bug, steps)
    verdict: Verdict = "invented" if invented else _verdict(*_rates(*sides, level))
    return BugRow(bug, declared, first, second, precision, recall, verdict)


def _rates(real: Clusters, sim: Clusters, level: float) -> tuple[Estimate, Estimate]:
    """Both rates, with intervals of a level.

    Policies share the chance of a seed: their episodes count for less than as many apart.
    """
    columns = [tuple(zip(*side.values(), strict=True)) if side else ((), ()) for side in (real, sim)]
    fires = [sum(hits) > 0 for hits, _ in columns]
    # Where a bug never fired nothing says how its firings go together: there the other world's effect is taken.
    effects = [design_effect(*column) if any_fired or not any(fires) else 1.0
               for column, any_fired in zip(columns, fires, strict=True)]  # fmt: skip
    effect = max(effects)
    first, second = (_effective(sum(hits), sum(done), effect, len(done), level) for hits, done in columns)
    return first, second


def _effective(hits: int, n: int, effect: float, seeds: int, level: float) -> Estimate:
    """A rate with Wilson's interval for the effective number of opportunities; `n` is the real number."""
    if not n:
        return EMPTY
    z = normal(level)
    if effect > 1.0:
        effect *= (student(level, max(1, seeds - 1)) / z) ** 2
    found = wilson(hits / n, n / min(effect, n), z)
    return Estimate(found.value, found.low, found.high, n)


def _part(some: Clusters, whole: Clusters) -> Estimate:
    """Share of the firings in `whole` that are in `some`."""
    return share([some.get(seed, (0, 0))[0] for seed in whole], [hits for hits, _ in whole.values()])


def _verdict(reference: Estimate, candidate: Estimate) -> Verdict:
    gap = difference(candidate, reference)
    if gap.high < 0:
        return "rate off" if candidate.value else "missed"
    if gap.low > 0:
        return "rate off" if reference.value else "invented"
    return "reproduced" if candidate.n and candidate.value and reference.value else "too few"


def _by_step(bug: str, steps: Sequence[StepScore]) -> tuple[Estimate, Estimate]:
    sessions = sorted({step.session for step in steps})

    def counts(holds: Callable[[StepScore], bool]) -> list[int]:
        found = Counter(step.session for step in steps if holds(step))
        return [found[session] for session in sessions]

    both = counts(lambda step: bug in step.real and bug in step.predicted)
    predicted, real = counts(lambda step: bug in step.predicted), counts(lambda step: bug in step.real)
    return share(both, predicted), share(both, real)


def _count(traces: Iterable[Trace]) -> _Counts:
    counts = _Counts(Counter(), {})
    for trace in traces:
        seed = trace.header.seed
        for before, step in zip(trace.steps, trace.steps[1:], strict=False):
            name = operation(before, step.action)
            counts.done[seed, name] += 1
            for bug in {event.id for event in step.events if event.kind == "bug"}:
                counts.fired.setdefault(bug, Counter())[seed, name] += 1
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
    """The kind of page behind an address: first part of its path, and how deep it is.

    Finer kinds would each be met so seldom that a rare bug fired at one by chance and at its like not.
    """
    parts = [part for part in re.split(r"[?#]", url, maxsplit=1)[0].split("/") if part]
    return "/" + "/".join([*parts[:1], *("*" for _ in parts[1:])])
