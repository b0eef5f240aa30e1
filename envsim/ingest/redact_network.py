"""Redaction of what went over the wire: cookies and tokens are live secrets, and forms are percent-encoded."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlencode

from envsim.page.har import Exchange, is_text
from envsim.page.transport import Header

_URLS = frozenset({"referer", "location", "content-location", "origin"})
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "content-length", "date", "etag",
                       "expires", "last-modified", "cache-control", "user-agent", "vary"})  # fmt: skip
_SECRET_HEADERS = re.compile(r"authorization|api-?key|.*-?auth-?token|x-(?:csrf|xsrf)-?token|.*session.*|.*secret.*")
TOKENS = re.compile(
    r"_?(?:csrf|xsrf)[-_]?(?:middleware)?[-_]?token|_?csrf|_?xsrf|authenticity_token|form_key|_token|"
    r"__requestverificationtoken|nonce",
    re.IGNORECASE,
)
"""Names of form fields that hold a session's own token."""
_INPUT = re.compile(r"<input\b[^>]{0,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_META = re.compile(r"(<meta\b[^>]{0,200}name=[\"']csrf-token[\"'][^>]{0,200}content=[\"'])([^\"']+)", re.IGNORECASE)


class Cleaner(Protocol):
    """What `envsim.ingest.redact.RedactedSession` gives to redact one session with."""

    names: set[str]

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value, redacted as one found under `key`."""
        ...

    def text(self, text: str) -> str:
        """Plain text, redacted."""
        ...

    def secret(self, value: Any, key: str) -> str | int:
        """The pseudonym of a value that is secret whatever it looks like."""
        ...

    def learn(self, secret: str, new: str) -> None:
        """Have every copy of a secret replaced by `again`."""
        ...

    def again(self, value: Any) -> Any:
        """A JSON value with every copy of a learned secret replaced."""
        ...


def redact_exchange(session: Cleaner, exchange: Exchange) -> Exchange:
    """`exchange` with every sensitive value in target, headers and bodies replaced."""
    request = exchange.request
    sent = dict(request.headers).get("content-type", "").partition(";")[0].strip().lower()
    clean = replace(
        request,
        target=redact_url(session, request.target),
        headers=_headers(session, request.headers),
        body=_body(session, request.body, sent or "text/plain"),
    )
    body = exchange.body
    return replace(
        exchange,
        request=clean,
        headers=_headers(session, exchange.headers),
        body=_body(session, body, exchange.mime) if body and is_text(exchange.mime) else body,
    )


def again(session: Cleaner, exchange: Exchange) -> Exchange:
    """`exchange` with every copy of what was learned later replaced."""
    request, body = exchange.request, exchange.body
    clean = replace(
        request,
        target=session.again(request.target),
        headers=tuple((name, session.again(value)) for name, value in request.headers),
        body=_again(session, request.body),
    )
    if body and is_text(exchange.mime):
        body = _again(session, body)
    headers = tuple((name, session.again(value)) for name, value in exchange.headers)
    return replace(exchange, request=clean, headers=headers, body=body)


def redact_url(session: Cleaner, url: str) -> str:
    """A URL or target with the sensitive parts of its path and query replaced."""
    path, mark, query = url.partition("?")
    plain = unquote(path)
    clean = session.text(plain)
    path = path if clean == plain else quote(clean, safe="/:@!$&'()*+,;=~-._%")
    return path + mark + _form(session, query)


def _again(session: Cleaner, body: bytes) -> bytes:
    try:
        return str(session.again(body.decode())).encode()
    except UnicodeDecodeError:
        return body


def _form(session: Cleaner, text: str) -> str:
    """A query or urlencoded body, written anew only where something changed."""
    pairs = parse_qsl(text, keep_blank_values=True)
    clean = [(session.text(name), _field(session, name, value)) for name, value in pairs]
    return text if clean == pairs else urlencode(clean)


def _field(session: Cleaner, name: str, value: str) -> str:
    if value and (TOKENS.fullmatch(name) or name in session.names):
        return str(session.secret(value, "password" if name in session.names else "token"))
    return str(session.value(value, re.sub(r"[^a-z0-9]", "", name.lower())))


def _headers(session: Cleaner, headers: tuple[Header, ...]) -> tuple[Header, ...]:
    return tuple((name, value if name in _HARMLESS else _header(session, name, value)) for name, value in headers)


def _header(session: Cleaner, name: str, value: str) -> str:
    if name == "cookie":
        return "; ".join(_cookie(session, part) for part in value.split(";") if part.strip())
    if name == "set-cookie":
        first, *rest = value.split(";")
        return ";".join([_cookie(session, first), *rest])
    if name in _URLS:
        return redact_url(session, value)
    if _SECRET_HEADERS.fullmatch(name) and value:
        return str(session.secret(value, "authorization"))
    return session.text(value)


def _cookie(session: Cleaner, pair: str) -> str:
    name, equals, value = pair.strip().partition("=")
    # Names stay: which cookies an app sets is what it does, not whose they are.
    quoted = value.strip('"')
    return f"{name}{equals}{session.secret(quoted, 'cookie') if quoted else value}"


def _body(session: Cleaner, body: bytes, mime: str) -> bytes:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        # Undecodable text may hold anything in an encoding nobody named: what can be read is redacted.
        text = body.decode("latin-1")
    if mime == "application/x-www-form-urlencoded":
        return _form(session, text).encode()
    if mime in ("text/html", "application/xhtml+xml"):
        text = _META.sub(lambda found: found[1] + str(session.secret(found[2], "token")), text)
        text = _INPUT.sub(lambda found: _input(session, found[0]), text)
    return str(session.value(text)).encode()


def _input(session: Cleaner, tag: str) -> str:
    """An input element; the token or password it may hold is replaced."""
    attrs = {name.lower(): double or single for name, double, single in _ATTRIBUTE.findall(tag)}
    value = html.unescape(attrs.get("value", ""))
    secret = attrs.get("type", "").lower() == "password" or TOKENS.fullmatch(attrs.get("name", ""))
    if not secret or not value:
        return tag
    new = str(session.secret(value, "token" if attrs.get("type", "").lower() != "password" else "password"))
    return tag.replace(attrs["value"], new)
