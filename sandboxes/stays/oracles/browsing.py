"""People at the site, as the oracles and tests need them: a visitor who can find, book and edit homes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from envsim.page.transport import Response
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.visitor import Visitor

GUEST = "maya.okonkwo@example.com"
HOST = "tomas.ferreira@example.com"
SECOND = "jonas.lindqvist@example.com"
CARD = "4242 4242 4242 4242"


class Session(Visitor):
    """One person right after a reset of `sandbox`."""

    def __init__(self, sandbox: Sandbox, login: str | None = GUEST, clock: str | None = None) -> None:
        super().__init__(sandbox, sandbox.control.reset(ResetRequest(login=login, clock=clock)), login)

    def second(self, login: str) -> Visitor:
        """Somebody else at the same site, now."""
        return Visitor(self.sandbox, self.sandbox.control.sign_in(login), login)

    def home(self, **having: object) -> str:
        """The first home with these facts."""
        return min(self.rows("homes", **having))

    def free(self, slug: str, nights: int = 3, start: str = "2026-05-04") -> tuple[str, str]:
        """Dates, from `start` on, with no reservation of a home and nothing in its calendar."""
        busy = {row["date"] for row in self.rows("calendar", home=slug).values()}
        stays = [r for r in self.rows("reservations", home=slug).values() if r["status"] in ("confirmed", "requested")]
        day = date.fromisoformat(start)
        while True:
            span = [(day + timedelta(days=n)).isoformat() for n in range(nights)]
            if not busy & set(span) and not any(r["check_in"] <= n < r["check_out"] for r in stays for n in span):
                return span[0], (day + timedelta(days=nights)).isoformat()
            day += timedelta(days=1)

    def stay(self, **having: object) -> dict[str, Any]:
        """What a booking of the first such home takes."""
        slug = self.home(instant=1, **having)
        check_in, check_out = self.free(slug, max(3, self.rows("homes")[slug]["min_nights"]))
        return {"slug": slug, "check_in": check_in, "check_out": check_out, "guests": 1}

    def card(self) -> int:
        """The account's default card."""
        return int(min(self.rows("cards", member=self.login, is_default=1)))

    def go_to_review(self, stay: dict[str, Any]) -> Response:
        """From a home's page to the last look before booking; the answer to the payment step."""
        dates = {name: stay[name] for name in ("check_in", "check_out", "guests")}
        self.post(f"/stay/{stay['slug']}/reserve", **dates)
        self.post(f"/book/{stay['slug']}", note="")
        return self.post(f"/book/{stay['slug']}/payment", card=self.card())

    def confirm(self, stay: dict[str, Any]) -> Response:
        """Send the confirmation."""
        return self.post(f"/book/{stay['slug']}/confirm", key=self.hidden(f"/book/{stay['slug']}/review")["key"])

    def mine(self, **having: object) -> dict[str, dict[str, Any]]:
        """This account's reservations as a guest."""
        return self.rows("reservations", guest=self.login, **having)

    def listed(self, target: str) -> list[str]:
        """Homes on every page of results, in order."""
        slugs: list[str] = []
        for page in range(1, 20):
            lines = self.lines(f"{target}&page={page}")
            slugs += [line.url.removeprefix("/stay/") for line in lines if line.url.startswith("/stay/")]
            if not any(line.name == "Next page" for line in lines):
                return slugs
        return slugs
