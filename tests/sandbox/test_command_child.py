"""A process of its own: started, watched, and ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from envsim.errors import SandboxError
from envsim.guest.command_child import Child

LISTEN = """
import os, socket, subprocess, sys, time
subprocess.Popen(["sleep", "1000"])
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1]); server.listen()
print(os.getpid(), file=open(sys.argv[1] + ".pid", "w"), flush=True)
time.sleep(1000)
"""


def group(pid: int) -> set[int]:
    """Processes of the group of `pid` that have not ended."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgid = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgid) == pid and state != "Z":
            found.add(int(stat.parent.name))
    return found


def read_pid(path: Path) -> int:
    """What the listening process wrote, which may be a moment after it listens."""
    end = time.monotonic() + 5
    while not (path.exists() and path.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.01)
    return int(path.read_text())


def test_it_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    socket, pid_file = tmp_path / "s", tmp_path / "s.pid"
    child = Child([sys.executable, "-c", LISTEN, str(socket)], tmp_path, socket, {})
    for _ in range(2):  # also over the socket that the first one left
        child.start()
        asyncio.run(child.ready())
        assert child.alive()
        assert child.ending() == ""
        pid = read_pid(pid_file)
        assert len(group(pid)) == 2
        child.stop()
        pid_file.unlink()
        end = time.monotonic() + 5
        while group(pid) and time.monotonic() < end:
            time.sleep(0.01)
        assert group(pid) == set()
        child.stop()


def test_what_ends_before_it_listens_is_told_at_once(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, tmp_path / "s", {})
    child.start()
    with pytest.raises(SandboxError, match="ended with code 3 before it listened on its socket"):
        asyncio.run(child.ready(60.0))
    child.stop()


def test_what_does_not_listen_is_told_in_time(tmp_path: Path) -> None:
    child = Child(["sleep", "1000"], tmp_path, tmp_path / "s", {})
    child.start()
    with pytest.raises(SandboxError, match=r"does not listen on its socket .* after 0 s. Correct `port` or `socket`"):
        asyncio.run(child.ready(0.05))
    child.stop()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="'no-such-program' cannot be run: No such file or directory"):
        Child(["no-such-program"], tmp_path, 1, {}).start()


def test_it_gets_its_own_variables_and_not_the_supervisors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    script = f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'e')!r}, 'w'))"
    child = Child([sys.executable, "-c", script], tmp_path, 1, {"A": "1", "B": "1"})
    child.start({"B": "2"})
    while child.alive():
        time.sleep(0.01)
    child.stop()
    text = (tmp_path / "e").read_text()
    assert "/ours" not in text
    assert '"A": "1"' in text
    assert '"B": "2"' in text
    assert os.environ.get("B") is None
