"""``sandbox new`` and ``sandbox prove``: an app of your own, written down and tried."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.content import roots
from envsim.sandbox.image import connect
from envsim.sandbox.new import plan, write
from envsim.sandbox.new_proof import Proof, prove
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import SandboxSpec, find_spec


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the app will be called here.")],
    image: Annotated[str | None, typer.Option(help="An image of the engine's that holds the app.")] = None,
    command: Annotated[
        str | None, typer.Option(help="What runs it; {port} and {data} stand for what they are.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Where it listens inside, by TCP.", min=1, max=65535)] = None,
    socket: Annotated[str | None, typer.Option(help="The unix socket it listens on, below its data folder.")] = None,
    sqlite: Annotated[str | None, typer.Option(help="Its SQLite file, below its data folder or absolute.")] = None,
    postgres: Annotated[bool, typer.Option("--postgres", help="Its database is PostgreSQL.")] = False,
    data: Annotated[str | None, typer.Option(help="The folder that holds all it writes.")] = None,
    package: Annotated[list[str] | None, typer.Option(help="A Debian package it needs; may be repeated.")] = None,
    require: Annotated[list[str] | None, typer.Option(help="A pip requirement; may be repeated.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder that holds sandboxes/; default the first of ENVSIM_PATH.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take a name that an app elsewhere has.")] = False,
    no_prove: Annotated[bool, typer.Option("--no-prove", help="Only write the files.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write down how an app of your own is run, and prove that it can be.

    Exit code 1 if something does not hold; the report says what to do about it.
    """
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(contextlib.closing(connect())) if image is not None else None
        planned = plan(
            name,
            image=image,
            command=command,
            port=port,
            socket=socket,
            sqlite=sqlite,
            postgres=postgres,
            data=data,
            packages=package or (),
            requirements=require or (),
            client=client,
        )
    where = root if root is not None else _first_root()
    spec = write(planned, where, force=force)
    note(f"wrote {spec.root}")
    if where.resolve() not in [path.resolve() for path in roots()]:
        note(f"so that it is found: export ENVSIM_PATH={where.resolve()}")
    if no_prove:
        if as_json:
            print_json({"folder": str(spec.root), "proven": None, "points": [], "suggestions": []})
        return
    _prove(spec, as_json)


def prove_(
    name: Annotated[str, typer.Argument(metavar="APP", help="A clone; `sandbox list` names them.")],
    runtime: Annotated[str, typer.Option(help="auto, process or docker.")] = "docker",
    as_json: JsonFlag = False,
) -> None:
    """Try all that a sandbox must do on an app: up, pages, login, clock, reset, snapshot, export, containment.

    Exit code 1 if something does not hold.
    """
    _prove(find_spec(name), as_json, runtime)


def _prove(spec: SandboxSpec, as_json: bool, runtime: str = "docker") -> None:
    with progress(f"proving {spec.ref}") as advance:
        proof = prove(spec, get_runtime(runtime, spec), lambda text: advance(0, text))
    if as_json:
        print_json({"folder": str(spec.root), **proof.to_json()})
    else:
        _print(spec, proof)
    if not proof.proven:
        raise typer.Exit(1)


def _print(spec: SandboxSpec, proof: Proof) -> None:
    words = {True: "yes", False: "NO", None: "?"}
    rows = [[point.item, words[point.held], point.ms, point.note] for point in proof.points]
    print_table(["what", "held", "ms", "what was seen, or what to do"], rows)
    if proof.suggestions:
        print(f"\nTables for [state] in {spec.root / 'sandbox.toml'}; keep what tasks are judged on:\n")
        for line in proof.suggestions:
            print(line)
    failed = sum(point.held is False for point in proof.points)
    open_ = sum(point.held is None for point in proof.points)
    print()
    if failed:
        note(f"not proven: {failed} of {len(proof.points)} do not hold. Then: sandbox prove {spec.ref}")
    else:
        note(f"proven, {open_} left open" if open_ else "proven")


def _first_root() -> Path:
    named = [part for part in os.environ.get("ENVSIM_PATH", "").split(os.pathsep) if part]
    return Path(named[0]).expanduser() if named else Path.cwd()
