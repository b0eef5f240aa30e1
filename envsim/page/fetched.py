"""What a browser makes of a response: a document to show, or a download that leaves the page alone."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Literal

from envsim.page.transport import Header, Response

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
NAVIGATION_HEADERS: tuple[Header, ...] = (
    ("user-agent", USER_AGENT),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.9"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
)
"""Sent with every page request, through either driver."""

MAX_REDIRECTS = 19
"""Redirects followed in a row; the next one shows a fault. Chromium itself stops at 20."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})

_FAULTS = {
    "reset": ("This page isn't working", "The connection was reset before the page arrived.", "reset"),
    "timeout": ("This site can't be reached", "The server took too long to respond.", "timeout"),
    "truncated": ("This page isn't working", "The connection was closed before the page was complete.", "truncated"),
    "redirects": ("This page isn't working", "The server redirected too many times.", "too many redirects"),
    "outside": ("This site can't be reached", "The page leads outside the app.", "blocked"),
    "resubmit": ("Confirm form resubmission", "This page was the result of a form that was sent.", "cache miss"),
}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """A page to show. `source` is HTML."""

    source: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file that was offered; the page on screen stays. `notice` tells the agent."""

    notice: str


def fault_page(kind: Literal["reset", "timeout", "truncated", "redirects", "outside", "resubmit"]) -> str:
    """The page a person sees when there is none: HTML, the same through every driver."""
    title, text, code = _FAULTS[kind]
    return (
        f"<!doctype html><html><head><title>{title}</title></head><body><main><h1>{title}</h1>"
        f"<p>{text}</p><p>Error: {code}</p></main></body></html>"
    )


def interpret(target: str, response: Response) -> Document | Download | None:
    """What `response` to a page request shows; None when it shows nothing (204, 205).

    Args:
        target: Path and query that were asked for.
        response: Any response that is not a redirect.
    """
    if response.status in (204, 205):
        return None
    kind = (response.header("content-type") or "text/html").partition(";")[0].strip().lower()
    disposition = response.header("content-disposition") or ""
    attached = disposition.partition(";")[0].strip().lower() == "attachment"
    if not attached and kind in ("text/html", "application/xhtml+xml"):
        return Document(decode(response))
    if not attached and (kind in ("text/plain", "application/json") or kind.endswith("+json")):
        return Document(
            f"<!doctype html><html><head></head><body><pre>{html.escape(decode(response))}</pre></body></html>"
        )
    name = _filename(disposition) or target.partition("?")[0].rpartition("/")[2] or "download"
    return Download(f"Downloaded {name} ({len(response.body):,} bytes); the page stays as it is.")


def decode(response: Response) -> str:
    """The body as text, in the charset its header or a meta element names."""
    declared = _CHARSET.search(response.header("content-type") or "")
    charset = declared[1] if declared else ""
    if not charset:
        found = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]+)", response.body[:1024], re.IGNORECASE)
        charset = found[1].decode("ascii", "replace") if found else "utf-8"
    if charset.lower() in ("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii"):
        charset = "windows-1252"  # as the Encoding Standard labels them
    try:
        return response.body.decode(charset, "replace").removeprefix("\ufeff")
    except LookupError:
        return response.body.decode("utf-8", "replace").removeprefix("\ufeff")


def _filename(disposition: str) -> str:
    found = re.search(r"filename\s*=\s*(?:\"([^\"]*)\"|([^;\s]+))", disposition, re.IGNORECASE)
    return (found[1] or found[2] or "").rpartition("/")[2] if found else ""
