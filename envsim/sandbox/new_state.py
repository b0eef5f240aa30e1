"""Lines for the state view of a new app, from the tables that its seed holds."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3

from envsim.guest import statefile
from envsim.sandbox.runtime import Sandbox

MOST = 30
_SECRET = re.compile(r"(?i)^pw$|pass(word|wd)?$|hash|token|secret|salt|cookie")


def suggest_state(sandbox: Sandbox) -> list[str]:
    """TOML lines for ``[state]``, one per table with rows; the largest tables first, at most `MOST`."""
    data = sandbox.control.export()
    header = json.loads(data.split(b"\n", 3)[2])  # whoever reads what he just had written need not ask whose it is
    _, parts = statefile.unpack(data, header["app"], header["spec"])
    if "db" in parts:
        return _from_sqlite(parts["db"])
    tables = {name.partition(" ")[2]: part.count(b"\n") for name, part in parts.items() if name.startswith("table ")}
    full = sorted((name for name, rows in tables.items() if rows), key=lambda name: (-tables[name], name))
    return [_line(name.removeprefix("public."), "id", f"SELECT * FROM {name}") for name in full[:MOST]]  # noqa: S608


def _from_sqlite(image: bytes) -> list[str]:
    found = []
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(image)
        rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
        for (table,) in rows.fetchall():
            if re.fullmatch(r"sqlite_.*|.*_(idx|content|data|docsize|config|segments|segdir|stat|segdocs)", table):
                continue
            (count,) = db.execute(f"SELECT count(*) FROM {_quoted(table)}").fetchone()  # noqa: S608
            if count:
                found.append((-count, table, _of_table(db, table)))
    return [line for _, _, line in sorted(found)[:MOST]]


def _of_table(db: sqlite3.Connection, table: str) -> str:
    columns = db.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table,)).fetchall()
    shown = [name for name, kind, _ in columns if "BLOB" not in kind.upper() and not _SECRET.search(name)]
    keys = [name for name, _, position in columns if position]
    key = keys[0] if len(keys) == 1 and keys[0] in shown else "rowid"
    names = [_plain(db, name, _quoted(table)) for name in ([] if key in shown else [key]) + shown]
    return _line(table, key, f"SELECT {', '.join(names)} FROM {_plain(db, '*', table)}")  # noqa: S608


def _plain(db: sqlite3.Connection, column: str, table: str) -> str:
    """The column, or the table for all columns, without quotes where SQLite needs none."""
    name = table if column == "*" else column
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return _quoted(name)
    try:
        db.execute(f"SELECT {column} FROM {table} LIMIT 0")  # noqa: S608
    except sqlite3.OperationalError:
        return _quoted(name)
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _line(table: str, key: str, sql: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", table.lower()).strip("_")[:48] or "rows"
    name = name if name[0].isalpha() else f"t_{name}"[:48]
    return f"{name} = {{ key = {json.dumps(key)}, sql = {json.dumps(sql)} }}"
