"""Small helpers over the kit's SQLite connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from envsim.guest.kit import Kit

Row = dict[str, Any]


class ShopError(Exception):
    """A request the shop refuses, in words for the customer.

    Attributes:
        code: Machine-readable, snake_case.
        status: HTTP status of the refusal.
        retry_after: Seconds after which to try again; 0 when that would not help.
    """

    def __init__(self, code: str, message: str, status: int = 400, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.code = code
        self.message = message
        self.status = status


def not_found(what: str) -> ShopError:
    """The refusal for something that does not exist, or is not the caller's."""
    return ShopError("not_found", f"We could not find {what}.", 404)


def rows(kit: Kit, sql: str, *args: object) -> list[Row]:
    """All rows of a query."""
    cursor = kit.db.execute(sql, args)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor]


def row(kit: Kit, sql: str, *args: object) -> Row | None:
    """The first row of a query."""
    cursor = kit.db.execute(sql, args)
    values = cursor.fetchone()
    return None if values is None else dict(zip((column[0] for column in cursor.description), values, strict=True))


def value(kit: Kit, sql: str, *args: object) -> Any:
    """The first column of the first row of a query, or None."""
    found = kit.db.execute(sql, args).fetchone()
    return found[0] if found else None


def run(kit: Kit, sql: str, *args: object) -> int:
    """Execute a statement; the id of the row it inserted."""
    return kit.db.execute(sql, args).lastrowid or 0


@contextlib.contextmanager
def transaction(kit: Kit) -> Iterator[None]:
    """Commit on success, roll back on any exception."""
    kit.db.execute("BEGIN")
    try:
        yield
    except BaseException:
        kit.db.execute("ROLLBACK")
        raise
    kit.db.execute("COMMIT")


def stamp(moment: datetime) -> str:
    """A UTC time as the database stores it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
