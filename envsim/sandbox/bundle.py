"""The part of envsim that runs beside a clone, as a package of its own: no pydantic, no gymnasium.

Images and supervisor processes both import this bundle, so a clone that works in one works in the other.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from envsim.content import PACKAGE
from envsim.sandbox.seed import cache_dir
from envsim.sandbox.spec import SandboxSpec

MODULES = ("errors.py", "content.py", "rng.py", "state.py")
REQUIREMENTS = ("uvicorn>=0.30",)
HOSTED_REQUIREMENTS = ("time-machine>=2.16",)
"""What apps hosted in the supervisor's own process run on beside those."""


CLOSED = "# closed"
"""First line of requirements that name everything: a comment to pip, which whoever calls it must tell."""


def guest_files() -> dict[str, bytes]:
    """Path below an import root -> content."""
    files = {"envsim/__init__.py": b""}
    for path in [*(PACKAGE / name for name in MODULES), *sorted((PACKAGE / "guest").glob("*.py"))]:
        files[f"envsim/{path.relative_to(PACKAGE).as_posix()}"] = path.read_bytes()
    return files


GATE = """\
ARG BASE
FROM $BASE
COPY gate.py pipe.py /opt/
USER 1000:1000
ENTRYPOINT ["python3", "-I", "/opt/gate.py"]
"""


def gate_files() -> dict[str, bytes]:
    """The build context of the gate's image; see `envsim.guest.gate` and `pipe`."""
    code = {name: (PACKAGE / "guest" / name).read_bytes() for name in ("gate.py", "pipe.py")}
    return {"Dockerfile": GATE.encode(), **code}


def all_requirements(spec: SandboxSpec) -> list[str]:
    """Everything pip installs beside the bundle for the app of `spec`, sorted; after `CLOSED` where that is all."""
    hosted = HOSTED_REQUIREMENTS if spec.hosted is not None and spec.hosted.kind == "wsgi" else ()
    lines = sorted({*spec.requirements, *REQUIREMENTS, *hosted})
    closed = spec.variant is not None and spec.variants[spec.variant].closed
    return [CLOSED, *lines] if closed else lines


def files_hash(files: dict[str, bytes], *more: str) -> str:
    """SHA-256 (hex) over names and contents, and over `more`."""
    digest = hashlib.sha256("\0".join(more).encode())
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def guest_root() -> Path:
    """A folder to import the bundle from, written once per content. Any number of processes may ask at once."""
    files = guest_files()
    root = cache_dir() / "guest" / files_hash(files)[:20]
    if not root.is_dir():
        root.parent.mkdir(exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=root.parent))
        for name, content in files.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            scratch.rename(root)
        except OSError:  # another process was first
            shutil.rmtree(scratch)
    return root
