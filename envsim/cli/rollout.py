"""`envsim rollout`: run policies in an environment and keep the traces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.fidelity.intervals import rate
from envsim.rollout import Rollout, plan, run_jobs


def rollout(
    app: Annotated[str, typer.Option(help="App to run, e.g. shop.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the traces.")],
    policy: Annotated[str, typer.Option(help="Policies, comma separated: oracle, random, noisy, null.")] = "oracle",
    split: Annotated[str | None, typer.Option(help="train or test; both if not given.")] = None,
    task: Annotated[str | None, typer.Option(help="One task, or one instance TASK@SEED.")] = None,
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Episodes per policy.")] = 20,
    seed: Annotated[int, typer.Option(help="Same seed, same traces, byte for byte.")] = 0,
    interface: Annotated[str, typer.Option(help="browser or tools.")] = "browser",
    world: Annotated[str, typer.Option(help="sandbox, model or replay.")] = "sandbox",
    model: Annotated[Path | None, typer.Option(help="Model directory, for worlds made from traces.")] = None,
    runtime: Annotated[str, typer.Option(help="inprocess, process or docker.")] = "inprocess",
    driver: Annotated[str, typer.Option(help="http or chromium.")] = "http",
    bugs: Annotated[str, typer.Option(help="production, none, all, or ids a,b.")] = "production",
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes.")] = 2,
    as_json: JsonFlag = False,
) -> None:
    """Run POLICY for a number of episodes and write one trace per episode.

    An interrupted command resumes: complete traces are kept, cut-off ones are run again.
    """
    policies = [name.strip() for name in policy.split(",") if name.strip()]
    if not policies:
        raise ContentError("No policy was named. Try: --policy oracle,random")
    options: dict[str, Any] = {
        "app": app, "task": task, "split": split, "interface": interface, "world": world, "model": model,
        "runtime": runtime, "driver": driver, "bugs": bugs, "record": out,
    }  # fmt: skip
    jobs = plan(options, policies, episodes, seed)
    # Bad names must fail here, in one sentence, and also where every episode is already recorded.
    TaskEnv(**options | {"record": None}).close()
    with progress(f"Rolling out {', '.join(policies)}", total=len(jobs)) as advance:
        done = run_jobs(jobs, options, workers=workers, on_done=lambda _: advance())
        advance(len(jobs) - len(done))
    if skipped := len(jobs) - len(done):
        note(f"{skipped} episodes were already recorded in {out} and were kept.")
    rows = [_summary(name, [item for item in done if item.policy == name]) for name in dict.fromkeys(policies)]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("policy", "episodes", "success", "95% interval", "steps", "unscored"),
            [(r["policy"], r["episodes"], r["success"], r["interval"], r["steps"], r["unscored"]) for r in rows],
        )


def _summary(policy: str, done: list[Rollout]) -> dict[str, Any]:
    scored = [item for item in done if item.outcome.reward is not None]
    success = rate(sum(item.outcome.success for item in scored), len(scored))
    return {
        "policy": policy,
        "episodes": len(done),
        "success": round(success.value, 4) if scored else None,
        "interval": [round(success.low, 4), round(success.high, 4)] if scored else None,
        "steps": sum(item.steps for item in done),
        "unscored": len(done) - len(scored),
    }
