"""Oracles of the notes app's bugs."""

from envsim.page.transport import Request
from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import ResetRequest


def lost_edit(sandbox) -> None:
    cookies = sandbox.control.reset(ResetRequest(login="ann@example.test"))
    headers = (("cookie", f"session={cookies['session']}"), ("content-type", "application/json"))
    sandbox.transport().send(Request("PUT", "/api/notes/1", headers, b'{"text": "Buy tea"}'))
    if (text := sandbox.control.state()["notes"]["1"]["text"]) != "Buy tea":
        raise OracleFailure(f"the note says {text!r} after it was changed to 'Buy tea'")


def flaky_list(sandbox) -> None:
    status = sandbox.transport().send(Request("GET", "/")).status
    if status != 200:
        raise OracleFailure(f"the list answered {status}")
