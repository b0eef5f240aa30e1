"""``sandbox``: start clones, look at them, put them back, prove their bugs, take them down."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, fail, new_app, note, print_json, print_table, progress, run
from envsim.cli.sandbox_check import check
from envsim.cli.sandbox_from_har import from_har
from envsim.cli.sandbox_new import new, prove_
from envsim.cli.sandbox_record import record
from envsim.cli.sandbox_verify import verify
from envsim.errors import ContentError, EnvsimError
from envsim.sandbox import keeper, registry, sweep
from envsim.sandbox.client import SocketControl
from envsim.sandbox.crossing import wanted_transport
from envsim.sandbox.dockerfile import dockerfile
from envsim.sandbox.faults import read_faults
from envsim.sandbox.faults_serve import read_fault_log
from envsim.sandbox.gate import control_address
from envsim.sandbox.registry import Record
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec, find_spec, load_apps

app = new_app("Clones of web apps, with their bugs, one command away.")
app.command()(check)
app.command()(record)
app.command()(new)
app.command("prove")(prove_)
app.command()(verify)
app.command("from-har")(from_har)

AppName = Annotated[str, typer.Argument(metavar="APP", help="A clone; `sandbox list` names them.")]
Variant = Annotated[str | None, typer.Option(help="A version of the app; APP@VARIANT says the same.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A running sandbox; `sandbox ps` names them.")]
Bugs = Annotated[str, typer.Option(help="production, none, all, or ids separated by commas.")]
Seed = Annotated[int, typer.Option(help="Drives every random draw of the episode.")]


def main() -> None:
    """Entry point of the console script."""
    run(app, "sandbox")


def _control(record: Record) -> SocketControl:
    return SocketControl(record.name, control_address(record))


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """The clones that can be started; of one whose sandbox.toml is not valid, why not."""
    specs, errors = load_apps()
    if as_json:
        shown = {"name", "title", "description", "base", "tools", "pages", "production", "variants", "default_variant"}
        good = [{**spec.model_dump(include=shown), "folder": str(spec.folders[0])} for spec in specs.values()]
        print_json([*good, *({"name": name, "error": said} for name, said in errors.items())])
        return
    rows = [[spec.name, spec.title, _versions(spec), len(spec.bugs), spec.description] for spec in specs.values()]
    print_table(["app", "title", "variants", "bugs", "description"], rows)
    for name, said in errors.items():
        note(f"warning: {name} cannot be used: {' '.join(said.split())}")


def _versions(spec: SandboxSpec) -> str | None:
    """Every variant, the default one first."""
    names = sorted(spec.variants, key=lambda name: (name != spec.default_variant, [*spec.variants].index(name)))
    return ", ".join(names) or None


@app.command()
def up(
    name: AppName,
    variant: Variant = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=256, help="How many replicas.")] = 1,
    runtime: Annotated[str, typer.Option(help="process or docker.")] = "process",
    bugs: Bugs = "production",
    faults: Annotated[str, typer.Option(help="production, none, or rates a=0.1,b=0.2; see docs/faults.md.")] = "none",
    seed: Seed = 0,
    base: Annotated[str | None, typer.Option(help="Docker: image to build on.")] = None,
    transport: Annotated[str, typer.Option(help="Docker: sockets, bridge, engine, or auto: try them.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Start sandboxes and leave them running until `sandbox down`."""
    if runtime not in ("process", "docker"):
        raise ContentError(f"{runtime!r} cannot be kept up. Choose process or docker.")
    name = find_spec(name, variant).ref
    find_spec(name).select_bugs(bugs)
    read_faults(faults)
    wanted_transport(transport)
    started = time.monotonic()
    with progress(f"starting {name}", count) as advance:

        def show(report: dict[str, Any]) -> None:
            advance(int("up" in report), report.get("note"))

        records = keeper.launch(
            name,
            count=count,
            runtime=runtime,
            seed=seed,
            bugs=bugs,
            base=base,
            listener=show,
            faults=faults,
            transport=transport,
        )
    if as_json:
        print_json(records)
        return
    print_table(["name", "url", "runtime"], [[r["name"], r["url"], r["runtime"]] for r in records])
    note(f"{len(records)} up in {time.monotonic() - started:.1f} s. Take down with: sandbox down --all")


@app.command()
def ps(as_json: JsonFlag = False) -> None:
    """The sandboxes that run on this machine."""
    rows = [{**record.public(), "state": _state(record)} for record in registry.records()]
    if as_json:
        print_json(rows)
        return
    columns = ["name", "app", "url", "runtime", "transport", "state"]
    print_table(columns, [[row[column] or None for column in columns] for row in rows])


