"""Judgements on disk, and what many of them come to."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from envsim.errors import ContentError
from envsim.reward.ruler import JudgedGroup

FILE = "judged.jsonl"


class Ledger:
    """Judgements of a directory, one a line of ``judged.jsonl``, appended as they are made.

    A writer that is killed loses at most the group in flight. Groups that could not be judged are not kept, so that
    running again asks for them again; judgements made otherwise (another rubric, seed, judge) are left in place.

    Raises:
        ContentError: The directory or file cannot be used, or the file is damaged anywhere but in its last line.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / FILE
        self._kept: dict[str, JudgedGroup] = {}
        try:
            root.mkdir(parents=True, exist_ok=True)
            data = self.path.read_bytes() if self.path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                self.path.write_bytes(whole)
        except OSError as error:
            raise ContentError(f"Cannot use {root} for judgements: {error}. Choose another with -o.") from None
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                kept = JudgedGroup.model_validate_json(line)
            except ValidationError as error:
                what = error.errors()[0]["msg"]
                raise ContentError(
                    f"{self.path}, line {number}: {what}. Remove that line, or choose another directory with -o."
                ) from None
            self._kept[kept.fingerprint] = kept

    def get(self, fingerprint: str) -> JudgedGroup | None:
        """The judgement with that fingerprint, if it was made before."""
        return self._kept.get(fingerprint)

    def add(self, judged: JudgedGroup) -> None:
        """Keep a judgement that says something."""
        if judged.status in ("scored", "tied"):
            self._kept[judged.fingerprint] = judged
            with self.path.open("a", encoding="utf-8") as file:
                file.write(judged.model_dump_json() + "\n")


def summarise(groups: Sequence[JudgedGroup]) -> dict[str, Any]:
    """Counts and figures over groups, as JSON.

    ``noise`` is the judge's standard deviation pooled over groups; ``against_checks`` counts pairs of one group of
    which the checks passed one: an answer to how far this judge can be trusted where there are no checks.
    """
    counts = Counter(group.status for group in groups)
    degrees = sum(group.degrees for group in groups if group.noise is not None)
    squares = math.fsum(group.noise**2 * group.degrees for group in groups if group.noise is not None)
    agreements = [group.agreement for group in groups if group.agreement is not None]
    effects = [group.place_effect for group in groups if group.place_effect is not None]
    return {
        **{status: counts[status] for status in ("scored", "tied", "refused", "single")},
        "left_out": sum(len(group.left_out) for group in groups),
        "noise": round(math.sqrt(squares / degrees), 6) if degrees else None,
        "agreement": round(statistics.median(agreements), 6) if agreements else None,
        "place_effect": round(statistics.fmean(effects), 6) if effects else None,
        "against_checks": _against_checks(groups),
    }


def _against_checks(groups: Sequence[JudgedGroup]) -> dict[str, int]:
    counts = {"pairs": 0, "agrees": 0, "ties": 0, "disagrees": 0}
    for group in groups:
        for one, other in combinations(group.judged, 2):
            if None in (one.checked, other.checked, one.score, other.score) or one.checked == other.checked:
                continue
            better, worse = (one, other) if (one.checked or 0) > (other.checked or 0) else (other, one)
            gain = (better.score or 0) - (worse.score or 0)
            counts["pairs"] += 1
            counts["agrees" if gain > 0 else "disagrees" if gain < 0 else "ties"] += 1
    return counts
