"""The JSON tools: a valid document, every tool used and answering as documented, refusals in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from envsim.guest.openapi import tool_schemas
from tests.sandboxes.sites import Caller

Session = Any
Open = Callable[..., Session]


@pytest.fixture
def document(member: Session) -> dict[str, Any]:
    return json.loads(member.get("/api/openapi.json"))  # type: ignore[no-any-return]


def test_the_document_describes_typed_tools(document: dict[str, Any]) -> None:
    tools = tool_schemas(document)
    assert document["openapi"].startswith("3.1")
    assert 25 <= len(tools) <= 35
    assert len({tool["name"] for tool in tools}) == len(tools)
    assert all(tool["description"].endswith(".") for tool in tools)
    assert all("type" in schema for tool in tools for schema in tool["parameters"]["properties"].values())
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert {f"{{{name}}}" for name in named} == {part for part in path.split("/") if part.startswith("{")}


def test_every_tool_answers_as_documented(member: Session, document: dict[str, Any]) -> None:
    call = Caller(member, document)
    own, post = member.moderated(), member.open_post()
    assert len(call("list_forums")["forums"]) == 25
    assert call("get_forum", forum="cooking")["inside"] == ["bread", "coffee", "fermenting"]
    assert call("list_posts", forum="bread")["posts"][0]["pinned"]
    assert call("search_posts", text="handwriting winter")["total"] >= 1
    assert call("get_post", post_id=post)["thread"]
    assert call("get_member", name="tomaszz")["karma"] > 0
    call("get_mod_log", forum="bread")
    made = call("create_post", forum="bread", title="Rye in a flower pot", body="It came out upside down.")
    assert made["status"] == "live"
    call("edit_post", post_id=made["post_id"], body="Upside down, with basil.")
    call("set_flair", post_id=made["post_id"], flair="Crumb")
    copy = call("crosspost", post_id=made["post_id"], forum="houseplants", title="A pot with rye in it")["post_id"]
    call("delete_post", post_id=copy)
    comment = call("comment", post_id=post, body="May I ask how long that took?")["comment_id"]
    reply = call("comment", post_id=post, body="An evening, I see now.", parent_id=comment)["comment_id"]
    call("edit_comment", comment_id=comment, body="How long did that take?")
    call("delete_comment", comment_id=reply)
    call("vote", kind="post", id=post, value=1)
    call("save", kind="comment", id=comment, keep=True)
    assert comment in [row["id"] for row in call("list_saved")["comments"]]
    call("report", kind="post", id=post, reason="Off topic")
    assert "chess" in call("set_membership", forum="chess", joined=True)["joined"]
    call("list_notifications")
    call("read_notifications")
    call("send_message", name="tomaszz", body="Are you coming on Thursday?")
    assert call("get_chat", name="tomaszz")["messages"][-1]["sender"] == member.name
    assert "tomaszz" in [chat["name"] for chat in call("list_chats")["chats"]]
    call("update_profile", about="Bakes on Sundays.", zone="Asia/Tokyo")
    call("answer_challenge", answer="nobody asked")
    waiting = call("mod_queue", forum=own)["waiting"][0]
    call("mod_act", kind=waiting["kind"], id=waiting["id"], action="remove", reason="Spam")
    call("mod_set_ban", forum=own, name=_other(member, own), banned=True, reason="Spam")
    assert "raffle" in call("mod_set_word", forum=own, word="Raffle", held=True)["words"]
    assert {tool["name"] for tool in tool_schemas(document)} - call.called == {"resume_session"}
    assert member.tool("resume_session")["error"]["code"] == "nothing_to_resume"


def _other(member: Session, forum: str) -> str:
    kept = {row["member"] for table in ("bans", "moderators") for row in member.rows(table, forum=forum).values()}
    return min(str(row["name"]) for row in member.rows("members").values() if row["name"] not in kept)


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("create_post", {"forum": "nowhere", "title": "A", "body": "b"}, "not_found"),
    ("create_post", {"forum": "bread", "title": " ", "body": "b"}, "invalid_title"),
    ("create_post", {"forum": "bread", "title": "A", "url": "javascript:alert(1)"}, "invalid_url"),
    ("create_post", {"forum": "bread", "title": "A", "body": "b", "flair": "Nonsense"}, "unknown_flair"),
    ("comment", {"post_id": 99999, "body": "Hello"}, "not_found"),
    ("comment", {"post_id": 40, "body": "  "}, "invalid_comment"),
    ("edit_post", {"post_id": 40, "title": "Mine now"}, "not_yours"),
    ("delete_comment", {"comment_id": 40}, "not_yours"),
    ("vote", {"kind": "post", "id": 40, "value": 2}, "invalid_argument"),
    ("send_message", {"name": "nobody", "body": "Hello"}, "not_found"),
    ("send_message", {"name": "marisol_vega", "body": "Hello me"}, "not_found"),
    ("update_profile", {"about": "x" * 301}, "too_long"),
    ("mod_queue", {"forum": "bread"}, "forbidden"),
    ("mod_act", {"kind": "comment", "id": 40, "action": "pin"}, "invalid_action"),
    ("crosspost", {"post_id": 40, "forum": "nowhere"}, "not_found"),
)


@pytest.mark.parametrize(("name", "arguments", "code"), REFUSED)
def test_what_cannot_be_done_is_refused_in_words_and_changes_nothing(
    member: Session, name: str, arguments: dict[str, Any], code: str
) -> None:
    before = member.sandbox.control.state()
    answer = member.tool(name, **arguments)["error"]
    assert answer["code"] == code
    assert answer["message"].endswith((".", "!"))
    assert member.sandbox.control.state() == before


def test_nobody_writes_without_an_account(session: Open) -> None:
    guest = session(None)
    calls = (("comment", {"post_id": 40, "body": "Hello"}), ("vote", {"kind": "post", "id": 40, "value": 1}),
             ("create_post", {"forum": "bread", "title": "A", "body": "b"}), ("list_saved", {}))  # fmt: skip
    assert {guest.tool(name, **arguments)["error"]["code"] for name, arguments in calls} == {"sign_in_required"}
