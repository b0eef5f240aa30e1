"""Builds the wiki's data folder: the repository with its history, and the database through the wiki's own models."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sqlite3
import subprocess
from pathlib import Path

from .. import wiki
from ..repository import ENVIRONMENT
from .attachments import attachments
from .pages import MEMBERS, NOW, Revision, revisions

PASSWORD = "weir-meadow-demo"  # noqa: S105 -- published in the README
PREFERENCES = {
    "READ_ACCESS": "ANONYMOUS",
    "WRITE_ACCESS": "REGISTERED",
    "ATTACHMENT_ACCESS": "REGISTERED",
    "SITE_DESCRIPTION": "The handbook of the allotments",
    "EMAIL_NEEDS_CONFIRMATION": "True",
    "AUTO_APPROVAL": "True",
    "COMMIT_MESSAGE": "OPTIONAL",
}


def build(data: Path) -> None:
    """Write ``wiki.db`` and ``repository/`` below `data`."""
    history = sorted([*revisions(), *attachments()], key=lambda revision: revision.date)
    _repository(data / wiki.REPOSITORY, history)
    wiki.load(data)
    # The wiki is configured by being imported, so what imports it comes after.
    importlib.import_module(f"{__package__}.rows").fill(data, [_member(name) for name in MEMBERS], PREFERENCES)
    with contextlib.closing(sqlite3.connect(data / wiki.DATABASE)) as db:
        db.execute("PRAGMA journal_mode = DELETE")


def address(name: str) -> str:
    """A member's e-mail address."""
    return f"{name.lower().replace(' ', '.')}@example.com"


def _member(name: str) -> tuple[str, str, str]:
    """Name, address and password hash: with few rounds, as it protects nothing, and the same salt in every build."""
    salt = hashlib.sha256(name.encode()).hexdigest()[:16]
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), 1000).hex()
    return name, address(name), f"pbkdf2:sha256:1000${salt}${digest}"


def _repository(folder: Path, history: list[Revision]) -> None:
    """Import the history in one go; the index is left without times of this machine."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    _git(folder, "fast-import", "--quiet", data=b"".join(_commit(revision) for revision in history))
    _git(folder, "read-tree", "HEAD")
    _git(folder, "checkout-index", "--all")
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))


def _commit(revision: Revision) -> bytes:
    """One commit in the format of git-fast-import."""
    when = f"{int(revision.date.timestamp())} +0000"
    who = f"{revision.author} <{address(revision.author)}> {when}"
    message = revision.message.encode()
    lines = [f"commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {len(message)}\n".encode() + message + b"\n"]
    for path, content in revision.files.items():
        lines.append(f'M 100644 inline "{path}"\ndata {len(content)}\n'.encode() + content + b"\n")
    return b"".join([*lines, b"\n"])


def _git(folder: Path, *arguments: str, data: bytes = b"") -> None:
    subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=data,
        env={**os.environ, **ENVIRONMENT},
        check=True,
        capture_output=True,
    )
