"""Fleets of sandboxes against their goals: forks, pools, dirty resets, killed owners, 64 clones at once.

    python benchmarks/sandboxes_fleet.py [--quick] [--json]

Forks and claims are timed by the wall clock: run it alone. Whatever is started here lies in folders of its own
and is gone at the end.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from results import Goal, goals_table

from envsim.content import list_apps
from envsim.env import TaskEnv
from envsim.errors import EnvsimError
from envsim.page.transport import Request
from envsim.policy import get_policy
from envsim.rng import Rng
from envsim.sandbox import registry, sweep
from envsim.sandbox.docker import DockerSandbox
from envsim.sandbox.image import connect
from envsim.sandbox.owner import Owner
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.sandbox.spec import SandboxSpec, find_spec
from envsim.sandbox.surfaces import PageSurface, open_driver

FORK_MS, CLAIM_MS, CLONE_MB = 5.0, 20.0, 60.0
WORKERS, CYCLES, KILLS, CLONES, GROUP = 16, 1000, 50, 64, 4
STEPS = 4
"""Random actions that make a sandbox dirty."""
WITHIN_S = 30.0
"""How long after its owner's death a sandbox may last where nobody sweeps."""


@dataclass(frozen=True)
class Row:
    """One measurement: in words, and whether it met its goal (None: it has none, or could not be measured)."""

    what: str
    goal: str
    measured: str
    met: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


def goals(rows: list[Row]) -> list[Goal]:
    """`rows` as lines of the table of all parts."""
    return [Goal(row.what, row.goal, row.measured, row.met) for row in rows]


def run(quick: bool) -> list[Row]:
    """All of it; a measurement that breaks off is a row that says why.

    Args:
        quick: A small sample of each, of the shop only.
    """
    rows: list[Row] = []
    for measure in (forks, claims, cycles, kills, clones):
        try:
            rows += measure(quick)
        except EnvsimError as error:
            rows.append(Row(measure.__name__, "", f"broke off: {str(error)[:200]}", met=False))
    return rows


def _times(samples: list[float]) -> str:
    high = quantiles(samples, n=20)[-1] if len(samples) > 1 else samples[0]
    return f"{median(samples):.1f} ({high:.1f}) ms, n={len(samples)}"


# -- forks and claims ----------------------------------------------------------------------------------


def forks(quick: bool) -> list[Row]:
    """Time per environment of groups of four, from warm sandboxes, in the middle of an episode of the shop."""
    rows = []
    for runtime, driver, goal in (
        ("inprocess", "http", FORK_MS),
        ("process", "http", FORK_MS),
        ("docker", "http", FORK_MS),
        ("inprocess", "chromium", None),
    ):
        samples = _fork_times(runtime, driver, 5 if quick or driver == "chromium" else 50)
        met = None if goal is None else median(samples) <= goal
        what = f"fork of a mid-episode state, {driver}, {runtime} (shop)"
        rows.append(Row(what, "" if goal is None else f"p50 <= {goal:g} ms", _times(samples), met))
    return rows


def _fork_times(runtime: str, driver: str, rounds: int) -> list[float]:
    env, samples = TaskEnv("shop", runtime=runtime, driver=driver), []
    try:
        env.reset(seed=1)
        env.step('goto("/search?q=lamp")')
        for turn in range(rounds + 1):
            start = time.perf_counter()
            twins = env.fork(GROUP)
            took = time.perf_counter() - start
            for twin in twins:
                if twin.observation != env.observation:
                    raise AssertionError("a fork shows another page")
                twin.close()
            pool = env.world._own_pool
            pool.wait(GROUP)
            if turn:  # the first found nothing warm
                samples.append(took / GROUP * 1000)
    finally:
        env.close()
    return samples


def claims(quick: bool) -> list[Row]:
    """From asking a warm pool of containers to the first page."""
    rows = []
    for app in ["shop"] if quick else _apps():
        spec = find_spec(app)
        with closing(SandboxPool(get_runtime("docker", spec), spec)) as pool:
            pool.prewarm(2)
            pool.wait(2)
            taken = [_claim(pool, spec) for _ in range(5 if quick else 40)]
        what = f"docker, from a warm pool to the first page ({app})"
        samples = [first for first, _ in taken]
        # What no pool can save: the app is asked for the same page once more.
        again = median(second for _, second in taken)
        measured = f"{_times(samples)}; the page alone, asked for again: {again:.1f} ms"
        rows.append(Row(what, f"p50 <= {CLAIM_MS:g} ms", measured, median(samples) <= CLAIM_MS))
    return rows


