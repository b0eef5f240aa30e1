"""All bugs that traces tell of, together: which of them can fire at a request, and what is then made of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from worldmodel.rules.rounding import APART
from worldmodel.rules.scope import Scope
from worldmodel.rules.twists import Family, Twist, joined, parted, visits

NEGLIGIBLE = 1e-4
"""Less probable combinations are left out."""

Possible = tuple[tuple[Twist, ...], tuple[str, ...], float]
"""(what is made of the answer, one after the other; ids of the bugs that fire; probability)."""


@dataclass(frozen=True)
class Bugs:
    """See the module.

    Attributes:
        families: When they fire.
        twists: `joined` events -> what they make of an answer wherever they leave the state alone.
    """

    families: list[Family] = field(default_factory=list)
    twists: dict[str, Twist] = field(default_factory=dict)

    def able(self, operation: str, own: Mapping[str, Twist], intended: str, page: str) -> list[Family]:
        """The families that may fire at an operation that has its `own` twists, where `intended` should follow."""
        every = {event for label in own for event in parted(label)}
        return [family for family in self.families
                if family.reaches(operation, intended, page, own=not family.events.isdisjoint(every))]  # fmt: skip

    def possible(
        self, able: Sequence[Family], own: Mapping[str, Twist], page: str, about: Callable[[bool], Scope]
    ) -> list[Possible]:
        """All that can happen, as far as was recorded; probabilities sum to 1.

        Bugs that were never recorded together follow on one another, unless both change the state.

        Args:
            able: As `able` gives them.
            own: As there.
            page: Of the answer that should follow.
            about: What they are judged by, with what is rounded or without.
        """
        if not able:
            return [((), (), 1.0)]
        here = about(any(family in self._rounding for family in able))
        been = visits(here)
        found: list[Possible] = []
        for combination in product(*(family.choice.shares(family.about(here, been)) for family in able)):
            p = math.prod(share for _, share in combination)
            labels = sorted(label for label, _ in combination if label)
            twists = self._made(own, labels, able, page) if p >= NEGLIGIBLE else None
            if twists is not None:
                found.append((twists, tuple(sorted(event for label in labels for event in parted(label))), p))
        total = sum(p for *_, p in found)
        return [(twists, events, p / total) for twists, events, p in found] if total else [((), (), 1.0)]

    def _made(
        self, own: Mapping[str, Twist], labels: Sequence[str], able: Sequence[Family], page: str
    ) -> tuple[Twist, ...] | None:
        """What the bugs of these labels make of an answer; None if that was never seen and does not follow."""
        together = joined(event for label in labels for event in parted(label))
        if not labels or together in own:
            return (own[together],) if labels else ()
        wide = {event for family in able if family.has(page) for event in family.events}
        out = []
        for label in labels:
            twist = own.get(label) or (self.twists.get(label) if wide.issuperset(parted(label)) else None)
            if twist is None:
                return None
            out.append(twist)
        if sum(twist.effects is not None for twist in out) > 1:
            return None
        alone = all(twist.effects is None for twist in out)
        return (self.twists[together],) if alone and together in self.twists else tuple(out)

    @cached_property
    def _rounding(self) -> list[Family]:
        """Those whose tests ask about rounding."""
        return [family for family in self.families if family.choice.asks(APART)]

    def read(self, data: Any) -> None:
        """Take over what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: It is not.
        """
        self.families.extend(Family.from_json(family) for family in data["families"])
        self.twists.update({str(label): Twist.from_json(twist) for label, twist in data["twists"].items()})

    def to_json(self) -> dict[str, Any]:
        """See `read`."""
        return {
            "families": [family.to_json() for family in self.families],
            "twists": {label: twist.to_json() for label, twist in sorted(self.twists.items())},
        }
