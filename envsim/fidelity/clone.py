"""The fidelity of a clone: recorded sessions of production made again in it, and every answer compared.

As one-step fidelity does it for a world model, each answer is judged by itself, page, status and state delta; as free
running, the session goes on with what the clone has answered. What is volatile is found by playing each session twice
without bugs, under other seeds and clocks, and from recordings of the same actions; where the two differ, the words
that differ do not count.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from envsim.errors import ContentError, TraceError
from envsim.fidelity.clone_answers import Answer, Verdict, counted, learn, recorded, replayed
from envsim.fidelity.clone_bugs import Attempt, Explained, Explainer
from envsim.fidelity.clone_lines import Mask, compare
from envsim.fidelity.clone_replay import Player
from envsim.fidelity.clone_session import Config, Session
from envsim.ingest.redact import Redactor, load_key
from envsim.page.har import Exchange, read_capture
from envsim.page.har_lines import network_path
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.seed import folder_hash
from envsim.sandbox.spec import SandboxSpec
from envsim.sandbox.surfaces import check_driver
from envsim.task import Start
from envsim.trace import Trace, TraceReader

VERSION = 1
"""Of a session's results; those of another version are made again."""
STABLE = 0.5
"""Two replays that agree on less than this share of lines show two pages, and say nothing of what is volatile."""
SHOWN = 60
"""Lines of a difference that are kept."""


@dataclass(frozen=True)
class Setup:
    """What is compared with what.

    Attributes:
        spec: The clone.
        traces: Directory of recorded sessions.
        bugs: As `SandboxSpec.select_bugs` takes them.
        seed: Of the clone's draws, where a session does not say.
        runtime: ``"inprocess"``, ``"process"`` or ``"docker"``.
        driver: ``"http"`` or ``"chromium"``.
        login: Account that sessions start signed in to; "" for what each says.
        password: Typed where a password was redacted.
        clock: Time that sessions start at; "" for the clone's own.
        redact_key: Key of the recordings' pseudonyms; None where they are as they were.
        variants: Whether the app's other variants are tried, too, where answers differ.
        work: Where results are kept, session by session, to be resumed; None for nowhere.
    """

    spec: SandboxSpec
    traces: Path
    bugs: str = "production"
    seed: int = 0
    runtime: str = "process"
    driver: str = "http"
    login: str = ""
    password: str = ""
    clock: str = ""
    redact_key: Path | None = None
    variants: bool = False
    work: Path | None = None

    def fingerprint(self) -> str:
        """Changes whenever results may."""
        told = [VERSION, self.spec.ref, folder_hash(self.spec.root), self.bugs, self.seed, self.driver, self.login]
        told += [self.password, self.clock, str(self.redact_key), self.variants]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True)
class Case:
    """One answer, compared.

    Attributes:
        session: Name of the trace.
        step: Index in it.
        action: What was done, as a call.
        path: Method and path.
        aspects: Of `envsim.fidelity.clone_answers.ASPECTS`: whether they agree, None where not known.
        f1: Over the lines of page or result.
        agrees: Whether nothing known differs, or a bug with a rate explains by chance what does.
        first: Whether it is the first of its session that does not.
        kind: What explains it: ``reproduced``, ``missing``, ``invented``, ``chance`` or "".
        bugs: Those that do.
        real: Production's side of the difference, as text.
        clone: The clone's.
        fails: Who failed (a status of 500 or more, or no answer): ``"production"``, ``"clone"``, ``"both"`` or "".
        real_ms: What production took.
        clone_ms: What the clone took.
    """

    session: str
    step: int
    action: str
    path: str
    aspects: dict[str, bool | None]
    f1: float
    agrees: bool
    first: bool
    kind: str = ""
    bugs: tuple[str, ...] = ()
    real: str = ""
    clone: str = ""
    fails: str = ""
    real_ms: float | None = None
    clone_ms: float | None = None


@dataclass
class Result:
    """All that was compared."""

    cases: list[Case] = field(default_factory=list)
    sessions: int = 0
    masked: int = 0
    """Patterns of volatile words that were found."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Session -> why it could not be made again."""


