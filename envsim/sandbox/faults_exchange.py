"""One request on its way through a fault transport: what is asked, and what an episode's faults remember."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field

from envsim.page.transport import Header, Request, Response, Transport
from envsim.rng import Rng
from envsim.sandbox.faults import Schedule

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_REASONS = {
    401: ("Signed out", "Your session has expired. Sign in again to go on."),
    403: ("Form expired", "This form is no longer valid. Load its page again and send it anew."),
    429: ("Too many requests", "You have sent too many requests. Try again in {wait} seconds."),
    500: ("Internal server error", "Something went wrong on our side."),
    502: ("Bad gateway", "The server did not answer as expected."),
    503: ("Service unavailable", "We are busy right now. Please try again soon."),
}


@dataclass(frozen=True)
class Challenge:
    """A question in the way of a page, until it is answered."""

    target: str
    question: str
    reply: str
    shown: int = 0


@dataclass(frozen=True)
class Position:
    """Where an episode stands in its schedule, and what of its faults is still going on."""

    number: int = 0
    refused: int = 0
    wait_s: int = 0
    signed_out: int = 0
    toast: str = ""
    challenge: Challenge | None = None
    remembered: dict[tuple[str, str], Response] = field(default_factory=dict)


class Exchange:
    """One request on its way; the app is asked at most once however many faults look at the answer."""

    def __init__(self, transport: Transport, request: Request, number: int, schedule: Schedule) -> None:
        self._transport = transport
        self.request = request
        self.number = number
        self.schedule = schedule
        self._response: Response | None = None

    @property
    def safe(self) -> bool:
        """Whether the request changes nothing (RFC 9110, section 9.2.1)."""
        return self.request.method in SAFE

    @property
    def is_page(self) -> bool:
        """Whether it is a browser that asks, for something to show."""
        return header_of(self.request, "sec-fetch-dest") == "document"

    def response(self) -> Response:
        """The app's answer.

        Raises:
            WireFault: The app broke the exchange.
        """
        if self._response is None:
            self._response = self._transport.send(self.request)
        return self._response

    def rng(self, name: str) -> Rng:
        """For the decisions of fault `name` at this request."""
        return Rng(self.schedule.draw(self.number, name, "how"))


def header_of(request: Request, name: str) -> str:
    """The first header called `name` (lower case), or ""."""
    return next((value for key, value in request.headers if key.lower() == name), "")


def refusal(request: Request, status: int, *, wait_s: int = 5) -> Response:
    """A gateway's own answer, in the form the asker reads."""
    title, text = _REASONS[status]
    text = text.format(wait=wait_s)
    headers: tuple[Header, ...] = (("retry-after", str(wait_s)),) if status in (429, 503) else ()
    if "text/html" in header_of(request, "accept"):
        page = (
            f"<!doctype html><html><head><title>{status} {title}</title></head><body><main><h1>{title}</h1>"
            f"<p>{html.escape(text)}</p></main></body></html>"
        )
        return Response(status, (*headers, ("content-type", "text/html; charset=utf-8")), page.encode())
    body = json.dumps({"error": {"code": title.lower().replace(" ", "_"), "message": text}})
    return Response(status, (*headers, ("content-type", "application/json")), body.encode())