def _claim(pool: SandboxPool, spec: SandboxSpec) -> tuple[float, float]:
    """Milliseconds from the claim to the first page, and those of the same page when it is asked for again."""
    pool.wait(1)
    start = time.perf_counter()
    sandbox = pool.start(spec)
    transport = sandbox.transport()
    transport.send(Request("GET", spec.pages[0]))
    first = time.perf_counter()
    transport.send(Request("GET", spec.pages[0]))
    second = time.perf_counter()
    sandbox.close()
    return (first - start) * 1000, (second - first) * 1000


def _apps() -> list[str]:
    """Every app with code of its own."""
    return [name for name in list_apps() if find_spec(name).origin.name == name]


# -- dirty resets --------------------------------------------------------------------------------------


def cycles(quick: bool) -> list[Row]:
    """Resets after random use, sixteen at once, each with a seed of its own: is the state always that seed's?"""
    rows = []
    for app in ["shop"] if quick else _apps():
        spec, count = find_spec(app), 48 if quick else CYCLES
        with closing(SandboxPool(get_runtime("auto", spec), spec)) as pool:
            turn = functools.partial(_cycle, pool, spec)
            alone = {seed: turn(seed) for seed in range(WORKERS)}
            seeds = [number % WORKERS for number in range(count)]
            started = time.perf_counter()
            with ThreadPoolExecutor(WORKERS) as workers:
                found = list(workers.map(turn, seeds))
            took = time.perf_counter() - started
        wrong = [seed for seed, each in zip(seeds, found, strict=True) if each != alone[seed]]
        distinct = len({clean for _, clean, _ in alone.values()})
        measured = f"{len(wrong)} of {count} differ, {pool.recreated} replaced; {count / took:.0f} a second"
        met = not wrong and not pool.recreated and distinct == WORKERS
        what = f"dirty -> reset, {WORKERS} workers at once ({app})"
        details = {"wrong": wrong[:20], "distinct": distinct}
        rows.append(Row(what, "0 mismatches, 0 cross-talk", measured, met, details))
    return rows


def _cycle(pool: SandboxPool, spec: SandboxSpec, seed: int) -> tuple[dict[str, str], str, str]:
    """Cookies and hash after a reset, and the hash after some random use of it."""
    sandbox = pool.start(spec)
    try:
        bugs = {} if spec.variant else spec.select_bugs("production")
        cookies = sandbox.control.reset(ResetRequest(seed=seed, bugs=bugs, login=spec.login))
        clean = sandbox.control.hash()
        _use(sandbox, cookies, seed)
        return cookies, clean, sandbox.control.hash()
    finally:
        sandbox.close()


def _use(sandbox: Sandbox, cookies: dict[str, str], seed: int) -> None:
    """What the random policy does in some steps."""
    surface = PageSurface(open_driver("http", sandbox.transport()))
    try:
        policy = get_policy("random")
        policy.reset(None, seed, surface.tools())
        seen = surface.open(sandbox.spec.pages[seed % len(sandbox.spec.pages)], cookies)
        for _ in range(STEPS):
            seen, _ = surface.act(policy.act(seen))
    finally:
        surface.close()


# -- killed owners -------------------------------------------------------------------------------------

OWNER = """
import sys
from contextlib import closing
from envsim.page.transport import Request
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import find_spec

spec = find_spec("shop")
print("ready", flush=True)
while True:
    with closing(get_runtime(sys.argv[1]).start(spec)) as sandbox:
        sandbox.url()
        for seed in range(5):
            cookies = sandbox.control.reset(ResetRequest(seed=seed, login=spec.login))
            transport = sandbox.transport()
            transport.send(Request("GET", "/cart"))
            sandbox.control.restore(sandbox.control.snapshot())
            sandbox.control.load(sandbox.control.export())
"""


def kills(quick: bool) -> list[Row]:
    """Owners killed at random points, beside one that lives on and must not notice."""
    count = 4 if quick else KILLS
    with _folder_of_our_own() as folder:
        spec = find_spec("shop")
        held = {name: get_runtime(name).start(spec) for name in ("process", "docker")}
        try:
            request = ResetRequest(seed=3, login=spec.login)
            for sandbox in held.values():
                sandbox.control.reset(request)
            before = {name: sandbox.control.hash() for name, sandbox in held.items()}
            left: list[str] = []
            # The last few are left to their leases: nobody sweeps.
            for turn in range(count):
                pid = _kill_one(turn)
                swept = turn < count - 2
                if swept:
                    sweep.gc()
                left += _left(folder, pid, held, deadline_s=1.0 if swept else WITHIN_S, stopped=not swept)
                if not swept:
                    sweep.gc()
                    left += _left(folder, pid, held, deadline_s=1.0, stopped=False)
            after = {name: sandbox.control.hash() for name, sandbox in held.items()}
        finally:
            for sandbox in held.values():
                sandbox.close()
    measured = f"{len(left)} left after {count}; the other owner {'untouched' if after == before else 'DISTURBED'}"
    what = f"{count} x kill -9 of the owner at random points, a second one beside it"
    return [Row(what, "0 left, the other untouched", measured, not left and after == before, {"left": left[:20]})]


