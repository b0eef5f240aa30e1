"""What `control` hands out, for a wiki that is loaded."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import flask_mail
import git
import otterwiki.helper
import otterwiki.server
from git.index.typ import BaseIndexEntry, IndexEntry
from otterwiki import gitstorage
from otterwiki.auth import get_all_user
from otterwiki.server import app, db, storage, update_app_config
from sqlalchemy import text

from .repository import last_commit, publish, tree
from .wiki import DATABASE, REPOSITORY

OUTBOX = "CREATE TABLE IF NOT EXISTS sandbox_outbox (id INTEGER PRIMARY KEY, sent_to TEXT, subject TEXT, body TEXT)"


class _Now:
    """Stands in for the thread in which the wiki sends mail: it would run when the sandbox's time no longer holds."""

    def __init__(self, target: Callable[..., object], args: Iterable[object] = ()) -> None:
        self._target, self._args = target, tuple(args)

    def start(self) -> None:
        """Do it at once."""
        self._target(*self._args)


def _keep(_: object, message: flask_mail.Message) -> None:
    """Mail is kept as rows, so that the state view shows it. None leaves the sandbox."""
    insert = text("INSERT INTO sandbox_outbox (sent_to, subject, body) VALUES (:to, :subject, :body)")
    with db.engine.begin() as connection:
        for recipient in message.recipients:
            connection.execute(insert, {"to": str(recipient), "subject": message.subject, "body": message.body})


class Site:
    """The wiki whose state lies in `data`."""

    def __init__(self, data: Path) -> None:
        self._database, self._repository = data / DATABASE, data / REPOSITORY
        self._config = dict(app.config)
        otterwiki.helper.Thread = _Now
        flask_mail._MailMixin.send = _keep  # the mixin of both Mail and its connections
        self.wsgi: Callable[..., Iterable[bytes]] = app

    def login(self, account: str) -> dict[str, str]:
        """Cookies of a new session of the member with this e-mail address."""
        with app.app_context():
            user = next((user for user in get_all_user() if user.email == account), None)
            if user is None:
                raise LookupError(account)
            # The wiki keeps sessions in their cookies: a number tells two of one member apart.
            session = {"_user_id": user.get_id(), "_fresh": True, "number": secrets.token_hex(4)}
            signer = app.session_interface.get_signing_serializer(app)
            return {app.config["SESSION_COOKIE_NAME"]: signer.dumps(session)}

    def reset(self) -> None:
        """Forget what was derived from the data: preferences, git's readers, what was remembered of commits."""
        app.config.clear()
        app.config.update(self._config)
        update_app_config()
        storage.repo.close()
        storage.repo = storage._read_repo()
        # Its cache lies in a function inside of what the wiki calls.
        for cell in gitstorage.GitStorage._get_metadata_of_commit.__closure__ or ():
            getattr(cell.cell_contents, "cache_clear", lambda: None)()

    def release(self) -> None:
        """Close the database and git's readers."""
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
        storage.repo.close()

    def publish(self) -> None:
        """Copy pages, attachments and new commits to where the state view reads them."""
        settle_index(storage.repo)
        known = last_commit(self._database)
        commits = []
        head = storage.repo.head.commit
        if head.hexsha != known:
            found = storage.repo.iter_commits(f"{known}..HEAD" if known else "HEAD")
            commits = [_row(commit) for commit in reversed(list(found))]
        publish(self._database, tree(self._repository), commits)


def _row(commit: Any) -> tuple[str, str, str, str, str, str]:
    author = commit.author
    files = "\n".join(sorted(str(name) for name in commit.stats.files))
    at = commit.authored_datetime.isoformat()
    return commit.hexsha, author.name or "", author.email or "", str(commit.message).strip(), at, files


def settle_index(repo: git.Repo) -> None:
    """Leave no times, inodes and owners of this machine in the index, which some of git's commands put there."""
    index = repo.index
    if any(entry.mtime[0] or entry.ctime[0] or entry.inode for entry in index.entries.values()):
        index.entries = {
            key: IndexEntry.from_base(BaseIndexEntry(tuple(entry)[:4])) for key, entry in index.entries.items()
        }
        index.write()
