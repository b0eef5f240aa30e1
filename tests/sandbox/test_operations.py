"""Services and tools of any clone: transactions, argument checks, and a document that reads back as it was meant."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.guest import operations as op
from envsim.guest.kit import Kit
from envsim.guest.openapi import build_call, tool_schemas
from envsim.guest.service import Refusal, atomic, fetch, first, scalar, write

TOOL: op.Tool[str] = op.Tool(
    "move", "PUT", "/things/{thing}/place", "Move a thing.", lambda caller, args: {"by": caller, **args},
    {
        "thing": op.Argument("path", op.WHOLE, "Which."),
        "fast": op.Argument("query", op.FLAG, optional=True),
        "to": op.Argument("body", op.one_of(("attic", "cellar"))),
        "note": op.Argument("body", {"type": "string", "maxLength": 5}, optional=True),
        "weight": op.Argument("body", {"type": "integer", "minimum": 1, "maximum": 9}, optional=True),
        "floor": op.Argument("body", {"type": "integer", "minimum": 0}, optional=True),
    },
    op.shape(by=op.TEXT, things=op.listing_of(op.component("Thing"))),
)  # fmt: skip
DOCUMENT = op.openapi([TOOL], "House", {"Error": op.shape(error=op.TEXT), "Thing": op.shape(id=op.WHOLE)})


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    path = tmp_path / "seed.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
    kit = Kit(path, {})
    yield kit
    kit.close()


def test_what_is_written_stands_unless_something_is_raised(kit: Kit) -> None:
    with atomic(kit):
        assert write(kit, "INSERT INTO things (name) VALUES (?)", "lamp") == 1

    def fail(name: str, error: BaseException) -> None:
        with atomic(kit):
            write(kit, "INSERT INTO things (name) VALUES (?)", name)
            raise error

    for error in (ValueError(), Refusal("no", "No."), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fail("gone", error)
    with pytest.raises(Refusal):
        fail("rug", Refusal("timeout", "Too late.", 504, committed=True))
    assert fetch(kit, "SELECT * FROM things") == [{"id": 1, "name": "lamp"}, {"id": 2, "name": "rug"}]
    assert first(kit, "SELECT id FROM things WHERE name = ?", "rug") == {"id": 2}
    assert first(kit, "SELECT id FROM things WHERE name = 'none'") is None
    assert scalar(kit, "SELECT count(*) FROM things") == 2
    assert scalar(kit, "SELECT id FROM things WHERE name = 'none'") is None
    assert not kit.db.in_transaction


@given(
    st.integers(-(10**14), 10**14),
    st.fixed_dictionaries(
        {"to": st.sampled_from(["attic", "cellar"])},
        optional={"fast": st.booleans(), "note": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
                  "weight": st.integers(1, 9)},
    ),
)  # fmt: skip
def test_a_call_built_from_the_document_is_read_as_it_was_made(thing: int, sent: dict[str, Any]) -> None:
    method, target, _, body = build_call(DOCUMENT, "move", {"thing": thing, **sent})
    path, _, query = target.partition("?")
    read = TOOL.read({"thing": path.split("/")[2]}, dict(pair.split("=") for pair in query.split("&") if pair), body)
    assert method == "PUT"
    assert read == {"thing": thing, "fast": None, "note": None, "weight": None, "floor": None, **sent}
    assert TOOL.handler("ann", read)["by"] == "ann"


def test_the_document_names_what_may_be_left_out() -> None:
    (tool,) = tool_schemas(DOCUMENT)
    assert tool["parameters"]["required"] == ["thing", "to"]
    assert tool["parameters"]["properties"]["thing"] == {"type": "integer", "description": "Which."}
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_what_is_left_out_has_the_default() -> None:
    tool = op.Tool[str](
        "pack", "POST", "/boxes", "Pack.", lambda caller, args: args,
        {"size": op.Argument("body", op.WHOLE, optional=True, default=3),
         "lid": op.Argument("query", op.FLAG, optional=True)},
    )  # fmt: skip
    assert tool.read({}, {}, b"") == {"size": 3, "lid": None}
    assert tool.read({}, {"lid": "false"}, b'{"size": 4}') == {"size": 4, "lid": False}


def test_a_document_may_keep_notes_beside_the_schemas_and_ask_for_every_body() -> None:
    price = op.Argument("query", op.CENTS, "At most.", optional=True)
    tool = op.Tool[str](
        "offer", "POST", "/offers", "Offer.", lambda caller, args: args,
        {"price": price, "page": op.Argument("query", op.WHOLE), "note": op.Argument("body", op.TEXT, "Why.", True)},
    )  # fmt: skip
    plain, other = (
        op.openapi([tool], "House", {}, **options)["paths"]["/offers"]["post"]
        for options in ({}, {"notes_beside": True, "bodies_required": True})
    )
    assert plain["parameters"][0]["schema"] == {**op.CENTS, "description": "At most."}
    assert other["parameters"] == [
        {"name": "price", "in": "query", "required": False, "schema": op.CENTS, "description": "At most."},
        {"name": "page", "in": "query", "required": True, "schema": op.WHOLE},
    ]
    assert (plain["requestBody"]["required"], other["requestBody"]["required"]) == (False, True)
    assert plain["requestBody"]["content"] == other["requestBody"]["content"]
    assert op.openapi([tool], "House", {}, about="Cash only.")["info"]["description"] == "Cash only."


@pytest.mark.parametrize(
    ("path", "query", "body", "words"),
    [
        ({"thing": "x"}, {}, b'{"to": "attic"}', "thing must be of type integer."),
        ({"thing": "\u00b2"}, {}, b'{"to": "attic"}', "thing must be of type integer."),
        ({"thing": "-"}, {}, b'{"to": "attic"}', "thing must be of type integer."),
        ({"thing": "1" * 16}, {}, b'{"to": "attic"}', "thing must be of type integer."),
        ({"thing": "1"}, {}, b"{}", "move needs the argument 'to'."),
        ({"thing": "1"}, {}, b'{"to": "roof"}', "to must be one of: attic, cellar."),
        ({"thing": "1"}, {"fast": "yes"}, b'{"to": "attic"}', "fast must be of type boolean."),
        ({"thing": "1"}, {"to": "attic"}, b'{"to": "attic"}', "move has no query argument 'to'."),
        ({"thing": "1"}, {}, b'{"to": "attic", "by": 1}', "move has no body argument 'by'."),
        ({"thing": "1"}, {}, b'{"to": "attic", "weight": 0}', "weight must be from 1 to 9."),
        ({"thing": "1"}, {}, b'{"to": "attic", "zeal": 1, "by": 1}', "move has no body argument 'by'."),
        ({"thing": "1"}, {}, b'{"to": "attic", "floor": 9007199254740993}', "floor must be from 0 to 2^53."),
        ({"thing": "1"}, {}, b'{"to": "attic", "weight": true}', "weight must be of type integer."),
        ({"thing": "1"}, {}, b'{"to": "attic", "note": "longer"}', "note is too long."),
        ({"thing": "1"}, {}, b'{"to": "attic", "note": "\\ud800"}', "note is not valid Unicode."),
        ({"thing": "1"}, {}, b"[]", "The body must be a JSON object."),
        ({"thing": "1"}, {}, b"{", "The body is not valid JSON."),
        ({"thing": "1"}, {}, b"[" * 100_000, "The body is not valid JSON."),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    path: dict[str, str], query: dict[str, str], body: bytes, words: str
) -> None:
    with pytest.raises(Refusal) as refused:
        TOOL.read(path, query, body)
    assert (refused.value.message, refused.value.status) == (
        words,
        400 if "body must" in words or "JSON" in words else 422,
    )


@given(st.binary(max_size=60))
def test_no_body_breaks_it(body: bytes) -> None:
    with contextlib.suppress(Refusal):
        assert TOOL.read({"thing": "1"}, {}, body)["to"] in ("attic", "cellar")