def verify(setup: Setup, *, on_session: Callable[[str], None] = lambda name: None) -> Result:
    """Make every session of `setup.traces` again and compare every answer.

    Args:
        setup: What with what.
        on_session: Called with the name of each session that is done.

    Raises:
        ContentError: Bugs, an account, a driver or a runtime that the clone does not have; no such key.
        TraceError: Traces that cannot be read.
        SandboxError: The clone failed.
    """
    check_driver(setup.driver)
    rates = setup.spec.select_bugs("all")
    chosen = setup.spec.select_bugs(setup.bugs)
    sessions = [_session(setup, trace) for trace in TraceReader(setup.traces)]
    result = Result(sessions=len(sessions))
    with contextlib.ExitStack() as running:
        players = _Players(setup, running)
        player = players.of(None)
        for session in sessions:
            if why := _cannot(session):
                result.skipped[session.name] = why
            else:
                stored = _Stored(setup, session)
                comparison = _Comparison(player, session, sessions, rates, players.others())
                part = stored.read() or stored.write(comparison.run(chosen, setup.seed))
                result.cases += part[0]
                result.masked += part[1]
            on_session(session.name)
    if not result.cases:
        why = next(iter(result.skipped.values()), "they hold no answer of the app")
        raise TraceError(
            f"No session in {setup.traces} can be made again ({why}). Record some with: sandbox record URL"
        )
    return result


class _Players:
    """The sandboxes that sessions are played in, each started when it is first needed."""

    def __init__(self, setup: Setup, running: contextlib.ExitStack) -> None:
        self._setup = setup
        self._running = running
        self._started: dict[str | None, Player] = {}
        self._redactor = Redactor(load_key(setup.redact_key, make=False)) if setup.redact_key else None

    def of(self, variant: str | None) -> Player:
        """The one of a variant; None for the one that is compared."""
        if variant not in self._started:
            setup = self._setup
            spec = setup.spec if variant is None else setup.spec.with_variant(variant)
            sandbox = self._running.enter_context(contextlib.closing(get_runtime(setup.runtime).start(spec)))
            self._started[variant] = Player(
                sandbox, driver=setup.driver, redactor=self._redactor, password=setup.password,
                clock=setup.clock or None,
            )  # fmt: skip
        return self._started[variant]

    def others(self) -> dict[str, Callable[[], Player]]:
        """The variants that may be tried."""
        names = [name for name in self._setup.spec.variants if name != self._setup.spec.variant]
        return {name: functools.partial(self.of, name) for name in names} if self._setup.variants else {}


def _session(setup: Setup, trace: Trace) -> Session:
    header = trace.header
    path = network_path(setup.traces if setup.traces.is_dir() else setup.traces.parent, header.session)
    network: tuple[Exchange, ...] = tuple(read_capture(path).exchanges) if path.is_file() else ()
    exact = header.source == "rollout" and header.world == "sandbox" and "origin" not in header.meta
    first = next((one.request.target for one in network if one.is_document), "")
    said = header.meta.get("start")
    try:
        start = Start.model_validate(said if isinstance(said, dict) else {})
    except ValidationError as error:
        raise TraceError(
            f"{header.session}: its start cannot be read ({error.errors()[0]['msg']}). Record it again."
        ) from None
    url = start.url if isinstance(said, dict) else first or (trace.steps[0].observation.url if trace.steps else "")
    return Session(
        trace, network, start.model_copy(update={"url": url or "/", "login": setup.login or start.login}), exact
    )


def _cannot(session: Session) -> str:
    """Why a session cannot be made again; "" if it can."""
    steps = session.trace.steps
    if not steps:
        return "nothing was recorded"
    if any(step.user is not None and step.user.calls for step in steps):
        return "its user acted in the app, too"
    if session.trace.header.meta.get("faults"):
        return "faults were injected"
    if not any(step.action or step.raw for step in steps) and not session.network and not steps[0].observation.page:
        return "neither actions nor pages were recorded"
    return ""


