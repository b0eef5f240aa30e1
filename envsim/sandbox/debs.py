"""Debian packages for images: resolved and fetched on the host, cached, installed without network.

The closure is worked out against what the base image already holds, from a copy of its package database; nothing of
the base image is run for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from envsim.errors import ContentError, PrerequisiteError
from envsim.sandbox.declared import DEBIAN_PACKAGE
from envsim.sandbox.owner import container_labels
from envsim.sandbox.seed import cache_dir

PACKAGE_NAME = re.compile(DEBIAN_PACKAGE)
"""A Debian package, or one in a version: ``fossil``, ``fossil=1:2.21-1``."""

INSTALL = """\
#!/bin/sh
# Installs the .deb files beside this script without network, and leaves below $1 what that changed:
# COPY it into an image, and the packages themselves are no layer of it.
set -eu
mkdir -p "$1"
set -- "$1" /debs/*.deb
[ -e "$2" ] || exit 0
diff=$1; shift
# No package may start a service, or make a database nobody asked for.
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d
touch /debs/stamp; sleep 0.05
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
if ! apt-get -o Dpkg::Use-Pty=0 -q=2 install --no-install-recommends -y "$@" >/debs/log 2>&1; then
    tail -n 15 /debs/log
    exit 1
fi
rm -f /usr/sbin/policy-rc.d
# PostgreSQL runs without the compiler for queries that it brings (`jit` is off), which is half of all it brings.
needed() { dpkg-query -W -f '${Package} ${Pre-Depends}, ${Depends}\\n' | grep -v "^$2" | grep -q "[ ,]$1"; }
if [ -d /usr/lib/postgresql ]; then
    rm -rf /usr/lib/postgresql/*/lib/llvmjit* /usr/lib/postgresql/*/lib/bitcode
    if ! needed libllvm postgresql; then
        rm -f /usr/lib/*/libLLVM*
        needed libz3 libllvm || rm -f /usr/lib/*/libz3*
    fi
fi
cd /
find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./debs \\
    -o -path ".$diff" -o -path ./var/cache \\
    -o -path ./usr/share/doc -o -path ./usr/share/man -o -path ./usr/share/locale -o -path ./usr/share/i18n \\
    -o -path ./etc/hosts -o -path ./etc/hostname -o -path ./etc/resolv.conf \\) -prune -o -cnewer /debs/stamp -print0 \\
    | tar --null --no-recursion -T - -cf - | tar -xpf - -C "$diff"
"""
"""Goes into build contexts as ``debs/install.sh``."""

STATUS = "/var/lib/dpkg/status"
RELEASE = "/usr/lib/os-release"
HOST_RELEASE = Path("/etc/os-release")
UPDATE_S = 300.0
FETCH_S = 900.0


def fetch_debs(client: Any, base: str, packages: Sequence[str], progress: Callable[[str], None]) -> list[Path]:
    """The .deb files of `packages` and of all they need beyond what `base` holds, sorted; from the cache if there.

    Args:
        client: A docker client.
        base: Image they will be installed in, Debian of the same release as this machine.
        packages: Names, each perhaps with ``=version``.
        progress: Called with a line of text before anything slow.

    Raises:
        ContentError: A name that is none, or a package nobody has.
        PrerequisiteError: No apt here, another release than the image's, or the packages cannot be fetched.
    """
    for name in packages:
        if not PACKAGE_NAME.fullmatch(name):
            raise ContentError(f"{name!r} is no Debian package. Write a name, e.g. fossil, or fossil=1:2.21-1.")
    if not packages:
        return []
    status, machine = _facts(client, base)
    key = hashlib.sha256("\0".join([*sorted(packages), machine]).encode() + status).hexdigest()[:20]
    folder = cache_dir() / "debs" / key
    if not (folder / "complete").is_file():
        progress(f"fetching Debian packages: {' '.join(packages)}")
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            found = _fetch(Path(scratch), status, machine, sorted(packages))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for path in found:
                # dpkg names a file after its version, and an epoch's colon is written %3a there.
                path.rename(folder / path.name)
            (folder / "complete").touch()
    return sorted(folder.glob("*.deb"))


def _facts(client: Any, base: str) -> tuple[bytes, str]:
    """The package database of `base` and its architecture, checked against this machine."""
    if shutil.which("apt-get") is None:
        raise PrerequisiteError(
            "This app needs Debian packages, and they are fetched with apt-get, which this machine does not have; "
            "build it on a Debian of the base image's release, or name with --base an image that has them.",
            command="sandbox up APP --runtime docker --base IMAGE_WITH_THE_PACKAGES",
        )
    image = client.images.get(base)
    with _created(client, base) as container:
        status, release = _read(container, STATUS), _read(container, RELEASE)
    theirs, ours = _codename(release.decode("utf-8", "replace")), host_release()
    if not status or theirs != ours:
        raise PrerequisiteError(
            f"The image {base} is {theirs or 'no Debian'} and this machine is {ours or 'no Debian'}: packages of one "
            "do not fit the other. Name a base image of this machine's release.",
            command=f"sandbox up APP --runtime docker --base IMAGE_OF_{(ours or 'debian').upper()}",
        )
    return status, str(image.attrs["Architecture"])


def host_release() -> str:
    """The Debian release of this machine, e.g. ``"bookworm"``; "" if it has no name of that kind."""
    try:
        return _codename(HOST_RELEASE.read_text(encoding="utf-8"))
    except OSError:
        return ""


def image_release(client: Any, name: str) -> str:
    """The same of an image."""
    with _created(client, name) as container:
        return _codename(_read(container, RELEASE).decode("utf-8", "replace"))


@contextlib.contextmanager
def _created(client: Any, name: str) -> Iterator[Any]:
    """A container of an image that is never started: its files can be read."""
    container = client.containers.create(name, ["true"], network_mode="none", labels=container_labels())
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _codename(text: str) -> str:
    lines = dict(line.partition("=")[::2] for line in text.splitlines())
    return lines.get("VERSION_CODENAME", "").strip('"')


def _read(container: Any, path: str) -> bytes:
    """A file of a container that need not run; b"" if there is none."""
    try:
        chunks, _ = container.get_archive(path)
    except Exception as error:
        if getattr(error, "status_code", None) != 404:
            raise
        return b""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.next()
        content = tar.extractfile(member) if member is not None and member.isfile() else None
        return content.read() if content is not None else b""


def _fetch(scratch: Path, status: bytes, machine: str, packages: list[str]) -> list[Path]:
    (scratch / "status").write_bytes(status)
    for part in ("lists/partial", "archives/partial"):
        (scratch / part).mkdir(parents=True)
    # Lists and cache of its own: nothing of this machine's apt changes, and nobody needs to be root.
    options = {
        "Dir::State": str(scratch),
        "Dir::State::status": str(scratch / "status"),
        "Dir::State::extended_states": str(scratch / "extended"),
        "Dir::State::lists": str(scratch / "lists"),
        "Dir::Cache": str(scratch),
        "Dir::Cache::archives": str(scratch / "archives"),
        "APT::Architecture": machine,
        "APT::Architectures": machine,
        "APT::Install-Recommends": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "DPkg::Post-Invoke": "",
    }
    command = ["apt-get", "--quiet=2", *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    _run([*command, "update"], UPDATE_S, packages)
    _run([*command, "--download-only", "--yes", "install", "--", *packages], FETCH_S, packages)
    return sorted((scratch / "archives").glob("*.deb"))


def _run(command: list[str], limit_s: float, packages: list[str]) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "LANGUAGE"} | {"LC_ALL": "C"}
    try:
        result = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise _failed(packages, f"apt-get took more than {limit_s:.0f} s") from None
    if missing := re.search(r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate|"
                            r"(Version '\S+' for '\S+') was not found", result.stderr):  # fmt: skip
        name = next(group for group in missing.groups() if group)
        raise ContentError(f"This machine's package sources have no {name}. Look for it: apt-cache search.")
    # An `update` that reached nobody only warns.
    unreachable = "update" in command and "Failed to fetch" in result.stderr
    if result.returncode or unreachable:
        raise _failed(packages, " ".join(result.stderr.split())[-400:])


def _failed(packages: list[str], why: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"The Debian packages {' '.join(packages)} cannot be fetched ({why}).",
        command="apt-get update; then check this machine's package sources and network",
    )
