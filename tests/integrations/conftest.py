"""Worlds of tau2 shared by a test process: opening one loads a database, resetting one does not."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from envsim.integrations.tau2 import Call, Tau2World, make_task
from envsim.types import Action, Transition

if importlib.util.find_spec("inspect_evals") is None:
    collect_ignore_glob = ["test_tau2*"]


@functools.cache
def _world_of(domain: str) -> Tau2World:
    return Tau2World(domain)


def _begin(domain: str, tau_id: str, seed: int = 0) -> Tau2World:
    world = _world_of(domain)
    world.reset(make_task(domain, tau_id, with_user=False), seed)
    return world


def _carry_out(world: Tau2World, call: Call) -> Transition:
    action = Action(kind="call", name=call.name, arguments=call.arguments)
    return world.step(action) if call.side == "assistant" else world.user_step(action)


@pytest.fixture
def begin() -> Callable[..., Tau2World]:
    """``begin(domain, tau_id, seed=0)``: the domain's world, reset to a task."""
    return _begin


@pytest.fixture
def carry_out() -> Callable[[Tau2World, Call], Transition]:
    """``carry_out(world, call)``: a call by its own side."""
    return _carry_out


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where inspect-evals leaves its unpacked databases."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path
