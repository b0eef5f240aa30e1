"""What is measured is explained."""

from __future__ import annotations

import re
from pathlib import Path

from envsim.fidelity.gate import CATALOGUE
from worldmodel.conformal import figures
from worldmodel.metrics import Metrics

DOCS = Path(__file__).parents[2] / "docs"
PARTS = re.compile(r"_(unchanged|changed|small|large|certain)$")
"""Endings that are explained once for all figures."""


def explained(page: str) -> set[str]:
    """Every name on a page that is set as code."""
    return {name for code in re.findall(r"`([^`\n]+)`", (DOCS / page).read_text()) for name in re.findall(r"\w+", code)}


def test_every_figure_of_the_fidelity_report_is_explained() -> None:
    known = explained("fidelity.md")
    assert {name for name in CATALOGUE if PARTS.sub("", name) not in known} == set()
    assert {f"_{part}" for part in ("unchanged", "changed", "small", "large", "certain")} <= known


def test_every_figure_of_eval_and_info_is_explained() -> None:
    known = explained("worldmodel.md")
    named = {*Metrics("browser").summary(), *figures([0.5], [True], 0.4)} - {"interface"}
    assert {name for name in named if PARTS.sub("", name) not in known and name not in known} == set()
