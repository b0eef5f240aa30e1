"""The wiki: its seed and history, what people can do there, and that a reset forgets all of it."""

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

pytestmark = [pytest.mark.xdist_group("otterwiki"), pytest.mark.timeout(300)]


def last(person) -> dict:
    """The newest commit."""
    return max(person.rows("commits").items(), key=lambda item: int(item[0]))[1]


def test_the_seed_is_a_handbook_with_a_history(current: Sandbox) -> None:
    view = current.control.seed_view()
    assert len(view["pages"]) >= 150
    assert len(view["commits"]) >= 350
    assert len(view["attachments"]) == 4
    assert len(view["users"]) == 14
    assert all(row["title"] and row["text"].startswith(f"# {row['title']}\n") for row in view["pages"].values())
    texts = [row["text"] for row in view["pages"].values()]
    assert len(set(texts)) == len(texts)
    assert not any("lorem" in text.lower() or re.search(r"\{\w*\}", text) for text in texts)
    assert len({row["author"] for row in view["commits"].values()}) == 14
    edits = Counter(name for row in view["commits"].values() for name in row["files"].splitlines())
    assert {f"{path}.md" for path in view["pages"]} <= edits.keys()
    assert sum(count > 1 for count in edits.values()) > 120


def test_every_link_between_pages_leads_somewhere(member) -> None:
    reader = member(None)
    pages = reader.rows("pages")
    targets = {m for row in pages.values() for m in re.findall(r"\[\[[^]|]+\|([^]]+)\]\]", row["text"])}
    assert len(targets) > 100
    assert {target for target in targets if target.lower() not in pages} == set()
    assert '<a href="/Plants/Vegetables">' in reader.get("/")


def test_a_member_signs_in_by_hand_and_every_start_page_opens(member, spec: SandboxSpec) -> None:
    guest = member(None)
    reply = guest.submit("/-/login", email="tomas.hruby@example.com", password="weir-meadow-demo")
    assert (reply.status, dict(reply.headers)["location"]) == (302, "/")
    assert guest.send("GET", "/Plants/Leek/rename").status == 200
    administrator = member(spec.login)
    found = {page: administrator.send("GET", page).status for page in spec.pages}
    assert found == dict.fromkeys(spec.pages, 200)


def test_a_page_is_written_renamed_reverted_and_deleted(member) -> None:
    writer = member()
    writer.save("Hut", "# Hut\n\nThe key hangs behind the butt.\n", "Where the key is")
    assert writer.rows("pages")["hut"]["title"] == "Hut"
    assert (
        last(writer).items() >= {"author": "Tomas Hruby", "email": "tomas.hruby@example.com", "files": "hut.md"}.items()
    )
    writer.save("Hut", "# Hut\n\nNothing to see here.\n")
    revision = last(writer)["revision"]
    writer.submit(f"/-/revert/{revision[:6]}", message="That was wrong")
    assert "behind the butt" in writer.rows("pages")["hut"]["text"]
    writer.submit("/Hut/rename", new_pagename="The hut", message="Articles matter")
    assert {"hut", "the hut"} & writer.rows("pages").keys() == {"the hut"}
    writer.submit("/The hut/delete".replace(" ", "%20"), message="Gone")
    assert "the hut" not in writer.rows("pages")
    assert last(writer)["message"] == "Gone"


def test_one_episode_gives_the_same_commits_every_time(member) -> None:
    def episode() -> list[dict]:
        writer = member()
        writer.save("Hut", "# Hut\n\nKey.\n", "One")
        writer.submit("/Hut/rename", new_pagename="Shed", message="Two")
        writer.upload("/Shed/attachments", "plan.txt", b"A plan.\n")
        return [row for key, row in sorted(writer.rows("commits").items(), key=lambda item: int(item[0]))][-3:]

    first, hashed = episode(), member().sandbox.control.hash()
    assert [row["message"] for row in first[:2]] == ["One", "Two"]
    assert episode() == first
    assert member().sandbox.control.hash() == hashed


def test_what_a_guest_may_not_do(member) -> None:
    guest = member(None)
    assert guest.send("GET", "/Rules/edit").status in (302, 403)
    assert guest.send("POST", "/Rules/save", b"content=x", "application/x-www-form-urlencoded").status in (
        302,
        400,
        403,
    )
    assert guest.send("GET", "/-/admin").status in (302, 403)
    assert guest.sandbox.control.changes()["delta"] == []


def test_a_lost_password_is_mailed_at_once_and_works(member) -> None:
    guest = member(None)
    guest.submit("/-/lost_password", email="ruth.adler@example.com")
    (mail,) = guest.rows("outbox", sent_to="ruth.adler@example.com").values()
    link = re.search(r"https?://[^/]+(/-/recover_password/\S+)", mail["body"])
    assert link
    guest.get(link[1])
    assert guest.send("GET", "/Rules/rename").status == 200


def test_settings_take_hold_at_once_and_are_forgotten(member, spec: SandboxSpec) -> None:
    administrator = member(spec.login)
    administrator.submit("/-/admin", site_name="Elsewhere", site_description="", update_preferences="true")
    assert "Elsewhere" in administrator.get("/")
    assert "Elsewhere" not in member(None).get("/")


def test_an_unknown_account_is_refused(current: Sandbox) -> None:
    with pytest.raises(ContentError, match=r"no account 'nobody@example\.com'"):
        current.control.reset(ResetRequest(login="nobody@example.com"))


def dirty(sandbox: Sandbox, cookies: Mapping[str, str]) -> None:
    """Look around, write, rename and attach."""
    transport = sandbox.transport()
    jar = dict(cookies)

    def send(method: str, target: str, body: str = "") -> int:
        headers = [
            ("cookie", "; ".join(map("=".join, jar.items()))),
            ("content-type", "application/x-www-form-urlencoded"),
        ]
        reply = transport.send(Request(method, target, tuple(headers), body.encode()))
        jar.update((morsel.key, morsel.value) for morsel in reply.set_cookies())
        return reply.status

    send("GET", "/-/index")
    statuses = set()
    for target, body in (
        ("/Hut/save", "content=%23+Hut%0A%0AKey.&commit=One"),
        ("/Rules/rename", "new_pagename=Statutes&message=Two"),
        ("/Bees/delete", "message=Three"),
        ("/-/admin", "site_name=Other&update_preferences=true"),
    ):
        statuses.add(send("POST", target, body))
    assert 302 in statuses or not cookies  # else nothing would be tried
    send("GET", "/-/changelog")
    transport.close()


@pytest.mark.slow
def test_the_conformance_kit_holds(spec: SandboxSpec) -> None:
    check_sandbox(ProcessRuntime().start(spec), dirty)
