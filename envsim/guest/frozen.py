"""Time and chance for an app that asks the system for them: frozen, moved by requests, and seeded.

While the app runs, the process's clock stands at the sandbox's time (time-machine), and what Python offers
as randomness comes from the sandbox's seed: `random`, `os.urandom`, `secrets`, `uuid`, `tempfile`. What
asks the kernel without Python (SQL's ``CURRENT_TIMESTAMP``, a C library's own generator) is not caught.

Needs time-machine: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random  # noqa: TID251 -- it is what is being seeded
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import time_machine

Draw = Callable[[str], int]
"""A uniform 64-bit integer from the stream of this name."""

NODE = 0x02_00_00_00_00_01
"""What `uuid.uuid1` takes for this machine's hardware address."""


_real_asctime = time.asctime


# time-machine leaves these two alone; they ask the kernel themselves.


def _asctime(moment: Any = None) -> str:
    """See `time.asctime`."""
    return _real_asctime(time.localtime() if moment is None else moment)


def _ctime(seconds: Any = None) -> str:
    """See `time.ctime`."""
    return _real_asctime(time.localtime(seconds))


class Frozen:
    """Holds the process's clock and randomness while a block runs.

    Args:
        now: The app's time.
        draw: The app's chance.
    """

    def __init__(self, now: Callable[[], datetime], draw: Draw) -> None:
        self._now = now
        self._draw = draw

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Everything inside sees the app's time and chance."""
        random.seed(self._draw("random"))
        # Module names that were bound when these modules were imported; others ask `os` each time.
        kept = os.urandom, random._urandom, tempfile._name_sequence, uuid._node  # type: ignore[attr-defined]
        times = time.asctime, time.ctime
        os.urandom = random._urandom = self.urandom  # type: ignore[attr-defined]
        tempfile._name_sequence = self._names()  # type: ignore[attr-defined]
        uuid._node = NODE  # type: ignore[attr-defined]
        time.asctime, time.ctime = _asctime, _ctime
        try:
            with time_machine.travel(self._now(), tick=False):
                yield
        finally:
            os.urandom, random._urandom, tempfile._name_sequence, uuid._node = kept  # type: ignore[attr-defined]
            time.asctime, time.ctime = times

    def urandom(self, size: int) -> bytes:
        """See `os.urandom`."""
        return hashlib.shake_128(self._draw("urandom").to_bytes(8, "big")).digest(size)

    def _names(self) -> Iterator[str]:
        while True:
            yield f"{self._draw('tempfile'):016x}"
