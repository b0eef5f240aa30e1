"""Wheels for images: from an index that has them, or built here from source; no network in these tests."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

from envsim.errors import PrerequisiteError
from envsim.sandbox.bundle import CLOSED, all_requirements
from envsim.sandbox.spec import find_spec
from envsim.sandbox.wheels import get_wheels

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "envsim-source-only"
version = "1.0"
[tool.hatch.build.targets.wheel]
include = ["source_only.py"]
"""
TAGGED = '[tool.hatch.build.targets.wheel.hooks.custom]\npath = "tag.py"\n'
TAG = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, data):
        data["pure_python"], data["infer_tag"] = False, True
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip looks; an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads this one the other way round
    monkeypatch.setenv("ENVSIM_CACHE", str(tmp_path / "cache"))
    return folder


def publish(folder: Path, **files: str) -> None:
    """An sdist of a project whose files are these."""
    with tarfile.open(folder / "envsim_source_only-1.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "PKG-INFO": "Metadata-Version: 2.1\nName: envsim-source-only\nVersion: 1.0\n",
            **files,
        }.items():
            entry = tarfile.TarInfo(f"envsim_source_only-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


def test_what_comes_as_source_only_is_built(index: Path) -> None:
    publish(index, **{"pyproject.toml": PROJECT, "source_only.py": "X = 1\n"})
    wheels = get_wheels("envsim-source-only==1.0\n", PYTHON, "x86_64")
    assert [wheel.name for wheel in wheels] == ["envsim_source_only-1.0-py2.py3-none-any.whl"]
    (index / "envsim_source_only-1.0.tar.gz").unlink()
    assert get_wheels("envsim-source-only==1.0\n", PYTHON, "x86_64") == wheels


def test_what_is_tied_to_this_machine_is_refused(index: Path) -> None:
    files = {"pyproject.toml": PROJECT + TAGGED, "tag.py": TAG, "source_only.py": "X = 1\n"}
    publish(index, **files)
    with pytest.raises(PrerequisiteError, match=r"cannot be had .*not even from source"):
        get_wheels("envsim-source-only==1.0\n", PYTHON, "x86_64")


def test_what_is_nowhere_is_refused_in_one_sentence(index: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"envsim-source-only.*cannot be had.*Run: ") as refused:
        get_wheels("envsim-source-only==1.0\n", PYTHON, "x86_64")
    assert "\n" not in str(refused.value)


def test_requirements_that_name_everything_bring_nothing_else(index: Path) -> None:
    wanting = PROJECT.replace('version = "1.0"\n', 'version = "1.0"\ndependencies = ["envsim-nowhere"]\n')
    publish(index, **{"pyproject.toml": wanting, "source_only.py": "X = 1\n"})
    with pytest.raises(PrerequisiteError, match="envsim-nowhere"):
        get_wheels("envsim-source-only==1.0\n", PYTHON, "x86_64")
    wheels = get_wheels(f"{CLOSED}\nenvsim-source-only==1.0\n", PYTHON, "x86_64")
    assert [wheel.name for wheel in wheels] == ["envsim_source_only-1.0-py2.py3-none-any.whl"]


def test_only_closed_variants_say_so() -> None:
    pinned, current = (all_requirements(find_spec("spirit", variant=name)) for name in ("0.12.1", "0.14.3"))
    assert (pinned[0], "Pillow==9.5.0" in pinned) == (CLOSED, True)
    assert CLOSED not in current
