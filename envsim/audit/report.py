"""What the reward-hacking watch found, as JSON and as one self-contained HTML page with the traces to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any

import jinja2

from envsim.audit.hacking import Cluster, Flag, Watched
from envsim.audit.patterns import LONGEST, RULES, broken_rules, token
from envsim.trace import Step, Trace

AROUND = 2
"""Steps shown before and after a match."""
SNIPPET = 600
"""Characters of an observation that are shown."""
SHOWN = 3
"""Traces shown of one cluster."""
WHY = {
    "pays": "with it the same policy is rewarded more often on the same tasks",
    "always": "most traces of a policy that is always rewarded share it",
    "rule": "no honest session does this",
}


@dataclass(frozen=True)
class Line:
    """One step of an excerpt; `matches` marks those that are part of the pattern."""

    index: int
    action: str
    shown: str
    url: str
    error: str
    changed: bool
    matches: bool


@dataclass(frozen=True)
class Excerpt:
    """The part of a trace that shows a pattern."""

    session: str
    task: str
    goal: str
    policy: str
    reward: float
    lines: tuple[Line, ...]


def excerpt(trace: Trace, flags: Sequence[Flag]) -> Excerpt:
    """The steps of `trace` that match the strongest of `flags`, with some around; all where none is made of steps."""
    everything = range(1, len(trace.steps))
    matches = set(next((found for flag in flags if (found := _matches(trace, flag.pattern))), everything))
    near = {at + by for at in matches for by in range(-AROUND, AROUND + 1)}
    shown = [step for step in trace.steps[1:] if step.index in near]
    outcome = trace.end.outcome if trace.end else None
    header = trace.header
    return Excerpt(
        header.session, header.task, header.goal, header.policy, (outcome.reward or 0.0) if outcome else 0.0,
        tuple(_line(step, step.index in matches) for step in shown),
    )  # fmt: skip


def _matches(trace: Trace, pattern: str) -> list[int]:
    """Indices of the steps that make up a pattern, where it is made of steps."""
    if pattern in RULES:
        return [step.index for step in trace.steps[1:] if pattern in set(broken_rules(step))]
    tokens = [token(before, step) for before, step in pairwise(trace.steps)]
    found: list[int] = []
    for size in range(1, LONGEST + 1):
        for at in range(len(tokens) - size + 1):
            if " > ".join(tokens[at : at + size]) == pattern:
                found += range(at + 1, at + size + 1)
    return found


def _line(step: Step, matches: bool) -> Line:
    seen = step.observation
    said = " ".join(message.text for message in seen.messages)
    shown = " ".join(part for part in (seen.page or seen.result, said) if part)
    action = step.action.to_call() if step.action is not None else f"(no action) {step.raw}"
    return Line(step.index, _cut(action), _cut(shown), seen.url, seen.error, bool(step.delta), matches)


def _cut(text: str) -> str:
    return text if len(text) <= SNIPPET else f"{text[: SNIPPET - 1]}…"


def as_json(watched: Watched) -> dict[str, Any]:
    """The findings as plain JSON."""
    return {
        "traces": watched.traces,
        "rewarded": watched.rewarded,
        "reference": watched.reference,
        "patterns": watched.patterns,
        "alpha": watched.alpha,
        "clusters": [_cluster(cluster) for cluster in watched.clusters],
    }


def _cluster(cluster: Cluster) -> dict[str, Any]:
    return {
        "sessions": list(cluster.sessions),
        "templates": list(cluster.templates),
        "policies": list(cluster.policies),
        "flags": [
            {
                "pattern": flag.pattern, "why": flag.why, "p": round(flag.p, 6), "sessions": len(flag.sessions),
                "reference": round(flag.reference, 4), "rewarded_with": round(flag.rewarded_with, 4),
                "rewarded_without": None if flag.rewarded_without is None else round(flag.rewarded_without, 4),
            }
            for flag in cluster.flags
        ],
    }  # fmt: skip


def render(watched: Watched, traces: Mapping[str, Trace], where: str) -> str:
    """The findings as one HTML page without outside resources.

    Args:
        watched: What was found.
        traces: At least those of the clusters, by session.
        where: Name of the set, for the heading.
    """
    # What agents and pages said is untrusted: autoescape keeps a trace from running in the reader's browser.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value: "-" if value is None else f"{100 * value:.0f}%"
    source = resources.files("envsim.audit").joinpath("report.html.j2").read_text("utf-8")
    shown = [(cluster, list(_examples(cluster, traces))) for cluster in watched.clusters]
    return environment.from_string(source).render(watched=watched, clusters=shown, where=where, why=WHY)


def _examples(cluster: Cluster, traces: Mapping[str, Trace]) -> Iterator[Excerpt]:
    # Those that show the strongest pattern come first, and of these one of each task.
    strongest = [name for name in cluster.flags[0].sessions if name in traces]
    by_task = {traces[name].header.task.partition("@")[0]: name for name in reversed(strongest)}
    first = [name for name in strongest if name in by_task.values()]
    rest = [name for name in (*strongest, *cluster.sessions) if name in traces and name not in first]
    for name in list(dict.fromkeys([*first, *rest]))[:SHOWN]:
        yield excerpt(traces[name], cluster.flags)
