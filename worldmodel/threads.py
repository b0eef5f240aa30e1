"""How many threads torch computes with, for a while."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch


@dataclass
class _Inside:
    """Who is inside `one_thread`, and how many threads there were before the first came.

    Torch's number is one of the process, too, and so is this: whoever leaves has to know what the first has found.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0
    usual: int = 1


_inside = _Inside()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: a step of a small model is shorter than waking a second one.

    Torch keeps the number for the calling thread, and another one for threads that have not computed yet: these take
    over whatever was set last, wherever. So what was there before the first came is what each sets that leaves. While
    anybody is inside, other threads that are new to torch compute with one thread for as long as they live.
    """
    with _inside.lock:
        if _inside.count == 0:
            _inside.usual = torch.get_num_threads()
        _inside.count += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _inside.lock:
            _inside.count -= 1
            torch.set_num_threads(_inside.usual)
