"""Oracles of the ledger's bugs."""

from envsim.page.transport import Request
from envsim.sandbox.oracle import OracleFailure


def amount_500(sandbox) -> None:
    reply = sandbox.transport().send(Request("GET", "/entry/1"))
    if reply.status != 200 or b"1,250.50" not in reply.body:
        raise OracleFailure(f"an entry of 1250.5 answered {reply.status}: {reply.body[:80]!r}")
