"""Pools: what is lent is clean and one's own, what comes back dirty or dead is replaced, and nothing waits for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import pytest

from envsim.errors import ContentError, SandboxLost, SandboxStartError, SandboxTimeout
from envsim.page.transport import Request, WireFault
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.process import ProcessSandbox
from envsim.sandbox.runtime import ResetRequest, Runtime, Sandbox, get_runtime
from envsim.sandbox.spec import SandboxSpec
from envsim.testing import check_sandbox

ANN = "ann@example.test"
PAGE = Request("GET", "/")


def say(sandbox: Sandbox, cookies: dict[str, str], text: str) -> str:
    """Write a note; what the page then shows."""
    headers = (("cookie", f"session={cookies['session']}"), ("content-type", "application/json"))
    transport = sandbox.transport()
    transport.send(Request("POST", "/api/notes", headers, json.dumps({"text": text}).encode()))
    return transport.send(Request("GET", "/", headers)).body.decode()


def reset(sandbox: Sandbox) -> dict[str, str]:
    return sandbox.control.reset(ResetRequest(seed=3, login=ANN))


class Tidy(SandboxPool):
    """Closes what it lent, too: a test that fails must not leave sandboxes to the next."""

    def __enter__(self) -> Tidy:
        self.lent: list[Sandbox] = []
        return self

    def __exit__(self, *exc_info: object) -> None:
        for sandbox in self.lent:
            sandbox.close()
        self.close()

    def start(self, spec: SandboxSpec) -> Sandbox:
        self.lent.append(super().start(spec))
        return self.lent[-1]


@pytest.fixture
def pool(notes: SandboxSpec) -> Iterator[SandboxPool]:
    with Tidy(get_runtime("inprocess"), notes, limit=4, deadline_s=20) as pool:
        yield pool


@pytest.fixture
def processes(notes: SandboxSpec) -> Iterator[SandboxPool]:
    with Tidy(get_runtime("process"), notes, limit=4, deadline_s=20) as pool:
        yield pool


def behind(sandbox: Sandbox) -> ProcessSandbox:
    """The sandbox that was lent."""
    found = sandbox._sandbox  # type: ignore[attr-defined]
    assert isinstance(found, ProcessSandbox)
    return found


@pytest.mark.parametrize("runtime", ["inprocess", "process", pytest.param("docker", marks=pytest.mark.docker)])
def test_what_is_lent_conforms(notes: SandboxSpec, runtime: str) -> None:
    with Tidy(get_runtime(runtime), notes, limit=1) as pool:
        check_sandbox(pool.start(notes))
        pool.wait(1)
        assert (pool.idle, pool.used, pool.recreated) == (1, 0, 0)
        check_sandbox(pool.start(notes))  # the same one again


def test_what_comes_back_is_clean_for_the_next(pool: SandboxPool, notes: SandboxSpec) -> None:
    first = pool.start(notes)
    clean, name = first.control.hash(), first.name
    say(first, reset(first), "left behind")
    first.close()
    pool.wait(1)
    again = pool.start(notes)
    assert (again.name, again.control.hash(), pool.recreated) == (name, clean, 0)


def test_what_was_given_back_reaches_nothing(pool: SandboxPool, notes: SandboxSpec) -> None:
    lent = pool.start(notes)
    cookies, transport, control = reset(lent), lent.transport(), lent.control
    url = lent.url()
    assert urlopen(url, timeout=10).status == 200
    lent.close()
    lent.close()
    pool.wait(1)
    successor = pool.start(notes)
    before = successor.control.hash()
    calls = [control.health, control.state, control.seed_view, control.changes, control.hash, control.snapshot]
    calls += [control.export, lambda: control.load(b""), lambda: control.restore("s1"), lambda: control.sign_in(ANN)]
    calls += [lent.url, lent.hide, lent.transport]
    for call in [*calls, lambda: control.reset(ResetRequest()), lent.restart]:
        with pytest.raises(SandboxLost, match="given back to its pool"):
            call()
    with pytest.raises(WireFault, match="reset"):
        transport.send(PAGE)
    with pytest.raises(OSError, match="refused"):
        urlopen(url, timeout=10)
    assert cookies
    assert successor.control.hash() == before
    assert urlopen(successor.url(), timeout=10).status == 200


LEAKY = """
from .app import Notes as Plain
from envsim.guest.kit import Clone