@contextmanager
def _folder_of_our_own() -> Iterator[Path]:
    """Folders for sandboxes and for the registry, so that whatever lies in them at the end was left."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder, tempfile.TemporaryDirectory() as cache:
        kept = {name: os.environ.get(name) for name in ("TMPDIR", "ENVSIM_CACHE")}
        os.environ |= {"TMPDIR": folder, "ENVSIM_CACHE": cache}
        tempfile.tempdir = None
        try:
            yield Path(folder)
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            tempfile.tempdir = None


def _kill_one(turn: int) -> int:
    runtime = ("process", "docker")[turn % 2]
    with subprocess.Popen([sys.executable, "-c", OWNER, runtime], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        time.sleep(Rng(7, "kill", turn).uniform() * 2.5)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    return owner.pid


def _left(folder: Path, owner: int, held: dict[str, Sandbox], *, deadline_s: float, stopped: bool) -> list[str]:
    """What a dead owner's sandboxes have left by the deadline; with `stopped`, only what still runs counts."""
    end = time.monotonic() + deadline_s
    while (found := _traces(folder, owner, held, stopped=stopped)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _traces(folder: Path, owner: int, held: dict[str, Sandbox], *, stopped: bool) -> list[str]:
    with closing(connect()) as client:
        mine = client.containers.list(
            all=not stopped, filters={"label": f"envsim.owner_pid={owner}"}, ignore_removed=True
        )
        found = [f"container {container.name}" for container in mine]
        volumes = client.volumes.list(filters={"label": "envsim.app"})
        found += [f"volume {volume.name}" for volume in volumes]
    names = {sandbox.name for sandbox in held.values()}
    records = [record for record in registry.records() if record.name not in names]
    found += [
        f"process {record.pid}" for record in records if record.pid and Owner(record.pid, record.pid_start).alive()
    ]
    if not stopped:
        kept = {Path(record.folder) for record in registry.records() if record.name in names}
        found += [f"folder {path}" for path in folder.iterdir() if path.name.startswith("envsim-") and path not in kept]
        found += [f"record {record.name}" for record in records]
    return found


# -- many at once --------------------------------------------------------------------------------------


def clones(quick: bool) -> list[Row]:
    """Containers of the shop all up at once, each asked for a page: how much memory is each one's own?"""
    count = 4 if quick else CLONES
    spec = find_spec("shop")
    runtime = get_runtime("docker")
    up: list[DockerSandbox] = []
    lock = threading.Lock()

    def start(_: int) -> None:
        sandbox = runtime.start(spec)
        assert isinstance(sandbox, DockerSandbox)
        with lock:
            up.append(sandbox)

    started = time.perf_counter()
    try:
        with ThreadPoolExecutor(4) as starters:
            list(starters.map(start, range(count)))
        took = time.perf_counter() - started
        answers = {_ask(sandbox) for sandbox in up}
        megabytes = [_memory_mb(sandbox) for sandbox in up]
    finally:
        with ThreadPoolExecutor(4) as closers:
            list(closers.map(_close, up))
    measured = f"{len(up)} up in {took:.0f} s; {median(megabytes):.0f} (at most {max(megabytes):.0f}) MB each"
    met = len(answers) == 1 and max(megabytes) <= CLONE_MB
    return [Row(f"{count} clones at once, memory each (shop, docker)", f"<= {CLONE_MB:g} MB", measured, met)]


def _ask(sandbox: Sandbox) -> tuple[int, bytes]:
    sandbox.control.reset(ResetRequest(seed=1, login=sandbox.spec.login))
    with closing(sandbox.transport()) as transport:
        reply = transport.send(Request("GET", "/"))
    return reply.status, reply.body


def _memory_mb(sandbox: DockerSandbox) -> float:
    """What the engine charges the container for, without file pages it could drop."""
    found = sandbox.container.client.api.stats(sandbox.container.id, stream=False, one_shot=True)["memory_stats"]
    stats = found["stats"]
    return float(found["usage"] - stats.get("inactive_file", stats.get("total_inactive_file", 0))) / 1e6


def _close(sandbox: Sandbox) -> None:
    with suppress(EnvsimError):
        sandbox.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small sample of each, of the shop only")
    parser.add_argument("--only", choices=["forks", "claims", "cycles", "kills", "clones"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chosen: Callable[[bool], list[Row]] = globals()[arguments.only] if arguments.only else run
    rows = chosen(arguments.quick)
    print(json.dumps([row.__dict__ for row in rows], indent=2) if arguments.json else goals_table(goals(rows)))
    sys.exit(any(row.met is False for row in rows))


if __name__ == "__main__":
    main()
