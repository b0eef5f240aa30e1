"""Damage to the body of one response. Each function gives the damaged response and what was done, or None: not here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from envsim.page.fetched import decode
from envsim.page.transport import Header, Response
from envsim.rng import Rng

Damaged = tuple[Response, str] | None
MAX_SOURCE = 2_000
"""Characters of a page's source that are shown where its content type is lost."""

_LABELS = ("placeholder", "aria-label", "title", "alt")


def kind_of(response: Response) -> str:
    """``"html"``, ``"json"`` or ``""`` for anything else, attachments and empty bodies included."""
    content = (response.header("content-type") or "").partition(";")[0].strip().lower()
    if not response.body or (response.header("content-disposition") or "").lower().startswith("attachment"):
        return ""
    if content in ("text/html", "application/xhtml+xml"):
        return "html"
    return "json" if content == "application/json" or content.endswith("+json") else ""


def with_text(response: Response, text: str, content_type: str | None = None) -> Response:
    """`response` with another body, in UTF-8."""
    kind = content_type or f"{(response.header('content-type') or 'text/html').partition(';')[0]}; charset=utf-8"
    body = text.encode("utf-8", "replace")
    rest: list[Header] = [(k, v) for k, v in response.headers if k not in ("content-type", "content-length", "etag")]
    return replace(response, headers=(*rest, ("content-type", kind), ("content-length", str(len(body)))), body=body)


def malformed(response: Response, rng: Rng) -> Damaged:
    """JSON that stops in the middle; a page that arrives as plain text, so that its source is shown."""
    kind = kind_of(response)
    if kind == "html":
        return with_text(response, decode(response)[:MAX_SOURCE], "text/plain; charset=utf-8"), "content type lost"
    text = response.body.decode("utf-8", "replace").rstrip()
    if kind != "json" or len(text) < 2 or text[0] not in "{[":
        return None
    kept = 1 + rng.integer(len(text) - 1)
    return with_text(response, text[:kept]), f"JSON cut after {kept} of {len(text)} characters"


def mojibake(response: Response, rng: Rng) -> Damaged:
    """Text decoded as if it were Windows-1252 and encoded again; not where there is only ASCII."""
    del rng
    if kind_of(response) == "json":
        text = response.body.decode("utf-8", "replace")
        if text.isascii() and "\\u" in text:
            # Escapes hide what they hold; a consumer that writes the value again would damage it all the same.
            text = _unescaped(text)
    elif kind_of(response) == "html":
        text = decode(response)
    else:
        return None
    damaged = re.sub(r"[^\x00-\x7f]+", lambda found: _misread(found[0]), text)
    if damaged == text:
        return None
    return with_text(response, damaged), "UTF-8 read as Windows-1252"


def _misread(text: str) -> str:
    return text.encode("utf-8", "replace").decode("windows-1252", "replace")


def _unescaped(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return text


def drifted(response: Response, rng: Rng) -> Damaged:
    """One JSON key under another name everywhere, its numbers as strings; or a page without its attributes' texts."""
    if response.status >= 400:
        return None
    if kind_of(response) == "html":
        return _without_labels(response)
    if kind_of(response) != "json":
        return None
    try:
        value = json.loads(response.body)
    except ValueError:
        return None
    keys = sorted(set(_keys(value)))
    if not keys:
        return None
    old = rng.choice(keys)
    new = re.sub(r"_+([a-z0-9])", lambda found: found[1].upper(), old) if "_" in old.strip("_") else f"{old}_value"
    text = json.dumps(_renamed(value, old, new), ensure_ascii=False, separators=(",", ":"))
    return with_text(response, text), f"key {old!r} is now {new!r}"


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, item in value.items():
        changed = _renamed(item, old, new)
        if key == old and isinstance(item, int | float) and not isinstance(item, bool):
            changed = str(item)
        out[new if key == old else key] = changed
    return out


def _without_labels(response: Response) -> Damaged:
    tree = LexborHTMLParser(decode(response), scripting=True)
    count = 0
    for name in _LABELS:
        for node in tree.css(f"body [{name}]"):
            del node.attrs[name]
            count += 1
    return (with_text(response, tree.html or ""), f"{count} attributes without their texts") if count else None
