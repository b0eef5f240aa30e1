"""`envsim rollout`: run policies in an environment and keep the traces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.fidelity.intervals import Estimate, pass_hat_k, rate
from envsim.fidelity.populations import spread
from envsim.rollout import Job, Rollout, plan, recorded, run_jobs
from envsim.sandbox.faults import read_faults
from envsim.source import TemplateSource
from envsim.user.persona import builtin_populations, read_population
from envsim.worlds import default_interface

_TITLES = {"interval": "95% interval"}


def rollout(
    app: Annotated[str, typer.Option(help="App to run, e.g. shop.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the traces.")],
    policy: Annotated[
        str, typer.Option(help="Policies, comma separated: oracle, noisy, explorer, random, null, ranker:FILE.")
    ] = "oracle",
    split: Annotated[str | None, typer.Option(help="train or test; both if not given.")] = None,
    task: Annotated[str | None, typer.Option(help="One task, or one instance TASK@SEED.")] = None,
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Episodes per policy.")] = 20,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each episode's task; over 1 prints pass^k.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same traces, byte for byte.")] = 0,
    interface: Annotated[str | None, typer.Option(help="browser or tools; the app's own if not given.")] = None,
    world: Annotated[str, typer.Option(help="sandbox, model, hybrid, replay or nearest-neighbour.")] = "sandbox",
    model: Annotated[Path | None, typer.Option(help="Model directory, for worlds made from traces.")] = None,
    runtime: Annotated[str, typer.Option(help="inprocess, process, docker, or auto: the fastest.")] = "auto",
    driver: Annotated[str, typer.Option(help="http or chromium.")] = "http",
    bugs: Annotated[str, typer.Option(help="production, none, all, or ids a,b.")] = "production",
    faults: Annotated[str, typer.Option(help="production, none, or rates a=0.1,b=0.2; see docs/faults.md.")] = "none",
    user: Annotated[str, typer.Option(help="Who plays users: agenda, mined, chat:MODEL or local:PATH.")] = "agenda",
    population: Annotated[
        str | None, typer.Option(help="Users to draw from: built-in names or folders, comma separated.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help="Run before this many of the built-in populations, and show the spread.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes.")] = 2,
    as_json: JsonFlag = False,
) -> None:
    """Run POLICY for a number of episodes and write one trace per episode.

    An interrupted command resumes: complete traces are kept, cut-off ones are run again.
    """
    policies = _names(policy)
    if not policies:
        raise ContentError("No policy was named. Try: --policy oracle,random")
    populations = _populations(population, users)
    options: dict[str, Any] = {
        "app": app, "task": task, "split": split, "interface": interface or default_interface(app), "world": world,
        "model": model, "runtime": runtime, "driver": driver, "bugs": bugs, "user": user, "record": out,
    }  # fmt: skip
    if profile := read_faults(faults):
        # By what it means, not by what it is called: the names of recordings depend on it.
        options["faults"] = dict(profile.rates)
    runs = {name: options | {"population": name} for name in populations}
    jobs = {name: plan(run, policies, episodes, seed, trials) for name, run in runs.items()}
    _check(options, populations)
    done: dict[str, list[Rollout]] = {}
    with progress(f"Rolling out {', '.join(policies)}", total=sum(map(len, jobs.values()))) as advance:
        for name, run in runs.items():
            done[name] = _run(jobs[name], run, workers, advance)
    rows = [
        _summary(each, name, [item for item in done[name] if item.policy == each], trials)
        for each in dict.fromkeys(policies)
        for name in populations
    ]
    spreads = _spreads(policies, done) if len(populations) > 1 else []
    if as_json:
        print_json({"policies": rows, "spread": spreads} if spreads else rows)
    else:
        _print(rows, spreads, trials)


def _check(options: dict[str, Any], populations: list[str]) -> None:
    """Refuse bad names here, in one sentence, also where every episode is already recorded."""
    env = TaskEnv(**options | {"record": None})
    env.close()
    source = env.source
    if len(populations) > 1 and isinstance(source, TemplateSource) and not any(t.user for t in source.templates):
        raise ContentError(
            f"None of these tasks of {env.app} has a user: every population would see the same episodes. "
            "Leave out --users and --population, or roll out an app whose tasks have users: --app desk"
        )


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _populations(population: str | None, users: int | None) -> list[str]:
    if users is None:
        names = _names("default" if population is None else population)
    elif population is not None:
        raise ContentError("--users and --population say the same thing. Give one of them.")
    else:
        # The default population first: a run before more of them contains the run before fewer.
        known = sorted(builtin_populations(), key=lambda name: (name != "default", name))
        if users > len(known):
            raise ContentError(
                f"There are {len(known)} built-in populations ({', '.join(known)}). Ask for at most so many."
            )
        names = known[:users]
    for name in names:
        read_population(name)
    if not names:
        raise ContentError("No population was named. Try: --population default,hasty")
    return names


def _run(jobs: list[Job], options: dict[str, Any], workers: int, advance: Any) -> list[Rollout]:
    out: Path = options["record"]
    kept = recorded(jobs, out)
    new = run_jobs(jobs, options, workers=workers, on_done=lambda _: advance())
    advance(len(jobs) - len(new))
    if kept:
        note(f"{len(kept)} episodes were already recorded in {out} and were kept.")
    by_session = {item.session: item for item in (*kept, *new)}
    return [by_session[job.session] for job in jobs if job.session in by_session]


def _summary(policy: str, population: str, done: list[Rollout], trials: int) -> dict[str, Any]:
    scored = [item for item in done if item.outcome.reward is not None]
    success = rate(sum(item.outcome.success for item in scored), len(scored))
    row: dict[str, Any] = {
        "policy": policy,
        "population": population,
        "episodes": len(done),
        "success": round(success.value, 4) if scored else None,
        "interval": _interval(success),
        "steps": sum(item.steps for item in done),
        "unscored": len(done) - len(scored),
    }
    if trials > 1:
        row["pass^k"] = _pass_hat(scored, trials)
    return row


def _pass_hat(scored: list[Rollout], trials: int) -> dict[str, Any]:
    """pass^k for every k up to `trials`, over the task instances all of whose trials could be scored."""
    by_task: dict[str, list[bool]] = {}
    for item in scored:
        by_task.setdefault(item.task, []).append(item.outcome.success)
    counts = [(sum(hits), len(hits)) for hits in by_task.values() if len(hits) >= trials]
    found = {}
    for k in range(1, trials + 1):
        estimate = pass_hat_k(counts, k)
        found[str(k)] = {"value": round(estimate.value, 4), "interval": _interval(estimate)} if estimate.n else None
    return found


def _spreads(policies: list[str], done: dict[str, list[Rollout]]) -> list[dict[str, Any]]:
    rows = []
    for policy in policies:
        found = spread({name: [item for item in all_ if item.policy == policy] for name, all_ in done.items()})
        gap = round(found.gap.value, 4) if found.gap.n else None
        rows.append({"policy": policy, "gap": gap, "interval": _interval(found.gap), "episodes": found.gap.n})
    return rows


def _interval(estimate: Estimate) -> list[float] | None:
    return [round(estimate.low, 4), round(estimate.high, 4)] if estimate.n else None


def _print(rows: list[dict[str, Any]], spreads: list[dict[str, Any]], trials: int) -> None:
    powers = [str(k) for k in range(1, trials + 1)] if trials > 1 else []
    keys = ["policy", "population", "episodes", "success", "interval", "steps", "unscored"]
    if not spreads:
        keys.remove("population")
    cells = [(*(row[key] for key in keys), *((row["pass^k"][k] or {}).get("value") for k in powers)) for row in rows]
    print_table([*(_TITLES.get(key, key) for key in keys), *(f"pass^{k}" for k in powers)], cells)
    if spreads:
        print_table(
            ("policy", "gap between populations", "95% interval", "episodes"),
            [tuple(row.values()) for row in spreads],
        )
