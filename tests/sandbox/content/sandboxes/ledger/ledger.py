"""An app of its time: global clock and chance, one connection kept open, a cache, files written where it likes."""

import datetime
import http.cookies
import random  # noqa: TID251 -- as apps do
import sqlite3
import time
import uuid
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

import humanize


class Ledger:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.seen: dict[str, int] = {}
        self._db: sqlite3.Connection | None = None

    def hang_up(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def rows(self, sql: str, *args: object) -> list[tuple]:
        if self._db is None:
            self._db = sqlite3.connect(self.data / "ledger.db", isolation_level=None)
        return self._db.execute(sql, args).fetchall()

    def __call__(self, environ, start_response):
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        self.seen[path] = self.seen.get(path, 0) + 1
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        form = {key: values[0] for key, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        answer = self.answer(method, path, self.user(environ), form, environ)
        status, kind, payload, *more = answer
        start_response(status, [("Content-Type", kind), *more])
        return [payload]

    def user(self, environ) -> str:
        jar = http.cookies.SimpleCookie(environ.get("HTTP_COOKIE", ""))
        found = self.rows("SELECT email FROM session WHERE token = ?", jar["sid"].value) if "sid" in jar else []
        return found[0][0] if found else "guest"

    def answer(self, method, path, user, form, environ):
        if method == "POST":
            return self.change(path, user, form)
        if path == "/":
            items = "".join(f"<li>{row[0]}: {escape(row[1])}</li>" for row in self.rows("SELECT id, text FROM entry"))
            page = f"<!doctype html><title>Ledger</title><h1>{escape(user)}</h1><ul>{items}</ul>"
            return "200 OK", "text/html; charset=utf-8", page.encode()
        if path.startswith("/entry/"):
            text, amount = self.rows("SELECT text, amount FROM entry WHERE id = ?", int(path[7:]))[0]
            page = f"<!doctype html><title>Entry</title><h1>{escape(text)}</h1><p>{humanize.intcomma(amount, 2)}</p>"
            return "200 OK", "text/html; charset=utf-8", page.encode()
        if path == "/facts":
            drawn = [random.random(), random.SystemRandom().random(), str(uuid.uuid4()), str(uuid.uuid1())]
            now = [time.time(), datetime.datetime.now().isoformat(), time.strftime("%H:%M:%S")]
            now += [time.asctime(), time.ctime()]
            cookie = ("Set-Cookie", "seen=1; Expires=" + time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
            return "200 OK", "text/plain", repr([drawn, now, self.seen]).encode(), cookie
        if path.startswith("/static/"):
            return "200 OK", "text/css", f"/* {uuid.uuid4()} */".encode()
        if path == "/environ":
            kept = {key: str(value) for key, value in sorted(environ.items()) if key.isupper()}
            return "200 OK", "text/plain; charset=utf-8", repr(kept).encode()
        if path == "/modified":
            changed = [(p.name, p.stat().st_mtime) for p in sorted((self.data / "receipts").rglob("*"))]
            return "200 OK", "text/plain", repr(changed).encode()
        if path == "/hang":
            while True:
                time.sleep(1)
        if path == "/locked":
            self.rows("BEGIN IMMEDIATE")
            return "200 OK", "text/plain", b"locked"
        if path == "/short":
            return "200 OK", "text/plain", b"short", ("Content-Length", "100")
        return "404 Not Found", "text/plain", b"not found"

    def change(self, path, user, form):
        receipts = self.data / "receipts"
        if path == "/add":
            name = f"{uuid.uuid4()}.txt"
            (receipts / name).write_text(form.get("receipt", ""), encoding="utf-8")
            sql = "INSERT INTO entry (owner, text, amount, receipt, created_at) VALUES (?, ?, ?, ?, ?)"
            self.rows(sql, user, form["text"], form.get("amount", "1.0"), name, time.time())
        elif path == "/mess":
            (receipts / "rent.txt").write_text("Rent, April", encoding="utf-8")
            (receipts / "old" / "fees.txt").unlink()
            (receipts / "old").rmdir()
            (self.data / "empty").rmdir()
            (self.data / "new").mkdir()
            (self.data / "new" / "note.txt").write_text("here", encoding="utf-8")
            (self.data / "way-out").symlink_to("/etc")
        return "303 See Other", "text/plain", b"", ("Location", "/")
