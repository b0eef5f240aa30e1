"""A folder that is state: put back entry by entry, and only where something changed.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envsim.errors import ContentError

Mark = tuple[int, int, int, int]
"""Inode, size, and times of change in ns: of the content, which programs can set, and of the inode, which none can."""


@dataclass
class _Found:
    """What lies below a folder, by path relative to it."""

    files: dict[str, Mark] = field(default_factory=dict)
    folders: dict[str, Mark] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """Sockets, pipes and devices: no state, and gone after a reset."""

    def marks(self) -> dict[str, Mark]:
        """Of whatever has a time that an app could show."""
        return self.files | self.folders


class Folder:
    """A data folder, a copy of a seed.

    Args:
        seed: Where it starts from; never written to.
        data: Where the app works; created if missing.
        without: Paths in both that somebody else puts back.
        apart: How paths begin that are the same.
    """

    def __init__(self, seed: Path, data: Path, without: Iterable[str] = (), apart: tuple[str, ...] = ()) -> None:
        self._seed, self._data, self._without, self._apart = seed, data, frozenset(without), apart
        data.mkdir(parents=True, exist_ok=True)
        self._start = self._walk(seed)
        self._hashes: dict[str, str] = {}
        self._written: dict[str, Mark] = {}
        self._settled: dict[str, Mark] = {}

    def leave(self, names: Iterable[str]) -> frozenset[str]:
        """Take these paths for somebody else's from now on, instead of those named before, which it returns."""
        left, self._without = self._without, frozenset(names)
        return left

    def is_empty(self) -> bool:
        """Whether nothing lies there that a dump would hold."""
        live = self._walk(self._data)
        return not (live.files or live.folders or live.links)

    def reset(self) -> None:
        """Return to the seed."""
        live, start = self._walk(self._data), self._start
        wrong = [path for path, target in live.links.items() if start.links.get(path) != target]
        for path in [*live.others, *wrong, *(live.files.keys() - start.files.keys())]:
            (self._data / path).unlink(missing_ok=True)
        for path in sorted(live.folders.keys() - start.folders.keys(), reverse=True):
            with contextlib.suppress(FileNotFoundError):
                (self._data / path).rmdir()
        for path in sorted(start.folders.keys() - live.folders.keys()):
            (self._data / path).mkdir()
        for path, target in start.links.items():
            if live.links.get(path) != target:
                (self._data / path).symlink_to(target)
        for path in start.files:
            if live.files.get(path, ()) != self._written.get(path):
                self._written[path] = _put(self._seed / path, self._data / path)
        self._age({path: mark[2] for path, mark in start.folders.items()}, self._written)
        self._settled = {}

    def dump(self) -> dict[str, bytes]:
        """What differs from the seed: ``folder`` (JSON), and ``file:PATH`` for each file."""
        live = self._walk(self._data)
        changed = {}
        for path in sorted(path for path, mark in live.files.items() if mark != self._written.get(path)):
            with contextlib.suppress(FileNotFoundError):
                changed[path] = (self._data / path).read_bytes()
        index = {
            "folders": {path: live.folders[path][2] for path in sorted(live.folders)},
            "links": live.links,
            "gone": sorted(self._start.files.keys() - live.files.keys()),
            "times": {path: live.files[path][2] for path in changed},
        }
        return {
            "folder": json.dumps(index, sort_keys=True).encode(),
            **{f"file:{path}": content for path, content in changed.items()},
        }

    def check(self, parts: Mapping[str, bytes]) -> None:
        """Raises what `load` would; nothing is changed."""
        self._index(parts)

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `dump` returned.

        Raises:
            ContentError: It names what is not a file of this folder; nothing is changed.
        """
        index = self._index(parts)
        self.reset()
        for path in [*index["gone"], *self._start.links]:
            (self._data / path).unlink()
        for path in sorted(self._start.folders.keys() - index["folders"].keys(), reverse=True):
            (self._data / path).rmdir()
        for path in sorted(index["folders"]):
            (self._data / path).mkdir(exist_ok=True)
        for path in index["times"]:
            (self._data / path).write_bytes(parts[f"file:{path}"])
        for path, target in index["links"].items():
            (self._data / path).symlink_to(target)
        self._age(index["times"] | index["folders"], self._settled)

    def _index(self, parts: Mapping[str, bytes]) -> dict[str, Any]:
        """What a dump says of itself, looked at before anything is touched: it may come from anywhere."""
        try:
            index: dict[str, Any] = json.loads(parts["folder"])
            named = [path for kind in ("gone", "folders", "times", "links") for path in index[kind]]
            whole = set(index["gone"]) <= self._start.files.keys() and all(
                f"file:{path}" in parts for path in index["times"]
            )
            fits = whole and all(self._is_inside(path) for path in named)
        except (AttributeError, KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise ContentError("The files of this state are not those of the app's data folder. Export it again.")
        return index

    def _is_inside(self, path: str) -> bool:
        """Whether `path` is one below this folder that nobody else puts back."""
        names = path.split("/")
        above = {"/".join(names[:count]) for count in range(1, len(names) + 1)}
        ours = self._without & above or path.startswith(self._apart)
        return not {"", ".", ".."} & set(names) and "\0" not in path and not ours

    def settle(self, moment: float) -> None:
        """Give what was written since the last call the time `moment` (s since the epoch)."""
        fresh = {
            path: round(moment * 1e9)
            for path, mark in self._walk(self._data).marks().items()
            if mark not in (self._written.get(path), self._settled.get(path))
        }
        self._age(fresh, self._settled)

    def add_to(self, digest: Any) -> None:
        """Feed names and contents to a hash."""
        live = self._walk(self._data)
        entries = dict.fromkeys(live.folders, "/") | {path: f">{target}" for path, target in live.links.items()}
        for path, mark in live.files.items():
            with contextlib.suppress(FileNotFoundError):
                entries[path] = self._hash(path, mark)
        digest.update(json.dumps(entries, sort_keys=True).encode())

    def _hash(self, path: str, mark: Mark) -> str:
        if mark != self._written.get(path):
            return hashlib.sha256((self._data / path).read_bytes()).hexdigest()
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256((self._seed / path).read_bytes()).hexdigest()
        return self._hashes[path]

    def _age(self, times: Mapping[str, int], marks: dict[str, Mark]) -> None:
        """Set times in ns, those of folders last: what happens in them changes theirs."""
        for path, moment in times.items():
            with contextlib.suppress(FileNotFoundError):
                status = (self._data / path).lstat()
                if status.st_mtime_ns != moment:
                    os.utime(self._data / path, ns=(moment, moment))
                    status = (self._data / path).lstat()
                marks[path] = _mark(status)

    def _walk(self, root: Path) -> _Found:
        found = _Found()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = os.scandir(root / folder)
            except FileNotFoundError:
                if folder:  # an app may run meanwhile, and what it needs for a moment is gone before it is looked at
                    continue
                raise
            with entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    if path in self._without or path.startswith(self._apart):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        if entry.is_symlink():
                            found.links[path] = str(Path(entry.path).readlink())
                        elif entry.is_dir():
                            found.folders[path] = _mark(entry.stat())
                            waiting.append(f"{path}/")
                        elif entry.is_file():
                            found.files[path] = _mark(entry.stat())
                        else:
                            found.others.append(path)
        return found


def age(folder: Path, moment: float) -> None:
    """Give everything in `folder` the time `moment` (s since the epoch)."""
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (moment, moment), follow_symlinks=False)


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
