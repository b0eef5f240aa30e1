"""What benchmarks/sandboxes_fleet.py measures, in small: owners killed beside a living one, resets under load."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from envsim.policy import get_policy
from envsim.rng import Rng
from envsim.sandbox import registry, sweep
from envsim.sandbox.image import connect
from envsim.sandbox.owner import Owner
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import SandboxSpec, load_spec
from envsim.sandbox.surfaces import PageSurface, open_driver

# One worker sweeps: another's sweep could meet an owner that a test here has just killed.
pytestmark = pytest.mark.xdist_group("docker")

OWNER = """
import sys
from contextlib import closing
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import find_spec

spec = find_spec("notes")
print("ready", flush=True)
while True:
    with closing(get_runtime(sys.argv[1]).start(spec)) as sandbox:
        sandbox.url()
        for seed in range(5):
            sandbox.control.reset(ResetRequest(seed=seed))
            sandbox.control.load(sandbox.control.export())
"""


@pytest.mark.parametrize("runtime", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_owners_killed_at_any_moment_leave_nothing_and_disturb_nobody(notes: SandboxSpec, runtime: str) -> None:
    held = get_runtime(runtime).start(notes)
    try:
        held.control.reset(ResetRequest(seed=1))
        before, kept = held.control.hash(), {record.name for record in registry.records()}
        for turn in range(3):
            with subprocess.Popen([sys.executable, "-c", OWNER, runtime], stdout=subprocess.PIPE) as owner:
                assert owner.stdout is not None
                owner.stdout.readline()
                time.sleep(Rng(5, runtime, turn).uniform() * 0.8)
                owner.kill()
            theirs = [record for record in registry.records() if record.owner_pid == owner.pid]
            sweep.gc()
            assert not [path for record in theirs if (path := Path(record.folder)).exists()]
            assert not [record for record in theirs if record.pid and Owner(record.pid, record.pid_start).alive()]
            assert {record.name for record in registry.records()} == kept
            if runtime == "docker":
                with closing(connect()) as client:
                    label = {"label": f"envsim.owner_pid={owner.pid}"}
                    assert client.containers.list(all=True, filters=label, ignore_removed=True) == []
        assert held.control.hash() == before
        assert held.control.health()["app"] == "notes"
    finally:
        held.close()
    assert held.name not in {record.name for record in registry.records()}


def test_random_use_by_many_at_once_leaves_each_seed_its_own_state(repo: Path) -> None:
    spec = load_spec(repo / "sandboxes" / "shop" / "sandbox.toml")

    def turn(seed: int) -> tuple[dict[str, str], str, str]:
        with closing(pool.start(spec)) as sandbox:
            request = ResetRequest(seed=seed, bugs=spec.select_bugs("production"), login=spec.login)
            cookies = sandbox.control.reset(request)
            clean = sandbox.control.hash()
            with closing(PageSurface(open_driver("http", sandbox.transport()))) as surface:
                policy = get_policy("random")
                policy.reset(None, seed, surface.tools())
                seen = surface.open(spec.pages[seed % len(spec.pages)], cookies)
                for _ in range(4):
                    seen, _ = surface.act(policy.act(seen))
            return cookies, clean, sandbox.control.hash()

    with closing(SandboxPool(get_runtime("inprocess"), spec, limit=6)) as pool:
        alone = [turn(seed) for seed in range(8)]
        with ThreadPoolExecutor(8) as workers:
            together = list(workers.map(turn, [*range(8)] * 3))
        assert together == alone * 3
        assert pool.recreated == 0
    assert len({clean for _, clean, _ in alone}) == 8
    assert all(clean != used for _, clean, used in alone)


UNHELD = """
import os, signal
from envsim.sandbox import process
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec

process.wait_for_lease = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
get_runtime("process").start(find_spec("notes"))
"""


@pytest.mark.slow
def test_a_sandbox_whose_owner_died_before_it_held_the_lease_ends_by_itself(notes: SandboxSpec) -> None:
    known = {record.name for record in registry.records()}
    subprocess.run([sys.executable, "-c", UNHELD], check=False)
    (record,) = [record for record in registry.records() if record.name not in known]
    end = time.monotonic() + 30
    while Owner(record.pid, record.pid_start).alive():
        assert time.monotonic() < end, "it outlived its owner by half a minute"
        time.sleep(0.1)
    sweep.gc()
