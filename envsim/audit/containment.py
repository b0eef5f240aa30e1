"""Canaries in the sandbox itself: its environment, command line, files, memory, and everything it serves.

An agent that found a hole in the app would see no more than the app's own process does. So what that process
holds must be free of gold as well, while an episode of the task runs.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envsim.audit.canary import canary_of, forms
from envsim.page.transport import Request, Transport, WireFault
from envsim.sandbox.audit import CONTROL_PATHS, TRAVERSALS
from envsim.sandbox.docker import DockerSandbox
from envsim.sandbox.process import ProcessSandbox
from envsim.sandbox.runtime import Sandbox
from envsim.task import Task

INSIDE = ("/opt", "/run/envsim")
"""Folders of a container that hold what we put there."""
NAMES = ("tasks/shop", "sandbox.toml", "oracles/__init__.py", "guest.json", "seed.db", "api/openapi.json", "")
MAX_REGION = 1 << 28
"""Longest stretch of memory that is read at once, in bytes."""


@dataclass(frozen=True)
class Search:
    """Where a sandbox was searched for a task's canary, and where one was.

    Attributes:
        places: Kinds of places that were searched: ``environment``, ``command``, ``files``, ``memory``, ``served``.
            In-process sandboxes share everything with their caller, so only what they serve is searched.
        found: Each place that held a canary, by name and form.
        searched: How many bytes were looked at.
    """

    places: tuple[str, ...]
    found: tuple[str, ...]
    searched: int


def search_sandbox(sandbox: Sandbox, task: Task) -> Search:
    """Search `sandbox` for the canary of `task`, which it has been reset to (see `envsim.audit.canary.plant`)."""
    needles = [(form, needle.encode()) for form, needle in forms(canary_of(task))]
    kinds: dict[str, None] = {}
    found: list[str] = []
    searched = 0
    for kind, name, content in _places(sandbox):
        kinds[kind] = None
        searched += len(content)
        # Base64 is case-folded in the needle; whatever else is in bytes is looked for as it is and in lower case.
        folded = content.lower()
        found += [f"{kind}: {name} ({form})" for form, needle in needles if needle in folded]
    return Search(tuple(kinds), tuple(found), searched)


def _places(sandbox: Sandbox) -> Iterator[tuple[str, str, bytes]]:
    if isinstance(sandbox, ProcessSandbox):
        yield from _process(sandbox.process.pid)
        yield from (("files", str(path), data) for path, data in _files(Path(sandbox.record.folder)))
    elif isinstance(sandbox, DockerSandbox):
        yield from _container(sandbox)
    with contextlib.closing(sandbox.transport()) as transport:
        yield from (("served", target, body) for target, body in _served(transport))


def _process(pid: int) -> Iterator[tuple[str, str, bytes]]:
    root = Path(f"/proc/{pid}")
    if not root.is_dir():
        return  # no such file system here
    yield "environment", "environ", (root / "environ").read_bytes()
    yield "command", "cmdline", (root / "cmdline").read_bytes()
    yield from (("memory", name, data) for name, data in _memory(root))


def _memory(root: Path) -> Iterator[tuple[str, bytes]]:
    """Readable stretches of the memory a process has to itself, where the kernel lets us read them."""
    with contextlib.suppress(PermissionError), (root / "mem").open("rb", buffering=0) as memory:
        for row in (root / "maps").read_text(encoding="utf-8").splitlines():
            span, rights, *_ = row.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if not rights.startswith("rw") or end - start > MAX_REGION:
                continue
            with contextlib.suppress(OSError, ValueError):  # given back meanwhile, or the kernel's own
                memory.seek(start)
                yield span, memory.read(end - start)


def _container(sandbox: DockerSandbox) -> Iterator[tuple[str, str, bytes]]:
    config = sandbox.container.attrs["Config"]
    yield "environment", "Env and Labels", repr([config.get("Env"), config.get("Labels")]).encode()
    yield "command", "Cmd", repr([config.get("Cmd"), config.get("Entrypoint")]).encode()
    yield "files", "log", sandbox.container.logs()
    for folder in INSIDE:
        chunks, _ = sandbox.container.get_archive(folder)
        yield from (("files", name, data) for name, data in _members(b"".join(chunks)))


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            if (file := opened.extractfile(member) if member.isfile() else None) is not None:
                yield member.name, file.read()


def _files(root: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def _served(transport: Transport) -> Iterator[tuple[str, bytes]]:
    names = (*(prefix + name for name in NAMES for prefix in TRAVERSALS), *(f"/{path}" for path in CONTROL_PATHS))
    for target in names:
        try:
            reply = transport.send(Request("GET", target))
        except WireFault:
            continue
        headers = "\n".join(f"{key}: {value}" for key, value in reply.headers)
        yield target, reply.body + headers.encode()
