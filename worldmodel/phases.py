"""What follows the first phase of training: own rollouts, then a policy gradient.

Each phase is kept until the model is whole. It begins with the network as the one before left it and draws from the
seed alone, so a run that was killed between two phases, or inside one, ends in the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from envsim.errors import ModelError
from worldmodel.dataset import read_json, write_json
from worldmodel.model import WorldModel
from worldmodel.optimise import Example, Pace
from worldmodel.reinforce import reinforce
from worldmodel.rollouts import Taught, learn_from_rollouts

NAMES = ("rollouts", "reinforce")

Phase = Callable[[Path], dict[str, Any]]
"""Changes a network in its place, with a folder for what it goes on from when it is killed; returns its log."""


def later(
    network: WorldModel, examples: Sequence[Example], taught: Taught, pace: Pace, out: Path, key: str, steps: int,
    rollouts: int = 0, policy_steps: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Run the phases that are asked for, in this process alone.

    Args:
        network: As the first phase left it; trained in its place.
        examples: Of recorded situations.
        taught: What the phases teach with.
        pace: Of the first phase.
        out: The run's directory.
        key: What the result depends on.
        steps: That the first phase took.
        rollouts: Sessions to run on the model's own answers; 0: no such phase.
        policy_steps: Policy-gradient steps; 0: no such phase.

    Returns:
        The logs of those that ran, under ``rollouts`` and ``reinforce``.

    Raises:
        ModelError: What a killed run left is damaged.
    """
    log: dict[str, Any] = {}
    if rollouts:
        log["rollouts"] = _kept(
            network, out, "rollouts", key,
            lambda folder: learn_from_rollouts(network, taught, examples, rollouts, pace, steps, folder, key),
        )  # fmt: skip
    if policy_steps:
        log["reinforce"] = _kept(
            network, out, "reinforce", key,
            lambda folder: reinforce(network, taught, policy_steps, folder, key, pace.checkpoint_s),
        )  # fmt: skip
    return log


def _kept(network: WorldModel, out: Path, name: str, key: str, phase: Phase) -> dict[str, Any]:
    """Run a phase; or, if it was finished before the run was killed, take over what it made."""
    folder = out / f"phase-{name}"
    made, weights = folder / "done.json", folder / "model.safetensors"
    if made.exists() and (known := read_json(made))["key"] == key:
        try:
            network.load_state_dict(load_file(weights))
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{weights} is damaged ({type(error).__name__}). Remove {out} and train again.") from None
        return dict(known["log"])
    folder.mkdir(parents=True, exist_ok=True)
    log = phase(folder)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}, weights)
    write_json(made, {"key": key, "log": log})
    return log
