"""`envsim personas`: simulated users learned from recorded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table
from envsim.cli.fidelity import stages
from envsim.trace import TraceReader
from envsim.user.mine import mine, write
from envsim.user.persona import Kind, Population, builtin_populations, read_population
from envsim.user.sessions import sessions

app = new_app("Learn simulated users from recorded ones, and look at them.")


@app.command("mine")
def mine_(
    traces: Annotated[Path, typer.Argument(metavar="TRACES", help="Trace directory of sessions with users.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Directory of the population to write.")],
    name: Annotated[str, typer.Option(help="Name of the population; default: that of DIR.")] = "",
    rounds: Annotated[int, typer.Option(min=0, help="Replays that balance what is said how often.")] = 2,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Estimate how people decide and speak, group them, and write a population to sample from.

    Use it with: envsim rollout --user mined --population DIR (or --user agenda, which takes rates and templates).
    """
    reader = TraceReader(traces)
    found = sessions(reader)
    with stages() as watch:
        mined = mine(found, name=name or out.resolve().name, seed=seed, rounds=rounds, watch=watch)
    inputs = sorted(traces.glob("*.jsonl")) if traces.is_dir() else [traces]
    write(mined, out, inputs)
    for warning in reader.warnings:
        note(warning)
    summary = mined.summary()
    if as_json:
        print_json(summary)
        return
    _print(mined.population)
    note(
        f"{summary['turns']} turns of {summary['users']} users in {summary['sessions']} sessions: "
        f"{summary['moves']} moves kept, {sum(summary['dropped'].values())} dropped. Wrote {out}"
    )
    if not mined.population.behaviour:
        note("No trace records its user's goal, so there are no moves: the user 'mined' cannot play this population.")


@app.command()
def show(
    population: Annotated[str, typer.Argument(help="A directory, or the name of a built-in population.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show a population's personas with their rates and intervals; without an argument, list the built-in ones."""
    if not population:
        names = builtin_populations()
        print_json(names) if as_json else print_table(("population",), [(each,) for each in names])
        return
    people = read_population(population)
    if as_json:
        print_json(people.model_dump(mode="json", exclude={"templates", "behaviour"}))
    else:
        _print(people)


def _print(population: Population) -> None:
    heads = [f"{kind.persona.id} ({_share(kind, population)})" for kind in population.kinds]
    names = sorted({name for kind in population.kinds for name in kind.interval})
    rows: list[list[Any]] = [[name, *(_cell(kind, name) for kind in population.kinds)] for name in names]
    for name in ("disclose_first", "disclose"):
        rows.append([name, *(" ".join(f"{w:.2f}" for w in getattr(k.persona, name)) for k in population.kinds)])
    print_table(("decision", *heads), rows, title=f"{population.name}: {population.doc}")


def _share(kind: Kind, population: Population) -> str:
    return f"{100 * kind.weight / sum(each.weight for each in population.kinds):.0f}%"


def _cell(kind: Kind, name: str) -> str | None:
    if name not in kind.interval:
        return None
    value = {**dict(kind.persona), **dict(kind.persona.style)}[name]
    low, high = kind.interval[name]
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
