"""`FaultTransport`: stands between an app and whoever uses it, and lets things go wrong on schedule.

It is a `Transport` around a `Transport`, so page drivers, tool clients and proxies need not know of it.
Counted are page requests and tool calls. What a page asks for beside (styles, pictures, scripts' own
requests) passes untouched: in which order a browser asks for it is no function of the episode.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from envsim.errors import UncertainError
from envsim.page.transport import Request, Response, Transport, WireFault
from envsim.rng import Rng
from envsim.sandbox import faults_body, faults_ui
from envsim.sandbox.faults import FAULTS, FaultProfile, Schedule
from envsim.sandbox.faults_exchange import Challenge, Exchange, Position, header_of, refusal
from envsim.types import Event

MAX_REMEMBERED = 64
"""Answers kept for stale responses."""
MAX_CHALLENGES = 3
"""A challenge is shown this often; then the page comes anyway, so that nobody is locked out for good."""

_TOKEN = re.compile(
    rb"(^|&)((?:csrf|xsrf|_csrf|_token|csrf_token|csrfmiddlewaretoken|authenticity_token|"
    rb"__RequestVerificationToken)=)([^&]*)",
    re.IGNORECASE,
)
_SAVED = "Your changes have been saved."
_NOT_SAVED = "Something went wrong. Your changes could not be saved."


class FaultTransport:
    """See `Transport`. Passes everything on untouched until `begin`.

    Args:
        transport: How requests reach the app; closed with this one.
        profile: Which faults, how often.
        spared: Paths never touched, such as the document that says which tools there are.
    """

    def __init__(self, transport: Transport, profile: FaultProfile, spared: Collection[str] = ()) -> None:
        self._transport = transport
        self._profile = profile
        self._spared = frozenset(spared)
        self._schedule: Schedule | None = None
        self._at = Position()
        self._events: list[Event] = []

    def begin(self, seed: int) -> None:
        """Start the schedule of an episode, from the next request on."""
        self._schedule = Schedule(self._profile, seed)
        self._at = Position()
        self._events = []

    def end(self) -> None:
        """Let everything pass again."""
        self._schedule = None
        self._events = []

    def drain(self) -> tuple[Event, ...]:
        """What was done since the last call: ground truth, never for the agent."""
        events, self._events = tuple(self._events), []
        return events

    def save(self) -> object:
        """The position in the schedule, for `load`; reusable."""
        return replace(self._at, remembered=dict(self._at.remembered))

    def load(self, token: object) -> None:
        """Return to a saved position of the same episode.

        Raises:
            UncertainError: Not a token of a fault transport.
        """
        if not isinstance(token, Position):
            raise UncertainError("This is not a position in a fault schedule. Save one with save().")
        self._at = replace(token, remembered=dict(token.remembered))
        self._events = []

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()

    # -- one request --------------------------------------------------------------------------------

    def send(self, request: Request) -> Response:
        """See `Transport.send`.

        Raises:
            WireFault: The app broke the exchange, or a fault did.
        """
        beside = header_of(request, "sec-fetch-dest") not in ("", "document")
        if self._schedule is None or beside or urlsplit(request.target).path in self._spared:
            return self._transport.send(request)
        number = self._at.number
        self._at = replace(self._at, number=number + 1)
        exchange = Exchange(self._transport, request, number, self._schedule)
        standing = self._standing(exchange)
        if standing is not None:
            return standing
        due = self._schedule.due(number)
        if "latency" in due:
            self._delay(exchange)
        # What acts before the app is asked comes first: afterwards it could no longer be true.
        for name in sorted(due, key=lambda name: name in _AFTER):
            done = _HANDLERS[name](self, exchange) if name in _HANDLERS else None
            if done is not None:
                return self._shown(exchange, done)
        response = exchange.response()
        self._remember(exchange, response)
        for name in due:
            if name in faults_ui.REWRITES and exchange.is_page:
                found = faults_ui.apply(name, response, exchange.rng(name), request.target)
                if found is not None:
                    self._note(name, found[1])
                    response = found[0]
                    break
        return self._shown(exchange, response)

    def _note(self, name: str, detail: str) -> None:
        self._events.append(Event(kind="fault", id=FAULTS[name].id, detail=detail))

    def _standing(self, exchange: Exchange) -> Response | None:
        """The answer where an earlier fault goes on."""
        at = self._at
        if at.refused:
            self._at = replace(at, refused=at.refused - 1)
            self._note("rate-limit", f"429 goes on, {at.refused - 1} more")
            return refusal(exchange.request, 429, wait_s=at.wait_s)
        if at.signed_out:
            self._at = replace(at, signed_out=at.signed_out - 1)
            if header_of(exchange.request, "cookie"):
                return self._without_session(exchange)
        if at.challenge is not None and exchange.is_page:
            return self._challenged(exchange, at.challenge)
        return None

    def _shown(self, exchange: Exchange, response: Response) -> Response:
        """`response`, under the message that an earlier form left behind."""
        if not self._at.toast or not exchange.is_page or response.status != 200:
            return response
        page = faults_ui.toast(response, self._at.toast)
        if page is None:
            return response
        self._at = replace(self._at, toast="")
        return page

    def _remember(self, exchange: Exchange, response: Response) -> None:
        if exchange.request.method != "GET" or response.status != 200 or "stale-response" not in self._profile.rates:
            return
        key = (exchange.request.target, header_of(exchange.request, "accept"))
        # The first answer is kept: the older, the more there is to be stale about.
        if key not in self._at.remembered and len(self._at.remembered) < MAX_REMEMBERED:
            kept = tuple((k, v) for k, v in response.headers if k != "set-cookie")
            self._at.remembered[key] = replace(response, headers=kept)

    # -- before the app is asked --------------------------------------------------------------------

    def _delay(self, exchange: Exchange) -> None:
        seconds = exchange.schedule.delay_s(exchange.number)
        late = seconds > self._profile.patience_s
        if self._profile.real_latency:
            time.sleep(min(seconds, self._profile.patience_s))
        self._note("latency", f"{seconds:.2f} s" + (", given up" if late else ""))
        if late:
            exchange.response()
            raise WireFault("timeout")

    def _server_error(self, exchange: Exchange) -> Response:
        status = exchange.rng("server-error").choice((500, 502, 503))
        if status == 502:
            exchange.response()
        self._note("server-error", f"{status}, {'after' if status == 502 else 'before'} the app was asked")
        return refusal(exchange.request, status)

    def _rate_limit(self, exchange: Exchange) -> Response:
        rng = exchange.rng("rate-limit")
        more, wait_s = rng.integer(3), 1 + rng.integer(30)
        self._at = replace(self._at, refused=more, wait_s=wait_s)
        self._note("rate-limit", f"429, Retry-After {wait_s}, {more} more")
        return refusal(exchange.request, 429, wait_s=wait_s)

    def _reset(self, exchange: Exchange) -> Response:
        self._note("connection-reset", "before the app was asked")
        raise WireFault("reset")

    def _timeout_before(self, exchange: Exchange) -> Response:
        self._wait()
        self._note("timeout-before-commit", f"{exchange.request.method} was not sent")
        raise WireFault("timeout")

    def _timeout_after(self, exchange: Exchange) -> Response:
        status = exchange.response().status
        self._wait()
        self._note("timeout-after-commit", f"{exchange.request.method} was answered with {status}, unseen")
        raise WireFault("timeout")

    def _wait(self) -> None:
        if self._profile.real_latency:
            time.sleep(self._profile.patience_s)

    def _duplicate(self, exchange: Exchange) -> Response | None:
        if exchange.safe:
            return None
        self._note("duplicate-delivery", f"{exchange.request.method} {exchange.request.target} was delivered twice")
        self._transport.send(exchange.request)
        return self._transport.send(exchange.request)

    def _session(self, exchange: Exchange) -> Response | None:
        if not header_of(exchange.request, "cookie"):
            return None
        self._at = replace(self._at, signed_out=exchange.rng("session-expiry").integer(3))
        return self._without_session(exchange)

    def _without_session(self, exchange: Exchange) -> Response:
        request = exchange.request
        if not exchange.safe:
            # What nobody signed may not be carried out: it would be done in no one's name, and stay.
            self._note("session-expiry", f"{request.method} was refused as signed out")
            return refusal(request, 401)
        self._note("session-expiry", f"{request.method} was sent without its cookies")
        bare = replace(request, headers=tuple((k, v) for k, v in request.headers if k != "cookie"))
        response = self._transport.send(bare)
        # The session is not gone, only not seen: the app must not replace it.
        return replace(response, headers=tuple((k, v) for k, v in response.headers if k != "set-cookie"))

    def _token(self, exchange: Exchange) -> Response | None:
        request = exchange.request
        if exchange.safe or "form" not in header_of(request, "content-type"):
            return None
        token = _TOKEN.search(request.body)
        if token is None:
            self._note("csrf-rotation", f"{request.method} was refused as a form that has expired")
            return refusal(request, 403)
        self._note("csrf-rotation", f"{request.method} carried an expired {token[2][:-1].decode('ascii', 'replace')}")
        expired = f"{exchange.schedule.draw(exchange.number, 'csrf-rotation', 'token'):016x}".encode()
        body = request.body[: token.start(3)] + expired + request.body[token.end(3) :]
        return self._transport.send(replace(request, body=body))

    def _toast(self, exchange: Exchange) -> Response | None:
        if exchange.safe or not exchange.is_page:
            return None
        if exchange.rng("lying-toast").chance(0.5):
            self._note("lying-toast", f"{exchange.request.method} was not sent, and is said to be saved")
            self._at = replace(self._at, toast=_SAVED)
            split = urlsplit(header_of(exchange.request, "referer") or exchange.request.target)
            back = (split.path or "/") + (f"?{split.query}" if split.query else "")
            return Response(303, (("location", back), ("content-length", "0")))
        response = exchange.response()
        if response.status >= 400:
            return response  # that it failed would be no lie
        self._note(
            "lying-toast", f"{exchange.request.method} was answered with {response.status}, and is said to have failed"
        )
        self._at = replace(self._at, toast=_NOT_SAVED)
        return response

    def _captcha(self, exchange: Exchange) -> Response | None:
        if exchange.request.method != "GET" or not exchange.is_page:
            return None
        rng = exchange.rng("captcha")
        one, two = 2 + rng.integer(9), 2 + rng.integer(9)
        challenge = Challenge(exchange.request.target, f"What is {one} plus {two}?", str(one + two))
        return self._ask(challenge, "shown", wrong=False)

    def _ask(self, challenge: Challenge, detail: str, *, wrong: bool) -> Response:
        self._at = replace(self._at, challenge=replace(challenge, shown=challenge.shown + 1))
        self._note("captcha", detail)
        page = faults_ui.challenge_page(challenge.question, challenge.target, wrong)
        return Response(200, (("content-type", "text/html; charset=utf-8"),), page.encode())

    def _challenged(self, exchange: Exchange, challenge: Challenge) -> Response | None:
        request = exchange.request
        form = parse_qs(request.body.decode("utf-8", "replace")) if request.method == "POST" else {}
        reply = form.get(faults_ui.CHALLENGE_FIELD)
        if reply is None and not exchange.safe:
            return None  # a form of another page: what someone has filled in is not thrown away
        if reply is None:
            challenge = replace(challenge, target=request.target)
        solved = reply is not None and reply[0].strip() == challenge.reply
        if solved or challenge.shown >= MAX_CHALLENGES:
            self._at = replace(self._at, challenge=None)
            self._note("captcha", "solved" if solved else "given up")
            return None if request.method == "GET" else Response(303, (("location", challenge.target),))
        return self._ask(challenge, "not solved" if reply is not None else "still shown", wrong=reply is not None)

    # -- after the app has answered -------------------------------------------------------------------

    def _truncated(self, exchange: Exchange) -> Response | None:
        response = exchange.response()
        if not response.body or exchange.request.method == "HEAD":
            return None
        self._note("truncated-body", f"{exchange.request.method} was answered with {response.status}, in part")
        raise WireFault("truncated")

    def _stale(self, exchange: Exchange) -> Response | None:
        old = self._at.remembered.get((exchange.request.target, header_of(exchange.request, "accept")))
        if exchange.request.method != "GET" or old is None:
            return None
        response = exchange.response()
        if response.status != 200 or response.body == old.body:
            return None
        self._note("stale-response", f"an earlier answer to {exchange.request.target}")
        return old


def _damaging(
    name: str, damage: Callable[[Response, Rng], faults_body.Damaged]
) -> Callable[[FaultTransport, Exchange], Response | None]:
    def handle(self: FaultTransport, exchange: Exchange) -> Response | None:
        response = exchange.response()
        found = damage(response, exchange.rng(name))
        if found is None:
            return None
        self._remember(exchange, response)
        self._note(name, found[1])
        return found[0]

    return handle


_HANDLERS: dict[str, Callable[[FaultTransport, Exchange], Response | None]] = {
    "server-error": FaultTransport._server_error,
    "rate-limit": FaultTransport._rate_limit,
    "connection-reset": FaultTransport._reset,
    "timeout-before-commit": FaultTransport._timeout_before,
    "timeout-after-commit": FaultTransport._timeout_after,
    "duplicate-delivery": FaultTransport._duplicate,
    "session-expiry": FaultTransport._session,
    "csrf-rotation": FaultTransport._token,
    "captcha": FaultTransport._captcha,
    "lying-toast": FaultTransport._toast,
    "truncated-body": FaultTransport._truncated,
    "stale-response": FaultTransport._stale,
    "malformed-body": _damaging("malformed-body", faults_body.malformed),
    "schema-drift": _damaging("schema-drift", faults_body.drifted),
    "encoding-damage": _damaging("encoding-damage", faults_body.mojibake),
}
_AFTER = frozenset({"truncated-body", "stale-response", "malformed-body", "schema-drift", "encoding-damage"})
"""Faults that look at the app's answer."""
