"""The clock of programs that are not ours: libfaketime, steered through a file.

Frozen at whatever second the file says, for every process started with `Faketime.environment`, whatever language it
is written in, as long as it asks the C library. What asks the kernel itself (Go) sees the machine's time. Intervals
are real: only the time of day stands still, so time-outs work. A wait until a time of day does not end.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from envsim.errors import ContentError

PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")
SHARED = Path("/dev/shm")  # noqa: S108 -- where the C library puts what processes share
LIBRARY = "libfaketimeMT.so.1"

SHIM = '''"""Python under libfaketime 0.9.10: its clock_nanosleep refuses what `time.sleep` asks of it."""

import select
import time


def sleep(seconds):
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
'''
"""Read by every Python that is started with `Faketime.python_path` on its path, before anything else."""


def find_library() -> Path:
    """The library to preload.

    Raises:
        ContentError: It is not installed.
    """
    for pattern in PLACES:
        for path in sorted(Path("/").glob(f"{pattern[1:]}/{LIBRARY}")):
            return path
    raise ContentError(
        "libfaketime is not installed where this app runs, so its clock cannot be held. Add libfaketime to the image, "
        'or say clock = "real" under [hosted].'
    )


def forget(pid: int) -> None:
    """Remove what libfaketime shared among the process `pid` and its children, which have ended.

    It does so itself only where a process ends in order; what stays would fill the memory of the sandbox.
    """
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        SHARED.joinpath(name).unlink(missing_ok=True)


class Faketime:
    """A clock that stands where it is put.

    Args:
        path: The file that says the time; in a folder that exists.
        moment: Where it stands at first.

    Attributes:
        python_path: A folder for the PYTHONPATH of programs that may be written in Python.
    """

    def __init__(self, path: Path, moment: datetime) -> None:
        self._path = path
        self._library = find_library()
        self._said = ""
        self.python_path = path.with_name(f"{path.name}-python")
        self.python_path.mkdir(exist_ok=True)
        (self.python_path / "sitecustomize.py").write_text(SHIM, encoding="utf-8")
        self.set(moment)

    def set(self, moment: datetime) -> None:
        """Put it at `moment`; a fraction of a second is dropped."""
        text = f"{int(moment.timestamp())}\n"
        if text == self._said:
            return
        # Renamed into place: no reader may meet half a number.
        scratch = self._path.with_suffix(".next")
        scratch.write_text(text, encoding="ascii")
        scratch.replace(self._path)
        self._said = text

    def environment(self, seed: int | None = None) -> dict[str, str]:
        """Variables that put a new process under it.

        Args:
            seed: 64 bits that what the process gets from ``getrandom`` follows from; None leaves its chance alone.
        """
        variables = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_FMT": "%s",  # seconds since the epoch, whatever zone the process is in
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        # It reads a signed number, and takes whatever is larger for the largest.
        return variables if seed is None else variables | {"FAKERANDOM_SEED": f"0x{seed >> 1:016X}"}
