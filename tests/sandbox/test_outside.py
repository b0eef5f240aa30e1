"""What a hosted app can write to beside its data folder is put back with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.guest import folder
from envsim.guest.outside import Outside


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "tmp", tmp_path / "shm"]
    for path in made:
        path.mkdir()
    return made


def lies(places: list[Path]) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for place in places for path in place.rglob("*"))


def litter(places: list[Path]) -> None:
    for place in places:
        (place / "a" / "b").mkdir(parents=True)
        (place / "a" / "b" / "note").write_text("x")
        (place / "link").symlink_to("a")


def test_a_reset_empties_them_but_for_what_is_the_guests_own(places: list[Path]) -> None:
    tmp, shm = places
    ours = [tmp / "envsim-clock", shm / "faketime_shm_7", shm / "sem.faketime_sem_7", tmp / "control.sock"]
    for path in ours:
        path.touch()
    litter(places)  # of an app before this one
    outside = Outside(places)
    assert (outside.digest(), outside.dump()) == (b"", {})
    litter(places)
    assert outside.digest() != b""
    outside.reset()
    assert lies(places) == sorted(path.name for path in ours)
    assert (outside.digest(), outside.dump()) == (b"", {})


def test_what_an_app_makes_at_its_start_stays_with_it_and_goes_with_it(places: list[Path]) -> None:
    outside = Outside(places)
    (places[0] / "worker").mkdir()
    (places[0] / "worker" / "pipe").write_text("1")
    outside.own(outside.names())
    (places[0] / "worker" / "pipe").write_text("2")
    litter(places)
    outside.reset()
    assert lies(places) == ["worker", "worker/pipe"]
    assert outside.digest() == b""
    outside.forget()
    assert lies(places) == []
    litter(places)
    assert outside.digest() != b""


class Listing(list[Any]):
    """As `os.scandir` gives it."""

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("seen", [0, 1], ids=["before it is looked at", "before it is read"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_an_app_needs_for_a_moment_may_go_meanwhile(
    places: list[Path], monkeypatch: pytest.MonkeyPatch, kind: str, seen: int
) -> None:
    """A request is settled while the app's other threads go on."""
    outside, job, listed = Outside(places), places[0] / "job", os.scandir

    def make() -> None:
        if kind == "folder":
            job.mkdir()
        elif kind == "link":
            job.symlink_to("nowhere")
        else:
            job.write_text("x")

    def vanish() -> None:
        if kind == "folder":
            job.rmdir()
        else:
            job.unlink()

    def scandir(path: Path) -> Any:
        entries = [*listed(path)]
        if seen == 0 and os.path.lexists(job):
            vanish()
        return Listing(entries)

    def mark(status: os.stat_result) -> Any:
        if os.path.lexists(job):
            vanish()
        return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    for look in (lambda: outside.settle(1.0), outside.digest, outside.dump, outside.reset):
        make()
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", scandir)
            if seen:
                patch.setattr(folder, "_mark", mark)
            look()
        if os.path.lexists(job):
            vanish()
    assert (lies(places), outside.digest()) == ([], b"")


def test_a_state_takes_it_along(places: list[Path], tmp_path: Path) -> None:
    outside = Outside(places)
    litter(places)
    state, digest = outside.dump(), outside.digest()
    outside.reset()
    (places[1] / "other").touch()
    outside.check(state)
    outside.load(state)
    assert outside.digest() == digest
    assert (places[1] / "a" / "b" / "note").read_text() == "x"
    assert not (places[1] / "other").exists()
    outside.load({})
    assert lies(places) == []
    with pytest.raises(ContentError, match=r"has files in .*, where this sandbox keeps none"):
        Outside().check(state)


@pytest.mark.parametrize("path", ["../x", "envsim-clock", "/etc/x"])
def test_a_state_from_anywhere_touches_nothing_else(places: list[Path], path: str) -> None:
    outside = Outside(places)
    litter(places)
    state = outside.dump()
    name = f"outside:{places[0]}|folder"
    state[name] = state[name].replace(b'"link"', f'"{path}"'.encode())
    with pytest.raises(ContentError, match="are not those of the app's data folder"):
        outside.check(state)
