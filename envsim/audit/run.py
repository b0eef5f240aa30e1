"""Audits of many templates, in parallel, and what they come to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from envsim.audit.cheats import CHEATS
from envsim.audit.template import TaskAudit, audit_template
from envsim.env import TaskEnv
from envsim.task import Interface
from envsim.task_template import find_template


def audit(
    app: str,
    template_ids: Sequence[str],
    *,
    seeds: int = 20,
    bugs: str = "production",
    workers: int = 1,
    cheat_seeds: int = 0,
    on_done: Callable[[TaskAudit], None] = lambda audited: None,
) -> list[TaskAudit]:
    """Audit templates over ``range(seeds)``; results in the order asked for, whatever `workers` is.

    Args:
        app: Name of the app.
        template_ids: Which of its templates.
        seeds: How many instances of each.
        bugs: As `TaskEnv`.
        workers: Processes; 1 runs here.
        cheat_seeds: Instances of each on which all of `CHEATS` are tried; 0: no cheats.
        on_done: Called in this process after each template.
    """
    found: dict[str, TaskAudit] = {}
    if workers <= 1:
        for template_id in template_ids:
            found[template_id] = _audit_one(app, template_id, seeds, bugs, cheat_seeds)
            on_done(found[template_id])
    else:
        # spawn: a forked child would share sockets and locks with this process.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting = [
                pool.submit(_audit_one, app, template_id, seeds, bugs, cheat_seeds) for template_id in template_ids
            ]
            for future in as_completed(waiting):
                audited = future.result()
                found[audited.task] = audited
                on_done(audited)
    return [found[template_id] for template_id in template_ids]


def _audit_one(app: str, template_id: str, seeds: int, bugs: str, cheat_seeds: int) -> TaskAudit:
    interface: Interface = find_template(app, template_id).interface
    env = TaskEnv(app, interface=interface, bugs=bugs, policy="audit")
    try:
        return audit_template(
            env, template_id, range(seeds), cheats=CHEATS if cheat_seeds else (), cheat_seeds=range(cheat_seeds)
        )
    finally:
        env.close()


def summarise_cheats(audited: Sequence[TaskAudit]) -> list[dict[str, Any]]:
    """One row per cheat that was tried: ``{"name", "class", "reward", "tasks", "episodes", "unscored"}``.

    `reward` is the highest it got anywhere; `unscored` counts episodes without a reward.
    """
    rows: dict[str, dict[str, Any]] = {}
    for cheat in CHEATS:
        found = [result for item in audited for result in item.cheats if result.name == cheat.name]
        if found:
            rows[cheat.name] = {
                "name": cheat.name,
                "class": cheat.kind,
                "reward": max(result.reward for result in found),
                "tasks": len(found),
                "episodes": sum(result.episodes for result in found),
                "unscored": sum(result.unscored for result in found),
            }
    return list(rows.values())


def summarise_canary(audited: Sequence[TaskAudit]) -> dict[str, int]:
    """What was searched for canaries over all templates: see `CanaryResult`."""
    fields = ("episodes", "observations", "characters", "hits", "info_hits")
    return {name: sum(getattr(item.canary, name) for item in audited) for name in fields}
