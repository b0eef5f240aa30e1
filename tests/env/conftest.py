"""A tiny app in a content root of its own, so that these tests are about environments alone."""

from pathlib import Path

import pytest

SPEC = """
name = "shelf"
title = "Shelf"
description = "Items on a shelf."
app = "app:create"
seed = "seed:build"

[state.items]
key = "name"
sql = "SELECT name, count FROM items"
"""

TASK = """
id = "put-two"
title = "Put two of something on the shelf"
app = "shelf"
interface = "tools"
split = "train"
goal = "Put two {item} on the shelf."
max_steps = 4
oracle = ['put(name="{item}", count=2)', "answer()"]

[params.item]
choices = ["plates", "bowls", "jugs"]

[[checks]]
kind = "state"
query = "added.items"
contains = { key = "{item}", count = 2 }
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root; the app `shelf` is known while the test runs."""
    for name, text in {"sandboxes/shelf/sandbox.toml": SPEC, "tasks/shelf/put-two.toml": TASK}.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path / "root"))
    return tmp_path / "root"
