"""Debian packages for images: what is asked of apt, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from envsim.errors import ContentError, PrerequisiteError
from envsim.sandbox import debs
from envsim.sandbox.debs import fetch_debs
from envsim.sandbox.image import connect, find_base, quiet

pytestmark = pytest.mark.docker

NAMES = ["--option", "a b", "libfaketime;reboot", "../x", "X", ""]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_package_never_reaches_apt(name: str) -> None:
    with pytest.raises(ContentError, match="is no Debian package"):
        fetch_debs(None, "unused", [name], quiet)


def test_packages_are_fetched_once_and_with_all_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVSIM_CACHE", str(tmp_path))
    client, said = connect(), []
    base = find_base(client)
    found = fetch_debs(client, base, ["fossil"], said.append)
    names = {path.name.partition("_")[0] for path in found}
    assert {"fossil", "libtcl8.6"} <= names
    assert all(path.read_bytes().startswith(b"!<arch>") for path in found)
    again = fetch_debs(client, base, ["fossil"], said.append)
    assert again == found
    assert said == ["fetching Debian packages: fossil"]
    client.close()


def test_a_package_nobody_has_is_named(user_root: Path) -> None:
    client = connect()
    with pytest.raises(ContentError, match="no no-such-package-anywhere"):
        fetch_debs(client, find_base(client), ["no-such-package-anywhere"], quiet)
    client.close()


def test_without_apt_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, user_root: Path) -> None:
    client = connect()
    base = find_base(client)
    monkeypatch.setattr(debs.shutil, "which", lambda name: None)
    with pytest.raises(PrerequisiteError, match="fetched with apt-get, which this machine does not have"):
        fetch_debs(client, base, ["fossil"], quiet)
    client.close()


def test_packages_of_another_release_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = connect()
    (tmp_path / "os-release").write_text("VERSION_CODENAME=noble\n", encoding="utf-8")
    monkeypatch.setattr(debs, "HOST_RELEASE", tmp_path / "os-release")
    with pytest.raises(PrerequisiteError, match="is bookworm and this machine is noble"):
        fetch_debs(client, find_base(client), ["fossil"], quiet)
    client.close()
