"""Conformance kit for sandboxes: what each must do, whichever runtime it runs in.

Run it on a runtime or clone of your own::

    from envsim.testing import check_sandbox

    sandbox = MyRuntime().start(spec)
    check_sandbox(sandbox)   # raises NonConformance at the first thing that is not as promised; closes it
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from urllib.request import urlopen

from envsim.errors import ContentError, SandboxLost
from envsim.page.transport import HOST, Request, WireFault
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.state import apply
from envsim.testing.world import NonConformance

Dirty = Callable[[Sandbox, Mapping[str, str]], None]
"""Uses a sandbox as an agent would, given the cookies of its session, so that its state changes."""

SEED = 1234


def check_sandbox(sandbox: Sandbox, dirty: Dirty | None = None) -> None:
    """Put `sandbox` through the contract of `envsim.sandbox.runtime`, then close it.

    Args:
        sandbox: A running one; nobody else may use it meanwhile.
        dirty: Changes its state; by default every page of its spec is opened, which moves at least its clock.

    Raises:
        NonConformance: At the first promise that is not kept.
    """
    dirty = dirty or open_pages
    health = sandbox.control.health()
    _expect(health["app"] == sandbox.spec.origin.name, f"health() names app {health['app']!r}")
    _check_reset(sandbox, dirty)
    _check_sign_in(sandbox)
    _check_changes(sandbox, dirty)
    _check_forks(sandbox, dirty)
    _check_export(sandbox, dirty)
    _check_refusals(sandbox)
    _check_transports(sandbox)
    _check_close(sandbox)


def open_pages(sandbox: Sandbox, cookies: Mapping[str, str]) -> None:
    """Open every page a walk over the app starts at."""
    transport = sandbox.transport()
    for page in sandbox.spec.pages:
        try:
            transport.send(Request("GET", page, _headers(cookies)))
        except WireFault:
            continue  # one of its bugs
    transport.close()


def _headers(cookies: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (("cookie", "; ".join(f"{key}={value}" for key, value in cookies.items())),) if cookies else ()


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise NonConformance(message)


def _request(sandbox: Sandbox) -> ResetRequest:
    return ResetRequest(seed=SEED, bugs=sandbox.spec.select_bugs("production"), login=sandbox.spec.login)


def _check_reset(sandbox: Sandbox, dirty: Dirty) -> None:
    control, request = sandbox.control, _request(sandbox)
    seeded = control.seed_view()
    cookies = control.reset(request)
    _expect(bool(cookies) == (request.login is not None), "reset() returns cookies exactly for a signed-in session")
    clean, view = control.hash(), control.state()
    dirty(sandbox, cookies)
    _expect(control.hash() != clean, "using the app leaves hash() as it was; it must cover the clock and every row")
    control.reset(ResetRequest(seed=SEED + 1, bugs=sandbox.spec.select_bugs("all"), clock="2030-01-01T00:00:00Z"))
    dirty(sandbox, {})
    _expect(control.reset(request) == cookies, "the same reset gives other cookies the second time")
    _expect(control.hash() == clean, "a reset leaves something of the episode before behind")
    _expect(control.state() == view, "the same reset gives another state view the second time")
    _expect(control.seed_view() == seeded, "seed_view() changed while the app was used")
    control.reset(ResetRequest(seed=SEED + 1, bugs=request.bugs, login=request.login))
    _expect(control.hash() != clean, "two seeds share one hash(): the seed does not reach the app")


def _check_sign_in(sandbox: Sandbox) -> None:
    control, account = sandbox.control, sandbox.spec.login
    if account is None:
        return
    first = control.reset(_request(sandbox))
    second = control.sign_in(account)
    _expect(bool(second) and second != first, "sign_in() opens no session beside that of reset()")
    _expect(control.changes() == {"delta": [], "events": []}, "signing in shows up in changes()")
    both = control.hash()
    control.reset(_request(sandbox))
    _expect(control.sign_in(account) == second, "the same sign_in() after the same reset gives other cookies")
    _expect(control.hash() == both, "the same sign_in() after the same reset ends in another state")
    _refused(lambda: control.sign_in("nobody@nowhere.invalid"), "sign_in() takes an unknown account")


def _check_changes(sandbox: Sandbox, dirty: Dirty) -> None:
    control = sandbox.control
    cookies = control.reset(_request(sandbox))
    _expect(control.changes() == {"delta": [], "events": []}, "signing in at reset shows up in changes()")
    before = control.state()
    dirty(sandbox, cookies)
    delta = control.changes()["delta"]
    _expect(apply(before, delta) == control.state(), "state() before, with changes() applied, is not state() after")
    _expect(control.changes() == {"delta": [], "events": []}, "changes() reports the same thing twice")


def _check_forks(sandbox: Sandbox, dirty: Dirty) -> None:
    control = sandbox.control
    cookies = control.reset(_request(sandbox))
    dirty(sandbox, cookies)
    saved, middle, view = control.snapshot(), control.hash(), control.state()
    dirty(sandbox, cookies)
    end = control.hash()
    for _ in range(2):
        control.restore(saved)
        _expect(control.hash() == middle, "restore() does not return to the state of snapshot()")
        _expect(control.state() == view, "restore() does not return to the state view of snapshot()")
        _expect(control.changes() == {"delta": [], "events": []}, "a restore shows up in changes()")
        dirty(sandbox, cookies)
        _expect(control.hash() == end, "the same actions after restore() end in another state")
    control.reset(_request(sandbox))
    _refused(lambda: control.restore(saved), "a snapshot outlives a reset")


def _check_export(sandbox: Sandbox, dirty: Dirty) -> None:
    control = sandbox.control
    cookies = control.reset(_request(sandbox))
    dirty(sandbox, cookies)
    saved, data, middle, view = control.snapshot(), control.export(), control.hash(), control.state()
    _expect(control.hash() == middle, "export() changes the state")
    dirty(sandbox, cookies)
    end = control.hash()
    control.reset(ResetRequest(seed=SEED + 1))
    before = control.hash()
    for bad in (b"", data[:-1], data[: len(data) // 2], data[:-1] + bytes([data[-1] ^ 1])):
        _refused(functools.partial(control.load, bad), "load() takes a state that is damaged or cut short")
        _expect(control.hash() == before, "a refused load() leaves something behind")
    for _ in range(2):
        control.load(data)
        _expect(control.hash() == middle, "load() does not return to the state of export()")
        _expect(control.state() == view, "load() does not return to the state view of export()")
        _expect(control.changes() == {"delta": [], "events": []}, "a load shows up in changes()")
        dirty(sandbox, cookies)
        _expect(control.hash() == end, "the same actions after load() end in another state")
    _refused(lambda: control.restore(saved), "a snapshot outlives a load")


def _check_refusals(sandbox: Sandbox) -> None:
    control = sandbox.control
    _refused(lambda: control.restore("no-such-snapshot"), "restore() takes an unknown id")
    nobody = ResetRequest(login="nobody@example.invalid")
    _refused(lambda: control.reset(nobody), "reset() takes an unknown account")
    call = ResetRequest(login=sandbox.spec.login, setup=[{"tool": "no_such_tool", "arguments": {}}])
    _refused(lambda: control.reset(call), "reset() takes an unknown setup tool")
    _refused(lambda: control.reset(ResetRequest(clock="yesterday")), "reset() takes a clock that is not a time")
    control.reset(ResetRequest(seed=SEED))
    _expect(control.changes()["delta"] == [], "a refused reset leaves something behind")


def _refused(call: Callable[[], object], message: str) -> None:
    try:
        call()
    except ContentError:
        return
    raise NonConformance(f"{message}; it must raise ContentError")


def _check_transports(sandbox: Sandbox) -> None:
    page, bodies = sandbox.spec.pages[0], []
    for _ in range(2):
        sandbox.control.reset(ResetRequest(seed=SEED))
        transport = sandbox.transport()
        bodies.append(transport.send(Request("GET", page)))
        transport.close()
        transport.close()
    _expect(bodies[0] == bodies[1], f"{page} differs between two resets of one seed")
    sandbox.control.reset(ResetRequest(seed=SEED))
    with urlopen(sandbox.url() + page, timeout=10) as reply:  # noqa: S310 -- our own loopback URL
        # An app may name the address it is asked under.
        body = reply.read().replace(sandbox.url().encode(), f"http://{HOST}".encode())
        _expect(body == bodies[0].body, f"{page} differs between transport() and url()")
    _expect(sandbox.url() == sandbox.url(), "url() changes from call to call")


def _check_close(sandbox: Sandbox) -> None:
    transport = sandbox.transport()
    sandbox.close()
    sandbox.close()
    transport.close()
    try:
        sandbox.control.state()
    except SandboxLost:
        return
    raise NonConformance("a closed sandbox still answers; it must raise SandboxLost")
