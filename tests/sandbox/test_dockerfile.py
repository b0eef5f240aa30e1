"""The Dockerfile of an app that brings none, and one that an app brings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from envsim.content import find_app, list_apps
from envsim.sandbox.dockerfile import dockerfile
from envsim.sandbox.image import build_context, connect, ensure_image
from envsim.sandbox.new import plan, write
from envsim.sandbox.spec import SandboxSpec, find_spec, load_spec


def on_an_image(folder: Path) -> SandboxSpec:
    spec = write(plan("mine", command="serve", data="/srv/data"), folder)
    path = spec.root / "sandbox.toml"
    path.write_text('image = "theirs:1"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    return load_spec(path)


def test_each_kind_of_app_has_its_own_seed_and_data(tmp_path: Path) -> None:
    kit, wsgi, command = (dockerfile(find_spec(name)) for name in ("notes", "ledger", "tally"))
    for text, seed in ((kit, "/opt/seed.db"), (wsgi, "/opt/seed"), (command, "/opt/seed/data")):
        assert f'"--seed-db", "{seed}", "--directory"' in text
        assert f"--seed-db {seed}" in text
        assert "@" not in text
    assert ["--as 1000" in text for text in (kit, wsgi, command)] == [False, False, True]
    assert ["AS debs" in text for text in (kit, wsgi, command)] == [False, False, True]
    theirs = dockerfile(on_an_image(tmp_path))
    assert "-m venv" not in theirs
    assert "--data /srv/data --as 1000" in theirs
    assert "PYTHONPATH=/opt/guest:/opt/lib" in theirs


def test_packages_and_closed_requirements_are_followed() -> None:
    wiki, old, new = (dockerfile(find_spec(name)) for name in ("otterwiki", "spirit@0.12.1", "spirit@0.14.3"))
    assert "COPY --from=debs /diff /" in wiki
    assert ["install --quiet --no-index --no-deps" in text for text in (wiki, old, new)] == [False, True, False]


def test_a_view_of_an_app_is_built_by_what_the_app_is_built_by() -> None:
    assert dockerfile(find_spec("desk")) == dockerfile(find_spec("shop"))


def test_an_app_is_built_by_its_own_where_it_has_one(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    shutil.copytree(find_app("notes"), folder)
    usual = build_context(load_spec(folder / "sandbox.toml"))
    assert usual["Dockerfile"].decode() == dockerfile(find_spec("notes"))
    (folder / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    files = build_context(load_spec(folder / "sandbox.toml"))
    assert files == usual | {"Dockerfile": b"FROM scratch\n"}


def test_no_app_of_ours_keeps_a_copy() -> None:
    for name, folder in list_apps().items():
        own = folder / "Dockerfile"
        assert not own.is_file() or own.read_text(encoding="utf-8") != dockerfile(find_spec(name))


def test_it_is_printed_to_start_from(cli: Callable[..., Any]) -> None:
    assert cli("sandbox", "dockerfile", "ledger@4.2.0").stdout == dockerfile(find_spec("ledger@4.2.0"))


def test_what_is_written_for_a_new_app_has_none(tmp_path: Path) -> None:
    spec = write(plan("mine", command="serve"), tmp_path)
    assert sorted(path.name for path in spec.root.iterdir()) == ["README.md", "sandbox.toml", "seed.py"]


@pytest.mark.docker
@pytest.mark.xdist_group("tally")
def test_an_image_holds_what_is_required_and_nothing_twice() -> None:
    with closing(connect()) as client:
        listing = client.containers.run(
            ensure_image(client, find_spec("tally")), ["-c", "find /state /opt/seed; ls /opt/venv/lib/*/site-packages"],
            entrypoint="sh", remove=True, network_mode="none",
        ).decode().split()  # fmt: skip
    assert "/opt/seed/data/notes/first.txt" in listing
    assert [path for path in listing if path.startswith("/state/")] == []
    assert "uvicorn" in listing
    assert not {"pip", "setuptools", "pkg_resources"} & set(listing)
