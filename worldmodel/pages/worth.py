"""Whether a page by its program or a neighbour's is the better draft, by what either did on recorded requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from worldmodel.pages.answers import bin_of

SHRINK = 4.0
"""Requests that the record of the wider class counts for."""
EVEN = 0.02
"""Where the shares that come out right differ by less, the changed elements decide."""

Tally = list[float]
"""Requests; how many more the program got right than the neighbour; by how much its F1 of changed elements was more."""


@dataclass(frozen=True)
class Case:
    """What a decision is about.

    Attributes:
        page: The kind of page that the program writes.
        branch: The kind of answer.
        other: The kind of the draft that there is without it (`worldmodel.render.KINDS`).
        support: Of the program's least sure part, in [0, 1].
    """

    page: str
    branch: str
    other: str
    support: float

    def classes(self) -> Iterator[str]:
        """What it belongs to, from the widest: pages as sure, those of its kind, instead of such a draft, by answer."""
        sure = bin_of(self.support)
        yield f"{sure}\n{self.other}"
        yield f"{sure}\n\n{self.page}"
        yield f"{sure}\n{self.other}\n{self.page}"
        yield f"{sure}\n{self.other}\n{self.page}\n{self.branch}"


@dataclass
class Worth:
    """The record, by class. Without any, programs are preferred.

    A class of few requests is judged as the wider one is: its mean differences are shrunk towards those.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)

    def note(self, case: Case, exact: int, f1: float) -> None:
        """Take in one request: by how much the program did better, in [-1, 1]."""
        for name in case.classes():
            tally = self.tallies.setdefault(name, [0.0, 0.0, 0.0])
            for at, value in enumerate((1.0, exact, f1)):
                tally[at] = round(tally[at] + value, 6)

    def prefers(self, case: Case) -> bool:
        """Whether the program's page is the better draft: more often right, else nearer in what changes."""
        exact = f1 = known = 0.0
        for name in case.classes():
            count, right, near = self.tallies.get(name, (0.0, 0.0, 0.0))
            if count == known:
                continue  # the same requests, and they count once
            known = count
            exact, f1 = ((right + SHRINK * exact) / (count + SHRINK), (near + SHRINK * f1) / (count + SHRINK))
        return exact > EVEN or (exact >= -EVEN and f1 >= 0.0)

    def to_json(self) -> dict[str, Tally]:
        """The record."""
        return dict(sorted(self.tallies.items()))

    @classmethod
    def from_json(cls, data: object) -> Worth:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        if not isinstance(data, Mapping):
            raise ValueError("no record of drafts")
        return cls({str(name): _tally(tally) for name, tally in data.items()})


def _tally(data: object) -> Tally:
    if not isinstance(data, Sequence) or len(data) != 3 or not all(isinstance(n, int | float) for n in data):
        raise ValueError("no record of drafts")
    return [float(number) for number in data]
