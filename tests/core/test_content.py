"""Where content is found: user roots first, then the wheel's, then the repository's, and never on sys.path."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from envsim.content import find_app, list_apps, list_templates, load_entry, roots
from envsim.errors import ContentError


@pytest.fixture
def user_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "mine"
    (root / "sandboxes" / "kiosk").mkdir(parents=True)
    (root / "sandboxes" / "kiosk" / "sandbox.toml").write_text('name = "kiosk"\n')
    (root / "tasks" / "kiosk").mkdir(parents=True)
    (root / "tasks" / "kiosk" / "close-ticket.toml").touch()
    monkeypatch.setenv("ENVSIM_PATH", os.pathsep.join([str(tmp_path / "absent"), str(root)]))
    return root


def test_the_repository_is_a_root() -> None:
    assert "shop" in list_apps()
    assert find_app("shop").name == "shop"


def test_user_roots_come_first(user_root: Path) -> None:
    assert roots()[1] == user_root
    assert find_app("kiosk") == user_root / "sandboxes" / "kiosk"
    assert list(list_templates("kiosk")) == ["close-ticket"]


def test_a_user_app_hides_ours_of_the_same_name(user_root: Path) -> None:
    (user_root / "sandboxes" / "kiosk").rename(user_root / "sandboxes" / "shop")
    assert find_app("shop") == user_root / "sandboxes" / "shop"


def test_an_unknown_app_is_named_with_every_place_looked_at(user_root: Path) -> None:
    with pytest.raises(ContentError) as caught:
        find_app("shpo")
    for part in ("'shpo'", "kiosk", "shop", str(user_root / "sandboxes"), "ENVSIM_PATH"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["../shop", "/etc", "", "shop/../shop", "."])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ContentError):
        find_app(name)


def test_modules_are_loaded_without_entering_sys_path(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("from .helper import VALUE\nANSWER = VALUE + 1\n")
    (tmp_path / "helper.py").write_text("VALUE = 41\n")
    before = list(sys.path)
    assert load_entry(tmp_path, "tasks:ANSWER") == 42
    assert sys.path == before
    assert "tasks" not in sys.modules


def test_two_folders_of_one_name_do_not_mix(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "app").mkdir(parents=True)
        (tmp_path / place / "app" / "main.py").write_text(f"WHERE = {place!r}\n")
    assert [load_entry(tmp_path / place / "app", "main:WHERE") for place in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize(("entry", "why"), [("absent:x", "no module 'absent'"), ("main:absent", "no 'absent'")])
def test_a_wrong_entry_point_is_named(tmp_path: Path, entry: str, why: str) -> None:
    (tmp_path / "main.py").touch()
    with pytest.raises(ContentError, match=why):
        load_entry(tmp_path, entry)


def test_a_missing_requirement_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import a_package_nobody_has\n")
    with pytest.raises(ContentError, match="a_package_nobody_has"):
        load_entry(tmp_path, "main:x")


def test_the_wheel_carries_the_content(repo: Path, tmp_path: Path) -> None:
    """Built and unpacked as pip would, away from the repository: apps and tasks must come along."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(build, check=True, capture_output=True, cwd=repo)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"envsim/py.typed", "worldmodel/py.typed", "envsim/_content/sandboxes/shop/sandbox.toml"} <= names
    templates = {path.relative_to(repo).as_posix() for path in (repo / "tasks").rglob("*.toml")}
    assert {f"envsim/_content/{name}" for name in templates} <= names
    assert not any(name.startswith(("tests/", "sandboxes/", "tasks/")) or name.endswith(".pyc") for name in names)
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = "from envsim.content import find_app, PACKAGE; print(find_app('shop')); print(PACKAGE)"
    # -P and a foreign directory keep the repository out; the unpacked wheel comes before the editable install.
    env = {**os.environ, "PYTHONPATH": str(site)}
    out = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True, env=env, cwd=site
    )
    app, package = out.stdout.split()
    assert Path(package) == site / "envsim"
    assert Path(app) == site / "envsim" / "_content" / "sandboxes" / "shop"
