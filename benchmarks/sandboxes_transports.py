"""What a container costs over each of the ways it may be reached by: a folder, a gate on a bridge, the engine's API.

    python benchmarks/sandboxes_transports.py [--quick] [--json]

The same app in three containers at once, asked in turn, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from dataclasses import asdict, dataclass

from envsim.page.transport import Request
from envsim.sandbox.crossing import TRANSPORTS
from envsim.sandbox.docker import DockerRuntime, DockerSandbox
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import find_spec

APP = "shop"


@dataclass(frozen=True)
class Row:
    """One transport: medians, in milliseconds."""

    transport: str
    start: float
    reset: float
    request: float
    connect: float
    """The first request on a new connection."""


def run(rounds: int) -> list[Row]:
    """Each transport, `rounds` times."""
    spec = find_spec(APP)
    reset = ResetRequest(seed=1, login=spec.login, bugs=spec.select_bugs("production"))
    starts: dict[str, float] = {}
    taken: dict[str, tuple[list[float], list[float], list[float]]] = {}
    with contextlib.ExitStack() as stack:
        boxes: dict[str, DockerSandbox] = {}
        for name in TRANSPORTS:
            runtime = DockerRuntime(transport=name)
            runtime.start(spec).close()  # builds what is not there yet
            began = time.perf_counter()
            boxes[name] = runtime.start(spec)
            starts[name] = time.perf_counter() - began
            stack.callback(boxes[name].close)
            taken[name] = ([], [], [])
        transports = {name: stack.enter_context(contextlib.closing(box.transport())) for name, box in boxes.items()}
        for number in range(rounds):
            for name, box in boxes.items():
                marks = [time.perf_counter()]
                box.control.reset(reset)
                marks.append(time.perf_counter())
                transports[name].send(Request("GET", "/"))
                marks.append(time.perf_counter())
                if number % 10 == 0:
                    with contextlib.closing(box.transport()) as fresh:
                        fresh.send(Request("GET", "/"))
                    marks.append(time.perf_counter())
                for samples, begin, end in zip(taken[name], marks, marks[1:], strict=False):
                    samples.append(end - begin)
    return [
        Row(name, 1000 * starts[name], *(1000 * statistics.median(samples) for samples in taken[name]))
        for name in TRANSPORTS
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="thirty rounds instead of three hundred")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    args = parser.parse_args()
    rows = run(30 if args.quick else 300)
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    print(f"| {APP} over | start | reset | request | new connection |\n|---|---|---|---|---|")
    for row in rows:
        ratios = f"({row.reset / rows[0].reset:.2f}x) | {row.request:.2f} ms ({row.request / rows[0].request:.2f}x)"
        print(f"| {row.transport} | {row.start:.0f} ms | {row.reset:.2f} ms {ratios} | {row.connect:.1f} ms |")


if __name__ == "__main__":
    main()
