"""An app that answers from a recording: what `sandbox from-har` writes runs on this.

A request is answered with what was recorded for the same method, path, query and body, in recorded order, and refused
with status 501 where nothing was. Requests that write (all but GET and HEAD) divide the recording into stretches:
a page is looked for in the stretch that the visit is in, then in the nearest earlier, then in a later one, and the
state view says which it was (``exact``, ``earlier``, ``later``). A page may be asked for again and shows its last
answer again; what writes is answered as often as it was recorded, and no more.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import hashlib
import html
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from envsim.guest.exchange import Message, Receive, Send
from envsim.guest.kit import Clone, Kit
from envsim.guest.serve import read_body
from envsim.guest.service import fetch, scalar, write

RECORDED = "recorded.json"
BODIES = "bodies"
REFUSED = 501
SAFE = ("GET", "HEAD")
ANY = "redacted-"
"""How a value begins that redaction put there: nobody can send what it stood for, so any value matches it."""

SCHEMA = """
CREATE TABLE requests (number INTEGER PRIMARY KEY, method TEXT NOT NULL, target TEXT NOT NULL, status INTEGER NOT NULL,
  answer TEXT NOT NULL);
CREATE TABLE used (entry INTEGER PRIMARY KEY, times INTEGER NOT NULL);
CREATE TABLE visit (id INTEGER PRIMARY KEY CHECK (id = 1), stretch INTEGER NOT NULL);
INSERT INTO visit VALUES (1, 0);
"""


@dataclass(frozen=True)
class Entry:
    """One recorded answer.

    Attributes:
        number: Position in the recording.
        key: See `key_of`.
        stretch: How many requests that write came before it.
        status: Of the answer.
        headers: Of the answer.
        body: Its body's file; "" for none, None where the body was not recorded.
    """

    number: int
    key: str
    fields: tuple[tuple[str, str], ...]
    stretch: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str | None


def fields_of(query: str, kind: str, body: bytes) -> tuple[tuple[str, str], ...]:
    """What a request says beside method and path, in an order that does not depend on how it was written."""
    sent = [("?" + name, value) for name, value in parse_qsl(query, keep_blank_values=True)]
    kind = kind.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        sent += parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    elif kind.endswith("json"):
        try:
            sent.append(("json", json.dumps(json.loads(body), sort_keys=True)))
        except (ValueError, RecursionError):
            sent.append(("body", hashlib.sha256(body).hexdigest()))
    elif kind == "multipart/form-data":
        # Its boundary is chosen anew each time.
        boundary = body.partition(b"\r\n")[0]
        parts = sorted(part.strip(b"\r\n-") for part in body.split(boundary)) if boundary else []
        sent += [("part", part.decode("latin-1")) for part in parts if part]
    elif body:
        sent.append(("body", hashlib.sha256(body).hexdigest()))
    return tuple(sorted(sent))


def key_of(method: str, path: str) -> str:
    """What must be equal for a recorded answer to be considered at all."""
    return f"{'GET' if method == 'HEAD' else method} {path}"


def build_database(path: Path) -> None:
    """Write the seed database of a replay clone."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)


def create_replay(kit: Kit, folder: Path) -> Clone:
    """The clone whose recording lies in `folder`; its one account, ``recorded``, is whoever was signed in then."""
    document = json.loads((folder / RECORDED).read_text(encoding="utf-8"))
    entries: dict[str, list[Entry]] = {}
    for number, row in enumerate(document["entries"]):
        fields = tuple((name, value) for name, value in row["fields"])
        headers = tuple((name, value) for name, value in row["headers"])
        entry = Entry(number, row["key"], fields, row["stretch"], row["status"], headers, row["body"])
        entries.setdefault(entry.key, []).append(entry)
    replay = _Replay(kit, folder / BODIES, entries)

    def login(account: str) -> dict[str, str]:
        if account != "recorded" or not document["cookies"]:
            raise LookupError(f"The recording has no account {account!r}.")
        # No answer depends on them, so each session can have its own, as in any other app.
        mark = kit.token("session", 8)
        return {name: f"{value}-{mark}" for name, value in document["cookies"].items()}

    return Clone(asgi=replay.serve, login=login)