def _state(record: Record) -> str:
    """``up``; ``lost``: it does not answer; ``orphaned``: its owner is gone, `gc` removes it."""
    if not record.owner.alive():
        return "orphaned"
    try:
        with closing(SocketControl(record.name, control_address(record), timeout_s=2.0)) as control:
            control.health()
    except EnvsimError:
        return "lost"
    return "up"


@app.command()
def reset(
    name: Name,
    seed: Seed = 0,
    bugs: Bugs = "production",
    clock: Annotated[str | None, typer.Option(help="ISO 8601 time the app starts at.")] = None,
    login: Annotated[str | None, typer.Option(help="Account to sign in; prints its cookies.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put a sandbox back to its seeded state."""
    record = registry.find(name)
    request = ResetRequest(seed=seed, bugs=find_spec(record.app).select_bugs(bugs), clock=clock, login=login)
    control = _control(record)
    started = time.perf_counter()
    cookies = control.reset(request)
    elapsed = time.perf_counter() - started
    if as_json:
        print_json({"name": name, "cookies": cookies, "hash": control.hash(), "reset_s": elapsed})
        return
    print(f"{name} is reset ({elapsed * 1000:.1f} ms)")
    for key, value in cookies.items():
        print(f"cookie {key}={value}")


@app.command()
def snapshot(name: Name, as_json: JsonFlag = False) -> None:
    """Keep the current state of a sandbox until its next reset; prints an id for `restore`."""
    saved = _control(registry.find(name)).snapshot()
    if as_json:
        print_json({"name": name, "snapshot": saved})
        return
    print(saved)


@app.command()
def restore(
    name: Name,
    saved: Annotated[str, typer.Argument(metavar="ID", help="What `sandbox snapshot` printed.")],
    as_json: JsonFlag = False,
) -> None:
    """Return a sandbox to a snapshot; the same one can be restored again."""
    _control(registry.find(name)).restore(saved)
    if as_json:
        print_json({"name": name, "snapshot": saved})
        return
    print(f"{name} is back at {saved}")


@app.command()
def bugs(name: AppName, as_json: JsonFlag = False) -> None:
    """The bugs a clone declares."""
    spec = find_spec(name)
    rows = [
        {**bug.model_dump(by_alias=True, mode="json"), "production": bug.id in spec.production} for bug in spec.bugs
    ]
    if as_json:
        print_json(rows)
        return
    columns = ["id", "layer", "class", "rate", "production", "variants", "title"]
    for row in rows:
        row["variants"] = row["variants"] and f"{row['variants']['buggy']} -> {row['variants']['fixed']}"
    print_table(columns, [[row[column] for column in columns] for row in rows])


@app.command("dockerfile")
def dockerfile_(name: AppName) -> None:
    """Print the Dockerfile of an app whose folder has none; one in the folder takes its place."""
    print(dockerfile(find_spec(name)), end="")


@app.command()
def logs(
    name: Name,
    faults: Annotated[bool, typer.Option("--faults", help="The faults it has met, as JSON lines.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """What a sandbox has logged."""
    record = registry.find(name)
    text = read_fault_log(Path(record.folder)) if faults else sweep.read_log(record)
    if as_json:
        print_json({"name": name, "log": text})
        return
    print(text, end="")


@app.command()
def down(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Sandboxes to stop.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that `sandbox up` started.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop sandboxes and remove all they left."""
    if bool(names) == everything:
        fail("name the sandboxes to stop, or say --all; `sandbox ps` lists them.")
    chosen = [registry.find(name) for name in names or []] or [r for r in registry.records() if r.kept]
    with progress("stopping"):
        sweep.take_down(chosen)
    _report([record.name for record in chosen], "stopped", as_json)


@app.command()
def gc(
    images: Annotated[bool, typer.Option("--images", help="Also remove Docker images of earlier versions.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove what killed owners left behind."""
    with progress("sweeping") as advance:
        swept = sweep.gc() + (sweep.gc_images(lambda text: advance(1, text)) if images else [])
    _report(swept, "removed", as_json, "sandboxes or images" if images else "sandboxes")


def _report(names: list[str], verb: str, as_json: bool, what: str = "sandboxes") -> None:
    if as_json:
        print_json(names)
        return
    for name in names:
        print(f"{verb} {name}")
    if not names:
        note(f"nothing to do: {verb} 0 {what}")


if __name__ == "__main__":
    main()
