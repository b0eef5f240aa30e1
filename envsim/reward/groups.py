"""Attempts at the same task, gathered from traces to be compared."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from envsim.errors import ContentError
from envsim.reward.transcript import Line, from_trace
from envsim.trace import Header, Trace
from envsim.types import Frozen, JsonValue

HEADER_FIELDS = ("task", "goal", "seed", "policy", "world", "source")
"""What sessions can be grouped by, besides ``meta.KEY``."""


class Trajectory(Frozen):
    """One attempt, as it is shown to a judge."""

    session: str
    lines: tuple[Line, ...] = Field(description="see envsim.reward.transcript")
    checked: float | None = Field(default=None, description="reward by checks, if there is one; never shown to a judge")
    fields: dict[str, JsonValue] = Field(default={}, description="whatever else belongs to it; kept as it is")


class LeftOut(Frozen):
    """An attempt that nobody may score, and why."""

    session: str
    reason: str


class Group(Frozen):
    """Attempts at the same task."""

    key: str
    trajectories: tuple[Trajectory, ...]
    left_out: tuple[LeftOut, ...] = ()
    fields: dict[str, JsonValue] = Field(default={}, description="whatever else belongs to it; kept as it is")


def trajectory_of(trace: Trace) -> Trajectory | LeftOut:
    """A recorded session as a judge sees it, or why it may not be scored."""
    session = trace.header.session
    if trace.end is None:
        return LeftOut(session=session, reason="its recording was cut off")
    outcome = trace.end.outcome
    if outcome is not None and outcome.kind in ("infra", "sim_uncertain"):
        # Not the agent's doing: a judge would hold it against the agent all the same.
        return LeftOut(session=session, reason=f"{outcome.kind}: {outcome.reason}")
    return Trajectory(session=session, lines=from_trace(trace), checked=outcome.reward if outcome else None)


def check_field(by: str) -> None:
    """Refuse what sessions cannot be grouped by.

    Raises:
        ContentError: There is no such field.
    """
    if by not in HEADER_FIELDS and not (by.startswith("meta.") and by != "meta."):
        known = ", ".join(HEADER_FIELDS)
        raise ContentError(f"Sessions cannot be grouped by {by!r}. Use one of: {known}, meta.KEY.")


def group_traces(traces: Iterable[Trace], by: str = "task") -> tuple[list[Group], list[LeftOut]]:
    """Sessions of one app and one value of a header field as groups, in the order of their keys.

    Args:
        traces: Read once, one at a time; only what a judge is shown is kept.
        by: One of `HEADER_FIELDS`, or ``meta.KEY``. The default groups by task instance.

    Returns:
        The groups, and the sessions whose header has no such value.

    Raises:
        ContentError: There is no such field.
    """
    check_field(by)
    found: dict[str, list[Trajectory | LeftOut]] = {}
    nowhere: list[LeftOut] = []
    for trace in traces:
        value = _value(trace.header, by)
        if value in ("", None):
            nowhere.append(LeftOut(session=trace.header.session, reason=f"its header has no {by}"))
            continue
        found.setdefault(f"{trace.header.app}/{value}", []).append(trajectory_of(trace))
    groups = [
        Group(
            key=key,
            trajectories=tuple(one for one in members if isinstance(one, Trajectory)),
            left_out=tuple(one for one in members if isinstance(one, LeftOut)),
            fields={"by": by},
        )
        for key, members in sorted(found.items())
    ]
    return groups, nowhere


def _value(header: Header, by: str) -> JsonValue:
    if by.startswith("meta."):
        return header.meta.get(by.removeprefix("meta."))
    value: JsonValue = getattr(header, by)
    return value
