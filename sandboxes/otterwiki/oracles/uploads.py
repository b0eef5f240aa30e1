"""Bugs of attachments."""

from __future__ import annotations

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .visits import Member


def attachment_name(sandbox: Sandbox) -> None:
    """Attach a file whose name is not plain ASCII."""
    member = Member(sandbox)
    name = "Pläne für März.txt"
    reply = member.upload("/Bees/attachments", name, b"Three hives, two boxes each.\n")
    found = [row["name"] for row in member.rows("attachments", page="bees").values()]
    if reply.status != 302 or len(found) != 1:
        raise ValueError(f"the file could not be attached (status {reply.status})")
    if found[0] != name:
        raise OracleFailure(f"{name!r} was kept as {found[0]!r}")
