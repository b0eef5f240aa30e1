"""The exported state of a sandbox as bytes: self-contained, checksummed, no pickle.

One line of text names format and version, one holds a SHA-256 over all that follows, one is a JSON
header, and the rest is the parts one after another::

    envsim-state 1
    <64 hex digits>
    {"app": ..., "spec": ..., "meta": {...}, "parts": [[name, length], ...]}
    <bytes>

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from envsim.errors import ContentError

VERSION = 1
_MAGIC = b"envsim-state "
_DIGITS = 64
_DAMAGED = "This state is damaged or was written only in part. Export it again."


def fingerprint(*texts: str) -> str:
    """16 hex digits over what two sandboxes must share for one to load what the other exported."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def pack(app: str, spec: str, meta: Mapping[str, Any], parts: Mapping[str, bytes]) -> bytes:
    """The bytes that `unpack` reads.

    Args:
        app: Name of the app.
        spec: See `fingerprint`.
        meta: JSON values.
        parts: What is no JSON, by name.
    """
    listed = [[name, len(part)] for name, part in parts.items()]
    header = json.dumps({"app": app, "spec": spec, "meta": dict(meta), "parts": listed}, sort_keys=True)
    digest = hashlib.sha256(header.encode() + b"\n")
    for part in parts.values():
        digest.update(part)
    start = _MAGIC + f"{VERSION}\n{digest.hexdigest()}\n{header}\n".encode()
    return b"".join([start, *parts.values()])


def unpack(data: bytes, app: str, spec: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Meta and parts of what `pack` made. All is checked before anything is returned.

    Raises:
        ContentError: Not an exported state, of another version, app or spec, cut short, or damaged.
    """
    magic, _, rest = data.partition(b"\n")
    if not magic.startswith(_MAGIC):
        raise ContentError("These bytes are no exported sandbox state. Give what export() returned.")
    if magic != _MAGIC + str(VERSION).encode():
        found = magic[len(_MAGIC) :][:20].decode("ascii", "replace")
        raise ContentError(f"This state has version {found}, and version {VERSION} is read here. Export it again.")
    digest = rest[:_DIGITS]
    # A view: a state may be large, and is looked at more than once.
    body = memoryview(rest)[_DIGITS + 1 :]
    if hashlib.sha256(body).hexdigest().encode() != digest or rest[_DIGITS : _DIGITS + 1] != b"\n":
        raise ContentError(_DAMAGED)
    end = rest.find(b"\n", _DIGITS + 1)
    header = _header(rest[_DIGITS + 1 : max(end, 0)], len(rest) - end - 1)
    if header["app"] != app or header["spec"] != spec:
        what = f"app {header['app']!r}" if header["app"] != app else f"another version of {app}"
        raise ContentError(f"This state was exported from {what}, and cannot be loaded here. Export one of {app}.")
    parts, at = {}, end + 1
    for name, length in header["parts"]:
        parts[name] = rest[at : at + length]
        at += length
    return header["meta"], parts


def _header(text: bytes, size: int) -> dict[str, Any]:
    """The header of a state with `size` bytes of parts. Whoever made the bytes made their checksum too."""
    try:
        header: dict[str, Any] = json.loads(text)
        lengths = [length for name, length in header["parts"] if isinstance(name, str)]
        fits = all(type(length) is int and length >= 0 for length in lengths) and sum(lengths) == size
        fits = fits and len(lengths) == len(header["parts"]) and isinstance(header["meta"], dict)
        fits = fits and {"app", "spec"} <= header.keys()
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        fits = False
    if not fits:
        raise ContentError(_DAMAGED)
    return header
