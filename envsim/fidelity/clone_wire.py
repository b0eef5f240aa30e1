"""Recorded requests sent again as they were, where no action of ours makes them: forms sent by scripts, APIs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

from envsim.page.cookies import Cookie, CookieJar
from envsim.page.dom import parse
from envsim.page.har import Exchange
from envsim.page.transport import Request, Transport, WireFault

FORM = "application/x-www-form-urlencoded"
_SENT = ("accept", "content-type", "x-requested-with", "origin")
_TOKEN = re.compile(r"csrf|xsrf|token|nonce|form_key", re.IGNORECASE)


class Wire:
    """Sends recorded requests with the session a replay has.

    Args:
        transport: Where to; the one the replay's driver uses, so that what passes it is seen.
        cookies: What the session began with.
        spelt: A text of production's as the clone would have it.
    """

    def __init__(self, transport: Transport, cookies: Mapping[str, str], spelt: Callable[[str], str]) -> None:
        self._transport = transport
        self._spelt = spelt
        self._jar = CookieJar()
        self._tokens: dict[str, str] = {}
        for name, value in cookies.items():
            self._jar.put(Cookie(name, value, "/"))

    def see(self, network: Sequence[Exchange]) -> None:
        """Take note of cookies and form tokens in what has passed."""
        for exchange in network:
            self._jar.receive(exchange.request.target, exchange.response)
            if exchange.mime == "text/html" and exchange.body:
                found = parse(exchange.body.decode("utf-8", "replace")).root.find("input")
                hidden = [one.attrs for one in found if one.attrs.get("type", "").lower() == "hidden"]
                self._tokens |= {one["name"]: one.get("value", "") for one in hidden if "name" in one}

    def send(self, exchange: Exchange) -> None:
        """Send a recorded request; what comes back has passed the transport."""
        recorded = exchange.request
        headers = [(name, value) for name, value in recorded.headers if name in _SENT and name != "origin"]
        kind = dict(headers).get("content-type", "").partition(";")[0].strip().lower()
        body = recorded.body
        with suppress(UnicodeDecodeError):
            text = body.decode()
            body = (self._form(text) if kind == FORM else self._spelt(text)).encode()
        target = self._spelt(recorded.target)
        if cookie := self._jar.header(target):
            headers.append(("cookie", cookie))
        # As the recorded one was, so that its answer counts as what it was: a page or not.
        headers.append(("sec-fetch-dest", "document" if exchange.is_document else "empty"))
        with suppress(WireFault):
            self._transport.send(Request(recorded.method, target, tuple(headers), body))

    def _form(self, text: str) -> str:
        """A form with the tokens of this session's pages in place of production's."""
        pairs = parse_qsl(text, keep_blank_values=True)
        return urlencode(
            [
                (name, self._tokens[name] if name in self._tokens and _TOKEN.search(name) else self._spelt(value))
                for name, value in pairs
            ]
        )
