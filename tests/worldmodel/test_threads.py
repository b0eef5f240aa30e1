"""One thread for a while, whoever comes and goes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import torch

from worldmodel.threads import one_thread

T = TypeVar("T")


@pytest.fixture(autouse=True)
def three() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def elsewhere(ask: Callable[[], T]) -> T:
    """What `ask` returns in a thread that never computed."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_it_is_as_before_afterwards_and_after_a_failure() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
    assert (torch.get_num_threads(), elsewhere(torch.get_num_threads)) == (3, 3)
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert torch.get_num_threads() == 3
    with one_thread(), one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("first_out", ["ours", "theirs"])
def test_threads_that_overlap_leave_what_the_first_has_found(first_out: str) -> None:
    ours, theirs = one_thread(), one_thread()
    with ThreadPoolExecutor(1) as pool:
        ours.__enter__()
        pool.submit(theirs.__enter__).result()
        out = [lambda: ours.__exit__(None, None, None), lambda: pool.submit(theirs.__exit__, None, None, None).result()]
        for leave in out if first_out == "ours" else out[::-1]:
            leave()
        assert torch.get_num_threads() == 3
        assert pool.submit(torch.get_num_threads).result() == 3
    assert elsewhere(torch.get_num_threads) == 3
