"""What `sandbox new` writes: a sandbox.toml, a seed and a README that say what is still to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What is known of an app, as its toml will say it.

    Attributes:
        name: Its folder's name.
        command: Program and arguments.
        port: Where it listens inside, by TCP; None for a unix socket.
        socket: That socket, below the data folder.
        data: Its data folder inside.
        database: As in sandbox.toml.
        image: The image that holds it; None for our base image.
        workdir: Where the command is started; None for the app's folder.
        packages: Debian packages.
        requirements: pip requirements.
        clock: ``"frozen"`` or ``"real"``.
    """

    name: str
    command: tuple[str, ...]
    port: int | None
    socket: str | None
    data: str
    database: str
    image: str | None
    workdir: str | None
    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    clock: str


def sandbox_toml(plan: Plan) -> str:
    """The sandbox.toml of a new app."""
    lines = [
        "# What each key means: docs/bring-your-own-app.md",
        f"name = {_text(plan.name)}",
        f"title = {_text(plan.name.replace('-', ' ').replace('_', ' ').capitalize())}",
        'description = "Say in a sentence what this app is."',
        *([f"image = {_text(plan.image)}"] if plan.image else []),
        *([f"packages = {_texts(plan.packages)}"] if plan.packages else []),
        *([f"requirements = {_texts(plan.requirements)}"] if plan.requirements else []),
        'seed = "seed:build"',
        'pages = ["/"]                 # where a walk over the app starts; the proof opens them',
        '# login = "ann@example.test"  # an account of the seed, once seed.py can sign it in',
        "",
        "[hosted]",
        'kind = "command"',
        f"command = {_texts(plan.command)}",
        f"port = {plan.port}" if plan.port is not None else f"socket = {_text(plan.socket or '')}",
        f"database = {_text(plan.database)}",
        f"data = {_text(plan.data)}            # all that the app writes must lie below it",
        *([f"workdir = {_text(plan.workdir)}"] if plan.workdir else []),
        "restart = true                # a reset starts the app again; false if it keeps nothing in memory",
        f"clock = {_text(plan.clock)}",
        '# login = "seed:login"',
        "",
        "[clock]",
        "start = 2026-03-02T09:00:00Z",
        "tick_s = 7.0                  # seconds that one request moves the clock",
        "",
        "# The state view is what tasks are judged on: SQL over the app's own tables, one row an object.",
        "[state]",
        '# orders = { key = "id", sql = "SELECT id, status, total FROM orders" }',
    ]
    return "\n".join(lines) + "\n"


_SEED = '''"""What every reset starts from: built once, with the image, where the app will find its data."""

from pathlib import Path
{imports}

def build(data: Path) -> None:
    """Fill `data`{database}."""
{body}

def login(visit, account: str) -> None:
    """Sign `account` in as its owner would; the cookies of `visit` are then the session's."""
    raise LookupError(account)  # e.g. visit.post("/login", {{"email": account, "password": "..."}})
'''

_FIRST_START = """    # The app makes its own database when it first runs. Add what a task needs to find.
    start_once({command}, {address})
"""

_FROM_IMAGE = """    # Starts from what the image holds there. Add what a task needs, or a first start of the app:
    #     from envsim.guest.first_start import start_once
    #     start_once({command}, {address})
"""


def seed_module(plan: Plan) -> str:
    """Its seed.py."""
    address = str(plan.port) if plan.port is not None else f'data / "{plan.socket}"'
    words = [word.replace("{port}", str(plan.port)) for word in plan.command]
    command = "[" + ", ".join(_word(word, plan.socket or "") for word in words) + "]"
    body = _FIRST_START if plan.image is None else _FROM_IMAGE
    return _SEED.format(
        imports="\nfrom envsim.guest.first_start import start_once\n" if plan.image is None else "",
        database="; the database is at $PGHOST, $PGDATABASE" if plan.database == "postgres" else "",
        body=body.format(command=command, address=address),
    )


_README = """\
# {title}

An app that is not ours, run as it is; where it comes from and under what licence belongs here.

    sandbox prove {name}
    sandbox up {name} --runtime docker

- `sandbox.toml`: how it is run, and what of its state tasks are judged on
- `seed.py`: what every reset starts from, and how an account is signed in
- a `Dockerfile` beside them would stand in place of the usual one, which `sandbox dockerfile {name}` prints
"""


def readme(plan: Plan) -> str:
    """Its README.md."""
    return _README.format(title=plan.name, name=plan.name)


def _word(word: str, socket: str) -> str:
    """A word of the command as Python for seed.py, where the data folder is a variable."""
    inner = _text(word.replace("{socket}", f"{{data}}/{socket}"))
    if "{data}" not in inner:
        return inner
    # Other braces are the program's own.
    doubled = inner.replace("{", "{{").replace("}", "}}")
    return "f" + doubled.replace("{{data}}", "{data}")


def _text(text: str) -> str:
    """`text` as TOML and Python both write it: JSON's escapes are a part of theirs."""
    return json.dumps(text)


def _texts(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_text(text) for text in texts) + "]"
