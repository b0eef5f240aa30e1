"""The owner of what ``sandbox up`` starts: ``python -m envsim.sandbox.keeper``, detached from the terminal.

It starts the sandboxes, forwards their ports, holds their leases, and closes each when ``down`` asks,
or all on SIGTERM. To the process that started it, it reports on stdout, one JSON object a line:
``{"note": text}``, ``{"up": record}``, then ``{"ready": true}`` or ``{"error": sentence, "exit_code": n}``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from typing import Any

from envsim.errors import EnvsimError, SandboxStartError
from envsim.sandbox import registry
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.faults import FaultProfile, read_faults
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.served import ServedSandbox
from envsim.sandbox.spec import SandboxSpec, find_spec

AT_ONCE = 4
"""How many sandboxes start at the same time."""
POLL_S = 0.1

Listener = Callable[[dict[str, Any]], None]


def launch(
    app: str,
    *,
    count: int,
    runtime: str,
    seed: int,
    bugs: str,
    base: str | None,
    listener: Listener,
    faults: str = "none",
    transport: str = "auto",
) -> list[dict[str, Any]]:
    """Start a keeper and wait until all its sandboxes are up; their public records.

    Args:
        app: What to start.
        count: How many.
        runtime: ``"process"`` or ``"docker"``.
        seed: Seed of the first reset.
        bugs: As `SandboxSpec.select_bugs` reads it.
        base: Base image; None for the default.
        faults: As `envsim.sandbox.faults.read_faults` reads it; before each sandbox on a schedule of its own.
        transport: As `envsim.sandbox.crossing.wanted_transport` takes it.
        listener: Called with each report as it comes.

    Raises:
        EnvsimError: What the keeper reported; it has ended then and left nothing.
    """
    command = [sys.executable, "-m", "envsim.sandbox.keeper", app, "--count", str(count), "--runtime", runtime]
    command += ["--seed", str(seed), "--bugs", bugs, "--faults", faults]
    command += ["--transport", transport, *(["--base", base] if base else [])]
    with tempfile.TemporaryFile() as errors:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        try:
            up = _follow(keeper, listener)
        except BaseException:
            if keeper.poll() is None:
                keeper.terminate()
                keeper.wait()
            raise
        if up is None:
            errors.seek(0)
            tail = errors.read().decode("utf-8", "replace")[-500:]
            raise SandboxStartError(f"The keeper ended with code {keeper.wait()} before it was ready: {tail}")
    keeper.returncode = 0  # detached from here on; Python would otherwise report it as left behind
    return up


def _follow(keeper: subprocess.Popen[bytes], listener: Listener) -> list[dict[str, Any]] | None:
    """What came up by the time the keeper is ready; None if it ended without a word."""
    up: list[dict[str, Any]] = []
    assert keeper.stdout is not None
    with keeper.stdout:
        for line in keeper.stdout:
            report = json.loads(line)
            listener(report)
            if "up" in report:
                up.append(report["up"])
            if "error" in report:
                error = EnvsimError(report["error"])
                error.exit_code = report["exit_code"]
                raise error
            if "ready" in report:
                return sorted(up, key=lambda record: str(record["name"]))
    return None


def main() -> None:
    """Start what the command line names and hold it."""
    parser = argparse.ArgumentParser(prog="envsim.sandbox.keeper", description=__doc__)
    parser.add_argument("app")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--bugs", required=True)
    parser.add_argument("--faults", default="none")
    parser.add_argument("--base")
    parser.add_argument("--transport", default="auto")
    args = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    lock = threading.Lock()

    def report(message: dict[str, Any]) -> None:
        with lock:
            print(json.dumps(message), flush=True)

    try:
        spec = find_spec(args.app)
        request = ResetRequest(seed=args.seed, bugs=spec.select_bugs(args.bugs))
        starter = _starter(args, spec, report)
        faults = read_faults(args.faults)
        sandboxes = _start_all(args.count, lambda: _start(starter, request, faults, report), stop)
    except EnvsimError as error:
        report({"error": str(error), "exit_code": error.exit_code})
        sys.exit(error.exit_code)
    try:
        report({"ready": True})
        _detach()
        _hold(sandboxes, stop)
    finally:
        for sandbox in sandboxes:
            sandbox.close()


def _starter(args: argparse.Namespace, spec: SandboxSpec, report: Listener) -> Callable[[], ServedSandbox]:
    if args.runtime == "docker":
        engine = DockerRuntime(args.base, lambda text: report({"note": text}), transport=args.transport)
        engine.prepare(spec)  # once, so that the replicas find the image
        return lambda: engine.start(spec)
    processes = ProcessRuntime(lambda text: report({"note": text}))
    return lambda: processes.start(spec)


def _start(
    starter: Callable[[], ServedSandbox], request: ResetRequest, faults: FaultProfile, report: Listener
) -> ServedSandbox:
    sandbox = starter()
    try:
        sandbox.control.reset(request)
        if faults:
            sandbox.put_behind(faults, request.seed)
        sandbox.url()
        sandbox.record = replace(sandbox.record, kept=True)
        registry.write(sandbox.record)
        report({"up": sandbox.record.public()})
    except BaseException:
        sandbox.close()
        raise
    return sandbox


def _start_all(count: int, start: Callable[[], ServedSandbox], stop: threading.Event) -> list[ServedSandbox]:
    """`count` sandboxes, or none: those that came up are closed when one does not."""
    sandboxes: list[ServedSandbox] = []
    try:
        with ThreadPoolExecutor(min(count, AT_ONCE)) as pool:
            futures = [pool.submit(start) for _ in range(count)]
            try:
                for future in as_completed(futures):
                    sandboxes.append(future.result())
                    if stop.is_set():
                        raise SandboxStartError("Stopped while starting. Run sandbox up again.")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                sandboxes = [f.result() for f in futures if not f.cancelled() and f.exception() is None]
                raise
    except BaseException:
        for sandbox in sandboxes:
            sandbox.close()
        raise
    return sandboxes


def _detach() -> None:
    """Let go of the pipe, so that whoever reads it sees its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.dup2(null, sys.stderr.fileno())
    os.close(null)


def _hold(sandboxes: list[ServedSandbox], stop: threading.Event) -> None:
    while sandboxes and not stop.wait(POLL_S):
        for sandbox in list(sandboxes):
            if registry.is_closing(sandbox.name):
                sandboxes.remove(sandbox)
                with suppress(EnvsimError):
                    sandbox.close()


if __name__ == "__main__":
    main()
