"""``sandbox check``: every bug oracle, then the containment self-audit."""

from __future__ import annotations

from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.sandbox.audit import Finding, audit
from envsim.sandbox.oracle import Verdict, run_oracle
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import SandboxSpec, find_spec


def check(
    name: Annotated[str, typer.Argument(metavar="APP", help="A clone; `sandbox list` names them.")],
    runtime: Annotated[str, typer.Option(help="inprocess, process or docker.")] = "process",
    only: Annotated[str, typer.Option("--bugs", help="all, production, or ids separated by commas.")] = "all",
    as_json: JsonFlag = False,
) -> None:
    """Prove every bug of a clone, and audit what contains it.

    Exit code 1 if an oracle passes with its bug or fails without, or if a container lacks a safeguard.
    """
    spec = find_spec(name)
    chosen = spec.select_bugs(only)
    bugs = [bug for bug in spec.bugs if bug.id in chosen]
    with progress(f"starting {name}", len(bugs) + 1) as advance:
        sandbox = get_runtime(runtime).start(spec)
        try:
            verdicts = []
            for bug in bugs:
                advance(0, f"oracle {bug.id}")
                verdicts.append(run_oracle(sandbox, bug))
                advance(1)
            advance(0, "containment")
            findings = audit(sandbox)
        finally:
            sandbox.close()
    _report(spec, runtime, verdicts, findings, as_json)
    proven = all(verdict["buggy"] and verdict["fixed"] for verdict in verdicts)
    contained = runtime != "docker" or all(finding["held"] for finding in findings)
    if not (proven and contained):
        raise typer.Exit(1)


def _report(spec: SandboxSpec, runtime: str, verdicts: list[Verdict], findings: list[Finding], as_json: bool) -> None:
    if as_json:
        print_json({"bugs": verdicts, "audit": findings})
        return
    titles = {bug.id: bug.title for bug in spec.bugs}
    rows = [[v["id"], v["buggy"], v["fixed"], titles[v["id"]]] for v in verdicts]
    print_table(["bug", "fails with", "passes without", "title"], rows)
    print()
    print_table(["safeguard", "held"], [[f["item"], f["held"]] for f in findings])
    if runtime != "docker" and not all(f["held"] for f in findings):
        note(f"The {runtime} runtime does not contain a hostile app; --runtime docker does.")
