"""Opening a world by name. Entry points are strings, so that no world's needs are anybody else's."""

from __future__ import annotations

from pathlib import Path

from envsim.content import split_app
from envsim.errors import ContentError, load_optional
from envsim.sandbox.faults import Faults, read_faults
from envsim.sandbox.runtime import Runtime, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task import Interface
from envsim.world import World

LEARNED = ("model", "replay", "nearest-neighbour")
"""Worlds made from traces; they live in the `worldmodel` package."""
KINDS = ("sandbox", *LEARNED)
_LEARNED_ENTRY = "worldmodel.world:load_world"


def default_interface(app: str) -> Interface:
    """What agents of `app` work through unless told otherwise.

    Raises:
        ContentError: An unknown app.
    """
    return find_spec(app).interface


def open_world(
    kind: str,
    app: str,
    *,
    interface: Interface = "browser",
    runtime: str | Runtime = "auto",
    driver: str = "http",
    bugs: str | tuple[str, ...] = "production",
    faults: Faults = "none",
    model: str | Path | None = None,
) -> World:
    """A world of `app`, not yet started.

    Args:
        kind: One of `KINDS`.
        app: Name of the app; ``oscar@3.2`` for a variant of its sandbox.
        interface: ``"browser"`` or ``"tools"``.
        runtime: ``"inprocess"``, ``"process"``, ``"docker"``, or ``"auto"``, the fastest that `app` allows; or one of
            your own, such as a pool. Sandbox only.
        driver: ``"http"`` or ``"chromium"``; sandbox with the browser interface only.
        bugs: ``"production"``, ``"none"``, ``"all"`` or ids; sandbox only (a model has the bugs it learned).
        faults: ``"production"``, ``"none"``, or rates (`envsim.sandbox.faults.read_faults`); sandbox only.
        model: Directory of a trained model; worlds made from traces only.

    Raises:
        ContentError: An unknown name, faults before another world than a sandbox, or no model where one is needed.
        ModelError: The model is damaged or was trained for another app.
        PrerequisiteError: An extra is not installed.
    """
    if kind == "sandbox":
        spec = find_spec(app)
        engine = get_runtime(runtime, spec) if isinstance(runtime, str) else runtime
        return SandboxWorld(spec, runtime=engine, interface=interface, driver=driver, bugs=bugs, faults=faults)
    if read_faults(faults):
        raise ContentError(f"world={kind!r} has no wire that could fail. Use faults='none', or world='sandbox'.")
    if kind not in LEARNED:
        raise ContentError(f"There is no world {kind!r}. Use one of: {', '.join(KINDS)}.")
    if model is None:
        raise ContentError(f"world={kind!r} needs a model. Train one with: worldmodel train TRACES -o MODEL")
    world = load_optional(_LEARNED_ENTRY, "worldmodel")(
        Path(model), kind=kind, app=split_app(app)[0], interface=interface
    )
    if not isinstance(world, World):
        raise TypeError(f"{_LEARNED_ENTRY} returned {type(world).__name__}, not a World")
    return world
