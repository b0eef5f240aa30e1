"""An app in a process of its own: standard library, one thread, SQLite, a counter in memory, its own randomness."""

import html
import os
import secrets
import signal
import socketserver
import sqlite3
import sys
import time
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DATA = Path(os.environ["DATA"])
OUTSIDE = ("/tmp", "/dev/shm", "/run/envsim")


class Tally(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0

    def do_GET(self):
        Tally.seen += 1
        path = urlsplit(self.path).path
        if path == "/crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if path == "/hang":
            time.sleep(3600)
        if path == "/halfway":
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"cut short")
            self.close_connection = True
            return
        if path == "/chunks":
            self.send_response(HTTPStatus.OK)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")
            return
        if path == "/file":
            (DATA / "notes" / "new.txt").write_text("new", encoding="utf-8")
        if path == "/leave":
            for place in OUTSIDE:
                Path(place, "left", "deep").mkdir(parents=True)
                Path(place, "left", "deep", "note.txt").write_text("left", encoding="utf-8")
        if path == "/left":
            names = sorted(str(found) for place in OUTSIDE for found in Path(place).glob("*"))
            self.page("\n".join(names))
            return
        rows = self.query("SELECT name, votes FROM vote ORDER BY name")
        items = "".join(f"<li>{html.escape(name)}: {votes}</li>" for name, votes in rows)
        who = html.escape(self.account() or "nobody")
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.page(f"<h1>Tally</h1><p>{who}, {now}, seen {Tally.seen}, {secrets.token_hex(4)}</p><ul>{items}</ul>")

    def do_POST(self):
        fields = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if self.path == "/login":
            name = fields["name"][0]
            if not self.query("SELECT 1 FROM account WHERE name = ?", name):
                self.page("unknown", 403)
                return
            token = secrets.token_hex(8)
            self.query("INSERT INTO session VALUES (?, ?)", token, name)
            self.page("", 303, [("Location", "/"), ("Set-Cookie", f"token={token}; Path=/; HttpOnly")])
        else:
            self.query("UPDATE vote SET votes = votes + 1 WHERE name = ?", fields["for"][0])
            self.page("", 303, [("Location", "/")])

    def account(self):
        token = SimpleCookie(self.headers.get("Cookie", "")).get("token")
        rows = self.query("SELECT name FROM session WHERE token = ?", token.value) if token else []
        return rows[0][0] if rows else None

    def query(self, sql, *values):
        with sqlite3.connect(DATA / "tally.db") as db:
            rows = db.execute(sql, values).fetchall()
        db.close()
        return rows

    def page(self, text, status=200, headers=()):
        body = text.encode()
        self.send_response(status)
        for name, value in [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(socketserver.TCPServer):
    allow_reuse_address = True


if __name__ == "__main__":
    if (DATA / "notes" / "refuse").exists():
        sys.exit("tally refuses to start")
    Path("/tmp", f"tally-{os.getpid()}").touch()
    Server(("127.0.0.1", int(sys.argv[1])), Tally).serve_forever()
