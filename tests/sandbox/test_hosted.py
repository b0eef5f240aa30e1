"""An app that knows nothing of us: its clock, chance, files and memory are the sandbox's all the same."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from envsim.errors import ContentError
from envsim.page.transport import Request, Response, WireFault
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.process import ProcessRuntime, ProcessSandbox
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import find_spec
from envsim.testing import check_sandbox

ANN = "ann@example.test"
Cookies = Mapping[str, str] | None
FORM = (("content-type", "application/x-www-form-urlencoded"),)


def send(sandbox: Sandbox, target: str, body: bytes | None = None, cookies: Cookies = None) -> Response:
    headers = FORM if body is not None else ()
    if cookies:
        headers += (("cookie", "; ".join(f"{key}={value}" for key, value in cookies.items())),)
    transport = sandbox.transport()
    try:
        return transport.send(Request("GET" if body is None else "POST", target, headers, body or b""))
    finally:
        transport.close()


def facts(sandbox: ProcessSandbox) -> tuple[list, list, dict]:
    drawn, now, seen = ast.literal_eval(send(sandbox, "/facts").body.decode())
    return drawn, now, seen


def dirty(sandbox, cookies) -> None:
    """Everything the ledger can do that a reset must undo."""
    send(sandbox, "/facts", cookies=cookies)
    send(sandbox, "/add", b"text=Lamp&amount=12.5&receipt=paid", cookies)
    before = send(sandbox, "/modified").body
    if b"fees.txt" in before:
        send(sandbox, "/mess", b"", cookies)
    send(sandbox, "/facts", cookies=cookies)


def test_the_conformance_kit_holds_for_an_app_that_is_not_ours() -> None:
    check_sandbox(ProcessRuntime().start(find_spec("ledger")), dirty)


def test_time_is_the_sandboxs_and_moves_by_requests(ledger: ProcessSandbox) -> None:
    ledger.control.reset(ResetRequest(seed=1))
    first, second = facts(ledger)[1], facts(ledger)[1]
    written = [f"Mon Mar  2 09:00:{second:02} 2026" for second in (7, 14)]
    assert first == [1772442007.0, "2026-03-02T09:00:07", "09:00:07", written[0], written[0]]
    assert second == [1772442014.0, "2026-03-02T09:00:14", "09:00:14", written[1], written[1]]
    cookie = dict(send(ledger, "/facts").headers)["set-cookie"]
    assert cookie == "seen=1; Expires=Mon, 02 Mar 2026 09:00:21 GMT"
    ledger.control.reset(ResetRequest(seed=1, clock="2030-01-01T00:00:00Z"))
    assert facts(ledger)[1][1] == "2030-01-01T00:00:07"


def test_chance_is_the_seeds(ledger: ProcessSandbox) -> None:
    drawn = []
    for seed in (1, 2, 1):
        ledger.control.reset(ResetRequest(seed=seed))
        drawn.append([facts(ledger)[0], facts(ledger)[0]])
    assert drawn[0] == drawn[2]
    for kind in range(3):  # random, SystemRandom, uuid4; uuid1 is a time and chance
        values = [drawing[kind] for run in drawn[:2] for drawing in run]
        assert len(set(values)) == 4
    assert drawn[0][0][3] != drawn[1][0][3]


def test_assets_move_neither_clock_nor_chance(ledger: ProcessSandbox) -> None:
    ledger.control.reset(ResetRequest(seed=1))
    plain = facts(ledger)
    ledger.control.reset(ResetRequest(seed=1))
    assert send(ledger, "/static/site.css").body == send(ledger, "/static/site.css").body
    after = facts(ledger)
    assert after[:2] == plain[:2]
    assert after[2] == {"/static/site.css": 2, "/facts": 1}


def test_memory_is_dropped_by_reset_and_snapshot(ledger: ProcessSandbox) -> None:
    control = ledger.control
    control.reset(ResetRequest(seed=1))
    facts(ledger)
    saved = control.snapshot()
    went_on = facts(ledger)
    control.restore(saved)
    assert facts(ledger) == went_on
    assert went_on[2] == {"/facts": 1}
    control.reset(ResetRequest(seed=1))
    assert facts(ledger)[2] == {"/facts": 1}


def test_files_are_put_back_wherever_the_app_wrote(ledger: ProcessSandbox) -> None:
    control, data = ledger.control, Path(ledger.record.folder) / "data"
    control.reset(ResetRequest(seed=1))
    clean, modified = control.hash(), send(ledger, "/modified").body
    control.reset(ResetRequest(seed=1))
    send(ledger, "/mess", b"")
    assert (data / "way-out").is_symlink()
    assert not (data / "empty").exists()
    messy = control.hash()
    saved, exported = control.snapshot(), control.export()
    control.reset(ResetRequest(seed=1))
    assert control.hash() == clean
    assert sorted(path.name for path in data.iterdir() if "ledger.db" not in path.name) == ["empty", "receipts"]
    assert (data / "receipts" / "rent.txt").read_text() == "Rent, March"
    assert send(ledger, "/modified").body == modified
    with pytest.raises(ContentError):
        control.restore(saved)
    control.load(exported)
    assert (data / "new" / "note.txt").read_text() == "here"
    assert (data / "way-out").readlink() == Path("/etc")
    assert control.hash() == messy != clean


def test_files_carry_the_apps_time(ledger: ProcessSandbox) -> None:
    ledger.control.reset(ResetRequest(seed=1))
    send(ledger, "/add", b"text=Lamp")
    times = {moment for _, moment in ast.literal_eval(send(ledger, "/modified").body.decode())}
    assert max(times) == 1772442007.0
    assert {1772442000.0, 1772442007.0} >= {t for t in times if t < 1772442008}


def test_a_state_delta_shows_what_the_app_wrote(ledger: ProcessSandbox) -> None:
    cookies = ledger.control.reset(ResetRequest(seed=1, login=ANN))
    assert list(cookies) == ["sid"]
    assert b"<h1>ann@example.test</h1>" in send(ledger, "/", cookies=cookies).body
    send(ledger, "/add", b"text=Lamp&amount=12.5", cookies)
    changes = ledger.control.changes()["delta"]
    row = ledger.control.state()["entries"]["3"]
    assert (row["owner"], row["text"], row["amount"], row["created_at"]) == (ANN, "Lamp", "12.5", 1772442014.0)
    assert len(changes) == 1
    send(ledger, "/", cookies=cookies)
    assert ledger.control.changes() == {"delta": [], "events": []}


def test_an_app_that_holds_its_database_locked_is_put_back_all_the_same(ledger: ProcessSandbox) -> None:
    ledger.control.reset(ResetRequest(seed=1))
    clean = ledger.control.hash()
    assert send(ledger, "/locked").body == b"locked"
    ledger.control.reset(ResetRequest(seed=1))
    assert ledger.control.hash() == clean


def test_requests_are_passed_on_as_wsgi_has_them(ledger: ProcessSandbox) -> None:
    ledger.control.reset(ResetRequest(seed=1))
    transport = ledger.transport()
    headers = (("x-one", "1"), ("x-one", "2"), ("cookie", "a=1"), ("cookie", "b=2"), ("content-type", "text/plain"))
    seen = ast.literal_eval(transport.send(Request("GET", "/environ?q=%C3%A9&r", headers)).body.decode())
    assert seen["QUERY_STRING"] == "q=%C3%A9&r"
    assert (seen["HTTP_X_ONE"], seen["HTTP_COOKIE"], seen["CONTENT_TYPE"]) == ("1,2", "a=1; b=2", "text/plain")
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"], seen["SCRIPT_NAME"]) == ("app.test", "80", "")
    assert transport.send(Request("HEAD", "/")).body == b""
    assert transport.send(Request("GET", "/%C3%A9")).status == 404
    with pytest.raises(WireFault) as broken:
        transport.send(Request("GET", "/short"))
    assert broken.value.kind == "truncated"
    transport.close()


def test_a_crash_is_one_bare_500(ledger: ProcessSandbox) -> None:
    ledger.control.reset(ResetRequest(seed=1))
    reply = send(ledger, "/entry/999")
    assert (reply.status, reply.body) == (500, b"Internal Server Error")
    assert "IndexError" in ledger.log()
    assert send(ledger, "/").status == 200


def test_hosted_apps_need_a_process_of_their_own() -> None:
    with pytest.raises(ContentError, match="process or the docker runtime"):
        InProcessRuntime().start(find_spec("ledger"))


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
@pytest.mark.slow
def test_a_container_answers_as_a_process_does(ledger: ProcessSandbox) -> None:
    from envsim.sandbox.docker import DockerRuntime

    boxed = DockerRuntime().start(find_spec("ledger"))
    try:
        shown = []
        for sandbox in (ledger, boxed):
            cookies = sandbox.control.reset(ResetRequest(seed=5, login=ANN))
            dirty(sandbox, cookies)
            shown.append(
                [cookies, send(sandbox, "/facts").body, send(sandbox, "/modified").body, sandbox.control.hash()]
            )
        assert shown[0] == shown[1]
        ledger.control.load(boxed.control.export())
        assert ledger.control.hash() == boxed.control.hash() == shown[0][3]
    finally:
        check_sandbox(boxed, dirty)
