"""Opening a world by name. Entry points are strings, so that no world's needs are anybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envsim.content import split_app
from envsim.errors import ContentError, load_optional
from envsim.sandbox.faults import Faults, read_faults
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import Runtime, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task import Interface
from envsim.world import World

LEARNED = ("model", "replay", "nearest-neighbour")
"""Worlds made from traces; they live in the `worldmodel` package."""
HYBRID = "hybrid"
"""A model that falls back to a sandbox where it is not to be trusted."""
KINDS = ("sandbox", *LEARNED, HYBRID)
_LEARNED_ENTRY = "worldmodel.world:load_world"
_HYBRID_ENTRY = "worldmodel.hybrid:load_hybrid"


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
            your own, such as a pool. Sandbox and hybrid only.
        driver: ``"http"`` or ``"chromium"``; sandbox and hybrid with the browser interface only.
        bugs: ``"production"``, ``"none"``, ``"all"`` or ids; sandbox only (a model has the bugs it learned), and
            hybrid, where they must be the ones that the model learned.
        faults: ``"production"``, ``"none"``, or rates (`envsim.sandbox.faults.read_faults`); sandbox only.
        model: Directory of a trained model; worlds made from traces, and hybrid.

    Raises:
        ContentError: An unknown name, faults before another world than a sandbox, or no model where one is needed.
        ModelError: The model is damaged or was trained for another app.
        PrerequisiteError: An extra is not installed.
    """
    if kind not in KINDS:
        raise ContentError(f"There is no world {kind!r}. Use one of: {', '.join(KINDS)}.")
    if kind != "sandbox" and read_faults(faults):
        raise ContentError(f"world={kind!r} has no wire that could fail. Use faults='none', or world='sandbox'.")
    if kind != "sandbox" and model is None:
        raise ContentError(f"world={kind!r} needs a model. Train one with: worldmodel train TRACES -o MODEL")

    def sandbox() -> SandboxWorld:
        spec = find_spec(app)
        engine = get_runtime(runtime, spec) if isinstance(runtime, str) else runtime
        return SandboxWorld(spec, runtime=engine, interface=interface, driver=driver, bugs=bugs, faults=faults)

    if kind == "sandbox":
        return sandbox()
    name = split_app(app)[0]
    if kind == HYBRID:
        sandbox()  # what cannot be opened should say so now, not at the first fallback
        keep = not isinstance(runtime, SandboxPool)
        world = load_optional(_HYBRID_ENTRY, "worldmodel")(
            model, app=name, interface=interface, fresh=sandbox, keep=keep
        )
        _check_bugs(find_spec(app).select_bugs(bugs), world.bugs)
    else:
        world = load_optional(_LEARNED_ENTRY, "worldmodel")(Path(str(model)), kind=kind, app=name, interface=interface)
    if not isinstance(world, World):
        raise TypeError(f"the entry point of {kind!r} returned {type(world).__name__}, not a World")
    return world


def _check_bugs(ours: Mapping[str, float], learned: Mapping[str, float]) -> None:
    """A session cannot go on in a sandbox with other bugs than the model learned. Traces that name none pass."""
    if learned and not (ours and ours.keys() <= learned.keys()):
        other = sorted(ours.keys() - learned.keys())
        named = f"lacks {', '.join(other[:3])}" if other else f"has {', '.join(sorted(learned)[:3])}"
        raise ContentError(
            f"The traces of this model were recorded with other bugs: it {named}. "
            "Give world='hybrid' the bugs of the traces, or train on traces with these."
        )
