"""A transport that keeps what passes through it: how a replayed session is measured."""

from __future__ import annotations

import time

from envsim.page.har import Exchange
from envsim.page.transport import Request, Response, Transport, WireFault
from envsim.page.urls import ORIGIN


class Tap:
    """Passes requests on to `transport` and keeps each with its answer.

    Args:
        transport: Where they go; closed with the tap.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._seen: list[Exchange] = []

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        began = time.perf_counter()
        try:
            response = self._transport.send(request)
        except WireFault as fault:
            # What broke it stands where a header would: nothing came that could have held one.
            broken = (("x-wire-fault", fault.kind),)
            self._seen.append(Exchange(ORIGIN, request, 0, broken, kind=_kind(request), wait_ms=_since(began)))
            raise
        mime = (response.header("content-type") or "").partition(";")[0].strip().lower()
        wait = _since(began)
        self._seen.append(
            Exchange(ORIGIN, request, response.status, response.headers, response.body, mime, _kind(request), "", wait)
        )
        return response

    def drain(self) -> list[Exchange]:
        """What passed since the last call."""
        seen, self._seen = self._seen, []
        return seen

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _kind(request: Request) -> str:
    """What a browser would want it for; "" where it does not say."""
    return next((value for name, value in request.headers if name == "sec-fetch-dest"), "")
