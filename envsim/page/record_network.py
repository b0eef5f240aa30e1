"""What a recorded browser exchanges with the app, and the steps it belongs to."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from envsim.errors import ContentError
from envsim.page.har import Exchange, parse_entry
from envsim.page.transport import Header

MAX_BODY = 8 * 1024 * 1024
"""Longest body kept, in bytes."""
SETTLE_S = 2.0
"""Longest wait at the end for what is still on its way."""


def origin_of(url: str) -> str:
    """Scheme, host and port of a web address.

    Raises:
        ContentError: It is none.
    """
    parts = urlsplit(url)
    entry = {"request": {"method": "GET", "url": url}, "response": {"status": 200}}
    exchange = parse_entry(entry, Counter()) if parts.scheme in ("http", "https") else None
    if exchange is None:
        raise ContentError(f"{url[:120]!r} is no web address. Give one such as https://shop.example/ to record.")
    return exchange.origin


class NetworkWatch:
    """Hands on each exchange of a browser context with one origin, from `flush` to `flush`.

    Args:
        context: Playwright's browser context.
        origin: Whose exchanges are kept; others are counted.
        keep: Called with each.
        step: Index of the step that what is sent now belongs to.
        lost: Added to.
    """

    def __init__(
        self, context: Any, origin: str, keep: Callable[[Exchange], None], step: Callable[[], int], lost: Counter[str]
    ) -> None:
        self._origin = origin
        self._keep = keep
        self._step = step
        self._lost = lost
        self._sent_by: dict[Any, int] = {}
        """What is on its way, and which request it was in order of sending."""
        self._steps: dict[int, int] = {}
        self._held: list[tuple[int, Exchange]] = []
        self._count = self._navigation = 0
        self.holds = False
        self._context = context
        context.on("request", self._sent)
        context.on("requestfinished", self._over)
        context.on("requestfailed", lambda request: self._over(request, failed=True))

    def settle(self) -> None:
        """Wait for what is still on its way, but not long."""
        end = time.monotonic() + SETTLE_S
        while self._sent_by and time.monotonic() < end and self._context.pages:
            with contextlib.suppress(Exception):
                self._context.pages[0].wait_for_timeout(20)
        self._lost["requests that were not over at the end"] += len(self._sent_by)
        self._lost += Counter()

    def navigated(self, step: int) -> None:
        """The page that was last asked for, and all after it, belongs to `step`, which was not known to begin then."""
        for order in range(self._navigation, self._count):
            self._steps[order] = step

    def flush(self) -> None:
        """Hand on what is over, unless it is not yet known what it belongs to."""
        if self.holds:
            return
        held, self._held = self._held, []
        for order, exchange in held:
            self._keep(replace(exchange, step=self._steps.pop(order, exchange.step)))

    def _sent(self, request: Any) -> None:
        if not _is_of(request.url, self._origin):
            self._lost["requests to other hosts"] += request.url.startswith("http")
            return
        order, self._count = self._count, self._count + 1
        self._sent_by[request], self._steps[order] = order, self._step()
        with contextlib.suppress(Exception):
            first = request.redirected_from is None and request.frame.parent_frame is None
            if request.is_navigation_request() and first:
                self._navigation = order

    def _over(self, request: Any, *, failed: bool = False) -> None:
        order = self._sent_by.get(request)
        if order is None:
            return
        try:
            exchange = None if failed else self._read(request)
        except Exception:
            exchange = None  # its page is gone, and what it knew with it
        self._sent_by.pop(request, None)
        if exchange is None:
            self._lost["requests without an answer"] += 1
            self._steps.pop(order, None)
        else:
            self._held.append((order, exchange))

    def _read(self, request: Any) -> Exchange | None:
        response = request.response()
        if response is None:
            return None
        body: bytes | None = None
        with contextlib.suppress(Exception):
            body = response.body()
        if body is not None and len(body) > MAX_BODY:
            body = None
        timing = request.timing
        started = datetime.fromtimestamp(timing["startTime"] / 1000, UTC).isoformat(timespec="milliseconds")
        entry = {
            "startedDateTime": started.replace("+00:00", "Z"),
            "time": timing["responseEnd"],
            "request": {"method": request.method, "url": request.url, "headers": _headers(request.headers_array())},
            "response": {"status": response.status, "headers": _headers(response.headers_array()),
                         "content": {"mimeType": response.headers.get("content-type", "")}},
            "_resourceType": request.resource_type,
        }  # fmt: skip
        if request.post_data_buffer:
            entry["request"]["postData"] = {"text": request.post_data_buffer.decode("utf-8", "replace")}
        lost: Counter[str] = Counter()
        exchange = parse_entry(entry, lost)
        if exchange is None:
            return None
        redirect = 300 <= exchange.status < 400
        if body is None and not redirect and exchange.body is None:
            self._lost["response bodies"] += 1
        found = exchange.body if body is None else body
        return Exchange(
            exchange.origin, exchange.request, exchange.status, _unpacked(exchange.headers), found, exchange.mime,
            exchange.kind, exchange.started, exchange.wait_ms,
        )  # fmt: skip


def _headers(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"name": one["name"], "value": one["value"]} for one in found]


def _unpacked(headers: tuple[Header, ...]) -> tuple[Header, ...]:
    """Headers of a body that the browser has unpacked."""
    return tuple((name, value) for name, value in headers if name not in ("content-encoding", "transfer-encoding"))


def _is_of(url: str, origin: str) -> bool:
    try:
        return origin_of(url) == origin
    except ContentError:
        return False
