"""The role an app connects to PostgreSQL as: no superuser, and what it can change of itself is put back.

A database is dropped and made again at a reset, but roles are no part of one. This role may make no other, nor
databases, tablespaces or files; what is left are its own password and its own settings (``ALTER ROLE ... SET``).

Standard library only: this package also runs inside images, without the rest of envsim.
"""

# ruff: noqa: S608 -- every name in a statement is ours, every value is quoted

from __future__ import annotations

import json

from envsim.errors import ContentError
from envsim.guest.postgres_wire import PostgresConnection, PostgresError

ADMIN = "envsim"
"""The superuser, who makes and drops the app's database."""
USER = "app"
"""The app's: the owner of its database, and no more than that."""

Role = tuple[str | None, str | None]
"""Password (hashed) and settings (an array, as PostgreSQL writes it)."""

_FIND = f"""
SELECT a.rolpassword, s.setconfig::text FROM pg_authid a
LEFT JOIN pg_db_role_setting s ON s.setrole = a.oid AND s.setdatabase = 0 WHERE a.rolname = '{USER}'"""


def find_role(admin: PostgresConnection) -> Role:
    """The app's role as it is now."""
    ((password, settings),) = admin.query(_FIND)[1]
    return password, settings


def put_role(admin: PostgresConnection, wanted: Role) -> None:
    """Make it what it was.

    Raises:
        ContentError: There is no such role.
    """
    if find_role(admin) == wanted:
        return
    password, settings = ("NULL" if value is None else quoted(value) for value in wanted)
    try:
        # In the catalogue itself: no statement sets what it holds word by word. One query is one transaction.
        admin.query(
            f"UPDATE pg_authid SET rolpassword = {password} WHERE rolname = '{USER}';"
            f"DELETE FROM pg_db_role_setting WHERE setrole = '{USER}'::regrole;"
            f"INSERT INTO pg_db_role_setting SELECT 0, '{USER}'::regrole, {settings}::text[] "
            f"WHERE {settings} IS NOT NULL"
        )
    except PostgresError:
        raise _damaged() from None


def read_role(part: bytes) -> Role:
    """The role of an exported state, which may come from anywhere.

    Raises:
        ContentError: It has none.
    """
    try:
        password, settings = json.loads(part)
    except (TypeError, ValueError):
        raise _damaged() from None
    if not all(value is None or isinstance(value, str) for value in (password, settings)):
        raise _damaged()
    return password, settings


def quoted(text: str) -> str:
    """A literal."""
    return "'" + text.replace("'", "''") + "'"


def _damaged() -> ContentError:
    return ContentError("The database role of this state is none. Export it again.")
