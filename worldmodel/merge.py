"""Carrying what did not change from one page to the next over from a neighbour: a three-way merge.

A neighbour's step turned its page P into Q. Lines of Q that were in P already (the frame of the site, the
signed-in name, the cart count) say nothing about the step, and here they read as they do on *our*
page; only what its step brought in is taken from the neighbour. Source: the diff3 algorithm (Khanna,
Kunal & Pierce 2007), conflicts resolved for the neighbour's side.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from worldmodel.document import Lines, body
from worldmodel.session import Situation

_LOOK_BACK = 5
_LEAST_SHARED = 6


def frame(situation: Situation, answer: Lines) -> Lines:
    """The latest answer before the request that shares enough lines with `answer` to have its frame; or ().

    As it was loaded, without what was typed since: a new page does not keep that.
    """
    wanted = Counter(body(answer))
    for _, page in reversed(situation.past[-_LOOK_BACK:]):
        lines = body(page)
        if (Counter(lines) & wanted).total() >= _LEAST_SHARED:
            return lines
    return ()


def carry_over(base: Lines, ours: Lines, theirs: Lines, adapt: Callable[[Lines], Lines]) -> Lines:
    """`theirs` with the parts it kept from `base` replaced by their counterparts in `ours`.

    Args:
        base: The neighbour's page before.
        ours: Our page before.
        theirs: The neighbour's page after.
        adapt: Applied to lines that are new in `theirs`.
    """
    if not base or not ours:
        return adapt(theirs)
    kept = _kept(base, theirs)
    chunk_of, chunks = _chunks(base, ours)
    out: list[str] = []
    new: list[str] = []
    emitted: set[int] = set()

    def flush() -> None:
        out.extend(adapt(tuple(new)))
        new.clear()

    for at, line in enumerate(theirs):
        origin = kept.get(at)
        if origin is None:
            new.append(line)
            continue
        flush()
        number = chunk_of[origin]
        if number is None:
            before = chunks.get((origin, origin))
            if before is not None and kept.get(at - 1) == origin - 1:
                out.extend(before)
            out.append(line)
            continue
        start, end = number
        if all(kept.get(at - origin + i) == i for i in range(start, end)):
            if start not in emitted:
                emitted.add(start)
                out.extend(chunks[number])
        else:
            new.append(line)
    flush()
    return tuple(out)


def _kept(base: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """Line of `theirs` -> line of `base` it was taken over from."""
    matcher = difflib.SequenceMatcher(None, base, theirs, autojunk=False)
    return {b + i: a + i for a, b, size in matcher.get_matching_blocks() for i in range(size)}


def _chunks(
    base: Sequence[str], ours: Sequence[str]
) -> tuple[list[tuple[int, int] | None], dict[tuple[int, int], Lines]]:
    """Where `ours` differs: the chunk each line of `base` is in (None: unchanged), and what replaces each."""
    chunk_of: list[tuple[int, int] | None] = [None] * len(base)
    chunks: dict[tuple[int, int], Lines] = {}
    for i1, i2, j1, j2 in _small_changes(base, ours):
        chunks[i1, i2] = tuple(ours[j1:j2])
        chunk_of[i1:i2] = [(i1, i2)] * (i2 - i1)
    return chunk_of, chunks


def _small_changes(base: Sequence[str], ours: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    matcher = difflib.SequenceMatcher(None, base, ours, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        if tag == "replace" and i2 - i1 == j2 - j1:
            # Of equal length: line by line, so that keeping some of them keeps those.
            yield from ((i1 + k, i1 + k + 1, j1 + k, j1 + k + 1) for k in range(i2 - i1))
        else:
            yield i1, i2, j1, j2
