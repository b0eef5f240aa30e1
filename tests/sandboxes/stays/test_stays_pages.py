"""Every page for guest, member and host: status, markup, names; reading writes nothing, and no form crashes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from envsim.page.snapshot import snapshot
from envsim.rng import Rng
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec
from tests.sandboxes.sites import ODD, TAKEN, WAY_IN, forms, unbalanced, walk

Session = Any
Open = Callable[..., Session]
LOGINS = {"nobody": None, "member": "maya.okonkwo@example.com", "host": "tomas.ferreira@example.com"}

# path -> status for nobody, a member, a host
ROUTES: dict[str, tuple[int, int, int]] = {
    **dict.fromkeys(
        ("/", "/search", "/search?place=kyoto&guests=2&min=80&max=200&kind=house&amenity=garden&amenity=wifi",
         "/search?q=brul%C3%B4t", "/search?place=atlantis", "/search?page=99", "/help", "/help/hosting", "/login",
         "/register", "/static/style.css", "/favicon.ico", "/robots.txt", "/photo/anything/4.svg", "/api/openapi.json"),
        (200, 200, 200)),
    **dict.fromkeys(("/stay/nowhere", "/help/nothing", "/nothing", "/photo/a/b.svg"), (404, 404, 404)),
    **dict.fromkeys(
        ("/search?check_in=2026-05-09&check_out=2026-05-01", "/search?guests=many", "/search?min=-1"), (422, 422, 422)),
    **dict.fromkeys(
        ("/trips", "/messages", "/saved", "/account", "/account/cards"), (WAY_IN, 200, 200)),
    **dict.fromkeys(("/trips/1", "/trips/x", "/messages/99999", "/saved/99999", "/book/nowhere"), (WAY_IN, 404, 404)),
    **dict.fromkeys(("/host", "/host/homes", "/host/reservations", "/host/reservations?status=requested&page=7",
                     "/host/payouts"), (WAY_IN, 403, 200)),
    "/host/homes/nowhere": (WAY_IN, 403, 404),
    "/challenge": (405, 405, 405),
}  # fmt: skip


@pytest.mark.parametrize("who", LOGINS)
def test_every_route_answers_everybody(session: Open, who: str) -> None:
    visitor, column = session(LOGINS[who]), [*LOGINS].index(who)
    replies = {path: visitor.send("GET", path) for path in ROUTES}
    assert {path: reply.status for path, reply in replies.items()} == {p: s[column] for p, s in ROUTES.items()}
    led = {reply.header("location") or "" for reply in replies.values() if reply.status == WAY_IN}
    assert all(location.startswith("/login?next=/") for location in led)


@pytest.mark.parametrize("who", LOGINS)
def test_pages_are_whole_and_all_that_can_be_used_has_a_name(session: Open, spec: SandboxSpec, who: str) -> None:
    pages = walk(session(LOGINS[who]), spec.pages)
    assert len(pages) >= {"nobody": 14, "member": 25, "host": 30}[who]
    for target, html in pages.items():
        lines = snapshot(html, target).lines
        assert unbalanced(html.replace("</html>", "")) == [], target
        assert [line for line in lines if line.ref and not line.name] == [], target
        assert sum(line.role == "heading" and line.states.get("level") == "1" for line in lines) == 1, target
        assert html.count('name="csrf"') == html.count('method="post"'), target
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), target
        assert "<script" not in html, target
        assert len(lines) <= 130, target


def test_reading_writes_nothing(stays: Sandbox, session: Open, spec: SandboxSpec) -> None:
    for login in LOGINS.values():
        visitor = session(login)
        before = stays.control.state()
        walk(visitor, spec.pages, most=2)
        assert stays.control.state() == before
        assert stays.control.changes() == {"delta": [], "events": []}


def test_the_same_requests_give_the_same_bytes(session: Open) -> None:
    def read() -> list[bytes]:
        visitor = session()
        stay = visitor.stay()
        visitor.go_to_review(stay)
        visitor.confirm(stay)
        return [visitor.send("GET", path).body for path in ("/", "/trips", "/messages", "/search?sort=rating")]

    assert read() == read()


def test_files_do_not_move_the_clock(session: Open) -> None:
    guest = session()
    for _ in range(60):
        guest.get("/photo/lisbon/1.svg")
        guest.get("/static/style.css")
    booked = guest.tool("book_stay", **guest.stay(), card_id=guest.card())["number"]
    assert "2026-03-02T09:00:00Z" <= guest.mine()[str(booked)]["booked_at"] < "2026-03-02T09:02:00Z"


def test_pictures_are_drawn_once_and_for_all(session: Open) -> None:
    guest = session(None)
    slugs = sorted(guest.rows("homes"))[:40]
    drawn = {(slug, n): guest.send("GET", f"/photo/{slug}/{n}.svg").body for slug in slugs for n in range(1, 6)}
    assert len(set(drawn.values())) > 90
    assert all(svg.startswith(b"<svg ") and b"{" not in svg for svg in drawn.values())
    assert drawn[slugs[3], 2] == guest.send("GET", f"/photo/{slugs[3]}/2.svg").body


def test_nobody_is_sent_to_another_site(session: Open) -> None:
    guest = session(None)
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        reply = guest.post("/login", email="maya.okonkwo@example.com", password="dovecote-demo", next=target)
        assert reply.header("location") == "/trips?notice=signed-in"
        guest.post("/logout")


def test_a_form_of_another_session_is_refused(session: Open) -> None:
    guest = session()
    token = guest.hidden("/account")["csrf"]
    other = guest.second("jonas.lindqvist@example.com")
    body = urlencode({"csrf": token, "name": "Mallory"}).encode()
    assert other.send("POST", "/account", body, "application/x-www-form-urlencoded").status == 403
    assert "Mallory" not in str(guest.rows("members"))


def test_what_people_type_is_shown_as_text(session: Open) -> None:
    guest, nasty = session(), '<script>alert(1)</script>"\' onx="'
    guest.post("/account", name=nasty[:60], about=nasty, phone=nasty)
    thread = guest.post(f"/stay/{guest.home()}/contact", body=nasty).header("location")
    guest.post("/saved", name=nasty[:45])
    for target in ("/account", thread, "/messages", "/saved", f"/search?{urlencode({'q': nasty, 'min': nasty})}"):
        assert "<script" not in guest.get(target), target


# -- forms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", LOGINS)
def test_no_form_can_crash_it(session: Open, stays: Sandbox, spec: SandboxSpec, who: str) -> None:
    visitor = session(LOGINS[who])
    starts = list(spec.pages)
    if who == "member":
        stay = visitor.stay()
        visitor.go_to_review(stay)
        past = next(n for n, row in visitor.mine(status="confirmed").items() if row["check_out"] < "2026-03-01")
        starts += [f"/book/{stay['slug']}", f"/book/{stay['slug']}/payment", f"/book/{stay['slug']}/review",
                   f"/trips/{past}/review"]  # fmt: skip
    pages = walk(visitor, tuple(starts), most=1)
    saved, rng, sent = stays.control.snapshot(), Rng("odd forms", who), 0
    for target, html in pages.items():
        for method, action, fields in forms(html):
            if action == "/logout":
                continue
            tries = [fields, {"csrf": fields.get("csrf", "")}]
            tries += [{**fields, name: rng.choice(ODD)} for name in fields if name != "csrf" for _ in range(2)]
            for attempt in tries:
                text = urlencode(attempt)
                where = action or target.split("?")[0]
                if method == "GET":
                    reply = visitor.send("GET", f"{where}?{text}")
                else:
                    reply = visitor.send("POST", where, text.encode(), "application/x-www-form-urlencoded")
                assert reply.status in TAKEN, (target, where, attempt, reply.status)
                sent += 1
            stays.control.restore(saved)
    assert sent > 50
