"""`--require` expressions: ``"outcome_agreement>=0.95"``, read and compared, never evaluated."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

from envsim.errors import ContentError, GateError
from envsim.fidelity.report import COLUMNS, Report

COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
FORM = re.compile(r"\s*(?P<name>[a-z_0-9]+)\s*(?P<op>>=|<=|>|<)\s*(?P<limit>[0-9]*\.?[0-9]+)\s*")


def require(report: Report, expression: str, world: str = "model") -> None:
    """Check one expression against the row of `world`.

    Raises:
        ContentError: Not of the form ``figure>=number``, or no such figure.
        GateError: It does not hold, or was not measured; carries the measured value.
    """
    figure, compare, limit, text = parse(expression)
    value = getattr(report.row(world), figure)
    if value is None or math.isnan(value):
        raise GateError(f"{world}: {figure} was not measured, so {text} does not hold.")
    if not compare(value, limit):
        raise GateError(
            f"{world}: {figure} is {value:.4f}, so {text} does not hold. See report.html for where it fails."
        )


def parse(expression: str) -> tuple[str, Callable[[float, float], bool], float, str]:
    """Figure, comparison, limit and the tidied text of an expression.

    Raises:
        ContentError: See `require`.
    """
    figures = [key for key, _ in COLUMNS]
    match = FORM.fullmatch(expression)
    if match is None or match["name"] not in figures:
        raise ContentError(
            f"Cannot read --require {expression!r}. Write FIGURE>=NUMBER, with one of: {', '.join(figures)}."
        )
    text = f"{match['name']}{match['op']}{match['limit']}"
    return match["name"], COMPARE[match["op"]], float(match["limit"]), text
