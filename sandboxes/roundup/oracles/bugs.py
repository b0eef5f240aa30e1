"""Oracles of Roundup's bugs between 2.5.0 and 2.6.0."""

from __future__ import annotations

import csv
import html
import re
from urllib.parse import urlencode

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .browsing import REPORTER, Session

OPEN = "-1,1,2,3,4,5,6,7"
"""Every status but resolved."""


def csv_messages(sandbox: Sandbox) -> None:
    """As many rows as the list has, and in each the numbers of its messages."""
    person = Session(sandbox)
    query = urlencode({"@action": "export_csv", "@columns": "id,title,messages", "@sort": "id"})
    rows = list(csv.reader(person.get(f"/issue?{query}").splitlines()))
    wanted = {row["issue"] for row in person.rows("messages").values() if row["issue"] is not None}
    if rows[0] != ["id", "title", "messages"]:
        raise ValueError(f"the export begins with {rows[0]}")
    got = {int(row[0]) for row in rows[1:] if len(row) == 3 and row[0].isdigit() and row[2]}
    if got != wanted:
        raise OracleFailure(f"{len(got)} of {len(wanted)} issues with messages were exported; line 2 is {rows[1:2]}")


def search_name_lost(sandbox: Sandbox) -> None:
    """The next page of a named search is headed by its name."""
    person = Session(sandbox)
    name = "Waiting for a reporter"
    query = urlencode({"@dispname": name, "@pagesize": 10, "@startwith": 0, "@columns": "id,title", "status": OPEN})
    if name not in person.title(f"/issue?{query}"):
        raise ValueError(f"even the first page is not called {name!r}")
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', person.get(f"/issue?{query}"))]
    following = next(link for link in links if "@startwith=10" in link)
    title = person.title(f"/{following}")
    if name not in title:
        raise OracleFailure(f"the second page of {name!r} is called {title!r}")


def search_overwritten(sandbox: Sandbox) -> None:
    """Being asked for another name and giving one leaves the search that has the first name alone."""
    person = Session(sandbox)
    before = person.rows("queries", creator="ingrid")
    taken = next(row["name"] for row in before.values())
    asked = {"@action": "search", "@template": "index|search", "@columns": "id,title", "priority": "5"}
    page = person.get(f"/issue?{urlencode({**asked, '@queryname': taken, '@old-queryname': ''})}")
    field = re.search(r'<input[^>]*name="@old-queryname"[^>]*>', page)
    if field is None or "choose another name" not in page:
        raise ValueError("the name is taken, and no other is asked for")
    kept = re.search(r'value="([^"]*)"', field[0])
    again = {**asked, "@queryname": "Wishes", "@old-queryname": html.unescape(kept[1]) if kept else ""}
    person.get(f"/issue?{urlencode(again)}")
    after = person.rows("queries", creator="ingrid")
    if "Wishes" not in {row["name"] for row in after.values()}:
        raise ValueError("the search was not saved under its second name")
    if lost := [row["name"] for key, row in before.items() if after.get(key) != row]:
        raise OracleFailure(f"saving 'Wishes' has changed the search {lost[0]!r} into it")


def null_refused(sandbox: Sandbox) -> None:
    """An issue that the REST interface shows with a null can be sent back as it is."""
    person = Session(sandbox)
    issue = min(int(key) for key, row in person.rows("issues").items() if row["assigned_to"] is None)
    status, shown = person.rest("GET", f"issue/{issue}")
    if status != 200 or shown["data"]["attributes"]["assignedto"] is not None:
        raise ValueError(f"issue {issue} is shown as {status}, {shown}")
    tag = shown["data"]["@etag"]
    change = {"title": "Renamed by a script", "assignedto": shown["data"]["attributes"]["assignedto"]}
    status, answer = person.rest("PUT", f"issue/{issue}", change, **{"if-match": tag, "origin": "http://app.test"})
    if status != 200 or person.rows("issues", title="Renamed by a script").keys() != {str(issue)}:
        raise OracleFailure(f"an unset field sent back as null was answered with {status}: {answer}")


def history_leak(sandbox: Sandbox) -> None:
    """Nobody else learns an address that is hidden from them from the history of who has it."""
    owner = Session(sandbox, REPORTER)
    page = next(link for link in re.findall(r'href="(user\d+)"', owner.get("/")))
    fields = {"username": "rfairley", "realname": "Ruth Fairley", "address": "ruth@home.example", "timezone": ""}
    reply = owner.submit(f"/{page}", f"/{page}", at_action="edit", **fields)
    if owner.rows("users")["rfairley"]["address"] != "ruth@home.example":
        raise ValueError(f"the address was not changed: {reply.status}")
    seen = Session.beside(owner, "noor@heron.example").get(f"/{page}")
    if "[hidden]" not in seen:
        raise ValueError("the address is not hidden to begin with")
    if leaked := [text for text in ("rfairley@heron.example", "ruth@home.example") if text in seen]:
        raise OracleFailure(f"the hidden address stands in the history: {leaked[0]}")