class Notes(Plain):
    async def __call__(self, scope, receive, send):
        if scope["method"] == "POST":
            self.kit._pristine.execute("DELETE FROM note")  # what every reset starts from
        await super().__call__(scope, receive, send)

def create(kit):
    notes = Notes(kit)
    return Clone(notes, notes.login)
"""


def test_one_whose_reset_leaves_something_behind_is_replaced(notes: SandboxSpec, tmp_path: Path) -> None:
    for path in notes.root.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "leaky.py").write_text(LEAKY)
    spec = notes.model_copy(update={"app": "leaky:create", "root": tmp_path})
    with Tidy(get_runtime("inprocess"), spec, limit=1) as pool:
        leaky = pool.start(spec)
        clean, name = leaky.control.hash(), leaky.name
        say(leaky, reset(leaky), "spoils it")
        leaky.close()
        fresh = pool.start(spec)
        assert pool.recreated == 1
        assert fresh.name != name
        assert fresh.control.hash() == clean


def test_one_that_dies_or_hangs_is_replaced(processes: SandboxPool, notes: SandboxSpec) -> None:
    idle, used = processes.start(notes), processes.start(notes)
    dead = behind(idle).process
    idle.close()
    processes.wait(1)
    dead.kill()  # while nobody uses it
    dead.wait()
    behind(used).process.kill()  # in somebody's hands
    used.close()
    fresh = [processes.start(notes), processes.start(notes)]
    assert processes.recreated == 2
    assert all(each.control.health()["app"] == "notes" for each in fresh)
    assert {each.name for each in fresh}.isdisjoint({idle.name, used.name})


def test_a_claim_beyond_the_limit_waits_and_then_says_so(notes: SandboxSpec) -> None:
    with Tidy(get_runtime("inprocess"), notes, limit=1, deadline_s=0.1) as pool:
        held = pool.start(notes)
        with pytest.raises(SandboxTimeout, match=r"None of 1 sandboxes of notes \(limit 1\) came free within 0.1 s"):
            pool.start(notes)
        threading.Timer(0.02, held.close).start()
        pool._deadline_s = 20
        assert pool.start(notes).name == held.name


@dataclass
class Unsteady:
    """A runtime that fails as often as it is told to."""

    runtime: Runtime
    failures: int = 0
    started: list[Sandbox] = field(default_factory=list)

    def start(self, spec: SandboxSpec) -> Sandbox:
        if self.failures:
            self.failures -= 1
            raise SandboxStartError("The engine is tired. Try again.")
        self.started.append(self.runtime.start(spec))
        return self.started[-1]


def test_a_start_that_fails_is_the_claimers_to_know(notes: SandboxSpec) -> None:
    runtime = Unsteady(get_runtime("inprocess"), failures=1)
    with Tidy(runtime, notes, deadline_s=20) as pool:
        with pytest.raises(SandboxStartError, match="The engine is tired"):
            pool.start(notes)
        assert pool.start(notes).control.health()["app"] == "notes"
        assert (pool.used, pool.idle) == (1, 0)
        runtime.failures = 2
        pool.prewarm(3)  # nobody waits for these: their failures are nobody's
        end = time.monotonic() + 20
        while pool._coming and time.monotonic() < end:
            time.sleep(0.01)
        assert runtime.failures == pool.idle == 0
        assert pool.start(notes).control.health()["app"] == "notes"


def test_waiting_for_what_failed_to_start_says_why_at_once(notes: SandboxSpec) -> None:
    runtime = Unsteady(get_runtime("inprocess"), failures=2)
    with Tidy(runtime, notes) as pool:
        pool.prewarm(2)
        with pytest.raises(SandboxStartError, match="The engine is tired"):
            pool.wait(2)
        pool.prewarm(2)
        pool.wait(2)


def test_an_interrupted_claim_gives_its_sandbox_back(notes: SandboxSpec) -> None:
    with Tidy(get_runtime("inprocess"), notes, limit=1) as pool:
        pool.prewarm(1)
        pool.wait(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(pool._idle[0].control), "health", interrupt)
            with pytest.raises(KeyboardInterrupt):
                pool.start(notes)
        pool.wait(1)
        assert (pool.used, pool.recreated) == (0, 0)


def interrupt(control: object) -> None:
    raise KeyboardInterrupt


LAST = """
import atexit
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec

spec = find_spec("notes")
lent = SandboxPool(get_runtime("process"), spec).start(spec)
pid = lent.control.health()["pid"]
atexit.register(lambda: (lent.close(), print(pid)))
"""


def test_what_is_given_back_at_the_very_end_is_closed(notes: SandboxSpec) -> None:
    ended = subprocess.run([sys.executable, "-c", LAST], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(ended.stdout), 0)


def test_closing_closes_what_is_idle_now_and_the_rest_when_it_is_given_back(notes: SandboxSpec) -> None:
    pool = SandboxPool(get_runtime("process"), notes)
    pool.prewarm(2)
    pool.wait(2)
    used = pool.start(notes)
    kept = behind(used).process
    idle = [each.process for each in pool._idle if isinstance(each, ProcessSandbox)]
    pool.close()
    pool.close()
    assert [process.poll() is None for process in idle] == [False]
    assert used.control.health()["pid"] == kept.pid
    used.close()
    assert kept.poll() is not None
    after = pool.start(notes)  # nothing is kept warm any more
    alone = after.control.health()["pid"]
    after.close()
    with pytest.raises(ProcessLookupError):
        os.kill(alone, 0)


def test_prewarming_stops_at_the_limit_and_counts_what_is_in_use(pool: SandboxPool, notes: SandboxSpec) -> None:
    held = pool.start(notes)
    pool.prewarm(100)
    pool.wait(3)
    assert (pool.idle, pool.used) == (3, 1)
    pool.prewarm(4)
    assert pool._total == 4
    with pytest.raises(SandboxTimeout, match=r"3 of 4 sandboxes of notes were warm within 0.05 s"):
        pool.wait(4, 0.05)
    held.close()
    pool.wait(4)


def test_other_apps_and_empty_pools_are_refused(pool: SandboxPool, notes: SandboxSpec) -> None:
    with pytest.raises(ContentError, match="holds sandboxes of notes"):
        pool.start(notes.model_copy(update={"name": "other"}))
    with pytest.raises(ContentError, match="limit of 1 or more"):
        SandboxPool(get_runtime("inprocess"), notes, limit=0)


def test_sixteen_workers_share_a_pool_and_nothing_else(notes: SandboxSpec) -> None:
    clean, wrong = set(), []

    def work(pool: SandboxPool, worker: int) -> None:
        for turn in range(6):
            sandbox = pool.start(notes)
            cookies = reset(sandbox)
            clean.add(sandbox.control.hash())
            mine = f"worker {worker} turn {turn}"
            page = say(sandbox, cookies, mine)
            if mine not in page or page.count("worker") != 1:
                wrong.append(page)
            sandbox.close()

    with Tidy(get_runtime("inprocess"), notes, limit=6) as pool, ThreadPoolExecutor(16) as workers:
        list(workers.map(lambda worker: work(pool, worker), range(16)))
        assert wrong == []
        assert (len(clean), pool.recreated) == (1, 0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_sandbox_that_died_or_hangs_restarts_in_its_place(notes: SandboxSpec, how: signal.Signals) -> None:
    sandbox = get_runtime("process").start(notes)
    assert isinstance(sandbox, ProcessSandbox)
    try:
        url, transport = sandbox.url(), sandbox.transport()
        before, clean = transport.send(PAGE), sandbox.control.reset(ResetRequest(seed=3)) or sandbox.control.hash()
        old = sandbox.process
        os.kill(old.pid, how)
        sandbox.restart()
        assert old.poll() is not None
        assert sandbox.control.reset(ResetRequest(seed=3)) or sandbox.control.hash() == clean
        assert transport.send(PAGE).body == before.body
        assert sandbox.url() == url
        assert sandbox.control.health()["pid"] == sandbox.process.pid == sandbox.record.pid != old.pid
    finally:
        sandbox.close()
    with pytest.raises(SandboxLost, match="is closed"):
        sandbox.restart()