class _Comparison:
    """One session against the clone."""

    def __init__(
        self,
        player: Player,
        session: Session,
        others: Sequence[Session],
        rates: dict[str, float],
        variants: dict[str, Callable[[], Player]],
    ) -> None:
        self._variants = variants
        self._player = player
        self._session = session
        self._production = recorded(session)
        self._others = [one for one in others if one is not session and _same(one, session)]
        self._rates = rates

    def run(self, chosen: dict[str, float], seed: int) -> tuple[list[Case], int]:
        """The session's cases, and how many patterns were masked."""
        session = self._session
        seed = session.trace.header.seed if session.exact else seed
        masks = [Mask() for _ in session.trace.steps]
        for other in self._others:
            for mask, one, two in zip(masks, self._production, recorded(other), strict=True):
                learn(mask, one, two)
        if not session.exact:
            self._find_volatile(masks, seed)
        explainer = Explainer(self._player, session, self._production, masks, self._rates, self._variants)
        clean = explainer.attempt(Config(seed=seed))
        explained = explainer.explain(Config(tuple(sorted(chosen.items())), seed), clean)
        return self._cases(explained), sum(len(mask.patterns) for mask in masks)

    def _find_volatile(self, masks: list[Mask], seed: int) -> None:
        first, second = (
            replayed(self._session, self._player.play(self._session, config))
            for config in (Config(seed=seed), Config(seed=seed + 1, shifted=True))
        )
        for mask, one, two in zip(masks, first, second, strict=True):
            same = (one.statuses, one.note) == (two.statuses, two.note)
            if same and compare(one.lines or (), two.lines or (), Mask()).f1 >= STABLE:
                learn(mask, one, two)

    def _cases(self, explained: Explained) -> list[Case]:
        cases: list[Case] = []
        attempt, failed = explained.chosen, False
        for step, (theirs, ours, verdict) in enumerate(
            zip(self._production, attempt.answers, attempt.verdicts, strict=False)
        ):
            kind, bugs = explained.kinds.get(step, ("", ()))
            agrees = verdict.agrees or kind == "chance"
            first = step == 0 and self._session.pages
            if not (counted(theirs, ours) or first) or (theirs.lines is None and theirs.statuses is None):
                continue
            case = self._case(step, theirs, ours, verdict, attempt)
            cases.append(replace(case, agrees=agrees, kind=kind, bugs=bugs, first=not agrees and not failed))
            failed = failed or not agrees
        return cases

    def _case(self, step: int, theirs: Answer, ours: Answer, verdict: Verdict, attempt: Attempt) -> Case:
        recorded_step = self._session.trace.steps[step]
        action = recorded_step.action
        # Without its network, production's step tells where it ended, not what was sent.
        routes = (theirs.route, ours.route) if theirs.statuses is not None else (ours.route, theirs.route)
        broken = [name for name, one in (("production", theirs), ("clone", ours)) if _fails(one)]
        return Case(
            session=self._session.name,
            step=step,
            action=action.to_call() if action else recorded_step.raw or "(opened)",
            path=next(filter(None, routes), "GET /"),
            aspects=dict(verdict.aspects),
            f1=verdict.page.f1,
            agrees=verdict.agrees,
            first=False,
            real="" if verdict.agrees else _side(theirs, verdict.page.missing, verdict.delta.missing, verdict),
            clone="" if verdict.agrees else _side(ours, verdict.page.extra, verdict.delta.extra, verdict),
            fails="both" if len(broken) == 2 else "".join(broken),
            real_ms=theirs.wait_ms,
            clone_ms=ours.wait_ms,
        )


def _same(one: Session, two: Session) -> bool:
    """Whether two sessions are recordings of the same actions from the same start."""
    first, second = ([step.action or step.raw for step in session.trace.steps] for session in (one, two))
    return first == second and one.start == two.start and one.trace.header.bugs == two.trace.header.bugs


def _fails(answer: Answer) -> bool:
    last = answer.statuses[-1] if answer.statuses else 200
    return last >= 500 or last == 0


def _side(answer: Answer, lines: tuple[str, ...], delta: tuple[str, ...], verdict: Verdict) -> str:
    """One side of a difference: only what differs, the lines as they stand on the page."""
    out = []
    if answer.note:
        out.append(f"({answer.note})")
    if verdict.aspects["status"] is False:
        out.append(
            "status " + (" -> ".join(str(status or "none") for status in answer.statuses or ()) or "nothing asked")
        )
    if verdict.aspects["redirect"] is False:
        out.append(f"at {answer.landed}")
    out += lines[:SHOWN]
    out += [f"... and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    if verdict.page.moved:
        out.append("(the same lines in another order)")
        out += (answer.lines or ())[:SHOWN]
    out += [f"state: {line}" for line in delta[:SHOWN]]
    return "\n".join(out)


class _Stored:
    """The results of one session, kept so that an interrupted comparison can be taken up again."""

    def __init__(self, setup: Setup, session: Session) -> None:
        self._path = setup.work / f"{session.name}.json" if setup.work else None
        told = [setup.fingerprint(), session.trace.header.model_dump_json(), str(session.start)]
        told += [step.model_dump_json() for step in session.trace.steps] + [repr(one) for one in session.network]
        self._key = hashlib.sha256("\0".join(told).encode("utf-8", "replace")).hexdigest()

    def read(self) -> tuple[list[Case], int] | None:
        """What was found before, if nothing has changed since."""
        try:
            value: dict[str, Any] = json.loads(self._path.read_text("utf-8")) if self._path else {}
        except (OSError, ValueError):
            return None
        if not isinstance(value, dict) or value.get("key") != self._key:
            return None
        return [Case(**{**case, "bugs": tuple(case["bugs"])}) for case in value["cases"]], value["masked"]

    def write(self, part: tuple[list[Case], int]) -> tuple[list[Case], int]:
        """Keep what was found."""
        if self._path is not None:
            value = {"key": self._key, "masked": part[1], "cases": [asdict(case) for case in part[0]]}
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                scratch = self._path.with_suffix(".part")
                scratch.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", errors="replace")
                scratch.replace(self._path)
            except OSError as error:
                raise ContentError(f"Cannot write {self._path}: {error.strerror}. Choose another -o.") from None
        return part