class _Replay:
    def __init__(self, kit: Kit, bodies: Path, entries: dict[str, list[Entry]]) -> None:
        self._kit = kit
        self._bodies = bodies
        self._entries = entries

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI app."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await read_body(receive) or b""
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        fields = fields_of(query, headers.get("content-type", ""), body)
        # What styles and scripts ask for depends on the driver: only what a visitor does is counted.
        counted = method not in SAFE or headers.get("sec-fetch-dest", "document") == "document"
        entry, how = self._find(method, path, fields)
        if counted:
            self._kit.ticks += 1
            status = REFUSED if entry is None or entry.body is None else entry.status
            target = f"{path}?{query}" if query else path
            write(
                self._kit, "INSERT INTO requests (method, target, status, answer) VALUES (?, ?, ?, ?)",
                method, target, status, how,
            )  # fmt: skip
        if entry is None or entry.body is None:
            await _refuse(send, method, path, headers.get("accept", ""), how)
            return
        if counted or method not in SAFE:
            self._use(entry, method)
        answer = (self._bodies / entry.body).read_bytes() if entry.body else b""
        await _answer(send, entry.status, entry.headers, b"" if method == "HEAD" else answer)

    def _find(self, method: str, path: str, fields: tuple[tuple[str, str], ...]) -> tuple[Entry | None, str]:
        """The recorded answer to a request and how near it is, or None and why there is none."""
        fitting = [entry for entry in self._entries.get(key_of(method, path), ()) if _fits(fields, entry.fields)]
        if not fitting:
            return None, "not recorded"
        used = {row["entry"]: row["times"] for row in fetch(self._kit, "SELECT entry, times FROM used")}
        stretch = scalar(self._kit, "SELECT stretch FROM visit")
        if method not in SAFE:
            fresh = [entry for entry in fitting if entry.number not in used]
            return (_nearest(fresh, stretch) if fresh else None), _how(fresh, stretch) if fresh else "used up"
        near = _nearest(fitting, stretch)
        same = [entry for entry in fitting if entry.stretch == near.stretch]
        found = next((entry for entry in same if entry.number not in used), same[-1])
        return found, _how([near], stretch) if found.body is not None else "body not recorded"

    def _use(self, entry: Entry, method: str) -> None:
        if scalar(self._kit, "SELECT times FROM used WHERE entry = ?", entry.number) is None:
            write(self._kit, "INSERT INTO used VALUES (?, 0)", entry.number)
        write(self._kit, "UPDATE used SET times = times + 1 WHERE entry = ?", entry.number)
        if method not in SAFE:
            write(self._kit, "UPDATE visit SET stretch = max(stretch, ?)", entry.stretch + 1)


def _fits(sent: tuple[tuple[str, str], ...], recorded: tuple[tuple[str, str], ...]) -> bool:
    if sent == recorded:
        return True
    if len(sent) != len(recorded) or not any(ANY in value for _, value in recorded):
        return False
    return all(
        name == wanted and (value == secret or secret.startswith(ANY))
        for (name, value), (wanted, secret) in zip(sent, recorded, strict=True)
    )


def _nearest(entries: list[Entry], stretch: int) -> Entry:
    """The first of the nearest stretch: this one, then earlier ones, then later ones."""
    return min(entries, key=lambda one: (one.stretch > stretch, abs(one.stretch - stretch), one.number))


def _how(entries: list[Entry], stretch: int) -> str:
    near = _nearest(entries, stretch).stretch
    return "exact" if near == stretch else "earlier" if near < stretch else "later"


async def _refuse(send: Send, method: str, path: str, accept: str, why: str) -> None:
    said = {
        "used up": "It was recorded, but not this often.",
        "body not recorded": "That it was answered is recorded, but not with what.",
    }.get(why, "The recording that this site is made of holds no answer to it.")
    if "text/html" in accept:
        page = (
            "<!doctype html><html lang=en><head><title>Not recorded</title></head><body><main><h1>Not recorded</h1>"
            f"<p>{html.escape(method)} {html.escape(path)}</p><p>{said}</p></main></body></html>"
        )
        await _answer(send, REFUSED, [("content-type", "text/html; charset=utf-8")], page.encode())
        return
    value: dict[str, Any] = {"error": "not_recorded", "method": method, "path": path, "message": said}
    await _answer(send, REFUSED, [("content-type", "application/json")], json.dumps(value).encode())


async def _answer(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    told = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]
    if status not in (204, 304):
        told.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body if status not in (204, 304) else b""})
