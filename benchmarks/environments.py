"""Times reset, step and start of the shop in every runtime and through both drivers.

    python benchmarks/environments.py [--quick]

Figures are medians over real episodes of the oracle policy; what cannot run here is left out and named.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

from results import machine, markdown_table, update_section

from envsim.env import TaskEnv
from envsim.errors import EnvsimError
from envsim.policy import get_policy
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import SandboxSpec, find_spec
from envsim.sandbox.tools import ToolClient

SETUPS = (
    ("http, in-process", {"runtime": "inprocess", "driver": "http"}, 60),
    ("http, process", {"runtime": "process", "driver": "http"}, 30),
    ("http, docker", {"runtime": "docker", "driver": "http"}, 30),
    ("tools, in-process", {"runtime": "inprocess", "interface": "tools"}, 60),
    ("chromium, in-process", {"runtime": "inprocess", "driver": "chromium"}, 8),
    ("chromium, docker", {"runtime": "docker", "driver": "chromium"}, 8),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the episodes")
    quick = parser.parse_args().quick
    spec = find_spec("shop")
    rows, notes = [], []
    for name, options, episodes in SETUPS:
        try:
            rows.append([name, *time_episodes(options, max(3, episodes // 10) if quick else episodes)])
        except EnvsimError as error:
            notes.append(f"{name}: {error}")
    starts = list(time_starts(spec, notes))
    text = f"""## Environments: the shop

{machine()}. Milliseconds, median (p95). A reset includes the first observation; a step includes what it
changed in the state view. Measured after as many episodes to warm up.

{markdown_table(["driver, runtime", "reset", "step", "steps/s"], rows)}

{markdown_table(["sandbox", "start to healthy, ms", "control reset, ms", "state hash over 200 dirty resets"], starts)}

Reproduce: `python benchmarks/environments.py`
"""
    text += "".join(f"\nNot measured: {note}\n" for note in notes)
    print(text)
    if not quick:
        update_section("environments", text)


def time_episodes(options: dict[str, str], episodes: int) -> list[str]:
    resets, steps = episode_times("shop", options, episodes)
    return [spread(resets), spread(steps), f"{1000 * len(steps) / sum(steps):,.0f}"]


def episode_times(app: str, options: dict[str, Any], episodes: int) -> tuple[list[float], list[float]]:
    """Milliseconds of every reset and step of real episodes of the oracle policy, after as many to warm up.

    The app compiles each of its templates and statements once, when it first needs them.
    """
    env = TaskEnv(app, **options)
    resets: list[float] = []
    steps: list[float] = []
    try:
        env.reset(seed=0)  # starts the sandbox
        for seed in [*range(episodes), *range(episodes)]:
            if seed == 0:
                resets.clear()
                steps.clear()
            with clock(resets.append):
                env.reset(seed=seed)
            policy = get_policy("oracle")
            policy.reset(env.task, seed, env.tools)
            ended = False
            while not ended:
                action = policy.act(env.observation)
                with clock(steps.append):
                    _, _, terminated, truncated, _ = env.step(action)
                ended = terminated or truncated
    finally:
        env.close()
    return resets, steps


def time_starts(spec: SandboxSpec, notes: list[str]) -> Iterator[list[str]]:
    for name in ("inprocess", "process", "docker"):
        try:
            runtime = get_runtime(name)
            runtime.start(spec).close()  # builds the image and the seed once
            started: list[float] = []
            resets: list[float] = []
            hashes = set()
            for _ in range(5):
                with clock(started.append):
                    sandbox = runtime.start(spec)
                sandbox.close()
            sandbox = runtime.start(spec)
            try:
                for number in range(200):
                    dirty(sandbox, number)
                    with clock(resets.append):
                        sandbox.control.reset(ResetRequest(seed=1, login=spec.login))
                    hashes.add(sandbox.control.hash())
            finally:
                sandbox.close()
            yield [name, spread(started), spread(resets), f"{len(hashes)} distinct"]
        except EnvsimError as error:
            notes.append(f"{name}: {error}")


def dirty(sandbox: object, number: int) -> None:
    """Shop as a customer would, so that a reset has something to undo."""
    cookies = sandbox.control.reset(ResetRequest(seed=number, login=sandbox.spec.login))
    client = ToolClient(sandbox.transport(), sandbox.spec.tools)
    client.cookies = cookies
    product = sorted(sandbox.control.seed_view()["variants"])[number]
    client.call("add_to_cart", {"sku": product, "quantity": 1})
    client.close()


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({quantiles(values, n=20)[-1]:.2f})"


@contextmanager
def clock(done: Callable[[float], None]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    done(1000 * (time.perf_counter() - start))


if __name__ == "__main__":
    sys.exit(main())
