"""A folder that is state: put back file by file, and only where something changed.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Mark = tuple[int, int, int, int]
"""Inode, size, and times of change in ns: of the content, which programs can set, and of the inode, which none can."""


class Folder:
    """A data folder, a copy of a seed. Links and devices are no state: a reset removes them.

    Args:
        seed: Where it starts from; never written to.
        data: Where the app works; created if missing.
        without: Paths in both that somebody else puts back.
    """

    def __init__(self, seed: Path, data: Path, without: Iterable[str] = ()) -> None:
        self._seed, self._data, self._without = seed, data, frozenset(without)
        data.mkdir(parents=True, exist_ok=True)
        files, self._folders, _ = _walk(seed, self._without)
        self._files = {path: seed / path for path in files}
        self._hashes: dict[str, str] = {}
        self._written: dict[str, Mark] = {}
        self._settled: dict[str, Mark] = {}

    def reset(self) -> None:
        """Return to the seed."""
        live, folders, others = _walk(self._data, self._without)
        for path in [*others, *(live.keys() - self._files.keys())]:
            (self._data / path).unlink()
        for path in sorted(folders - self._folders, reverse=True):
            (self._data / path).rmdir()
        for path in sorted(self._folders - folders):
            (self._data / path).mkdir()
        for path, source in self._files.items():
            mark = live.get(path)
            if mark is None or mark != self._written.get(path):
                self._written[path] = _put(source, self._data / path)
        self._settled = {}

    def dump(self) -> dict[str, bytes]:
        """What differs from the seed: ``folders`` (JSON), and ``file:PATH`` for each file."""
        live, folders, _ = _walk(self._data, self._without)
        changed = sorted(path for path, mark in live.items() if mark != self._written.get(path))
        index = {
            "folders": sorted(folders),
            "gone": sorted(self._files.keys() - live.keys()),
            "times": {path: live[path][2] for path in changed},
        }
        return {
            "folders": json.dumps(index).encode(),
            **{f"file:{path}": (self._data / path).read_bytes() for path in changed},
        }

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `dump` returned."""
        self.reset()
        index = json.loads(parts["folders"])
        for path in sorted(index["folders"]):
            (self._data / path).mkdir(exist_ok=True)
        for path, moment in index["times"].items():
            target = self._data / path
            target.write_bytes(parts[f"file:{path}"])
            os.utime(target, ns=(moment, moment))
            self._settled[path] = _mark(target.lstat())
        for path in index["gone"]:
            (self._data / path).unlink()
        for path in sorted(self._folders - set(index["folders"]), reverse=True):
            (self._data / path).rmdir()

    def settle(self, moment: float) -> None:
        """Give files written since the last call the time `moment` (s since the epoch)."""
        for path, mark in _walk(self._data, self._without)[0].items():
            if mark not in (self._written.get(path), self._settled.get(path)):
                target = self._data / path
                os.utime(target, (moment, moment))
                self._settled[path] = _mark(target.lstat())

    def add_to(self, digest: Any) -> None:
        """Feed names and contents to a hash."""
        live, folders, others = _walk(self._data, self._without)
        for path in sorted([*folders, *others]):
            digest.update(f"{path}\0".encode("utf-8", "surrogateescape"))
        for path, mark in sorted(live.items()):
            digest.update(f"{path}\0{self._hash(path, mark)}\0".encode("utf-8", "surrogateescape"))

    def _hash(self, path: str, mark: Mark) -> str:
        if mark != self._written.get(path):
            return hashlib.sha256((self._data / path).read_bytes()).hexdigest()
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(self._files[path].read_bytes()).hexdigest()
        return self._hashes[path]


def age(folder: Path, moment: float) -> None:
    """Give everything in `folder` the time `moment` (s since the epoch)."""
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (moment, moment), follow_symlinks=False)


def _walk(root: Path, without: frozenset[str]) -> tuple[dict[str, Mark], set[str], list[str]]:
    """Files, folders, and what is neither, by path below `root`."""
    files: dict[str, Mark] = {}
    folders: set[str] = set()
    others: list[str] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                if path in without:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(path)
                    waiting.append(f"{path}/")
                elif entry.is_file(follow_symlinks=False):
                    files[path] = _mark(entry.stat(follow_symlinks=False))
                else:
                    others.append(path)
    return files, folders, others


def _mark(found: os.stat_result) -> Mark:
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _put(source: Path, target: Path) -> Mark:
    """Copy with the times and permissions of the source, but writable: images hold their files read-only."""
    with contextlib.suppress(FileNotFoundError):
        target.unlink()  # whoever still has the old one open must not see, or write, the new one
    shutil.copyfile(source, target)
    status = source.stat()
    target.chmod(status.st_mode & 0o777 | 0o600)
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
    return _mark(target.lstat())
