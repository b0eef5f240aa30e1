"""Our own captures: one HAR entry a line, appended while a session is recorded; `envsim.page.har` reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from envsim.page.har import HAR_VERSION, Exchange, is_text

NETWORK = "network"
"""Folder beside traces with what was exchanged in each."""


def network_path(root: Path, session: str) -> Path:
    """Where the exchanges of a session lie in a directory of traces."""
    return root / NETWORK / f"{session}.jsonl"


def log_line() -> str:
    """The first line of a file of exchanges: an archive's log without its entries."""
    return json.dumps({"log": {"version": HAR_VERSION, "creator": {"name": "envsim", "version": "1"}}}) + "\n"


def entry_line(exchange: Exchange) -> str:
    """One further line."""
    return json.dumps(write_entry(exchange), ensure_ascii=False) + "\n"


def write_network(path: Path, network: Iterable[Exchange]) -> None:
    """Write a whole file of exchanges; `read_capture` reads it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(log_line() + "".join(map(entry_line, network)), encoding="utf-8", errors="replace")


def write_entry(exchange: Exchange) -> dict[str, Any]:
    """An exchange as a HAR 1.2 entry; `parse_entry` reads it back."""
    request, body = exchange.request, exchange.body
    # Without its text, a size of 0 would say that the body was there and empty.
    content: dict[str, Any] = {"size": -1 if body is None else len(body), "mimeType": exchange.mime}
    if body is not None:
        try:
            if not is_text(exchange.mime):
                raise UnicodeDecodeError("utf-8", b"", 0, 0, "not text")
            content["text"] = body.decode("utf-8")
        except UnicodeDecodeError:
            content |= {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    wait = -1.0 if exchange.wait_ms is None else exchange.wait_ms
    sent: dict[str, Any] = {
        "method": request.method, "url": exchange.origin + request.target, "httpVersion": "HTTP/1.1", "cookies": [],
        "headers": [{"name": name, "value": value} for name, value in request.headers], "queryString": [],
        "headersSize": -1, "bodySize": len(request.body),
    }  # fmt: skip
    if request.body:
        kind = dict(request.headers).get("content-type", "application/octet-stream")
        sent["postData"] = {"mimeType": kind, "text": request.body.decode("utf-8", "replace")}
    entry: dict[str, Any] = {
        "startedDateTime": exchange.started, "time": wait, "request": sent,
        "response": {
            "status": exchange.status, "statusText": "", "httpVersion": "HTTP/1.1", "cookies": [],
            "headers": [{"name": name, "value": value} for name, value in exchange.headers], "content": content,
            "redirectURL": dict(exchange.headers).get("location", ""), "headersSize": -1,
            "bodySize": -1 if body is None else len(body),
        },
        "cache": {}, "timings": {"send": -1, "wait": wait, "receive": -1},
    }  # fmt: skip
    if exchange.kind:
        entry["_resourceType"] = exchange.kind
    if exchange.step is not None:
        entry["_step"] = exchange.step
    return entry
