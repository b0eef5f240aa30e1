"""Bug fidelity: whether each bug fires in the other world, where it should and as often as it should.

Nothing says where a bug could have fired and did not. So its *opportunities* are the steps that do what was being done
when it fired in either world: press a button of that name on a page of that kind, open a page of that kind, call that
tool. Its rate is that of firing per opportunity, in each world over that world's own episodes of the same policies,
tasks and seeds. All policies share an episode's seed, and so its chance: intervals are Wilson's for the effective
number of opportunities, by the design effect of seeds, and fewer where few seeds tell that effect (Korn and Graubard
1998). A world is held against as many rates as there are bugs, and of twenty right ones a 95% interval misses one:
verdicts hold for all of its bugs together (Bonferroni, over every test that is made), intervals that are shown are for
each alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from envsim.fidelity.equivalence import Clusters, finding, needed, rates
from envsim.fidelity.intervals import EMPTY, Estimate, difference, rate, ratio, share
from envsim.fidelity.one_step import StepScore
from envsim.page.lines import parse_lines
from envsim.trace import Step, Trace
from envsim.types import Action

LEVEL = 0.95
TOO_FEW: Literal["too few to say"] = "too few to say"
COUNTED = {"bugs_missed": "missed", "bugs_invented": "invented", "bugs_rate_off": "rate off", "bugs_too_few": TOO_FEW}
"""Figures that count a verdict."""
Verdict = Literal["reproduced", "missed", "invented", "rate off", "too few to say"]


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
        verdict: ``reproduced``: the two rates are shown to be equal, within the margins of
            `envsim.fidelity.equivalence`. ``rate off``: it fires in both, and they are shown to differ. ``missed``: it
            never fires in the candidate, and that is shown to be less than in the reference. ``invented``: it is not
            switched on in the reference, or fires mostly where it never does there, and that is shown to be more than
            there. ``too few to say``: none of these is shown.
        needed: About how many opportunities each world would have to have for rates that are equal to be shown to be
            so, with a chance of 80%, if firings go together as they do in these; 0: nothing says what its rate is.
        ratio: Of the candidate's rate to the reference's, with its 95% interval.
        inside: Whether the 95% interval of the difference of both rates (Newcombe 1998) holds 0: this bug alone, and
            however wide that is. None: it is not switched on in the reference, or could not have fired in one of the
            two. Neither rate is known: that one is inside the other's own interval would be too much to ask, of equal
            rates one in six is not.
    """

    bug: str
    declared: float | None
    reference: Estimate
    candidate: Estimate
    precision: Estimate
    recall: Estimate
    verdict: Verdict
    needed: int = 0
    ratio: Estimate = EMPTY
    inside: bool | None = None


@dataclass
class _Counts:
    """How often each operation was done, and how often each bug fired at it, by episode seed."""

    done: Counter[tuple[int, str]]
    fired: dict[str, Counter[tuple[int, str]]]

    def of(self, seeds: Collection[int]) -> _Counts:
        """Those of episodes with these seeds."""
        fired = {
            bug: Counter({key: n for key, n in found.items() if key[0] in seeds}) for bug, found in self.fired.items()
        }
        return _Counts(Counter({key: n for key, n in self.done.items() if key[0] in seeds}), fired)

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

    def could_fire(self, bug: str, operation: str, odds: float | None) -> bool:
        """Whether `bug` fired at an operation, or that was done too seldom to be 95% sure that it would have.

        Args:
            bug: Its id.
            operation: Of `operation`.
            odds: The rate at which it would have fired; None: it is not there to fire.
        """
        own = self.operations(bug)
        if odds is None or operation in own:
            return operation in own
        seeds = sum(name == operation for _, name in self.done)
        return (1.0 - odds) ** seeds > 1.0 - LEVEL


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
    tests = len(bugs) + sum(bool(_new(bug, real, sim)) for bug in bugs)
    error = (1.0 - LEVEL) / max(1, tests)
    return tuple(_row(bug, declared.get(bug), real, sim, steps, error) for bug in bugs)


