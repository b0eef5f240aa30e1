"""A client for PostgreSQL over its unix socket, as small as control of a database needs.

Protocol 3.0, simple queries and COPY, text format; see "Frontend/Backend Protocol" in PostgreSQL's manual. Written here
because what runs in images brings no driver, and ``psql`` would be a process per query.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROTOCOL = 3 << 16
TIMEOUT_S = 30.0
CHUNK = 1 << 20

_READ: dict[int, Callable[[str], Any]] = {
    16: lambda text: text == "t",
    **dict.fromkeys((20, 21, 23, 26), int),
    **dict.fromkeys((700, 701), float),
}
"""How a type's text is read, by its OID: bool, the integers, the floats. Every other value stays text."""


class PostgresError(RuntimeError):
    """The server refused a statement.

    Attributes:
        code: Its five-character SQLSTATE, e.g. ``"42P01"``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class PostgresConnection:
    """One connection to the server whose socket lies in `folder`.

    Args:
        folder: The server's ``unix_socket_directories``.
        user: A role that needs no password there.
        database: Its name.
        timeout_s: Longest wait for the server to send more.

    Raises:
        OSError: Nobody answers.
        PostgresError: It does not let us in.
    """

    def __init__(self, folder: Path, user: str, database: str, timeout_s: float = TIMEOUT_S) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(folder / ".s.PGSQL.5432"))
            self._input = self._socket.makefile("rb")
            self._greet(user, database)
        except BaseException:
            self._socket.close()
            raise

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of the last statement of `sql` that has any; statements are separated by ``;``.

        Integers, floats and booleans come as such, NULL as None, every other type as PostgreSQL writes it:
        a NUMERIC as text, which loses nothing.
        """
        columns: list[str] = []
        readers: list[Callable[[str], Any]] = []
        rows: list[tuple[Any, ...]] = []
        with self._statement(sql) as messages:
            for kind, body in messages:
                if kind == b"T":
                    columns, readers = _columns(body)
                    rows = []
                elif kind == b"D":
                    rows.append(_row(body, readers))
        return columns, rows

    def copy_out(self, sql: str) -> bytes:
        """What a ``COPY ... TO STDOUT`` sends."""
        with self._statement(sql) as messages:
            return b"".join(body for kind, body in messages if kind == b"d")

    def copy_in(self, sql: str, data: bytes) -> None:
        """Feed `data` to a ``COPY ... FROM STDIN``."""
        with self._statement(sql) as messages:
            for kind, _ in messages:
                if kind == b"G":
                    for start in range(0, len(data), CHUNK):
                        self._send(b"d", data[start : start + CHUNK])
                    self._send(b"c", b"")

    def close(self) -> None:
        """Hang up; safe to call twice."""
        with contextlib.suppress(OSError):
            self._send(b"X", b"")
        self._input.close()
        self._socket.close()

    def _greet(self, user: str, database: str) -> None:
        said = {"user": user, "database": database, "client_encoding": "UTF8", "application_name": "envsim"}
        # Fixed, because they decide how values are written.
        said |= {"TimeZone": "UTC", "DateStyle": "ISO", "extra_float_digits": "1"}
        text = b"".join(f"{key}\0{value}\0".encode() for key, value in said.items()) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(text) + 8, PROTOCOL) + text)
        for kind, body in self._until_ready():
            if kind == b"R" and (wanted := struct.unpack("!i", body[:4])[0]):
                raise PostgresError(f"it asks for a password (method {wanted})", "28000")

    @contextlib.contextmanager
    def _statement(self, sql: str) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        self._send(b"Q", sql.encode() + b"\0")
        messages = self._until_ready()
        yield messages
        for _ in messages:  # whoever stopped early must not leave an answer for the next statement
            pass

    def _until_ready(self) -> Iterator[tuple[bytes, bytes]]:
        error: PostgresError | None = None
        while True:
            kind, length = struct.unpack("!ci", self._read(5))
            body = self._read(length - 4)
            if kind == b"Z":
                break
            if kind == b"E":
                error, fatal = _error(body)
                if fatal:  # it hangs up: nothing follows
                    raise error
            yield kind, body
        if error is not None:
            raise error

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _read(self, size: int) -> bytes:
        data = self._input.read(size)
        if len(data) < size:
            raise ConnectionResetError("PostgreSQL hung up")
        return data


def _columns(body: bytes) -> tuple[list[str], list[Callable[[str], Any]]]:
    names, readers, at = [], [], 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        readers.append(_READ.get(struct.unpack("!i", body[end + 7 : end + 11])[0], str))
        at = end + 19
    return names, readers


def _row(body: bytes, readers: list[Callable[[str], Any]]) -> tuple[Any, ...]:
    values, at = [], 2
    for reader in readers:
        size = struct.unpack("!i", body[at : at + 4])[0]
        at += 4
        values.append(None if size < 0 else reader(body[at : at + size].decode()))
        at += max(size, 0)
    return tuple(values)


def _error(body: bytes) -> tuple[PostgresError, bool]:
    """What is wrong, and whether the server ends the connection over it."""
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    error = PostgresError(fields.get(b"M", "unknown error"), fields.get(b"C", ""))
    return error, fields.get(b"V") in ("FATAL", "PANIC")
