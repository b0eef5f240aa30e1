"""URLs, cookies and responses as browsers read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.cookies import Cookie, CookieJar, parse_cookie
from envsim.page.fetched import Document, Download, interpret
from envsim.page.transport import Response
from envsim.page.urls import inside, resolve, with_query


@pytest.mark.parametrize(
    ("href", "base", "expected"),
    [
        ("/cart", "/", "/cart"),
        ("cart", "/shop/list?page=2", "/shop/cart"),
        ("?page=3", "/shop/list?page=2", "/shop/list?page=3"),
        ("#top", "/list?page=2", "/list?page=2#top"),
        ("", "/list?page=2", "/list?page=2"),
        ("../x", "/a/b/c", "/a/x"),
        ("../../../x", "/a", "/x"),
        ("http://app.test/x", "/", "/x"),
        ("http://app.test:80", "/", "/"),
        ("HTTP://APP.TEST/x", "/", "/x"),
        ("//app.test//evil.test/", "/", "/evil.test/"),
        (" /a b\n", "/", "/a%20b"),
        ("/é?q=ü ", "/", "/%C3%A9?q=%C3%BC"),
        ("/a%20b", "/", "/a%20b"),
        ("/x?a=1&b='2'", "/", "/x?a=1&b=%272%27"),
        ("\\x", "/", "/x"),
    ],
)
def test_urls_of_the_app(href: str, base: str, expected: str) -> None:
    assert resolve(href, base) == expected


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://app.test/", "https://app.test/"),
        ("http://app.test:8080/x", "http://app.test:8080/x"),
        ("//evil.test/a b", "http://evil.test/a%20b"),
        ("\\\\evil.test", "http://evil.test/"),
        ("http://app.test@evil.test/", "http://evil.test/"),
        ("mailto:a b@c.d", "mailto:a%20b@c.d"),
        ("java\nscript:alert(1)", "javascript:alert(1)"),
        ("data:text/html,<p>", "data:text/html,%3Cp%3E"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_urls_outside_the_app(href: str, expected: str) -> None:
    assert resolve(href) == expected
    assert not inside(resolve(href))


@given(st.text(max_size=60), st.sampled_from(["/", "/a/b?c=d", "/x#y"]))
def test_any_url_prints_without_whitespace_and_settles(href: str, base: str) -> None:
    url = resolve(href, base)
    assert url
    assert not any(char.isspace() for char in url)
    if inside(url):
        assert resolve(url) == url


def test_a_get_form_replaces_the_query() -> None:
    assert with_query("/search?old=1#part", "q=x") == "/search?q=x"
    assert with_query("/search", "") == "/search?"


def jar(*headers: str, target: str = "/shop/cart") -> CookieJar:
    out = CookieJar()
    out.receive(target, Response(200, tuple(("set-cookie", header) for header in headers)))
    return out


@pytest.mark.parametrize(
    ("headers", "target", "expected"),
    [
        (["a=1"], "/shop/x", "a=1"),
        (["a=1"], "/other", ""),
        (["a=1; Path=/"], "/other", "a=1"),
        (["a=1; path=/sho"], "/shop", ""),
        (["a=1; Path=/shop"], "/shop", "a=1"),
        (["a=1; Path=/", "a=2; Path=/shop"], "/shop/x", "a=2; a=1"),
        (["a=1; Path=/", "a=2; Path=/"], "/", "a=2"),
        (["a=1", "a=; Max-Age=0"], "/shop/x", ""),
        (["a=1", "a=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/shop/x", ""),
        (["a=1; Expires=Wed, 04-Mar-2026 09:00:00 GMT"], "/shop/x", "a=1"),
        (["a=1; Expires=whenever; Secure; HttpOnly; SameSite=None"], "/shop/x", "a=1"),
        (["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/shop/x", "a=1"),
        (["a=1; Domain=app.test", "b=2; Domain=evil.test"], "/shop/x", "a=1"),
        (["a=x=y; Path=/", 'b="q"; Path=/'], "/", 'a=x=y; b="q"'),
        (["nonsense", "=x", "a=" + "x" * 5000, "b=\x01"], "/shop/x", ""),
    ],
)
def test_cookies(headers: list[str], target: str, expected: str) -> None:
    assert jar(*headers).header(target) == expected


def test_expiry_is_measured_by_the_server_s_clock() -> None:
    header = "a=1; Expires=Wed, 04 Mar 2026 09:00:00 GMT"
    before, after = "Mon, 02 Mar 2026 09:00:00 GMT", "Fri, 06 Mar 2026 09:00:00 GMT"
    assert parse_cookie(header, "/", before) == Cookie("a", "1", "/")
    gone = parse_cookie(header, "/", after)
    assert gone is not None
    assert gone.dead
    assert gone.header() == "a=1; Path=/; Max-Age=0"


@given(st.text(max_size=80))
def test_any_cookie_header_is_read_or_dropped(header: str) -> None:
    cookie = parse_cookie(header, "/a")
    if cookie is not None:
        again = parse_cookie(cookie.header(), "/elsewhere")
        assert again == cookie


def response(body: bytes, kind: str = "text/html", status: int = 200, **headers: str) -> Response:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, (("content-type", kind), *named), body)


def test_what_a_response_shows() -> None:
    assert interpret("/", response("é".encode())) == Document("é")
    assert interpret("/", response(b"\xe9", "text/html; charset=ISO-8859-1")) == Document("é")
    assert interpret("/", response(b'<meta charset="windows-1251">\xff')) == Document('<meta charset="windows-1251">я')
    assert interpret("/", response(b"\xff", "text/html; charset=nonsense")) == Document("\ufffd")
    assert interpret("/", response(b"", status=204)) is None
    shown = interpret("/", response(b"<a>&", "text/plain"))
    assert isinstance(shown, Document)
    assert "&lt;a&gt;&amp;" in shown.source


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (response(b"x", "text/csv"), "data.csv"),
        (response(b"x", "application/pdf", content_disposition='inline; filename="../a b.pdf"'), "a b.pdf"),
        (response(b"x", content_disposition="attachment"), "data.csv"),
        (response(b"x", content_disposition="attachment; filename=x.html"), "x.html"),
    ],
)
def test_downloads(reply: Response, name: str) -> None:
    assert interpret("/files/data.csv?x=1", reply) == Download(f"Downloaded {name} (1 bytes); the page stays as it is.")
