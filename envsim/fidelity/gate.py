"""`--require` expressions: ``"outcome_agreement>=0.95"``, read and compared, never evaluated."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence

from envsim.errors import ContentError, GateError
from envsim.fidelity.figures import CATALOGUE
from envsim.fidelity.report import Report

COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
FORM = re.compile(r"\s*(?P<name>[a-z_0-9]+)\s*(?P<op>>=|<=|>|<)\s*(?P<limit>[0-9]*\.?[0-9]+)\s*")
_WORLD = re.compile(r"\s*(?:(?P<world>[a-z-]+)\.)?(?P<rest>.*)", re.DOTALL)


def require(report: Report, expression: str, world: str = "model") -> None:
    """Check one expression against the figures of `world`, or of the one it names (``hybrid.outcome_agreement>=0.95``).

    Raises:
        ContentError: Not of the form ``figure>=number``, no such figure, or a world that was not compared.
        GateError: It does not hold, or was not measured; carries the measured value.
    """
    world = _split(expression)[0] or world
    figure, compare, limit, text = parse(expression)
    known = [row.world for row in report.rows]
    if world not in known:
        raise ContentError(
            f"--require {expression!r}: no world {world!r} was compared. Use one of: {', '.join(known)}."
        )
    found = report.figure(world, figure)
    if math.isnan(found.value):
        raise GateError(f"{world}: {figure} was not measured, so {text} does not hold.")
    if not compare(found.value, limit):
        spread = f" [{found.low:.4f}, {found.high:.4f}]" if found.low < found.high else ""
        raise GateError(
            f"{world}: {figure} is {found.value:.4f}{spread}, so {text} does not hold. "
            "See report.html for where it fails."
        )


def require_all(report: Report, expressions: Sequence[str]) -> None:
    """Check every expression.

    Raises:
        ContentError: One cannot be read.
        GateError: Names every one that does not hold.
    """
    failed = []
    for expression in expressions:
        try:
            require(report, expression)
        except GateError as error:
            failed.append(str(error))
    if failed:
        raise GateError(" ".join(failed))


def parse(expression: str) -> tuple[str, Callable[[float, float], bool], float, str]:
    """Figure, comparison, limit and the tidied text of an expression.

    Raises:
        ContentError: See `require`.
    """
    world, rest = _split(expression)
    match = FORM.fullmatch(rest)
    if match is None or match["name"] not in CATALOGUE:
        raise ContentError(
            f"Cannot read --require {expression!r}. Write FIGURE>=NUMBER or WORLD.FIGURE>=NUMBER, with one of: "
            f"{', '.join(CATALOGUE)}."
        )
    text = f"{world + '.' if world else ''}{match['name']}{match['op']}{match['limit']}"
    return match["name"], COMPARE[match["op"]], float(match["limit"]), text


def _split(expression: str) -> tuple[str, str]:
    match = _WORLD.fullmatch(expression)
    assert match is not None
    return match["world"] or "", match["rest"]
