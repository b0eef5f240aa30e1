"""Reset, setup, deltas and forks of one clone, driven in process."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.page.transport import Request, Response
from envsim.sandbox.inprocess import InProcessRuntime, InProcessSandbox
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec
from envsim.state import apply, diff

ANN = "ann@example.test"
JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def sandbox(notes: SandboxSpec) -> Iterator[InProcessSandbox]:
    sandbox = InProcessRuntime().start(notes)
    yield sandbox
    sandbox.close()


def send(sandbox: InProcessSandbox, method: str, path: str, cookies: dict[str, str], body: object = None) -> Response:
    headers = (("cookie", f"session={cookies['session']}"), JSON) if cookies else (JSON,)
    transport = sandbox.transport()
    try:
        return transport.send(Request(method, path, headers, json.dumps(body).encode() if body is not None else b""))
    finally:
        transport.close()


NOTES = st.sampled_from(["/api/notes/1", "/api/notes/2", "/api/notes/4"])
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just("POST"), st.just("/api/notes"), st.text(max_size=20)),
        st.tuples(st.just("PUT"), NOTES, st.text(max_size=20)),
        st.tuples(st.just("DELETE"), NOTES, st.just("")),
        st.tuples(st.just("GET"), st.just("/"), st.just("")),
    ),
    max_size=8,
)


def write(sandbox: InProcessSandbox, cookies: dict[str, str], writes: list[tuple[str, str, str]]) -> list[Response]:
    return [send(sandbox, method, path, cookies, {"text": text}) for method, path, text in writes]


@given(writes=WRITES, seed=st.integers(0, 2**32), bugs=st.sampled_from(["none", "production", "lost-edit"]))
def test_a_reset_undoes_whatever_was_written(
    sandbox: InProcessSandbox, writes: list[tuple[str, str, str]], seed: int, bugs: str
) -> None:
    request = ResetRequest(seed=seed, bugs=sandbox.spec.select_bugs(bugs), login=ANN)
    cookies = sandbox.control.reset(request)
    clean = sandbox.control.hash()
    first = write(sandbox, cookies, writes)
    end = sandbox.control.hash()
    assert sandbox.control.reset(request) == cookies
    assert sandbox.control.hash() == clean
    # The second episode is the first over again, byte for byte, rare bugs included.
    assert write(sandbox, cookies, writes) == first
    assert sandbox.control.hash() == end


@given(before=WRITES, after=WRITES)
def test_changes_are_the_difference_of_states_and_forks_are_exact(
    sandbox: InProcessSandbox, before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    control = sandbox.control
    cookies = control.reset(ResetRequest(seed=5, bugs=sandbox.spec.select_bugs("production"), login=ANN))
    write(sandbox, cookies, before)
    saved, view = control.snapshot(), control.state()
    control.changes()
    for _ in range(2):
        write(sandbox, cookies, after)
        delta = control.changes()["delta"]
        assert delta == diff(view, control.state())
        assert apply(view, delta) == control.state()
        end = control.hash()
        control.restore(saved)
        assert control.state() == view
    write(sandbox, cookies, after)
    assert control.hash() == end


def test_setup_leaves_no_trace_but_its_effect(sandbox: InProcessSandbox) -> None:
    setup = [
        {"tool": "add_note", "arguments": {"text": "Call Bob"}},
        {"tool": "edit_note", "arguments": {"id": 1, "text": "x"}},
    ]
    # With its bug on, the edit would be lost: setup runs with bugs off.
    cookies = sandbox.control.reset(ResetRequest(seed=1, bugs={"lost-edit": 1.0}, login=ANN, setup=setup))
    view = sandbox.control.state()
    assert [view["notes"]["1"]["text"], view["notes"]["4"]["text"]] == ["x", "Call Bob"]
    assert view["notes"]["4"]["created_at"] == "2026-03-02T09:00:00+00:00"
    assert sandbox.control.changes() == {"delta": [], "events": []}
    kit = sandbox._guest.kit
    assert (kit.ticks, kit.counters, kit.cache, kit.seed, kit.bugs) == (0, {}, {}, 1, {"lost-edit": 1.0})
    assert send(sandbox, "PUT", "/api/notes/1", cookies, {"text": "y"}).status == 200
    changes = sandbox.control.changes()
    assert changes == {"delta": [], "events": [{"kind": "bug", "id": "lost-edit", "detail": "note 1"}]}


def test_a_session_opened_later_gets_another_token(sandbox: InProcessSandbox) -> None:
    cookies = sandbox.control.reset(ResetRequest(seed=1, login=ANN))
    assert sandbox._guest._clone.login("bob@example.test") != cookies


def test_the_clock_can_be_set_and_moves_by_ticks(sandbox: InProcessSandbox) -> None:
    cookies = sandbox.control.reset(ResetRequest(clock="2027-01-01T08:00:00", login=ANN))
    send(sandbox, "POST", "/api/notes", cookies, {"text": "new"})
    assert sandbox.control.state()["notes"]["4"]["created_at"] == "2027-01-01T08:00:07+00:00"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ResetRequest(login="eve@example.test"), "notes has no account 'eve@example.test'"),
        (ResetRequest(clock="noon"), "The clock 'noon' is not an ISO 8601 time"),
        (ResetRequest(login=ANN, setup=[{"tool": "sell", "arguments": {}}]), "Setup: there is no tool 'sell'"),
        (ResetRequest(login=ANN, setup=[{"tool": "add_note", "arguments": {}}]), "needs the argument 'text'"),
        (ResetRequest(setup=[{"tool": "list_notes", "arguments": {}}]), "list_notes() was refused with status 401"),
    ],
)
def test_a_reset_that_cannot_be_done_says_why(sandbox: InProcessSandbox, request_: ResetRequest, message: str) -> None:
    with pytest.raises(ContentError) as caught:
        sandbox.control.reset(request_)
    assert message in str(caught.value)


def test_200_dirty_resets_show_one_hash(sandbox: InProcessSandbox) -> None:
    request = ResetRequest(seed=9, bugs=sandbox.spec.select_bugs("production"), login=ANN)
    hashes = set()
    for i in range(200):
        cookies = sandbox.control.reset(request)
        hashes.add(sandbox.control.hash())
        write(sandbox, cookies, [("POST", "/api/notes", f"{i}"), ("PUT", "/api/notes/1", f"{i}"), ("GET", "/", "")])
    assert len(hashes) == 1
