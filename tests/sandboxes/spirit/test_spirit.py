"""The forum: its seed, what people can do there, and that a reset forgets all of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import pytest

from envsim.errors import ContentError
from envsim.page.transport import Request
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.testing import check_sandbox

pytestmark = [pytest.mark.xdist_group("spirit"), pytest.mark.timeout(300)]

NAME, MODERATOR = "goran.garba", "bram.hoekstra@example.com"


def test_the_seed_is_a_forum_people_use(current: Sandbox) -> None:
    view = current.control.seed_view()
    assert len(view["categories"]) >= 14
    assert len(view["users"]) >= 60
    assert len(view["topics"]) >= 200
    assert len(view["comments"]) >= 1200
    assert len(view["likes"]) >= 1000
    assert len(view["votes"]) >= 60
    assert len(view["polls"]) >= 5
    assert len(view["private_access"]) == 16
    assert sum(row["is_moderator"] for row in view["users"].values()) == 3
    assert sum(not row["is_closed"] for row in view["flags"].values()) == 4
    titles = [row["title"] for row in view["topics"].values()]
    assert len(set(titles)) == len(titles)
    texts = Counter(row["comment"] for row in view["comments"].values())
    assert max(texts.values()) <= 20
    assert len(texts) > 0.65 * len(view["comments"])
    words = " ".join(texts).lower()
    assert "lorem" not in words
    assert not re.search(r"\{\w+\}| {2}|\b(\w+) \1\b(?<!that that)", words), "a sentence was not filled in"


def test_counts_agree_with_what_they_count(current: Sandbox) -> None:
    view = current.control.seed_view()
    answers = Counter(row["topic"] for row in view["comments"].values())
    likes = Counter(row["comment"] for row in view["likes"].values())
    votes = Counter((row["poll"], row["choice"]) for row in view["votes"].values())
    assert {int(key): row["comment_count"] for key, row in view["topics"].items()} == answers
    assert {int(key): row["likes_count"] for key, row in view["comments"].items() if row["likes_count"]} == likes
    assert {
        (r["poll"], r["description"]): r["vote_count"] for r in view["choices"].values() if r["vote_count"]
    } == votes


def test_a_member_signs_in_by_hand_and_every_start_page_opens(member, spec: SandboxSpec) -> None:
    guest = member(None)
    reply = guest.submit("/user/login/", username=NAME, password="mendwick-demo", next="/topic/private/")
    assert (reply.status, dict(reply.headers)["location"]) == (302, "/topic/private/")
    assert "Key for the hall" not in guest.get("/topic/private/")
    assert "Log out" in guest.get("/")
    administrator = member(spec.login)
    away = {"/user/login/", "/user/register/"}  # who is signed in is sent on
    found = {page: administrator.send("GET", page).status for page in spec.pages}
    assert found == {page: 302 if page in away else 200 for page in spec.pages}


def test_a_topic_is_opened_answered_liked_and_voted_on(member) -> None:
    writer = member()
    option = re.search(r'<option value="(\d+)"[^>]*>\s*Metal and locks', writer.get("/topic/publish/"))
    assert option
    poll = "[poll name=oil]\n# Which oil?\n1. Linseed\n2. Sewing machine\n[/poll]"
    opened = writer.submit(
        "/topic/publish/", title="Hinge squeaks", category=option[1], comment=f"Only at night.\n\n{poll}"
    )
    where = dict(opened.headers)["location"]
    (topic,) = writer.rows("topics", title="Hinge squeaks", author=NAME, category="metal-and-locks")
    comment = writer.submit(f"/comment/{topic}/publish/", comment="Found some oil.")
    assert comment.status == 302
    assert [row["comment"] for row in writer.rows("comments", topic=int(topic)).values()][1] == "Found some oil."
    (asked,) = writer.rows("polls", topic=int(topic))
    choice = re.search(r'value="(\d+)"[^>]*>\s*Linseed', writer.get(where))
    assert choice
    writer.submit(where, f"/comment/poll/vote/{asked}/", choices=choice[1])
    assert [row["choice"] for row in writer.rows("votes", poll=int(asked), voter=NAME).values()] == ["Linseed"]
    assert "Hinge squeaks" in writer.get("/")


def test_what_mail_says_is_kept_and_a_registration_can_be_finished(member) -> None:
    guest = member(None)
    fields = {"username": "newcomer", "email": "newcomer@example.com", "email2": "newcomer@example.com"}
    assert guest.submit("/user/register/", **fields, password="slow-lantern-42").status == 302
    (mail,) = guest.rows("outbox", sent_to="newcomer@example.com").values()
    link = re.search(r"https?://[^/]+(/user/activation/\S+)", mail["body"])
    assert link
    assert not guest.rows("users")["newcomer"]["is_verified"]
    guest.get(link[1])
    assert guest.rows("users")["newcomer"]["is_verified"]


def test_a_moderator_closes_a_topic_and_a_report(member) -> None:
    moderator = member(MODERATOR)
    topic = min(moderator.rows("topics", category="kitchen", is_closed=0))
    moderator.submit(f"/topic/moderate/lock/{topic}/")
    assert moderator.rows("topics")[topic]["is_closed"] == 1


def test_a_member_cannot_read_the_administration_or_what_is_private(member) -> None:
    somebody = member("petra.kramer@example.com")
    assert somebody.send("GET", "/st/admin/").status == 403
    mine = {row["topic"] for row in somebody.rows("private_access", user="petra.kramer").values()}
    private = next(row["topic"] for row in somebody.rows("private_access").values() if row["topic"] not in mine)
    assert somebody.send("GET", f"/topic/private/{private}/").status == 404


def test_spirits_own_limit_on_sign_ins_counts_the_sandboxs_time(member) -> None:
    guest = member(None)
    for _ in range(5):
        assert guest.submit("/user/login/", username=NAME, password="wrong").status == 200
    right = {"username": NAME, "password": "mendwick-demo"}
    assert dict(guest.submit("/user/login/", **right).headers)["location"] == "/user/login/"
    for _ in range(45):  # seven seconds each: the window of five minutes is over
        guest.get("/user/login/")
    assert dict(guest.submit("/user/login/", **right).headers)["location"] == "/user/"


def test_an_unknown_account_is_refused(current: Sandbox) -> None:
    with pytest.raises(ContentError, match=r"no account 'nobody@example\.com'"):
        current.control.reset(ResetRequest(login="nobody@example.com"))


def dirty(sandbox: Sandbox, cookies: Mapping[str, str]) -> None:
    """Look around, ask for a mail, change the settings, post and like."""
    transport = sandbox.transport()
    jar = dict(cookies)

    def send(method: str, target: str, body: str = "") -> str:
        headers = [
            ("cookie", "; ".join(map("=".join, jar.items()))),
            ("content-type", "application/x-www-form-urlencoded"),
        ]
        reply = transport.send(Request(method, target, tuple(headers), body.encode()))
        jar.update((morsel.key, morsel.value) for morsel in reply.set_cookies())
        return reply.body.decode()

    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', send("GET", "/topic/publish/"))
    assert token or not cookies, "a member is shown no form, so nothing would be tried"
    for target, body in (
        ()
        if token is None
        else (
            ("/comment/3/publish/", "comment=One+more."),
            ("/comment/like/5/create/", ""),
            ("/topic/moderate/pin/9/", ""),
            ("/st/admin/config/", "site_name=Other&comments_per_page=5&topics_per_page=7"),
            ("/user/email-change/", "password=mendwick-demo&email=else%40example.com"),
        )
    ):
        send("POST", target, f"csrfmiddlewaretoken={token[1]}&{body}")
    send("GET", "/search/?q=zip")
    transport.close()


@pytest.mark.slow
def test_the_conformance_kit_holds(spec: SandboxSpec) -> None:
    check_sandbox(ProcessRuntime().start(spec), dirty)


@pytest.mark.slow
def test_the_settings_page_takes_hold_at_once_and_is_forgotten(member, spec: SandboxSpec) -> None:
    administrator = member(spec.login)
    administrator.submit("/st/admin/config/", site_name="Elsewhere", comments_per_page=5, topics_per_page=3)
    assert "Elsewhere" in administrator.get("/")
    assert administrator.get("/").count("js-clickable-area") < 20
    assert "Elsewhere" not in member(None).get("/")
