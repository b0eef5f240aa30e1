"""URLs as the page layer writes them: path and query for the app itself, absolute for the rest.

Source: the parts of the WHATWG URL standard that links, forms and redirects exercise.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from envsim.page.transport import HOST

ORIGIN = f"http://{HOST}"
"""The one origin an agent can reach."""

MAX_FOREIGN = 200
"""Longest text kept of a URL outside the app (a data: URL can be megabytes)."""

MAX_KNOWN = 1000
"""Longest URL and base, in characters, whose answer is remembered."""

_EDGES = re.compile(r"\A[\x00-\x20]+|[\x00-\x20]+\Z")
_STRIP = re.compile(r"[\t\n\r]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_SAFE = "%!$&()*+,-./:;=?@_~"
_PLAIN = re.compile(r"/[A-Za-z0-9/_-]*(?:\.[a-z0-9]+)?")


def resolve(href: str, base: str = "/") -> str:
    """`href` as seen from the page at `base`.

    Args:
        href: Anything a link, form, redirect or agent may hold.
        base: Path and query of the page, or its base URL.

    Returns:
        Path, query and fragment (starting with ``/``) within the app; an absolute URL outside it.
        Free of whitespace in either case.
    """
    if _PLAIN.fullmatch(href) and not href.startswith("//"):
        return href
    return _join_known(href, base) if len(href) + len(base) < MAX_KNOWN else _join(href, base)


def _join(href: str, base: str) -> str:
    text = _STRIP.sub("", _EDGES.sub("", href))
    scheme = _SCHEME.match(text)
    if scheme and scheme[0].lower() not in ("http:", "https:"):
        return quote(text[:MAX_FOREIGN], safe=_SAFE + "#'[]")
    try:
        text = text.replace("\\", "/") if "?" not in text else text
        joined = urlsplit(urljoin(urljoin(ORIGIN + "/", base), text))
        host, port = (joined.hostname or "").lower(), joined.port
    except ValueError:
        return quote(text[:MAX_FOREIGN], safe=_SAFE)
    # Each part has its own percent-encode set; all of them encode whitespace and non-ASCII.
    path = quote(joined.path or "/", safe=_SAFE + "'[]|")
    query = quote(joined.query, safe=_SAFE + "[]{}|^`")
    fragment = quote(joined.fragment, safe=_SAFE + "'[]{}|^#")
    if joined.scheme == "http" and host == HOST and port in (None, 80):
        return urlunsplit(("", "", _rooted(path), query, fragment)) or "/"
    authority = quote(host, safe=".-:[]") + (f":{port}" if port else "")
    return (
        f"{joined.scheme}://{authority}{path}" + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    )


# A site links to the same places from page to page.
_join_known = lru_cache(maxsize=4096)(_join)


def _rooted(path: str) -> str:
    # "//x" would read as a host when it is resolved again.
    return "/" + path.lstrip("/")


def inside(url: str) -> bool:
    """Whether a resolved `url` lies within the app."""
    return url.startswith("/")


def without_fragment(url: str) -> str:
    """`url` up to its first ``#``."""
    return url.partition("#")[0]


def with_query(url: str, query: str) -> str:
    """`url` with its query replaced and its fragment dropped, as a GET form does."""
    path = without_fragment(url).partition("?")[0]
    return f"{path}?{query}" if query or "?" in url else path + "?"
