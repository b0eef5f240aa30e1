"""What a hosted app can write to beside its data folder: temporary folders, shared memory, the folder of our sockets.

Seeds hold nothing of them, so a reset empties them, and what lies there otherwise is state like any other. But what an
app makes there while it starts is part of its memory: it stays as long as the app runs and goes when that ends.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from envsim.errors import ContentError
from envsim.guest.folder import Folder

OURS = ("envsim-clock", "app.sock", "control.sock", "faketime_shm_", "sem.faketime_sem_")
"""How names begin that are the guest's own: the clock, the two sockets, what libfaketime shares among processes."""

PREFIX = "outside:"
"""Before the names of what `Outside.dump` returns; a colon, the folder and a bar follow."""


class Outside:
    """See above.

    Args:
        folders: All that the app can write to, but for its data folder. Empty in a process on a machine that is not
            the app's alone.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        with tempfile.TemporaryDirectory() as nothing:
            self._folders = {path: Folder(Path(nothing), path, apart=OURS) for path in folders}
        self.reset()  # what lies there now is of an app before this one, in a container that was started again

    def names(self) -> frozenset[Path]:
        """What lies in them now, not looking into folders there."""
        return frozenset(path for folder in self._folders for path in folder.iterdir())

    def own(self, made: Iterable[Path]) -> None:
        """Of `names`, these were made by an app that has just started."""
        paths = list(made)
        for path, folder in self._folders.items():
            folder.leave(each.name for each in paths if each.parent == path)

    def forget(self) -> None:
        """The app has ended: remove what it had made when it started."""
        for path, folder in self._folders.items():
            for name in folder.leave(()):
                _remove(path / name)

    def reset(self) -> None:
        """Empty them, but for what the running app made when it started."""
        for folder in self._folders.values():
            folder.reset()

    def dump(self) -> dict[str, bytes]:
        """All that has come since, by parts that `load` knows; {} for nothing."""
        return {
            f"{PREFIX}{path}|{name}": part
            for path, folder in self._folders.items()
            if not folder.is_empty()
            for name, part in folder.dump().items()
        }

    def check(self, parts: Mapping[str, bytes]) -> None:
        """See that `load` could take over `parts`.

        Raises:
            ContentError: They are not of these folders.
        """
        by_folder = _by_folder(parts)
        if unknown := by_folder.keys() - {str(path) for path in self._folders}:
            raise ContentError(
                f"This state has files in {min(unknown)}, where this sandbox keeps none. Load it in one of its runtime."
            )
        for path, folder in self._folders.items():
            if str(path) in by_folder:
                folder.check(by_folder[str(path)])

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `dump` returned, in place of what lies there now."""
        by_folder = _by_folder(parts)
        for path, folder in self._folders.items():
            if str(path) in by_folder:
                folder.load(by_folder[str(path)])
            else:
                folder.reset()

    def settle(self, moment: float) -> None:
        """Give what was written since the last call the time `moment` (s since the epoch)."""
        for folder in self._folders.values():
            folder.settle(moment)

    def digest(self) -> bytes:
        """SHA-256 over names and contents; b"" for nothing."""
        digest, changed = hashlib.sha256(), False
        for path, folder in self._folders.items():
            if not folder.is_empty():
                changed = True
                digest.update(f"{path}\0".encode())
                folder.add_to(digest)
        return digest.digest() if changed else b""


def _by_folder(parts: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for name, part in parts.items():
        path, _, rest = name.removeprefix(PREFIX).partition("|")
        found.setdefault(path, {})[rest] = part
    return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
