"""An app in a process of its own: its clock, chance, memory and state are the sandbox's; its crashes are its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from envsim.errors import ContentError, SandboxStartError
from envsim.page.transport import Request, Response, WireFault
from envsim.sandbox.audit import audit
from envsim.sandbox.docker import DockerRuntime, DockerSandbox
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec, find_spec
from envsim.testing import check_sandbox

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("tally")]

FORM = (("content-type", "application/x-www-form-urlencoded"),)
ANN = ResetRequest(seed=7, login="ann")


@pytest.fixture(scope="module")
def tally(user_root: object) -> SandboxSpec:
    return find_spec("tally")


@pytest.fixture(scope="module")
def running(tally: SandboxSpec) -> Iterator[DockerSandbox]:
    sandbox = DockerRuntime().start(tally)
    yield sandbox
    sandbox.close()


@pytest.fixture
def sandbox(running: DockerSandbox) -> DockerSandbox:
    running.control.reset(ResetRequest(seed=7))
    return running


def send(sandbox: DockerSandbox, target: str, body: bytes | None = None, cookies: Mapping[str, str] = {}) -> Response:
    headers = FORM if body is not None else ()
    headers += tuple(("cookie", f"{key}={value}") for key, value in cookies.items())
    transport = sandbox.transport()
    try:
        return transport.send(Request("GET" if body is None else "POST", target, headers, body or b""))
    finally:
        transport.close()


def facts(sandbox: DockerSandbox, cookies: Mapping[str, str] = {}) -> tuple[str, str, str, str]:
    """Who is signed in, the time, requests since the start, and something random."""
    found = re.search(r"<p>(\w+), (.+), seen (\d+), (\w+)</p>", send(sandbox, "/", cookies=cookies).body.decode())
    assert found is not None
    return found[1], found[2], found[3], found[4]


def use(sandbox: DockerSandbox, cookies: Mapping[str, str]) -> None:
    """Everything a reset must undo: rows, files, memory, chance."""
    send(sandbox, "/", cookies=cookies)
    send(sandbox, "/vote", b"for=tea", cookies)
    send(sandbox, "/file", cookies=cookies)


@pytest.mark.timeout(300)  # half a minute, and four times that where other work fills the cores
def test_the_conformance_kit_holds(tally: SandboxSpec) -> None:
    check_sandbox(DockerRuntime().start(tally), use)


def test_every_safeguard_holds(sandbox: DockerSandbox) -> None:
    assert [finding["item"] for finding in audit(sandbox) if not finding["held"]] == []


def test_its_clock_is_the_sandboxs_and_moves_by_requests(sandbox: DockerSandbox) -> None:
    assert [facts(sandbox)[1] for _ in range(2)] == ["2026-03-02 09:00:07", "2026-03-02 09:00:14"]
    sandbox.control.reset(ResetRequest(seed=7, clock="2027-12-31T23:59:50Z"))
    assert [facts(sandbox)[1] for _ in range(2)] == ["2027-12-31 23:59:57", "2028-01-01 00:00:04"]


def test_its_memory_and_chance_are_the_seeds(sandbox: DockerSandbox) -> None:
    first = [facts(sandbox), facts(sandbox)]
    sandbox.control.reset(ResetRequest(seed=7))
    assert [facts(sandbox), facts(sandbox)] == first
    assert [seen for _, _, seen, _ in first] == ["1", "2"]
    sandbox.control.reset(ResetRequest(seed=8))
    assert facts(sandbox)[3] != first[0][3]


def test_restarts_leave_neither_processes_nor_shared_memory(sandbox: DockerSandbox) -> None:
    for seed in range(5):
        sandbox.control.reset(ResetRequest(seed=seed))
    shared = sandbox.container.exec_run(["ls", "/dev/shm"]).output.decode().split()
    assert len(shared) == 2
    processes = sandbox.container.exec_run(["sh", "-c", "ls -d /proc/[0-9]*"]).output.decode().split()
    assert len(processes) <= 4  # the supervisor, the app, and these two


def test_an_account_is_signed_in_by_its_own_form(sandbox: DockerSandbox) -> None:
    cookies = sandbox.control.reset(ANN)
    assert facts(sandbox, cookies)[0] == "ann"
    assert sandbox.control.changes()["delta"] == []
    with pytest.raises(ContentError, match="tally has no account 'eve'"):
        sandbox.control.reset(ResetRequest(login="eve"))


def test_what_it_writes_is_seen_at_once(sandbox: DockerSandbox) -> None:
    send(sandbox, "/vote", b"for=tea")
    assert sandbox.control.changes()["delta"] == [["votes/tea/votes", 4]]
    assert sandbox.control.seed_view()["votes"]["tea"] == {"votes": 3}


def test_nothing_it_writes_anywhere_outlives_a_reset(sandbox: DockerSandbox) -> None:
    def left() -> list[str]:
        return [path for path in send(sandbox, "/left").body.decode().split() if "left" in path or "tally" in path]

    control = sandbox.control
    clean = control.hash()
    (started,) = left()
    assert started.startswith("/tmp/tally-")
    assert send(sandbox, "/leave").status == 200
    written = [path for path in left() if path.endswith("left")]
    assert written == ["/dev/shm/left", "/run/envsim/left", "/tmp/left"]
    state, dirty = control.export(), control.hash()
    control.reset(ResetRequest(seed=7))
    assert control.hash() == clean != dirty
    assert [path for path in left() if path.endswith("left")] == []
    control.load(state)
    assert control.hash() == dirty
    # What it makes at its start is its memory: there is one such file, that of the process which runs now.
    assert [path for path in left() if path.endswith("left")] == written
    assert len(left()) == len(written) + 1


def test_a_state_goes_to_another_sandbox(sandbox: DockerSandbox, tally: SandboxSpec) -> None:
    cookies = sandbox.control.reset(ANN)
    use(sandbox, cookies)
    data, digest = sandbox.control.export(), sandbox.control.hash()
    other = DockerRuntime().start(tally)
    try:
        other.control.load(data)
        assert other.control.hash() == digest
        assert facts(other, cookies) == facts(sandbox, cookies)
    finally:
        other.close()


def test_answers_are_passed_on_as_they_are(sandbox: DockerSandbox) -> None:
    reply = send(sandbox, "/chunks")
    assert (reply.status, reply.body) == (200, b"one two")
    assert "transfer-encoding" not in {name for name, _ in reply.headers}
    with pytest.raises(WireFault) as cut:
        send(sandbox, "/halfway")
    assert cut.value.kind == "truncated"
    redirect = send(sandbox, "/vote", b"for=tea")
    assert (redirect.status, dict(redirect.headers)["location"]) == (303, "/")


def test_a_crash_is_a_502_and_the_next_request_finds_it_started_again(sandbox: DockerSandbox) -> None:
    facts(sandbox)
    send(sandbox, "/vote", b"for=tea")
    assert send(sandbox, "/crash").status == 502
    assert facts(sandbox)[2] == "1"
    assert sandbox.control.state()["votes"]["tea"] == {"votes": 4}
    assert "was killed by signal 9" in sandbox.log()


@pytest.mark.slow
def test_a_hang_ends_within_its_deadline_and_the_app_is_started_again(sandbox: DockerSandbox) -> None:
    assert send(sandbox, "/hang").status == 504
    assert facts(sandbox)[2] == "1"
    assert "no answer to GET /hang within 9 s" in sandbox.log()


@pytest.mark.slow
def test_an_app_that_does_not_start_says_why(tally: SandboxSpec) -> None:
    assert tally.hosted is not None
    hosted = tally.hosted.model_copy(update={"command": ("python3", "-c", "raise SystemExit('no luck')")})
    with pytest.raises(SandboxStartError, match=r"(?s)no luck.*ended with code 1 before it listened on port 8000"):
        DockerRuntime().start(tally.model_copy(update={"hosted": hosted}))


@pytest.mark.parametrize("runtime", [InProcessRuntime, ProcessRuntime])
def test_a_command_runs_in_containers_only(
    tally: SandboxSpec, runtime: type[InProcessRuntime | ProcessRuntime]
) -> None:
    with pytest.raises(ContentError, match=r"Use the (process or the )?docker runtime"):
        runtime().start(tally)
