"""HTTP archives: what a browser asked for and was answered, read leniently and written strictly.

Sources: "HTTP Archive (HAR) format 1.2" (Odvarko), with what Chromium (``_resourceType``) and Playwright (``_file``:
a body in a file beside the archive) add to it. Our own captures hold one HAR entry a line, so that they can be
appended to; `read_capture` reads both, and `envsim.page.har_lines` writes them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from envsim.errors import TraceError
from envsim.page.fetched import REDIRECTS
from envsim.page.transport import Header, Request, Response
from envsim.page.urls import resolve, without_fragment

HAR_VERSION = "1.2"
MAX_HAR = 1024**3
"""Largest archive read, in bytes: it is one JSON value and must be held in memory."""
DOCUMENT = "document"
_TEXT = re.compile(r"text/|.*[/+](?:json|xml|javascript|ecmascript|x-www-form-urlencoded)\b|image/svg")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, 5.1)."""
_LOCATION = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\\]+", re.IGNORECASE)
_NAVIGATES = {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate", "upgrade-insecure-requests": "1"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back.

    Attributes:
        origin: Scheme, host and port it went to, as ``https://shop.example``.
        request: Target, method, headers (lower-cased) and body.
        status: Of the answer; 0 where none came.
        headers: Of the answer, lower-cased, in order.
        body: Of the answer; None where it was not recorded.
        mime: Media type of the answer, lower case, without parameters.
        kind: What the browser wanted it for: ``"document"``, ``"xhr"``, ``"image"``...; "" where nobody said.
        started: ISO 8601 time at which it was sent; "" where nobody said.
        wait_ms: From sending to the last byte; None where it was not recorded.
        step: Index of the trace's step it belongs to; None where there is none.
    """

    origin: str
    request: Request
    status: int = 0
    headers: tuple[Header, ...] = ()
    body: bytes | None = None
    mime: str = ""
    kind: str = ""
    started: str = ""
    wait_ms: float | None = None
    step: int | None = None

    @property
    def response(self) -> Response:
        """The answer; its body is empty where it was not recorded."""
        return Response(self.status, self.headers, self.body or b"")

    @property
    def location(self) -> str:
        """Where it redirects to, as the app's pages write it (see `envsim.page.urls.resolve`); "" if it does not."""
        found = self.response.header("location")
        if self.status not in REDIRECTS or found is None:
            return ""
        return resolve(localised(found, self.origin), self.request.target)

    @property
    def is_document(self) -> bool:
        """Whether a browser would have shown it as a page."""
        if self.kind:
            return self.kind == DOCUMENT
        sent = dict(self.request.headers)
        if "sec-fetch-dest" in sent or "sec-fetch-mode" in sent:
            return any(sent.get(name) == value for name, value in list(_NAVIGATES.items())[:2])
        if sent.get("upgrade-insecure-requests") == "1":
            return True
        page = self.mime in ("text/html", "application/xhtml+xml") or self.status in REDIRECTS
        return page and "x-requested-with" not in sent and "text/html" in sent.get("accept", "text/html")


@dataclass
class Capture:
    """What was captured of one browser, in order of sending, and what the file did not hold.

    `lost` counts in phrases, as `envsim.ingest.records.Losses` does.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    creator: str = ""
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def origin(self) -> str:
        """The app's: the one most pages came from, then most answers."""
        scores: dict[str, tuple[int, int]] = {}
        for exchange in self.exchanges:
            pages, answers = scores.get(exchange.origin, (0, 0))
            answered = exchange.status > 0
            scores[exchange.origin] = (pages + (answered and exchange.is_document), answers + answered)
        return max(scores, key=lambda origin: scores[origin]) if scores else ""

    def of_app(self) -> list[Exchange]:
        """The answered exchanges with the app itself; what is left out is counted in `lost`."""
        own = self.origin
        kept = [exchange for exchange in self.exchanges if exchange.origin == own and exchange.status > 0]
        self.lost["requests to other hosts"] += sum(exchange.origin != own for exchange in self.exchanges)
        self.lost["requests without an answer"] += sum(
            exchange.origin == own and not exchange.status for exchange in self.exchanges
        )
        self.lost["cookies of requests"] += _without_cookies(kept)
        self.lost += Counter()  # drops what was counted zero times
        return kept


def _without_cookies(network: Sequence[Exchange]) -> int:
    """Requests sent without a cookie after one was set: exports for sharing leave them out."""
    setters = [at for at, one in enumerate(network) if any(name == "set-cookie" for name, _ in one.headers)]
    later = network[setters[0] + 1 :] if setters else ()
    # Where one of them has a cookie, the file holds cookies, and the others were sent without.
    return 0 if any(name == "cookie" for one in later for name, _ in one.request.headers) else len(later)


def read_capture(path: Path) -> Capture:
    """A ``.har`` file, or the ``network/<session>.jsonl`` of a recorded session.

    Raises:
        TraceError: Neither, or it cannot be read.
    """
    try:
        if path.stat().st_size > MAX_HAR:
            raise TraceError(f"{path} has over {MAX_HAR // 2**30} GiB. Export a shorter capture, or fewer bodies.")
        data = path.read_bytes()
    except OSError as error:
        raise TraceError(f"Cannot read {path}: {error.strerror}. Check the path and its permissions.") from None
    try:
        return parse_har(data, path.parent)
    except ValueError as error:
        raise TraceError(f"{path} is not an HTTP archive: {error}. Export it again as HAR 1.2, with content.") from None


def parse_har(data: bytes, folder: Path | None = None) -> Capture:
    """The capture in the bytes of an archive, or of lines of entries.

    Entries that cannot be read are left out and counted; a torn last line likewise.

    Args:
        data: The file.
        folder: Where bodies lie that the archive names by file; None to read none.

    Raises:
        ValueError: Not an archive; says why.
    """
    log, entries, torn = _entries(data)
    capture = Capture(creator=_creator(log))
    capture.lost["torn last lines"] += torn
    read = []
    for entry in entries:
        exchange = parse_entry(entry, capture.lost, folder)
        if exchange is None:
            capture.lost["entries that could not be read"] += 1
        else:
            read.append(exchange)
    # Written in order of completion by some tools. Sorting is stable and text sorts as time does within one writer.
    capture.exchanges = sorted(read, key=lambda item: item.started) if all(item.started for item in read) else read
    capture.lost += Counter()
    return capture


def _entries(data: bytes) -> tuple[dict[str, Any], list[Any], int]:
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except ValueError:
        return _lines(data)
    log = value.get("log") if isinstance(value, dict) else None
    if isinstance(value, dict) and log is None and isinstance(value.get("request"), dict):
        return {}, [value], 0
    if not isinstance(log, dict) or not isinstance(log.get("entries", []), list):
        raise ValueError("it has no log with entries")
    if not str(log.get("version", HAR_VERSION)).startswith("1."):
        raise ValueError(f"it has version {str(log['version'])[:20]!r}, not 1.2")
    return log, log.get("entries", []), 0


def _lines(data: bytes) -> tuple[dict[str, Any], list[Any], int]:
    """One value a line: the log without its entries, then the entries."""
    *whole, rest = data.split(b"\n")
    values = []
    for line in whole:
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            raise ValueError("it is not JSON") from None
    first = values[0] if values else None
    if not isinstance(first, dict) or not isinstance(first.get("log"), dict):
        raise ValueError("it is not JSON" if rest and not values else "it has no log")
    return first["log"], values[1:], int(bool(rest.strip()))


def _creator(log: dict[str, Any]) -> str:
    named = [log.get(key) for key in ("creator", "browser")]
    return ", ".join(
        f"{one.get('name', '')} {one.get('version', '')}".strip() for one in named if isinstance(one, dict)
    )


def parse_entry(entry: Any, lost: Counter[str], folder: Path | None = None) -> Exchange | None:
    """One entry of an archive; None where it is none. `lost` is added to."""
    request, response = (entry.get(key) if isinstance(entry, dict) else None for key in ("request", "response"))
    if not isinstance(request, dict) or not isinstance(response, dict):
        return None
    method, url, status = request.get("method"), request.get("url"), response.get("status", 0)
    if not isinstance(method, str) or not re.fullmatch(r"[A-Za-z]{1,20}", method) or not isinstance(url, str):
        return None
    where = _split(url)
    if where is None:
        lost["requests that are not HTTP"] += 1
        return None
    content = response.get("content")
    body, mime = _content(content if isinstance(content, dict) else {}, folder)
    status = status if isinstance(status, int) and 100 <= status <= 599 else 0
    bodiless = status in (0, 204, 205, 304) or status in REDIRECTS or method.upper() == "HEAD"
    if body is None and not bodiless:
        lost["response bodies"] += 1
    kind = entry.get("_resourceType")
    wait = entry.get("time")
    timed = isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait < 10**9
    lost["timings"] += not timed
    return Exchange(
        origin=where[0],
        request=Request(method.upper(), where[1], _headers(request), _post_data(request, lost, folder)),
        status=status,
        headers=_headers(response),
        body=b"" if body is None and bodiless else body,
        mime=mime,
        kind=kind if isinstance(kind, str) else "",
        started=_text(entry.get("startedDateTime")),
        wait_ms=float(wait) if timed else None,
        step=found if isinstance(found := entry.get("_step"), int) else None,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _split(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")
    target = without_fragment(resolve((parts.path or "/") + (f"?{parts.query}" if parts.query else "")))
    return origin, target if target.startswith("/") else "/"


def _headers(message: dict[str, Any]) -> tuple[Header, ...]:
    found = message.get("headers")
    out: list[Header] = []
    for item in found if isinstance(found, list) else ():
        name, value = (_text(item.get(key)) for key in ("name", "value")) if isinstance(item, dict) else ("", "")
        # Pseudo-headers of HTTP/2 repeat the URL; line ends would be further headers.
        if _TOKEN.fullmatch(name) and not set(value) & set("\r\n\0"):
            # Space around a value is no part of it (RFC 9110, 5.5), and nobody may send it.
            out.append((name.lower(), value.strip(" \t")))
        elif name.lower() == "set-cookie":
            # Several in one value, as Chromium exports them.
            out += [(name.lower(), part) for part in value.split("\n") if part.strip() and not set(part) & set("\r\0")]
    return tuple(out)


def _post_data(request: dict[str, Any], lost: Counter[str], folder: Path | None) -> bytes:
    found = request.get("postData")
    if not isinstance(found, dict):
        return b""
    if text := _text(found.get("text")):
        return text.encode("utf-8", "replace")
    if (body := _file(found, folder)) is not None:
        return body
    size = request.get("bodySize")
    if found.get("_file") or (isinstance(size, int) and size > 0):
        lost["request bodies"] += 1
    return b""


def _content(content: dict[str, Any], folder: Path | None) -> tuple[bytes | None, str]:
    mime = _text(content.get("mimeType")).partition(";")[0].strip().lower()
    text = content.get("text")
    if isinstance(text, str) and content.get("encoding") == "base64":
        try:
            return base64.b64decode(text, validate=False), mime
        except (binascii.Error, ValueError):
            return None, mime
    if isinstance(text, str) and (text or content.get("size") == 0):
        return text.encode("utf-8", "replace"), mime
    return (b"" if content.get("size") == 0 else _file(content, folder)), mime


def _file(named: dict[str, Any], folder: Path | None) -> bytes | None:
    """A body that lies in a file beside the archive: a plain name, never a path or a link to elsewhere."""
    name = _text(named.get("_file"))
    if folder is None or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}(?:\.[A-Za-z0-9]{1,12})?", name):
        return None
    path = folder / name
    try:
        return None if path.is_symlink() or not path.is_file() else path.read_bytes()
    except OSError:
        return None


def is_text(mime: str) -> bool:
    """Whether a body of this media type is text."""
    return _TEXT.match(mime) is not None


def localised(text: str, origin: str) -> str:
    """`text` with the absolute URLs of `origin` made relative to the host, also where JSON escapes their slashes."""
    if not origin or "://" not in text.replace("\\/", "/"):
        return text
    host = re.escape(origin.partition("://")[2])
    # The scheme may differ: pages behind a proxy that ends TLS link to either.
    slash = r"(?:/|\\/)"
    return re.sub(rf"https?:{slash}{slash}{host}(?![\w.:-])({slash})?", lambda found: found[1] or "/", text)


def groups(exchanges: Iterable[Exchange]) -> Iterator[list[Exchange]]:
    """The documents among `exchanges`, a redirect together with what it led to."""
    group: list[Exchange] = []
    for exchange in exchanges:
        if not exchange.is_document:
            continue
        if group and group[-1].location != "" and without_fragment(group[-1].location) == exchange.request.target:
            group.append(exchange)
            continue
        if group:
            yield group
        group = [exchange]
    if group:
        yield group
