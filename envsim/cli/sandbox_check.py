"""``sandbox check``: every bug oracle, then the containment self-audit."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from envsim.cli.common import Advance, JsonFlag, note, print_json, print_table, progress
from envsim.content import split_app
from envsim.sandbox.audit import Finding, audit
from envsim.sandbox.declared import Bug
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.oracle import Verdict, prove_bugs
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import Runtime, Sandbox, get_runtime
from envsim.sandbox.spec import find_spec


def check(
    name: Annotated[str, typer.Argument(metavar="APP", help="A clone; `sandbox list` names them.")],
    runtime: Annotated[str, typer.Option(help="inprocess, process or docker.")] = "process",
    only: Annotated[str, typer.Option("--bugs", help="all, production, or ids separated by commas.")] = "all",
    variant: Annotated[
        str | None, typer.Option(help="Only the real bugs of this version, and its containment.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Prove every bug of a clone, and audit what contains it.

    Bugs that we put in are switched on and off. Real ones are looked for in the version that has them and in the
    one that has not.

    Exit code 1 if an oracle passes with its bug or fails without, or if a container lacks a safeguard.
    """
    spec = find_spec(name, variant)
    named = split_app(name)[1] or variant
    bugs = [bug for bug in spec.choose_bugs(only) if named is None or _is_of(bug, named)]
    findings: list[Finding] = []
    with progress(f"starting {spec.ref}", sum(1 + (bug.variants is not None) for bug in bugs) + 1) as advance:

        def contain(sandbox: Sandbox) -> None:
            advance(0, "containment")
            findings.extend(audit(sandbox))
            advance(1)

        def watch(bug: str, where: str) -> None:
            advance(1, f"oracle {bug} in {where}")

        verdicts = prove_bugs(spec, bugs, _runtime(runtime, advance), also=contain, watch=watch)
    _report(runtime, bugs, verdicts, findings, as_json)
    proven = all(verdict["buggy"] and verdict["fixed"] for verdict in verdicts)
    contained = runtime != "docker" or all(finding["held"] for finding in findings)
    if not (proven and contained):
        raise typer.Exit(1)


def _is_of(bug: Bug, variant: str) -> bool:
    return bug.variants is None or variant in (bug.variants.buggy, bug.variants.fixed)


def _runtime(name: str, advance: Advance) -> Runtime:
    """The runtime, saying what it does: the first start of an app may install packages or build an image."""

    def show(message: str) -> None:
        advance(0, message)

    if name == "docker":
        return DockerRuntime(progress=show)
    return ProcessRuntime(show) if name == "process" else get_runtime(name)


def _report(runtime: str, bugs: list[Bug], verdicts: list[Verdict], findings: list[Finding], as_json: bool) -> None:
    pairs = [None if bug.variants is None else bug.variants.model_dump() for bug in bugs]
    if as_json:
        shown: list[dict[str, Any]] = [
            {**v, **({"variants": pair} if pair else {})} for v, pair in zip(verdicts, pairs, strict=True)
        ]
        print_json({"bugs": shown, "audit": findings})
        return
    rows = [
        [v["id"], f"{pair['buggy']} -> {pair['fixed']}" if pair else None, v["buggy"], v["fixed"], bug.title]
        for v, pair, bug in zip(verdicts, pairs, bugs, strict=True)
    ]
    print_table(["bug", "variants", "fails with", "passes without", "title"], rows)
    print()
    print_table(["safeguard", "held"], [[f["item"], f["held"]] for f in findings])
    if runtime != "docker" and not all(f["held"] for f in findings):
        note(f"The {runtime} runtime does not contain a hostile app; --runtime docker does.")
