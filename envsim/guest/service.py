"""What the services of a clone are made of: rows, refusals, transactions. On any `Kit`, for pages and tools alike.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from envsim.guest.kit import Kit

Row = dict[str, Any]


class Refusal(Exception):  # noqa: N818 -- an answer to the caller, not a failure of the clone
    """What an app answers instead of doing as it was asked, in words for whoever asked.

    Attributes:
        code: Machine-readable, snake_case.
        status: HTTP status of the answer.
        retry_after: Seconds after which to try again; 0 when that would not help.
        committed: Whether what was written before it stands, see `atomic`.
    """

    def __init__(
        self, code: str, message: str, status: int = 422, *, retry_after: int = 0, committed: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.retry_after, self.committed = retry_after, committed


def missing(what: str) -> Refusal:
    """For what does not exist, or is not the caller's."""
    return Refusal("not_found", f"We could not find {what}.", 404)


def fetch(kit: Kit, sql: str, *args: object) -> list[Row]:
    """Every row of a query, by column name."""
    cursor = kit.db.execute(sql, args)
    columns = [described[0] for described in cursor.description]
    return [dict(zip(columns, found, strict=True)) for found in cursor]


def first(kit: Kit, sql: str, *args: object) -> Row | None:
    """The first row of a query, if there is one."""
    cursor = kit.db.execute(sql, args)
    found = cursor.fetchone()
    return None if found is None else dict(zip((column[0] for column in cursor.description), found, strict=True))


def scalar(kit: Kit, sql: str, *args: object) -> Any:
    """The one value of a query of one row and column; None without a row."""
    found = kit.db.execute(sql, args).fetchone()
    return None if found is None else found[0]


def write(kit: Kit, sql: str, *args: object) -> int:
    """Run a statement; the id of the row it inserted, or 0."""
    return kit.db.execute(sql, args).lastrowid or 0


@contextlib.contextmanager
def atomic(kit: Kit) -> Iterator[None]:
    """All that is written inside stands or falls together.

    Any exception undoes it but a `Refusal` that says it came after the commit.
    """
    kit.db.execute("BEGIN")
    keep = True
    try:
        yield
    except BaseException as error:
        keep = isinstance(error, Refusal) and error.committed
        raise
    finally:
        kit.db.execute("COMMIT" if keep else "ROLLBACK")


def utc_text(moment: datetime) -> str:
    """A UTC time as clones store it: ``2026-03-02T09:00:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
