"""Balancing training by size of change, without bending how often random things happen.

Most requests change nothing of the draft, and those that change much are what a network is for. Drawn in equal parts,
the rare ones are seen often enough; but what comes with a class also comes more often then. A bug that fires on one
request in ten rewrites the page, so it would be drawn as on every third. Importance weights on the outcome token, the
only one that says what happens by chance, put that right: n(class) / drawn(class) times each draw is what was
recorded (Kahn & Marshall 1953).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from envsim.rng import Rng

BORDERS = (1, 3)
"""Classes of change: none, one or two, three and more."""


def size_class(changes: int) -> int:
    """0, 1 or 2, by `BORDERS`."""
    return sum(changes >= border for border in BORDERS)


def quotas(changes: Sequence[int], strength: float) -> dict[int, tuple[int, int]]:
    """By class, how many there are and how many draws an epoch has; as many draws in all as examples, but for rounding.

    Args:
        changes: Of each example.
        strength: 0 draws every example once, 1 draws as often from each class; between, shares to that power.
    """
    counts = Counter(map(size_class, changes))
    parts = {name: counts[name] ** (1.0 - strength) for name in sorted(counts)}
    scale = len(changes) / sum(parts.values()) if parts else 0.0
    return {name: (counts[name], max(1, round(scale * part))) for name, part in parts.items()}


def drawn(changes: Sequence[int], strength: float, rng: Rng) -> list[int]:
    """Example numbers of one epoch: in each class all as often as each other, give or take one."""
    if not strength:
        return list(range(len(changes)))
    members: dict[int, list[int]] = {}
    for number, changed in enumerate(changes):
        members.setdefault(size_class(changed), []).append(number)
    out: list[int] = []
    for name, (count, wanted) in quotas(changes, strength).items():
        out += members[name] * (wanted // count) + rng.sample(members[name], wanted % count)
    return sorted(out)


def weights(changes: Sequence[int], strength: float) -> list[float] | None:
    """Of each example's outcome token: what makes up for how often the example is drawn. None: all are 1."""
    if not strength:
        return None
    parts = quotas(changes, strength)
    return [parts[size_class(changed)][0] / parts[size_class(changed)][1] for changed in changes]
