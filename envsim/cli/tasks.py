"""`envsim tasks`: list, show and audit task templates."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from envsim.audit import TaskAudit, audit, summarise_canary, summarise_cheats
from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table, progress
from envsim.task_template import load_tasks, select_templates
from envsim.worlds import open_world

app = new_app("List, show and audit tasks.")
AppOption = Annotated[str, typer.Option("--app", help="App whose tasks are meant.")]


@app.command("list")
def list_(
    app_name: AppOption = "shop",
    split: Annotated[str | None, typer.Option(help="train or test; both if not given.")] = None,
    interface: Annotated[str | None, typer.Option(help="browser or tools; both if not given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the task templates of an app."""
    templates = load_tasks(app_name, split, interface)
    rows = [{"task": t.id, "interface": t.interface, "split": t.split, "title": t.title} for t in templates]
    if as_json:
        print_json(rows)
    else:
        print_table(("task", "interface", "split", "title"), [tuple(row.values()) for row in rows])


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="A template, or an instance TASK@SEED.")],
    app_name: AppOption = "shop",
    as_json: JsonFlag = False,
) -> None:
    """Show one task instance in full, gold data included: for people, never for an agent."""
    (template,), seed = select_templates(app_name, task=task)
    world = open_world("sandbox", app_name, interface=template.interface)
    try:
        instance = template.instantiate(seed or 0, world.seed_view())
    finally:
        world.close()
    data = instance.model_dump(mode="json")
    if as_json:
        print_json(data)
        return
    shown = {key: data[key] for key in ("id", "interface", "split", "goal", "start", "bugs", "max_steps", "params")}
    print_table(("field", "value"), list(shown.items()), title=template.title)
    for part in ("checks", "oracle"):
        print_table((part,), [(item,) for item in data[part]])


@app.command("audit")
def audit_(
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="Templates; all if none.")] = None,
    *,
    app_name: AppOption = "shop",
    seeds: Annotated[int, typer.Option(min=1, help="Instances of each template.")] = 20,
    bugs: Annotated[str, typer.Option(help="production, none, all, or ids a,b.")] = "production",
    workers: Annotated[int | None, typer.Option("--workers", "-j", min=1, help="Processes; default: per core.")] = None,
    cheats: Annotated[bool, typer.Option("--cheats", help="Try every registered exploit as well.")] = False,
    cheat_seeds: Annotated[int, typer.Option(min=1, help="Instances of each template that cheats are tried on.")] = 3,
    as_json: JsonFlag = False,
) -> None:
    """Prove tasks: the oracle gets 1 on every seed; doing nothing, random actions, writing nothing and cheating 0.

    Exits with 1 when a task fails, after naming the seed and the first check that failed.
    """
    names = list(dict.fromkeys(tasks or [])) or [template.id for template in load_tasks(app_name)]
    for name in names:
        select_templates(app_name, task=name)
    workers = min(workers or min(4, os.cpu_count() or 1), len(names))
    with progress(f"Auditing {len(names)} tasks over {seeds} seeds", total=len(names)) as advance:
        audited = audit(
            app_name,
            names,
            seeds=seeds,
            bugs=bugs,
            workers=workers,
            cheat_seeds=cheat_seeds if cheats else 0,
            on_done=lambda done: advance(1, f"Audited {done.task}"),
        )
    _report(audited, as_json, cheats)


def _report(audited: list[TaskAudit], as_json: bool, cheats: bool) -> None:
    rows = [{"task": item.task, **item.means} for item in audited]
    tried = summarise_cheats(audited)
    if as_json and cheats:
        print_json({"tasks": rows, "cheats": tried, "canary": summarise_canary(audited)})
    elif as_json:
        print_json(rows)
    else:
        shown = [(item.task, *map(_mean, item.means.values()), item.sound) for item in audited]
        print_table(("task", "oracle", "null", "random", "no writes", "shuffled", "sound"), shown)
        if cheats:
            print_table(("cheat", "class", "reward", "tasks", "episodes"), [tuple(row.values()) for row in tried])
    failed = [item for item in audited if not item.sound]
    for item in failed:
        more = f" ({len(item.failures) - 1} more)" if len(item.failures) > 1 else ""
        note(f"{item.task}: {item.failures[0]}{more}")
    if failed:
        raise typer.Exit(1)


def _mean(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
