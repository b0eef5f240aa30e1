"""Bugs of pages and their history."""

from __future__ import annotations

import re

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .visits import Member


def old_revision(sandbox: Sandbox) -> None:
    """Rename a page and open its first version from its history."""
    member = Member(sandbox)
    if member.submit("/Bees/rename", new_pagename="Beekeeping", message="One word").status != 302:
        raise ValueError("the page could not be renamed")
    listed = re.findall(r'href="(/Beekeeping\?revision=\w+)"', member.get("/Beekeeping/history"))
    if len(listed) < 2:
        raise ValueError("the history does not reach back beyond the new name")
    status = member.send("GET", listed[-1]).status
    if status == 404:
        raise OracleFailure(f"the history lists {listed[-1]}, which is not found")


def umlaut_commit(sandbox: Sandbox) -> None:
    """Look at the commit of a page whose name is not plain ASCII."""
    member = Member(sandbox)
    member.save("Äpfel und Birnen", "# Äpfel und Birnen\n\nDie alten Sorten am Bahndamm.", "Neue Seite")
    revision = max(member.rows("commits").items(), key=lambda item: int(item[0]))[1]["revision"][:6]
    status = member.send("GET", f"/-/commit/{revision}").status
    if status >= 500:
        raise OracleFailure(f"/-/commit/{revision} answered {status}")


def code_spaces(sandbox: Sandbox) -> None:
    """Write code with aligned columns in a line of text and read it again."""
    member = Member(sandbox)
    code = "row    plant    row"
    member.save("Bees", f"# Bees\n\nThe frames are numbered `{code}`.\n")
    shown = re.findall(r"<code>([^<]*)</code>", member.get("/Bees"))
    if not shown:
        raise ValueError("the page shows no code")
    if shown[0].replace("\u00a0", " ").replace("&nbsp;", " ") != code:
        raise OracleFailure(f"the page shows {shown[0]!r} where {code!r} was written")
