"""Which recorded answers a page program is learned from, and which it is tried on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from envsim.rng import Rng
from worldmodel.document import body, meta
from worldmodel.pages.answers import about_of
from worldmodel.pages.shape import Mask
from worldmodel.rules.scope import address
from worldmodel.session import Sample

MOST = 72
"""Examples that one kind of answer is learned from."""
LEAST_CHECKS = 9
MOST_CHECKS = 60
"""Further examples that a kind is tried on."""
PER_ADDRESS = 3
"""Of these, about the same address."""
HEARD = 4
"""Examples with wording that several addresses have, for it to count as heard."""
MOST_SELDOM = 24
"""Examples more, for wording that would hardly be heard."""

Recorded = Sequence[tuple[Sample, str]]


def pick(found: Recorded, rng: Rng, mask: Mask) -> list[int]:
    """Places of some of each branch, of different addresses first."""
    order = rng.sample(range(len(found)), len(found))
    seen: dict[tuple[str, str], int] = defaultdict(int)
    ranked: list[tuple[bool, int, int, int]] = []
    for at in order:
        sample, branch = found[at]
        verb = sample.situation.request.lines[0].partition(" ")[0]
        asked_for = sorted(name for name in address(meta(sample.target, "url")) if name.startswith("query."))
        kind = f"{branch} {verb} {bool(sample.situation.login)} {asked_for}"
        key = (kind, about_of(sample.target, sample.situation))
        seen[key] += 1
        seen[kind, ""] += 1
        ranked.append((seen[key] > PER_ADDRESS, seen[kind, ""], len(ranked), at))
    picked = [at for *_, at in sorted(ranked)[:MOST]]
    return sorted([*picked, *seldom(found, picked, order, mask)])


def seldom(found: Recorded, picked: Sequence[int], order: Sequence[int], mask: Mask) -> list[int]:
    """Places of answers with wording that several addresses have, and hardly one of those picked."""
    lines = [{mask(line.strip()) for line in body(sample.target)} for sample, _ in found]
    heard = Counter(line for at in picked for line in lines[at])
    addresses: dict[str, set[str]] = defaultdict(set)
    for at, (sample, _) in enumerate(found):
        for line in lines[at]:
            addresses[line].add(meta(sample.target, "url"))
    out: list[int] = []
    known = set(picked)
    left = [at for at in order if at not in known]
    for at in left:
        if len(out) < MOST_SELDOM and any(heard[line] < HEARD and len(addresses[line]) >= HEARD for line in lines[at]):
            out.append(at)
            heard.update(lines[at])
    return out


def held_back(picked: Sequence[int], count: int) -> tuple[set[int], list[int]]:
    """Of `count` answers of a kind, some `picked` as examples: which examples nothing may learn from before programs
    are tried, and the answers on which they then are.

    These are answers that were not picked; where too few are left, a third of the examples too.
    """
    if count < LEAST_CHECKS:
        return set(), []
    held = {at for at in range(len(picked)) if at % 3 == 0} if count - len(picked) < LEAST_CHECKS else set()
    known = {number for at, number in enumerate(picked) if at not in held}
    left = [number for number in range(count) if number not in known]
    return held, left[:: max(1, len(left) // MOST_CHECKS)]
