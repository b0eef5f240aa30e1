"""A cookie jar for one origin.

Source: RFC 6265, less what cannot matter on a single host. Lifetimes are not counted in real
time, since an app's clock stands still between requests: a cookie lives until it is overwritten
or expired by the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from envsim.page.transport import HOST, Response

_NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
MAX_COOKIE = 4096
"""Longest name plus value, in characters; browsers drop longer cookies."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie as set by a response. `dead` asks for its removal."""

    name: str
    value: str
    path: str
    dead: bool = False
    http_only: bool = False

    def header(self) -> str:
        """A Set-Cookie header with the same effect in a browser, whatever its clock says."""
        life = "; Max-Age=0" if self.dead else ""
        return f"{self.name}={self.value}; Path={self.path}{life}" + ("; HttpOnly" if self.http_only else "")


def parse_cookie(header: str, target: str, date: str | None = None) -> Cookie | None:
    """The cookie that a Set-Cookie header sets; None where browsers drop it.

    Args:
        header: Value of the header.
        target: Path and query of the request.
        date: The response's Date header, which Expires is measured against.
    """
    first, *rest = header.split(";")
    name, equals, value = first.partition("=")
    name, value = (name.strip(), value.strip()) if equals else ("", name.strip())
    if not name or len(name) + len(value) > MAX_COOKIE or any(ord(char) < 32 for char in header):
        return None
    path, dead, seen_age, http_only = "", False, False, False
    for part in rest:
        key, _, text = part.partition("=")
        key, text = key.strip().lower(), text.strip()
        if key == "path":
            path = text if text.startswith("/") else ""
        elif key == "httponly":
            http_only = True
        elif key == "domain":
            domain = text.lstrip(".").lower()
            if domain and domain != HOST and not HOST.endswith("." + domain):
                return None
        elif key == "max-age" and text.lstrip("-").isdigit():
            seen_age, dead = True, text.startswith("-") or not text.strip("0")
        elif key == "expires" and not seen_age:
            dead = _parse_date(text, _NO_DATE) <= _parse_date(date or "", _NO_DATE)
    return Cookie(name, value, path or _default_path(target), dead, http_only)


def _default_path(target: str) -> str:
    folder = target.partition("?")[0].rpartition("/")[0]
    return folder or "/"


def _parse_date(text: str, fallback: datetime) -> datetime:
    try:
        parsed = parsedate_to_datetime(text.replace("-", " "))
    except (ValueError, TypeError, IndexError, OverflowError):
        # An unreadable Expires is ignored, an unreadable Date means "long ago".
        return fallback if not text else datetime.max.replace(tzinfo=UTC)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


class CookieJar:
    """The cookies of one browsing session."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str], Cookie] = {}

    def put(self, cookie: Cookie) -> None:
        """Store or remove one cookie."""
        key = (cookie.path, cookie.name)
        if cookie.dead:
            self._cookies.pop(key, None)
        else:
            self._cookies[key] = cookie

    def receive(self, target: str, response: Response) -> None:
        """Take the cookies that the response to `target` sets."""
        for name, value in response.headers:
            if name == "set-cookie":
                cookie = parse_cookie(value, target, response.header("date"))
                if cookie is not None:
                    self.put(cookie)

    def header(self, target: str) -> str:
        """The Cookie header for a request to `target`; "" for none."""
        path = target.partition("?")[0]
        fitting = [c for c in self._cookies.values() if _matches(path, c.path)]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting)

    def copy(self) -> CookieJar:
        """An independent jar with the same cookies."""
        jar = CookieJar()
        jar._cookies = dict(self._cookies)
        return jar


def _matches(path: str, prefix: str) -> bool:
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))
