"""`sandbox prove`: all that a sandbox must do, tried on one app, and what to do where it does not."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from envsim.errors import EnvsimError
from envsim.guest.guest import parse_clock
from envsim.page.transport import Request, Response, WireFault
from envsim.sandbox.audit import LISTENING, audit
from envsim.sandbox.new_state import suggest_state
from envsim.sandbox.runtime import ResetRequest, Runtime, Sandbox
from envsim.sandbox.spec import SandboxSpec

SEED = 20
CLOCKS = ("2026-03-02T09:00:00Z", "2031-07-09T21:30:00Z")
LINKS = 12
"""How many pages beyond those declared are opened to use the app."""
RESETS = 5

_CHANCE = "its chance is not ours: restart = true under [hosted] helps if it asks by getrandom()"
_MEMORY = "it keeps something in memory: set restart = true under [hosted]"

_LINK = re.compile(rb"""\shref=["']([^"'#]+)""", re.IGNORECASE)
_LEAVES = re.compile(r"log-?out|sign-?out|delete|remove", re.IGNORECASE)


@dataclass(frozen=True)
class Point:
    """One thing that a sandbox must do.

    Attributes:
        item: What it is.
        held: Whether it does; None where that cannot be told from outside.
        ms: How long it took, where that matters.
        note: What was seen, or what to do.
    """

    item: str
    held: bool | None
    ms: float | None = None
    note: str = ""


@dataclass
class Proof:
    """What was tried, in order."""

    points: list[Point] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    """Lines for the state view in sandbox.toml."""

    @property
    def proven(self) -> bool:
        """Whether nothing failed. What could not be told does not count."""
        return all(point.held is not False for point in self.points)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        points = [asdict(point) for point in self.points]
        return {"proven": self.proven, "points": points, "suggestions": self.suggestions}


def prove(spec: SandboxSpec, runtime: Runtime, progress: Callable[[str], None]) -> Proof:
    """Start `spec` and try everything.

    Args:
        spec: The app.
        runtime: Where; a container for anything that is a command.
        progress: Called with a line of text before each part.

    Raises:
        SandboxStartError: It does not start; carries the end of its log.
        PrerequisiteError: What its image needs cannot be had.
    """
    proof = Proof()
    progress(f"starting {spec.ref}")
    started = time.perf_counter()
    sandbox = runtime.start(spec)
    try:
        proof.points.append(Point("up", True, _since(started), f"image and container; {sandbox.name}"))
        parts: list[Callable[[Sandbox], Iterator[Point]]] = [
            _pages,
            _login,
            _clock,
            _same,
            _reset,
            _fork,
            _export,
            _state,
        ]
        for part in parts:
            progress(part.__name__.strip("_"))
            with _broken(proof, part.__name__.strip("_")):
                proof.points.extend(part(sandbox))
        with _broken(proof, "state view"):
            proof.suggestions = suggest_state(sandbox) if not spec.state else []
        progress("containment")
        with _broken(proof, "containment"):
            for finding in audit(sandbox):
                proof.points.append(
                    Point(finding["item"], finding["held"], note=_contain(finding["item"], finding["held"]))
                )
    finally:
        sandbox.close()
    return proof


@contextlib.contextmanager
def _broken(proof: Proof, item: str) -> Iterator[None]:
    try:
        yield
    except (EnvsimError, WireFault) as error:
        proof.points.append(Point(item, False, note=f"{error} Look at: sandbox logs"))


# -- the parts -----------------------------------------------------------------------------------


def _pages(sandbox: Sandbox) -> Iterator[Point]:
    sandbox.control.reset(ResetRequest(seed=SEED))
    for page in sandbox.spec.pages:
        started = time.perf_counter()
        reply = _get(sandbox, page)
        said = "" if reply.status < 400 else "; correct `pages`, or see: sandbox logs"
        yield Point(
            f"GET {page}", reply.status < 400, _since(started), f"status {reply.status}, {len(reply.body)} bytes{said}"
        )


def _login(sandbox: Sandbox) -> Iterator[Point]:
    spec = sandbox.spec
    if spec.login is None:
        yield Point(
            "login", None, note="no account declared: agents start as guests; see `login` in sandbox.toml and seed.py"
        )
        return
    started = time.perf_counter()
    cookies = sandbox.control.reset(ResetRequest(seed=SEED, login=spec.login))
    note = f"{spec.login}: {', '.join(cookies) or 'no cookies, so nobody is signed in; see login() in seed.py'}"
    yield Point("login", bool(cookies), _since(started), note)


def _clock(sandbox: Sandbox) -> Iterator[Point]:
    """By the Date that most servers send: it must be ours, twice."""
    seen, page = [], sandbox.spec.pages[0]
    for clock in CLOCKS:
        sandbox.control.reset(ResetRequest(seed=SEED, clock=clock))
        seen.append((_get(sandbox, page).header("date"), parse_clock(clock)))
    if any(date is None for date, _ in seen):
        yield Point("clock", None, note="the app sends no Date header; look at a page that shows the time")
        return
    off = [abs((parsedate_to_datetime(date or "") - clock).total_seconds()) for date, clock in seen]
    held = max(off) < 3600
    note = "frozen where the reset puts it" if held else "it does not ask the C library for the time (Go never does): "
    yield Point("clock", held, note=note + "its dates differ from run to run" * (not held))


def _same(sandbox: Sandbox) -> Iterator[Point]:
    """The same seed must give the same pages, also after the app has been used."""
    first, second = _walk_after_reset(sandbox), _walk_after_reset(sandbox)
    yield _compare("same pages from the same seed", first, second, _CHANCE)
    _use(sandbox)
    yield _compare("same pages after use and reset", first, _walk_after_reset(sandbox), _MEMORY)


def _reset(sandbox: Sandbox) -> Iterator[Point]:
    control, request = sandbox.control, ResetRequest(seed=SEED)
    control.reset(request)
    clean, took = control.hash(), []
    for _ in range(RESETS):
        _use(sandbox)
        started = time.perf_counter()
        control.reset(request)
        took.append(_since(started))
    held = control.hash() == clean
    slow = " (restart = true starts the app each time; false is faster if it keeps nothing in memory)" * _restarts(
        sandbox
    )
    note = f"{RESETS} times, the same hash of all state" + slow
    yield Point(
        "reset", held, sorted(took)[RESETS // 2], note if held else "something below the data folder is left behind"
    )


def _fork(sandbox: Sandbox) -> Iterator[Point]:
    control = sandbox.control
    control.reset(ResetRequest(seed=SEED))
    _walk(sandbox)
    started = time.perf_counter()
    saved = control.snapshot()
    middle, ahead = control.hash(), _walk(sandbox)
    control.restore(saved)
    took, held = _since(started), control.hash() == middle
    yield Point("snapshot and restore", held, took, "" if held else "the hash of all state differs after restore")
    yield _compare(
        "same pages after restore", ahead, _walk(sandbox), "it keeps something in memory: set restart = true"
    )


def _export(sandbox: Sandbox) -> Iterator[Point]:
    control = sandbox.control
    before, started = control.hash(), time.perf_counter()
    data = control.export()
    control.reset(ResetRequest(seed=SEED + 1))
    control.load(data)
    held = control.hash() == before
    yield Point(
        "export and load", held, _since(started), f"{len(data)} bytes" if held else "the hash of all state differs"
    )


def _state(sandbox: Sandbox) -> Iterator[Point]:
    if not sandbox.spec.state:
        note = "none declared: no task can be judged on what happened; add [state] to sandbox.toml"
        yield Point("state view", None, note=note)
        return
    view = sandbox.control.seed_view()
    empty = [name for name, rows in view.items() if not rows]
    note = ", ".join(f"{name} {len(rows)}" for name, rows in view.items())
    yield Point(
        "state view", len(empty) < len(view), note=f"rows: {note}" + ("; let the seed write some" * bool(empty))
    )


# -- using an app nobody told us about -------------------------------------------------------------


def _get(sandbox: Sandbox, target: str) -> Response:
    with contextlib.closing(sandbox.transport()) as transport:
        return transport.send(Request("GET", target))


def _walk_after_reset(sandbox: Sandbox) -> dict[str, Response]:
    sandbox.control.reset(ResetRequest(seed=SEED))
    return _walk(sandbox)


def _walk(sandbox: Sandbox) -> dict[str, Response]:
    return {page: _get(sandbox, page) for page in sandbox.spec.pages}


def _use(sandbox: Sandbox) -> None:
    """Open the declared pages and some they link to, as a visitor would."""
    waiting, seen = list(sandbox.spec.pages), set(sandbox.spec.pages)
    for _ in range(len(sandbox.spec.pages) + LINKS):
        if not waiting:
            return
        page = waiting.pop(0)
        with contextlib.suppress(WireFault):
            for link in _links(page, _get(sandbox, page).body):
                if link not in seen:
                    seen.add(link)
                    waiting.append(link)


def _links(page: str, body: bytes) -> list[str]:
    found = []
    for raw in _LINK.findall(body):
        split = urlsplit(urljoin(f"http://app.test{page}", raw.decode("utf-8", "replace").replace("&amp;", "&")))
        if (
            split.netloc == "app.test"
            and split.scheme == "http"
            and not _LEAVES.search(split.path)
            and split.path.isascii()
        ):
            found.append(split.path + (f"?{split.query}" if split.query.isascii() and split.query else ""))
    return found


def _compare(item: str, before: dict[str, Response], after: dict[str, Response], advice: str) -> Point:
    for page, first in before.items():
        second = after[page]
        if first == second:
            continue
        if first.body == second.body:
            names = {name for pair in (set(first.headers) ^ set(second.headers)) for name in pair[:1]}
            return Point(item, False, note=f"{page}: headers {', '.join(sorted(names))} differ; {advice}")
        return Point(item, False, note=f"{page}: {_first_difference(first.body, second.body)}; {advice}")
    return Point(item, True, note=f"{len(before)} pages, byte for byte")


def _first_difference(first: bytes, second: bytes) -> str:
    pairs = enumerate(zip(first, second, strict=False))
    at = next((at for at, (one, two) in pairs if one != two), min(len(first), len(second)))
    shown = first[max(0, at - 40) : at + 40].decode("utf-8", "replace")
    return f"differs at byte {at}, in {' '.join(shown.split())!r}"


def _contain(item: str, held: bool) -> str:
    if held:
        return ""
    if item == LISTENING:
        return "it listens on another port than the declared one: correct `port`, or let it listen on a unix socket"
    return "see docs/sandboxes.md, Docker"


def _restarts(sandbox: Sandbox) -> bool:
    hosted = sandbox.spec.origin.hosted
    return hosted is not None and hosted.restart


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
