"""A bare ASGI app, no framework: list, add, edit and delete notes; as pages and as JSON tools."""

import html
import http.cookies
import json
from urllib.parse import parse_qs

from envsim.guest.kit import Clone, Kit

from .document import DOCUMENT


class Notes:
    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def login(self, email: str) -> dict[str, str]:
        if self.kit.db.execute("SELECT 1 FROM account WHERE email = ?", [email]).fetchone() is None:
            raise LookupError(email)
        token = self.kit.token("session")
        self.kit.db.execute("INSERT INTO session VALUES (?, ?)", [token, email])
        return {"session": token}

    async def __call__(self, scope, receive, send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.kit.ticks += 1
        path, method = scope["path"], scope["method"]
        if path == "/drop":
            raise ConnectionResetError
        if path == "/crash":
            raise RuntimeError("a defect of the app")
        if path == "/truncate":
            await self._start(send, 200, b"text/plain", [(b"content-length", b"100")])
            await send({"type": "http.response.body", "body": b"short", "more_body": True})
            raise ConnectionResetError
        status, kind, payload = self._answer(method, path, self._user(scope), body)
        await self._start(send, status, kind, [(b"content-length", str(len(payload)).encode())])
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else payload})

    async def _start(self, send, status: int, kind: bytes, extra: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *extra]})

    def _user(self, scope) -> str | None:
        jar = http.cookies.SimpleCookie()
        for key, value in scope["headers"]:
            if key == b"cookie":
                jar.load(value.decode())
        if "session" not in jar:
            return None
        row = self.kit.db.execute("SELECT email FROM session WHERE token = ?", [jar["session"].value]).fetchone()
        return row[0] if row else None

    def _answer(self, method: str, path: str, user: str | None, body: bytes) -> tuple[int, bytes, bytes]:
        if path == "/openapi.json":
            return 200, b"application/json", json.dumps(DOCUMENT).encode()
        if path == "/" and method in ("GET", "HEAD"):
            if self.kit.bug("flaky-list"):
                return 500, b"text/plain", b"try again"
            return 200, b"text/html; charset=utf-8", self._page().encode()
        if path == "/add" and method == "POST":
            text = parse_qs(body.decode()).get("text", [""])[0]
            return 200, b"text/plain", str(self._add(user or "guest", text)).encode()
        if path.startswith("/api/"):
            status, value = self._tool(method, path, user, json.loads(body or b"{}"))
            return status, b"application/json", json.dumps(value).encode()
        return 404, b"text/plain", b"not found"

    def _tool(self, method: str, path: str, user: str | None, data: dict) -> tuple[int, object]:
        if user is None:
            return 401, {"error": "sign in first"}
        if path == "/api/notes" and method == "POST":
            return 201, {"id": self._add(user, data["text"])}
        if path == "/api/notes":
            rows = self.kit.db.execute("SELECT id, text FROM note WHERE owner = ? ORDER BY id", [user])
            return 200, [{"id": row[0], "text": row[1]} for row in rows]
        note = int(path.rsplit("/", 1)[1])
        if self.kit.db.execute("SELECT 1 FROM note WHERE id = ? AND owner = ?", [note, user]).fetchone() is None:
            return 404, {"error": "no such note"}
        if method == "DELETE":
            self.kit.db.execute("DELETE FROM note WHERE id = ?", [note])
        elif not self.kit.bug("lost-edit", f"note {note}"):
            self.kit.db.execute("UPDATE note SET text = ? WHERE id = ?", [data["text"], note])
        return 200, {"id": note}

    def _add(self, owner: str, text: str) -> int:
        values = [owner, text, self.kit.now().isoformat()]
        cursor = self.kit.db.execute("INSERT INTO note (owner, text, created_at) VALUES (?, ?, ?)", values)
        self.kit.cache["last"] = cursor.lastrowid
        self.kit.draw("note")
        return cursor.lastrowid

    def _page(self) -> str:
        rows = self.kit.db.execute("SELECT id, text FROM note ORDER BY id")
        items = "".join(f"<li>{row[0]}: {html.escape(row[1])}</li>" for row in rows)
        return f"<!doctype html><title>Notes</title><h1>Notes</h1><ul>{items}</ul>"


def create(kit: Kit) -> Clone:
    notes = Notes(kit)
    return Clone(notes, notes.login)
