"""A replay clone straight from a capture: an app folder whose app answers from the recording.

See `envsim.guest.replay` for how requests are matched and what is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from envsim.errors import ContentError
from envsim.guest.replay import BODIES, RECORDED, SAFE, fields_of, key_of
from envsim.page.har import Exchange
from envsim.page.retrace import served
from envsim.sandbox.spec import load_spec, refuse_taken

MAX_PAGES = 20
"""Pages named in sandbox.toml, where walks over all pages start."""
_LEFT_OUT = frozenset({"etag", "last-modified", "x-wire-fault", "date", "age", "expires", "link", "report-to", "nel"})
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")

TOML = """\
name = {name}
title = {title}
description = "What was recorded of {site}, served again; what was not recorded is refused with status 501."
app = "app.main:create"
seed = "seed:build"
pages = {pages}
{login}
[clock]
start = {start}

# Every page that was asked for and every request that writes: how it was answered, and how near the answer is.
[state.requests]
key = "number"
sql = "SELECT number, method, target, status, answer FROM requests"

[state.visit]
key = "id"
sql = "SELECT id, stretch FROM visit"
"""

MAIN = '''\
"""The clone's factory: answers from the recording beside it."""

from __future__ import annotations

from pathlib import Path

from envsim.guest.kit import Clone, Kit
from envsim.guest.replay import create_replay


def create(kit: Kit) -> Clone:
    """Build the replay on `kit`."""
    return create_replay(kit, Path(__file__).parent)
'''

SEED = '''\
"""The seed database: nothing but what a visit writes into."""

from __future__ import annotations

from envsim.guest.replay import build_database as build

__all__ = ["build"]
'''

README = """\
# {name}

Made by `sandbox from-har` from a recording of {site}: {answers} answers, {pages} pages. It serves what was recorded and
refuses the rest with status 501, as a page or as JSON. `sandbox.toml` says what its state view shows.
"""


@dataclass(frozen=True)
class Written:
    """What became of a capture.

    Attributes:
        folder: The clone's.
        answers: Recorded answers it can give.
        pages: How many of them are pages.
        refused: Recorded requests it must refuse, because their answer's body was not recorded.
    """

    folder: Path
    answers: int
    pages: int
    refused: int


def write_clone(network: Sequence[Exchange], name: str, root: Path, *, force: bool = False) -> Written:
    """Write the app folder ``<root>/sandboxes/<name>``, whole or not at all.

    Args:
        network: What was exchanged with one app, redacted, in order.
        name: The clone's.
        root: A root of `envsim.content`.
        force: Replace a replay clone of that name in that place, and mind no app of that name in another.

    Raises:
        ContentError: A name no app can have, one that is taken here or elsewhere, or nothing that can be served.
    """
    folder = root / "sandboxes" / name
    if not _NAME.fullmatch(name):
        raise ContentError(f"{name!r} is no name for an app. Use lower-case letters, digits, '-' and '_'.")
    if folder.exists() and not (force and (folder / "app" / RECORDED).is_file()):
        raise ContentError(f"{folder} exists. Choose another name" + ("." if force else ", or say --force."))
    if not force:
        refuse_taken(name, folder)
    entries, bodies = _entries(network)
    answers = [entry for entry in entries if entry["body"] is not None]
    if not answers:
        raise ContentError("The capture holds no answer with its body, so there is nothing to serve. Record it again.")
    pages = _pages(network)
    _make(folder.parent)
    scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        _fill(scratch, name, network, {"cookies": _cookies(network), "entries": entries}, bodies, pages)
        load_spec(scratch / "sandbox.toml")
        scratch.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Written(folder, len(answers), len(pages), len(entries) - len(answers))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ContentError(f"Cannot make the folder {folder}: {error.strerror}. Choose another with --root.") from None


def _fill(
    folder: Path, name: str, network: Sequence[Exchange], document: Any, bodies: dict[str, bytes], pages: list[str]
) -> None:
    site, started = network[0].origin, network[0].started
    start = started if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", started) else "2026-03-02T09:00:00Z"
    account = 'login = "recorded"\n' if document["cookies"] else ""
    host = re.sub(r"[^\w.:/-]", "", site.partition("://")[2])
    toml = TOML.format(
        name=json.dumps(name), title=json.dumps(f"{host}, recorded"), site=host, login=account, start=start,
        pages=json.dumps(pages[:MAX_PAGES] or ["/"], ensure_ascii=False),
    )  # fmt: skip
    readme = README.format(name=name, site=host, answers=len(document["entries"]), pages=len(pages))
    (folder / "app" / BODIES).mkdir(parents=True)
    for path, text in (
        ("sandbox.toml", toml), ("README.md", readme), ("seed.py", SEED),
        ("app/__init__.py", ""), ("app/main.py", MAIN),
        (f"app/{RECORDED}", json.dumps(document, indent=1, ensure_ascii=False) + "\n"),
    ):  # fmt: skip
        (folder / path).write_text(text, encoding="utf-8", errors="replace")
    for digest, body in bodies.items():
        (folder / "app" / BODIES / digest).write_bytes(body)


def _entries(network: Sequence[Exchange]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """What the replay reads, and the bodies it names."""
    entries: list[dict[str, Any]] = []
    bodies: dict[str, bytes] = {}
    stretch = 0
    for exchange in network:
        request, response = exchange.request, served(exchange)
        if response.status in (0, 304):
            continue  # the browser used its cache: the answer is that of an earlier visit
        path, _, query = request.target.partition("?")
        kind = dict(request.headers).get("content-type", "")
        body: str | None = None
        if exchange.body is not None:
            body = hashlib.sha256(response.body).hexdigest()[:32] if response.body else ""
            if body:
                bodies[body] = response.body
        entries.append(
            {
                "key": key_of(request.method, path), "fields": fields_of(query, kind, request.body),
                "stretch": stretch, "status": response.status, "body": body,
                "headers": [(k, v) for k, v in response.headers if k not in _LEFT_OUT],
            }
        )  # fmt: skip
        stretch += request.method not in SAFE
    return entries, bodies


def _pages(network: Sequence[Exchange]) -> list[str]:
    """Targets of the pages that can be shown, in order of first visit."""
    found = {
        exchange.request.target: None
        for exchange in network
        if exchange.is_document and exchange.request.method == "GET" and exchange.status == 200 and exchange.body
    }
    return list(found)


def _cookies(network: Sequence[Exchange]) -> dict[str, str]:
    """What the browser held when the recording began."""
    sent = dict(network[0].request.headers).get("cookie", "") if network else ""
    pairs = [part.strip().partition("=") for part in sent.split(";") if "=" in part]
    return {name: unquote(value) for name, _, value in pairs if name}
