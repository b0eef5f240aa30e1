"""How fast the model steps: 16 environments on the CPU, 256 on a GPU where there is one."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from results import Goal, markdown_table
from world_model_place import Place

from envsim.policy import get_policy
from envsim.vector import TaskVectorEnv
from worldmodel.checkpoint import load_model
from worldmodel.predict import BATCH, answer_batch

CPU_GOAL, GPU_GOAL, GPU_MINUTES = 20.0, 2000.0, 10.0
CPU_BATCH, GPU_BATCH = 16, 256


@dataclass(frozen=True)
class Speed:
    """One device.

    Attributes:
        device: Its name.
        batch: Environments.
        steps_per_s: Of all environments together, policies' own time left out.
        requests_per_s: Answers of the model alone, in batches.
    """

    device: str
    batch: int
    steps_per_s: float
    requests_per_s: float


def run(place: Place) -> list[Speed]:
    """Every device there is."""
    found = [_measure(place, "cpu", CPU_BATCH)]
    if torch.cuda.is_available():
        found.append(_measure(place, torch.cuda.get_device_name(), GPU_BATCH))
    return found


def _measure(place: Place, device: str, batch: int) -> Speed:
    model = load_model(place.model, device="cpu" if device == "cpu" else "cuda")
    situations = [sample.situation for sample in model.data.samples if sample.index][: 4 * batch]
    answer_batch(model, situations[:BATCH], None)
    start = time.perf_counter()
    for first in range(0, len(situations), batch):
        answer_batch(model, situations[first : first + batch], None)
    requests = len(situations) / (time.perf_counter() - start)
    return Speed(device, batch, _environments(place, batch), requests)


def _environments(place: Place, batch: int) -> float:
    """Steps per second of a batch of environments on held-out tasks, each with a noisy policy of its own."""
    envs = TaskVectorEnv(num_envs=batch, app="shop", split="test", world="model", model=place.model)
    policies = [get_policy("noisy") for _ in range(batch)]
    envs.reset(seed=place.seed)
    for env, policy in zip(envs.envs, policies, strict=True):
        policy.reset(env.task, place.seed, env.tools)
    spent, steps = 0.0, 0
    for _ in range(place.steps):
        ended = [env.outcome is not None for env in envs.envs]
        actions = [
            "noop()" if over else policy.act(env.observation)
            for over, policy, env in zip(ended, policies, envs.envs, strict=True)
        ]
        start = time.perf_counter()
        envs.step(actions)
        spent += time.perf_counter() - start
        steps += batch
        for env, policy, over in zip(envs.envs, policies, ended, strict=True):
            if over:
                policy.reset(env.task, place.seed, env.tools)
    envs.close()
    return steps / spent


def goals(rows: list[Speed]) -> list[Goal]:
    """The CPU's goal, and the GPU's where there is one."""
    cpu, gpu = rows[0], rows[1] if len(rows) > 1 else None
    name, wanted = f"GPU, batch {GPU_BATCH}", f">= {GPU_GOAL:,.0f} steps/s"
    found = [Goal(f"CPU, batch {cpu.batch}", f">= {CPU_GOAL:g} steps/s", _pace(cpu), cpu.steps_per_s >= CPU_GOAL)]
    found.append(
        Goal(name, wanted, "not measured: no device")
        if gpu is None
        else Goal(name, wanted, f"{_pace(gpu)} on {gpu.device}", gpu.steps_per_s >= GPU_GOAL)
    )
    return [
        *found,
        Goal("training on a GPU", f"<= {GPU_MINUTES:g} min", "not measured" + ": no device" * (gpu is None)),
    ]


def _pace(speed: Speed) -> str:
    return f"{speed.steps_per_s:,.0f} steps/s"


def text(rows: list[Speed]) -> str:
    """Environments, and the model alone."""
    body = [[row.device, str(row.batch), f"{row.steps_per_s:,.0f}", f"{row.requests_per_s:,.0f}"] for row in rows]
    return "**Speed**\n\n" + markdown_table(["device", "batch", "environment steps/s", "model answers/s"], body)
