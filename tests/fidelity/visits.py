"""Visits to the shop, captured, and clones of it held against them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from envsim.fidelity import clone
from envsim.fidelity.clone_report import Report, summarise
from envsim.ingest.pipeline import ingest
from envsim.page.har_lines import write_network
from envsim.page.http import HttpDriver
from envsim.page.lines import Line
from envsim.page.tap import Tap
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.types import Action

SHOP = find_spec("shop")
MAYA = str(SHOP.login)


def verified(traces: Path, bugs: str = "none", **options: Any) -> Report:
    setup = clone.Setup(spec=SHOP, traces=traces, bugs=bugs, runtime="inprocess", **options)
    return summarise(clone.verify(setup), SHOP, facts={}, command="")


def bugs_of(report: Report) -> dict[str, str]:
    return {row.id: row.kind for row in report.bugs}


def visit(
    root: Path,
    bugs: str | dict[str, float],
    acts: Sequence[tuple[str, ...]],
    *,
    seed: int = 7,
    bodies: bool = True,
    name: str = "a",
) -> Path:
    """A capture of a visit to the shop, ingested: ``(goto, url)``, ``(fill, label, value)`` or ``(click, name)``."""
    with closing(get_runtime("inprocess").start(SHOP)) as sandbox:
        on = SHOP.select_bugs(bugs) if isinstance(bugs, str) else bugs
        cookies = sandbox.control.reset(ResetRequest(seed=seed, bugs=on, login=MAYA))
        tap = Tap(sandbox.transport())
        driver = HttpDriver(tap)
        driver.open("/", cookies)
        for kind, what, *value in acts:
            bid = "" if kind == "goto" else _find(driver.observe().lines, what)
            arguments = {"url": what} if kind == "goto" else {"bid": bid}
            assert driver.act(Action.call(kind, **arguments, **({"value": value[0]} if value else {}))) == ""
        network = [one if bodies else replace(one, body=None) for one in tap.drain()]
        driver.close()
    source = root / f"{name}.har"
    write_network(source, network)
    ingest([source], root / "traces", redactor=None, app="shop", format_name="har")
    return root / "traces"


def _find(lines: Sequence[Line], name: str) -> str:
    return next(line.ref for line in lines if line.ref and line.name.startswith(name))


BUY = (
    ("goto", "/c/cookware"),
    ("goto", "/c/cookware?page=2"),
    ("goto", "/p/ember-steel-lantern"),
    ("click", "Add to "),
    ("goto", "/checkout"),
    ("click", "Ship to this address"),
    ("click", "Continue to payment"),
    ("click", "Pay by invoice"),
    ("click", "Continue to review"),
    ("click", "Place order"),
    ("goto", "/account/orders"),
)
