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
            columns = db.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table,)).fetchall()
            (count,) = db.execute(f"SELECT count(*) FROM {_quote(table)}").fetchone()  # noqa: S608
            if count:
                found.append((-count, table, _of_table(table, columns)))
    return [line for _, _, line in sorted(found)[:MOST]]


def _of_table(table: str, columns: list[tuple[str, str, int]]) -> str:
    shown = [name for name, kind, _ in columns if "BLOB" not in kind.upper() and not _SECRET.search(name)]
    keys = [name for name, _, position in columns if position]
    key = keys[0] if len(keys) == 1 and keys[0] in shown else "rowid"
    wanted = [*([] if key in shown else [key]), *shown]
    return _line(table, key, f"SELECT {', '.join(map(_quote, wanted))} FROM {_quote(table)}")  # noqa: S608


def _quote(name: str) -> str:
    return (
        name
        if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in ("order", "group", "index", "table")
        else f'"{name}"'
    )


def _line(table: str, key: str, sql: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", table.lower()).strip("_")[:48] or "rows"
    name = name if name[0].isalpha() else f"t_{name}"[:48]
    return f"{name} = {{ key = {json.dumps(key)}, sql = {json.dumps(sql)} }}"
