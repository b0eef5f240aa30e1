"""Several processes that train one network: each takes a part of every batch, and gradients are summed.

Started by ``accelerate launch`` (Hugging Face accelerate), which finds the devices and connects the processes. What one
process would do is done by all together, to rounding: the batches, their order and every mean are the same. The first
process reads traces and writes files; the others only lend their device. One process needs none of this.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from envsim.errors import ModelError, load_optional

PATIENCE = timedelta(hours=12)
"""How long a process waits for the first one, which prepares the data alone."""

T = TypeVar("T")


class Team:
    """All processes of a run, as one of them sees them. This one is alone."""

    rank = 0
    count = 1
    device: str | None = None
    """Where this process computes; None: whatever was asked for."""

    @property
    def main(self) -> bool:
        """Whether this is the process that reads and writes."""
        return self.rank == 0

    def part(self, batch: Sequence[T]) -> Sequence[T]:
        """What of a batch is this process's."""
        return batch[self.rank :: self.count]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return values

    def told(self, value: float) -> float:
        """The first process's value."""
        return value

    def send(self, message: bytes) -> None:
        """From the first process to all others."""

    def receive(self) -> bytes:
        """What the first process sent."""
        raise NotImplementedError("there is no other process")

    def leave(self) -> None:
        """Nothing more is to be shared."""


ALONE = Team()


class Launched(Team):
    """Processes that ``accelerate launch`` started.

    Args:
        accelerator: An `accelerate.Accelerator`.
    """

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self._tools = load_optional("accelerate.utils", "worldmodel")
        self.rank = int(accelerator.process_index)
        self.count = int(accelerator.num_processes)
        self.device = str(accelerator.device)

    def total(self, values: Tensor) -> Tensor:
        """See `Team.total`."""
        summed: Tensor = self._accelerator.reduce(values, "sum")
        return summed

    def told(self, value: float) -> float:
        """See `Team.told`."""
        return float(self._broadcast(torch.tensor([value], dtype=torch.float64))[0])

    def send(self, message: bytes) -> None:
        """See `Team.send`."""
        self._broadcast(torch.tensor([len(message)]))
        self._broadcast(torch.frombuffer(bytearray(message), dtype=torch.uint8))

    def receive(self) -> bytes:
        """See `Team.receive`."""
        size = int(self._broadcast(torch.tensor([0]))[0])
        return bytes(self._broadcast(torch.zeros(size, dtype=torch.uint8)).cpu().numpy())

    def leave(self) -> None:
        """See `Team.leave`."""
        self._accelerator.end_training()

    def _broadcast(self, values: Tensor) -> Tensor:
        sent: Tensor = self._tools.broadcast(values.to(self._accelerator.device), from_process=0)
        return sent


def launched() -> int:
    """How many processes a launcher started; 1 where none did."""
    if {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return int(os.environ["WORLD_SIZE"])
    return 1


def is_main() -> bool:
    """Whether this process is the first of those that a launcher started, or the only one."""
    return launched() == 1 or os.environ["RANK"] == "0"


def join(device: str) -> Team:
    """Meet the other processes of this run; `ALONE` where a launcher started none.

    Args:
        device: ``"cpu"`` keeps all of them off the GPUs.

    Raises:
        PrerequisiteError: accelerate is not installed.
    """
    if launched() == 1:
        return ALONE
    accelerate = load_optional("accelerate", "worldmodel")
    cpu = device == "cpu" or not torch.cuda.is_available()
    patience = accelerate.InitProcessGroupKwargs(timeout=PATIENCE)
    return Launched(accelerate.Accelerator(cpu=cpu, kwargs_handlers=[patience]))


def refuse(command: str) -> None:
    """For what one process does alone.

    Raises:
        ModelError: A launcher started several.
    """
    if launched() > 1:
        raise ModelError(f"{command} runs in one process. Start it without accelerate launch.")


def sum_gradients(network: nn.Module, loss: float, team: Team) -> float:
    """Replace gradients by their sums over all processes; returns the sum of `loss`, a part from each."""
    trained = [p for p in network.parameters() if p.requires_grad]
    flat = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in trained]
    summed = team.total(torch.cat([*flat, flat[0].new_tensor([loss])]))
    at = 0
    for parameter in trained:
        parameter.grad = summed[at : at + parameter.numel()].view_as(parameter).clone()
        at += parameter.numel()
    return float(summed[-1])
