"""Conformance kit for failures: under each of the 24 classes every episode ends, is typed and scored by the truth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from envsim.content import list_templates
from envsim.env import TaskEnv
from envsim.errors import ContentError, SandboxError, UncertainError
from envsim.policy import Policy, get_policy
from envsim.reward.checks import Record, Verdict
from envsim.sandbox.faults import APP_ONLY, FAULTS, MUTATING
from envsim.sandbox.spec import find_spec
from envsim.source import TemplateSource
from envsim.state import StateView, apply, canonical
from envsim.task import Interface, Task
from envsim.world import World

FAULT_RATE = 0.25
"""Chance per request of the faults of the class under test."""
DEADLINE_S = 60.0
"""Longest that one episode may take, in seconds of this machine."""
KINDS = ("policy", "env_bug", "infra", "sim_uncertain")


@dataclass(frozen=True)
class Trial:
    """One episode under one class of failure.

    Attributes:
        failure: The class.
        policy: Who played.
        seed: Of the episode.
        outcome: Kind of the outcome.
        reward: None: not scored.
        fired: How often a failure of the class is in the events.
        wall_s: What it took.
        problems: What no episode may show; empty when all is well.
    """

    failure: str
    policy: str
    seed: int
    outcome: str
    reward: float | None
    fired: int
    wall_s: float
    problems: tuple[str, ...]


def failures(app: str) -> dict[str, dict[str, Any]]:
    """Options of `TaskEnv` that bring each class of the taxonomy about in `app`.

    Eighteen are faults, which any app can meet; the others are the app's declared bugs of that class. A class that
    is neither is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for fault in FAULTS.values():
        if fault.fault_class:
            options = found.setdefault(fault.fault_class, {"bugs": "none", "faults": {}})
            options["faults"][fault.id] = FAULT_RATE
    for bug in find_spec(app).bugs:
        if bug.bug_class in APP_ONLY:
            options = found.setdefault(bug.bug_class, {"bugs": (), "faults": {}})
            options["bugs"] = (*options["bugs"], bug.id)
    return found


def provoking(app: str, failure: str, options: Mapping[str, Any], *, seed: int = 0) -> list[tuple[Interface, str]]:
    """The tasks of `app`, with their interfaces, in whose solution a failure of the class shows.

    Found by playing each once: what a failure needs to show (a cancelled order, a second page) is the app's to know.
    """
    spec = find_spec(app)
    interfaces: tuple[Interface, ...] = ("browser", "tools") if spec.tools else ("browser",)
    found = []
    for template in list_templates(app):
        for interface in interfaces:
            try:
                trial = try_failure(app, failure, options, seed=seed, interface=interface, task=template)
            except ContentError:
                continue  # a task of the other interface
            if trial.fired:
                found.append((interface, template))
    return found


class _Witness:
    """A task source that keeps what was judged, and lets no task choose its own bugs."""

    def __init__(self, app: str, task: str | None, interface: Interface, bugs: str | tuple[str, ...]) -> None:
        self._tasks = TemplateSource(app, task=task, split=None, interface=interface)
        self._bugs = bugs
        self.record: Record | None = None

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        return self._tasks.choose(seed, wanted, world).model_copy(update={"bugs": self._bugs})

    def judge(self, task: Task, record: Record) -> Verdict:
        self.record = record
        return self._tasks.judge(task, record)


def try_failure(
    app: str,
    failure: str,
    options: Mapping[str, Any],
    *,
    policy: str | Policy = "oracle",
    seed: int = 0,
    interface: Interface = "browser",
    task: str | None = None,
    driver: str = "http",
) -> Trial:
    """Play one episode under `failure` and hold it to what must be so.

    - It ends, within `DEADLINE_S`, with an outcome of one of the four kinds, scored if and only if it is a policy's.
    - The state at its end is the one at its start with the recorded deltas: nothing happened that was not told.
    - Its reward is what the checks say of that state, reckoned again from the deltas alone.
    - A null policy earns nothing.
    - Where the oracle fails, an event says why: it never does without failures.

    Args:
        app: Name of the app.
        failure: The class, for the result.
        options: From `failures`.
        policy: ``oracle``, ``random``, ``null``, ..., or one of your own.
        seed: Of the episode.
        interface: ``"browser"`` or ``"tools"``.
        task: One template; None lets the seed choose.
        driver: ``"http"`` or ``"chromium"``.
    """
    source = _Witness(app, task, interface, options["bugs"])
    env = TaskEnv(app, source=source, interface=interface, driver=driver, **options)
    name = policy if isinstance(policy, str) else type(policy).__name__.lower()
    started = time.monotonic()
    problems: list[str] = []
    events: list[dict[str, Any]] = []
    try:
        before, view = _play(env, get_policy(policy) if isinstance(policy, str) else policy, seed, events)
        after = _state(env)
        if after is not None and canonical(after) != canonical(view):
            problems.append("the deltas do not lead to the state at the end")
        problems += _misjudged(env, source, before, view)
    finally:
        env.close()
    wall_s = time.monotonic() - started
    outcome = env.outcome
    assert outcome is not None
    if wall_s > DEADLINE_S:
        problems.append(f"took {wall_s:.0f} s")
    if outcome.kind not in KINDS or (outcome.reward is None) == (outcome.kind == "policy"):
        problems.append(f"outcome {outcome.kind} has reward {outcome.reward}")
    if name == "null" and outcome.reward:
        problems.append("doing nothing was rewarded")
    if name == "oracle" and not outcome.success and not events:
        problems.append("the oracle failed and no event says why")
    if outcome.reward == 0.0 and any(event["id"] in MUTATING for event in events):
        problems.append("scored 0 though a fault changed the state")
    return Trial(failure, name, seed, outcome.kind, outcome.reward, len(events), wall_s, tuple(problems))


def _play(env: TaskEnv, policy: Policy, seed: int, events: list[dict[str, Any]]) -> tuple[StateView, StateView]:
    """The state view at the start, and that with all deltas; `events` is filled with faults and bugs."""
    _, info = env.reset(seed=seed)
    assert env.task is not None
    policy.reset(env.task, seed, env.tools)
    before = view = env.world.state()
    while True:
        events += [event for event in info["events"] if event["kind"] in ("fault", "bug")]
        if env.outcome is not None:
            return before, view
        *_, info = env.step(policy.act(env.observation))
        view = apply(view, [tuple(change) for change in info["delta"]])


def _state(env: TaskEnv) -> StateView | None:
    try:
        return env.world.state()
    except (SandboxError, UncertainError):
        return None  # lost: then the outcome says so


def _misjudged(env: TaskEnv, source: _Witness, before: StateView, view: StateView) -> list[str]:
    outcome = env.outcome
    if outcome is None or outcome.reward is None or source.record is None or env.task is None:
        return []
    again = source.judge(env.task, replace(source.record, before=before, after=view)).reward
    return [] if again == outcome.reward else [f"scored {outcome.reward}, though the checks say {again}"]
