"""``envsim judge``: a language model's opinion on traces of the same task, with its noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.chat import NAMES
from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.reward.groups import HEADER_FIELDS, Group, LeftOut, check_field, group_traces
from envsim.reward.judge import get_judge
from envsim.reward.judged import Ledger, summarise
from envsim.reward.rubric import RULER, load_rubric
from envsim.reward.ruler import LEVEL, JudgedGroup, Ruler
from envsim.trace import TraceReader


def judge(
    traces: Annotated[Path, typer.Argument(metavar="TRACES", help="Trace directory.")],
    judge_name: Annotated[str, typer.Option("--judge", metavar="NAME", help=f"{NAMES}.")],
    rubric: Annotated[Path | None, typer.Option(metavar="FILE", help="Rubric, .toml or .json.")] = None,
    orders: Annotated[int, typer.Option("-k", "--orders", help="Times each group is shown; even.")] = 4,
    by: Annotated[str, typer.Option(help=f"Groups by: {', '.join(HEADER_FIELDS)} or meta.KEY.")] = "task",
    level: Annotated[float, typer.Option(help="How often equal trajectories may be scored apart.")] = LEVEL,
    seed: Annotated[int, typer.Option(help="Of orders, ids and the judge.")] = 0,
    threads: Annotated[int, typer.Option("--threads", "-j", min=1, help="Requests at once.")] = 4,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Keep judgements here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Have a judge compare the sessions of each task, and score those it can tell apart.

    With -o an interrupted command resumes: groups judged the same way are kept. Judge scores are opinions; they stand
    beside the rewards that checks gave and never replace them. Exit code 1: a group could not be judged.
    """
    check_field(by)
    reader = TraceReader(traces)
    ledger = Ledger(out) if out is not None else None
    ruler = Ruler(
        get_judge(judge_name), load_rubric(rubric) if rubric else RULER,
        orders=orders, seed=seed, level=level, threads=threads,
    )  # fmt: skip
    groups, nowhere = group_traces(reader, by)
    for warning in reader.warnings:
        note(f"skipped: {warning}")
    found: list[JudgedGroup] = []
    kept = 0
    with progress("judging", total=len(groups)) as advance:
        for group in groups:
            known = ledger.get(ruler.fingerprint(group)) if ledger else None
            kept += known is not None
            found.append(known or _judge(group, ruler, ledger))
            advance()
    if kept:
        note(f"{kept} groups were already judged in {out} and were kept.")
    _report(found, nowhere, as_json)
    if any(group.status == "refused" for group in found):
        raise typer.Exit(1)


def _judge(group: Group, ruler: Ruler, ledger: Ledger | None) -> JudgedGroup:
    judged = ruler.judge_group(group)
    if ledger is not None:
        ledger.add(judged)
    return judged


def _report(found: list[JudgedGroup], nowhere: list[LeftOut], as_json: bool) -> None:
    summary = summarise(found)
    summary["left_out"] += len(nowhere)
    left_out = [*nowhere, *(one for group in found for one in group.left_out)]
    if as_json:
        dumped = {
            "kind": "judge",
            "groups": [group.model_dump(mode="json") for group in found],
            "left_out": [one.model_dump(mode="json") for one in left_out],
            "summary": summary,
        }
        print_json(dumped)
    else:
        rows = [row for group in found for row in _rows(group)]
        print_table(("group", "session", "judge score", "+-", "checked reward", "status"), rows)
        print_table(("figure", "value"), _figures(summary))
    for one in left_out:
        note(f"left out: {one.session}: {one.reason}")
    for group in found:
        if group.status == "refused":
            note(f"refused: {group.key}: {group.reason}")
        for judged in group.judged:
            if judged.warning:
                note(f"speaks to the judge: {judged.session}: {judged.warning!r}")


def _rows(group: JudgedGroup) -> list[tuple[Any, ...]]:
    shown = group.status if group.status != "tied" else f"tied: {group.reason}"
    return [
        (group.key, one.session, _two(one.score), _two(one.deviation), one.checked, shown) for one in group.judged
    ]  # fmt: skip


def _two(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _figures(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    against = summary["against_checks"]
    names = {
        "scored": "groups scored", "tied": "groups tied", "refused": "groups refused", "single": "groups of one",
        "left_out": "sessions left out", "noise": "judge's noise (sd)", "agreement": "agreement (median Kendall's W)",
        "place_effect": "gained by being shown last",
    }  # fmt: skip
    rows = [(text, summary[key]) for key, text in names.items()]
    counted = f"{against['agrees']} agree, {against['ties']} tied, {against['disagrees']} disagree"
    return [*rows, (f"against checks, {against['pairs']} pairs", counted)]
