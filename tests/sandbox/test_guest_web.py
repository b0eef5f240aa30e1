"""The routes, requests and answers that clones are served with."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.guest.exchange import http_scope
from envsim.guest.service import Refusal
from envsim.guest.web import MAX_BODY, MAX_FIELDS, Request, Response, Route, redirect, serve, to_json


def ask(
    target: str, method: str = "GET", body: bytes = b"", pieces: int = 1, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """What a small app answers; the body is sent in so many pieces."""

    def show(request: Request) -> Response:
        return to_json(
            {"parts": dict(request.parts), "query": request.query, "cookies": request.cookies, "n": len(request.body)}
        )

    routes = [
        Route("/plain", {"GET": lambda request: Response("plain", media_type="text/plain")}),
        Route("/p/{id:int}", {"GET": show, "POST": show}),
        Route("/u/{name}/x.y", {"GET": show}),
        Route("/moved", {"GET": lambda request: redirect("/p/1?a=é\n")}),
    ]
    app = serve(routes, lambda request, status: Response(f"{request.path} {status}", status))
    size = -(-len(body) // pieces) or 1
    chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    waiting = [{"type": "http.request", "body": c, "more_body": n < len(chunks) - 1} for n, c in enumerate(chunks)]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(http_scope(method, target, tuple(headers.items()), body), receive, send))  # type: ignore[arg-type]
    start, answer = sent
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, answer["body"]


def test_paths_are_taken_whole_and_numbers_are_digits() -> None:
    assert json.loads(ask("/p/17?a=1&a=2&b=")[2])["parts"] == {"id": "17"}
    assert json.loads(ask("/p/17?a=1&a=2&b=")[2])["query"] == {"a": "2", "b": ""}
    assert json.loads(ask("/u/zo%C3%AB/x.y")[2])["parts"] == {"name": "zoë"}
    missed = ["/p/", "/p/x", "/p/1/", "/p/²", "/u/a/b/x.y", "/u/a/xzy", "/plain/", "/nothing", f"/p/{'1' * 13}"]
    assert [ask(path)[0] for path in missed] == [404] * len(missed)


def test_methods_and_head() -> None:
    assert ask("/plain", "POST")[0] == 405
    assert ask("/nothing", "POST")[0] == 404
    status, headers, body = ask("/plain", "HEAD")
    assert (status, headers["content-length"], body) == (200, "5", b"")
    assert headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_body_may_come_in_pieces_and_not_be_too_long(pieces: int) -> None:
    assert json.loads(ask("/p/1", "POST", b"x" * MAX_BODY, pieces)[2])["n"] == MAX_BODY
    assert ask("/p/1", "POST", b"x" * (MAX_BODY + 1), pieces)[0] == 413


def test_an_address_to_go_on_to_is_one_line_of_ascii() -> None:
    assert ask("/moved")[1]["location"] == "/p/1?a=%C3%A9%0A"


def test_too_many_fields_are_refused_in_forms_and_dropped_from_queries() -> None:
    many = "&".join(f"f{n}=1" for n in range(MAX_FIELDS + 1))
    with pytest.raises(Refusal) as refused:
        Request("POST", "/", "", {}, many.encode()).read_form()
    assert refused.value.status == 413
    assert Request("GET", "/", many, {}).query == {}


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_cookie_header_breaks_a_request(header: str) -> None:
    cookies = Request("GET", "/", "", {"cookie": header}).cookies
    assert all(isinstance(value, str) for value in cookies.values())


def test_cookies_are_read_and_set_out_of_reach_of_scripts() -> None:
    assert json.loads(ask("/p/1", cookie="sid=abc; other=1")[2])["cookies"] == {"sid": "abc", "other": "1"}
    response = Response()
    response.set_cookie("sid", "abc")
    assert response.headers["set-cookie"] == "sid=abc; HttpOnly; Path=/; SameSite=lax"
