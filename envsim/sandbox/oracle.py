"""Proof that a declared bug is there when it is on and gone when it is off.

An oracle is a function ``(Sandbox) -> None`` named by ``oracle`` in sandbox.toml. It uses the app as a
person would, through ``sandbox.transport()``, may look at ``sandbox.control.state()``, raises
`OracleFailure` when it meets the bug and returns when the app behaved. It may call
``sandbox.control.reset(ResetRequest(login=...))`` to start as it needs: which bugs are on is decided
by who runs it, whatever the request says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, cast

from envsim.content import load_entry
from envsim.errors import ContentError
from envsim.page.transport import WireFault
from envsim.sandbox.around import ControlAround, SandboxAround
from envsim.sandbox.declared import Bug
from envsim.sandbox.runtime import Control, ResetRequest, Runtime, Sandbox
from envsim.sandbox.spec import SandboxSpec


class OracleFailure(Exception):  # noqa: N818 -- a finding, not an error of ours
    """The app misbehaved; the message says what was seen and what was expected."""


class Verdict(TypedDict):
    """What an oracle found: `buggy` and `fixed` are both True for a bug that is as declared."""

    id: str
    buggy: bool
    fixed: bool


def run_oracle(sandbox: Sandbox, bug: Bug) -> Verdict:
    """Run the oracle of `bug` with it on, then off; every other bug is off.

    The bug fires at rate 1 while its oracle runs, so that a rare one need not be waited for.

    Returns:
        ``buggy``: it failed with the bug on. ``fixed``: it passed with the bug off.

    Raises:
        ContentError: The bug is real and has no switch, or the oracle cannot be loaded, or broke instead of
            giving a verdict.
        SandboxError: The sandbox did.
    """
    if bug.variants is not None:
        raise ContentError(f"{bug.id!r} is a real bug: it takes both its variants to prove it. Use prove_bugs.")
    buggy = _fails(sandbox, bug, {bug.id: 1.0})
    fixed = not _fails(sandbox, bug, {})
    return {"id": bug.id, "buggy": buggy, "fixed": fixed}


def prove_bugs(
    spec: SandboxSpec,
    bugs: Sequence[Bug],
    runtime: Runtime,
    *,
    also: Callable[[Sandbox], None] | None = None,
    watch: Callable[[str, str], None] | None = None,
) -> list[Verdict]:
    """Run the oracles of `bugs`: those we switch in a sandbox of `spec`, real ones in one of each of their variants.

    Sandboxes are started one after the other, each variant once.

    Args:
        spec: The app; any of its variants.
        bugs: Some of its bugs.
        runtime: What starts the sandboxes.
        also: Called with the sandbox of `spec` before it is closed, as long as one is up.
        watch: Called with a bug's id and the variant (or name) it is about to be looked for in.

    Raises:
        ContentError: See `run_oracle`.
        SandboxError: A sandbox did not start, or broke.
    """
    found: dict[str, Verdict] = {}
    failed: dict[tuple[str, str | None], bool] = {}
    for variant in _variants(spec, bugs):
        own = spec if variant == spec.variant else spec.with_variant(variant)
        with contextlib.closing(runtime.start(own)) as sandbox:
            for bug in bugs:
                switched = bug.variants is None and own is spec
                if not switched and variant not in _places(bug):
                    continue
                if watch is not None:
                    watch(bug.id, own.ref)
                if switched:
                    found[bug.id] = run_oracle(sandbox, bug)
                else:
                    failed[bug.id, variant] = _fails(sandbox, bug, {})
            if own is spec and also is not None:
                also(sandbox)
    for bug in bugs:
        if (real := bug.variants) is not None:
            buggy, fixed = failed[bug.id, real.buggy], not failed[bug.id, real.fixed]
            found[bug.id] = {"id": bug.id, "buggy": buggy, "fixed": fixed}
    return [found[bug.id] for bug in bugs]


def _places(bug: Bug) -> set[str]:
    """The variants it takes to prove a real bug; none for one that is switched."""
    return set() if bug.variants is None else {bug.variants.buggy, bug.variants.fixed}


def _variants(spec: SandboxSpec, bugs: Sequence[Bug]) -> list[str | None]:
    """Which variants it takes to prove `bugs`, that of `spec` first."""
    needed = {name for bug in bugs for name in _places(bug)}
    return [spec.variant, *(name for name in spec.variants if name in needed and name != spec.variant)]


def _fails(sandbox: Sandbox, bug: Bug, bugs: Mapping[str, float]) -> bool:
    oracle = cast("Callable[[Sandbox], None]", load_entry(sandbox.spec.root, bug.oracle))
    held = HeldSandbox(sandbox, bugs)
    held.control.reset(ResetRequest())
    try:
        oracle(held)
    except OracleFailure:
        return True
    except (WireFault, LookupError, TypeError, ValueError) as error:
        # A verdict must be meant: a page that looks different than the oracle expects is not one.
        raise ContentError(
            f"The oracle {bug.oracle} of bug {bug.id!r} broke ({type(error).__name__}: {error}). Correct it."
        ) from error
    finally:
        held.close()
    return False


class _HeldControl(ControlAround):
    """A control plane whose resets all switch on the same bugs."""

    def __init__(self, control: Control, bugs: Mapping[str, float]) -> None:
        super().__init__(control)
        self._bugs = bugs

    def reset(self, request: ResetRequest) -> dict[str, str]:
        return super().reset(replace(request, bugs=self._bugs))


class HeldSandbox(SandboxAround):
    """`sandbox` with its bugs held fixed; see `Sandbox`. Closing it closes its transports and leaves the sandbox up."""

    def __init__(self, sandbox: Sandbox, bugs: Mapping[str, float]) -> None:
        super().__init__(sandbox, _HeldControl(sandbox.control, bugs))