def summary(rows: Sequence[BugRow]) -> dict[str, Estimate]:
    """Figures over all bugs: share reproduced of those of which something is shown, and how many had each verdict."""
    verdicts = Counter[str](row.verdict for row in rows)
    judged = len(rows) - verdicts[TOO_FEW]
    inside = [row.inside for row in rows if row.inside is not None]
    found = {"bugs_reproduced": rate(verdicts["reproduced"], judged), "bugs_inside": rate(sum(inside), len(inside))}
    for name, verdict in COUNTED.items():
        count = float(verdicts[verdict])
        found[name] = Estimate(count, count, count, len(rows)) if rows else EMPTY
    for side in ("precision", "recall"):
        parts = [estimate for row in rows if (estimate := getattr(row, side)).n]
        found[f"bug_trigger_{side}"] = share([part.value * part.n for part in parts], [part.n for part in parts])
    return found


def _row(
    bug: str, declared: float | None, real: _Counts, sim: _Counts, steps: Sequence[StepScore], error: float
) -> BugRow:  # fmt: skip
    here, there = real.operations(bug), sim.operations(bug)
    # Operations of both, else the world that names them would seem to fire more often than it does.
    sides = real.at(bug, here | there), sim.at(bug, here | there)
    shown = rates(*sides, LEVEL)
    first, second = shown.reference, shown.candidate
    gap = difference(second, first)
    # A bug that always fires does so on a condition: its rate where it fired says how often that is met. The
    # reference's: by the candidate's own a world in which it fires too seldom would have no cause to fire anywhere.
    seen = real.odds(bug) or sim.odds(bug)
    odds = None if declared is None else declared if seen is None else min(declared, seen)
    fitting = {name for name in there if real.could_fire(bug, name, odds)}
    found = {name for name in here if sim.could_fire(bug, name, odds)}
    precision, recall = _part(sim.at(bug, fitting), sim.at(bug, there)), _part(real.at(bug, found), real.at(bug, here))
    if declared == 1.0 and steps:
        precision, recall = _by_step(bug, steps)
    invented = (bool(there) and declared is None) or _elsewhere(bug, real, sim, error)
    return BugRow(
        bug, declared, first, second, precision, recall,
        verdict="invented" if invented else _verdict(*sides, error),
        needed=needed(first.value or second.value, shown.effect, error) if first.n else 0,
        ratio=ratio(second, first),
        inside=None if declared is None or not gap.n else gap.low <= 0.0 <= gap.high,
    )  # fmt: skip


def _new(bug: str, real: _Counts, sim: _Counts) -> set[str]:
    """Where a bug of both worlds fires in the candidate alone: a test beside the one of its rate."""
    here = real.operations(bug)
    return sim.operations(bug) - here if here else set()


def _elsewhere(bug: str, real: _Counts, sim: _Counts, error: float) -> bool:
    """Whether a bug fires mostly at operations where it never does in the reference, and that is shown to be more.

    Of a rare bug that may fire at scores of operations, many are new by chance: which are is looked up in half of the
    seeds, and tested on the other half.
    """
    new = _new(bug, real, sim)
    fired = [sum(hits for hits, _ in sim.at(bug, names).values()) for names in (new, sim.operations(bug))]
    if 2 * fired[0] <= fired[1]:
        return False
    seeds = sorted({seed for seed, _ in real.done} | {seed for seed, _ in sim.done})
    first, second = (set(seeds[start::2]) for start in (0, 1))
    new = _new(bug, real.of(first), sim.of(first))
    return finding(real.of(second).at(bug, new), sim.of(second).at(bug, new), error) == "more"


def _verdict(real: Clusters, sim: Clusters, error: float) -> Verdict:
    shown = finding(real, sim, error)
    if shown == "equal":
        return "reproduced"
    if shown == "unknown":
        return TOO_FEW
    fires = all(any(hits for hits, _ in side.values()) for side in (real, sim))
    return "rate off" if fires else "missed" if shown == "less" else "invented"


def _part(some: Clusters, whole: Clusters) -> Estimate:
    """Share of the firings in `whole` that are in `some`."""
    return share([some.get(seed, (0, 0))[0] for seed in whole], [hits for hits, _ in whole.values()])


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
