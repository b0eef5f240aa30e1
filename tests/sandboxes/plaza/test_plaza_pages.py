"""Every page for guest, member and moderator: status, markup, names; reading writes nothing, no form crashes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from envsim.page.snapshot import snapshot
from envsim.rng import Rng
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec
from tests.sandboxes.sites import ODD, TAKEN, WAY_IN, forms, headings, unbalanced, walk

Session = Any
Open = Callable[..., Session]
LOGINS = {"nobody": None, "member": "zeynep.aydin@example.com", "moderator": "marisol.vega@example.com"}
NAMES = r"(?<=/[fu]/)[^/]+|(?<=/messages/)[^/]+|(?<=/)\d+(?=/|$)"

# path -> status for nobody, a member, a moderator of f/cooking or another forum
ROUTES: dict[str, tuple[int, int, int]] = {
    **dict.fromkeys(
        ("/", "/all", "/all?sort=controversial&t=week&page=99", "/forums", "/f/bread", "/f/cooking?inside=1&sort=top",
         "/f/bread?flair=Crumb", "/search", "/search?q=caf%C3%A9&forum=coffee&sort=new", "/p/40?sort=controversial",
         "/c/40", "/u/marisol_vega", "/u/marisol_vega/comments?page=2", "/f/bread/log", "/help", "/help/votes",
         "/login", "/register", "/static/style.css", "/favicon.ico", "/robots.txt", "/api/openapi.json"),
        (200, 200, 200)),
    **dict.fromkeys(
        ("/f/nowhere", "/p/99999", "/p/x", "/c/99999", "/u/nobody", "/help/nothing", "/nothing", "/search?forum=x"),
        (404, 404, 404)),
    **dict.fromkeys(("/all?page=many",), (422, 422, 422)),
    **dict.fromkeys(
        ("/messages", "/messages/tomaszz", "/notifications", "/saved", "/drafts", "/submit", "/settings", "/mod",
         "/f/bread/submit", "/p/40/report", "/p/40/crosspost", "/c/40/report"), (WAY_IN, 200, 200)),
    **dict.fromkeys(("/p/40/edit", "/c/40/edit"), (WAY_IN, 403, 403)),
    **dict.fromkeys(("/messages/nobody", "/f/bread/submit?draft=99999"), (WAY_IN, 404, 404)),
    **dict.fromkeys(("/challenge", "/consent", "/vote", "/logout"), (405, 405, 405)),
}  # fmt: skip


@pytest.mark.parametrize("who", LOGINS)
def test_every_route_answers_everybody(session: Open, who: str) -> None:
    visitor, column = session(LOGINS[who]), [*LOGINS].index(who)
    replies = {path: visitor.send("GET", path) for path in ROUTES}
    assert {path: reply.status for path, reply in replies.items()} == {p: s[column] for p, s in ROUTES.items()}
    led = {reply.header("location") or "" for reply in replies.values() if reply.status == WAY_IN}
    assert all(location.startswith("/login?next=/") for location in led)


def test_only_its_moderators_see_what_a_forum_keeps_to_them(session: Open) -> None:
    own = session().moderated()
    pages = ("queue", "bans", "words", "rules")
    for login, status in ((None, WAY_IN), ("zeynep.aydin@example.com", 403), ("marisol.vega@example.com", 200)):
        visitor = session(login)
        assert {visitor.send("GET", f"/f/{own}/{page}").status for page in pages} == {status}


@pytest.mark.parametrize("who", LOGINS)
def test_pages_are_whole_and_all_that_can_be_used_has_a_name(session: Open, spec: SandboxSpec, who: str) -> None:
    pages = walk(session(LOGINS[who]), spec.pages, names=NAMES)
    assert len(pages) >= {"nobody": 25, "member": 45, "moderator": 50}[who]
    for target, html in pages.items():
        lines = snapshot(html, target).lines
        assert unbalanced(html.replace("</html>", "")) == [], target
        assert [line for line in lines if line.ref and not line.name] == [], target
        assert headings(lines) == 1, target
        assert html.count('name="csrf"') == html.count('method="post"'), target
        assert "<script" not in html, target
        assert len(lines) <= 260, target


def test_reading_writes_nothing(plaza: Sandbox, session: Open, spec: SandboxSpec) -> None:
    for login in LOGINS.values():
        visitor = session(login)
        before = plaza.control.state()
        walk(visitor, spec.pages, most=1, names=NAMES)
        assert plaza.control.state() == before
        assert plaza.control.changes() == {"delta": [], "events": []}


def test_the_same_requests_give_the_same_bytes(session: Open) -> None:
    def read() -> list[bytes]:
        visitor = session()
        visitor.post(f"/p/{visitor.open_post()}", body="Same again, please.")
        paths = ("/", "/all?sort=new", "/notifications", "/u/marisol_vega/comments")
        return [visitor.send("GET", path).body for path in paths]

    assert read() == read()


def test_files_do_not_move_the_clock(session: Open) -> None:
    member = session()
    for _ in range(60):
        member.get("/static/style.css")
        member.get("/favicon.ico")
    made = member.tool("create_post", forum="bread", title="Quick", body="Bread")["post_id"]
    assert "2026-03-02T09:00:00Z" <= member.rows("posts")[str(made)]["created_at"] < "2026-03-02T09:01:00Z"


def test_nobody_is_sent_to_another_site(session: Open) -> None:
    guest = session(None)
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        reply = guest.post("/login", email="marisol.vega@example.com", password="plaza-demo", next=target)
        assert reply.header("location") == "/?notice=signed-in"
        assert guest.post("/vote", vote="post:40:1", back=target).header("location") == "/"
        guest.post("/logout")


def test_a_form_of_another_session_is_refused(session: Open) -> None:
    member = session()
    token = member.hidden("/settings")["csrf"]
    other = member.second()
    body = urlencode({"csrf": token, "about": "Mallory", "zone": "UTC"}).encode()
    assert other.send("POST", "/settings", body, "application/x-www-form-urlencoded").status == 403
    assert "Mallory" not in str(member.rows("members"))


def test_what_people_type_is_shown_as_text(session: Open) -> None:
    member, nasty = session(), '<script>alert(1)</script>"\' onx="[x](javascript:alert(1)) **<b>**'
    member.post("/settings", about=nasty, zone="UTC")
    post = member.tool("create_post", forum="bread", title=nasty, body=nasty)["post_id"]
    comment = member.tool("comment", post_id=post, body=nasty)["comment_id"]
    member.post("/messages", to="tomaszz", body=nasty)
    targets = ("/settings", f"/p/{post}", f"/c/{comment}", "/all?sort=new", f"/u/{member.name}",
               f"/u/{member.name}/comments", "/messages/tomaszz", "/messages", f"/p/{post}/edit",
               f"/search?{urlencode({'q': nasty})}")  # fmt: skip
    for target in targets:
        html = member.get(target)
        assert "<script" not in html, target
        assert 'href="javascript' not in html, target


@pytest.mark.parametrize("who", LOGINS)
def test_no_form_can_crash_it(session: Open, plaza: Sandbox, spec: SandboxSpec, who: str) -> None:
    visitor = session(LOGINS[who])
    starts = list(spec.pages)
    if who == "moderator":
        starts += [f"/f/{visitor.moderated()}/{page}" for page in ("queue", "bans", "words", "rules")]
    if who == "member":
        mine = min(visitor.rows("posts", author=visitor.name, status="live"))
        starts += [f"/p/{mine}/edit", f"/c/{min(visitor.rows('comments', author=visitor.name))}/edit"]
    pages = walk(visitor, tuple(starts), most=1, names=NAMES)
    saved, rng, sent = plaza.control.snapshot(), Rng("odd forms", who), 0
    for target, html in pages.items():
        for method, action, fields in forms(html):
            if action == "/logout":
                continue
            tries = [fields, {"csrf": fields.get("csrf", "")}]
            tries += [{**fields, name: rng.choice(ODD)} for name in fields if name != "csrf" for _ in range(2)]
            for attempt in tries:
                text, where = urlencode(attempt), action or target.split("?")[0]
                if method == "GET":
                    reply = visitor.send("GET", f"{where}?{text}")
                else:
                    reply = visitor.send("POST", where, text.encode(), "application/x-www-form-urlencoded")
                assert reply.status in TAKEN, (target, where, attempt, reply.status)
                sent += 1
            plaza.control.restore(saved)
    assert sent > 50
