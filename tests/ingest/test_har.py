"""HAR -> traces: real captures, what was lost, secrets, and actions found again."""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import TraceError
from envsim.ingest.formats import detect
from envsim.ingest.pipeline import ingest
from envsim.ingest.redact import Redactor
from envsim.page.har import Exchange, parse_entry, parse_har, read_capture
from envsim.page.har_lines import entry_line, log_line, network_path
from envsim.page.http import HttpDriver
from envsim.page.lines import Line, format_lines
from envsim.page.tap import Tap
from envsim.page.transport import Request
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import find_spec
from envsim.trace import Trace, TraceReader
from envsim.types import Action

SITE = "https://store.example"
PAGE = '<title>T</title><a href="https://store.example/two?q=1">Two</a>'


def entry(url: str = "/", body: str | None = PAGE, **response: Any) -> dict[str, Any]:
    content = {"size": -1, "mimeType": "text/html"} | ({} if body is None else {"text": body, "size": len(body)})
    return {
        "startedDateTime": "2026-01-01T00:00:00.000Z",
        "time": 12.5,
        "request": {"method": "GET", "url": url if "://" in url else SITE + url, "headers": []},
        "response": {"status": 200, "headers": [], "content": content} | response,
    }


def har(*entries: Any, **log: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "Test", "version": "9"}, "entries": list(entries)} | log}


def ingested(tmp_path: Path, archive: Any, *, indent: int | None = None) -> tuple[Trace, list[Exchange], Counter[str]]:
    path = tmp_path / "visit.har"
    path.write_text(archive if isinstance(archive, str) else json.dumps(archive, indent=indent))
    report = ingest([path], tmp_path / "out", redactor=Redactor(bytes(32)))
    (trace,) = TraceReader(tmp_path / "out")
    return trace, read_capture(network_path(tmp_path / "out", "visit")).exchanges, report.lost


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_an_archive_is_told_by_its_first_lines(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "renamed.json"
    path.write_text(json.dumps(har(entry()), indent=indent))
    assert detect(path).name == "har"


def test_links_are_found_again_and_absolute_addresses_are_the_apps_own(tmp_path: Path) -> None:
    trace, network, _ = ingested(tmp_path, har(entry(), entry("/two?q=1", "<h1>Second</h1>")))
    assert trace.header.source == "har"
    assert trace.header.app == "store.example"
    assert trace.steps[0].observation.page.startswith('link "Two" [')
    assert trace.steps[0].observation.page.endswith("] -> /two?q=1")
    assert trace.steps[1].action == Action.call("click", bid=Line("link", "Two").ref or _ref(trace, "Two"))
    assert trace.steps[1].observation.page == 'heading "Second" {level: 1}'
    assert [exchange.step for exchange in network] == [0, 1]


def _ref(trace: Trace, name: str) -> str:
    line = next(text for text in trace.steps[0].observation.page.split("\n") if f'"{name}"' in text)
    return line.partition("[")[2].partition("]")[0]


def test_what_the_file_did_not_hold_is_counted(tmp_path: Path) -> None:
    setting = {"headers": [{"name": "Set-Cookie", "value": "sid=abcdef123456"}]}
    archive = har(
        entry(**setting),
        {**entry("/two?q=1", None), "time": -1},
        entry("https://cdn.example/x.js", "1"),
        {**entry("/gone"), "response": {"status": -1}},
        {"request": {}},
    )
    trace, _, lost = ingested(tmp_path, archive)
    assert lost == {
        "response bodies": 1,
        "timings": 1,
        "requests to other hosts": 1,
        "requests without an answer": 1,
        "entries that could not be read": 1,
        "cookies of requests": 1,
        "pages (no body was recorded)": 1,
        "actions (inferred from the pages)": 1,
    }
    assert trace.steps[1].observation.page == ""
    assert trace.steps[1].observation.url == "/two?q=1"


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    form = "<form method=post action=/in><input name=mail aria-label=Mail><input name=pw type=password aria-label=Code>"
    form += '<input type=hidden name=csrf value="tok-8a7b6c5d4e"><button>In</button></form>'
    sent = entry("/in?email=ada%40example.com", "hello ada@example.com, kettle&amp;42", status=200)
    sent["request"] |= {
        "method": "POST",
        "headers": [
            {"name": "Cookie", "value": "sid=0123456789abcdef; theme=dark-mode-1"},
            {"name": "Authorization", "value": "Basic YWRhOmtldHRsZQ=="},
            {"name": "Content-Type", "value": "application/x-www-form-urlencoded"},
        ],
        "postData": {
            "mimeType": "application/x-www-form-urlencoded",
            "text": "mail=ada%40example.com&password=kettle%2642&csrf=tok-8a7b6c5d4e",
        },
    }
    echo = base64.b64encode(b'{"token": "0123456789abcdef", "mail": "ada@example.com"}').decode()
    api = entry("/api", "x")
    api["response"]["content"] = {"mimeType": "application/json", "text": echo, "encoding": "base64", "size": 60}
    api["response"]["headers"] = [{"name": "Set-Cookie", "value": "sid=fedcba9876543210; Path=/; HttpOnly"}]
    trace, network, _ = ingested(tmp_path, har(entry("/", form), sent, api))
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for secret in (
        "ada@",
        "ada%40",
        "kettle",
        "0123456789abcdef",
        "tok-8a7b6c5d4e",
        "YWRhOmtldHRsZQ",
        "fedcba9876543210",
    ):
        assert secret.encode() not in written, secret
    # Names of cookies, and equality, survive: the same session is the same pseudonym.
    cookie = dict(network[1].request.headers)["cookie"].partition(";")[0]
    assert cookie.startswith("sid=redacted-cookie-")
    assert json.loads(network[2].body or b"")["token"] == cookie.removeprefix("sid=")
    assert trace.steps[-1].raw.startswith("POST /in?email=user-")


def test_a_shop_visit_is_retraced_action_for_action(tmp_path: Path) -> None:
    """What the http driver did is what its capture says it did: same pages, same fills, same clicks."""
    spec = find_spec("shop")
    sandbox = InProcessRuntime().start(spec)
    cookies = sandbox.control.reset(ResetRequest(seed=3, login=spec.login))
    tap = Tap(sandbox.transport())
    driver = HttpDriver(tap)
    driver.open("/", cookies)
    pages, actions = [format_lines(driver.observe().lines)], list[Action]()

    def act(role: str, name: str, action: str, **arguments: Any) -> None:
        line = next(line for line in driver.observe().lines if line.role == role and name in line.name)
        actions.append(Action.call(action, bid=line.ref, **arguments))
        assert driver.act(actions[-1]) == ""
        pages.append(format_lines(driver.observe().lines))

    act("searchbox", "Search", "fill", value="linen")
    act("button", "Search", "click")
    product = next(line for line in driver.observe().lines if line.role == "link" and line.url.startswith("/p/"))
    act("link", product.name, "click")
    act("button", "Add to cart", "click")
    try:
        lines = log_line() + "".join(entry_line(exchange) for exchange in tap.drain())
        capture = parse_har(lines.encode())
    finally:
        driver.close()
        sandbox.close()
    path = tmp_path / "visit.har"
    path.write_text(
        json.dumps({"log": {"version": "1.2", "entries": [json.loads(text) for text in lines.splitlines()[1:]]}})
    )
    ingest([path], tmp_path / "out", redactor=None)
    (trace,) = TraceReader(tmp_path / "out")
    assert [step.action for step in trace.steps[1:]] == actions
    # The search page's focus is where the driver left it too, since the same driver shows both.
    assert [step.observation.page for step in trace.steps] == pages
    assert capture.origin == "http://app.test"


def test_a_real_capture_without_bodies(tmp_path: Path, data_dir: Path) -> None:
    report = ingest([data_dir / "har"], tmp_path / "out", app="magento", redactor=Redactor(bytes(32)))
    (trace,) = TraceReader(tmp_path / "out")
    assert report.lost["response bodies"] == 356
    assert report.lost["pages (no body was recorded)"] == 2
    assert [step.observation.url for step in trace.steps] == ["/admin/admin/dashboard/", "/admin/sales/order/"]
    network = read_capture(next((tmp_path / "out" / "network").iterdir())).exchanges
    assert Counter(exchange.status for exchange in network) == {200: 356, 302: 1}
    written = (tmp_path / "out" / "network" / "webarena_verified_network.jsonl").read_text()
    source = (data_dir / "har" / "webarena_verified_network.har").read_text()
    cookies = {
        pair.partition("=")[2]
        for item in json.loads(source)["log"]["entries"]
        for header in item["request"]["headers"]
        if header["name"].lower() == "cookie"
        for pair in header["value"].split("; ")
    }
    assert cookies
    assert not [value for value in cookies if value in written]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"log": 3}', "no log with entries"),
        ('{"log": {"version": "9.0", "entries": []}}', "version '9.0'"),
        ('{"log": {"entries": []}}', "no request in it was answered"),
        ('{"log": {"entries": [', "not JSON"),
    ],
)
def test_what_is_no_archive_is_refused_in_a_sentence(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(TraceError, match=why):
        ingested(tmp_path, text)


def test_bodies_in_files_beside_it_are_read_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "abc.html").write_text("<h1>Beside</h1>")
    (tmp_path / "secret").write_text("root")
    (tmp_path / "link.html").symlink_to(tmp_path / "secret")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "abc.html").write_text("<h1>Inside</h1>")
    (folder / "link.html").symlink_to(tmp_path / "secret")

    def body(name: str) -> bytes | None:
        content = {"mimeType": "text/html", "size": 9, "_file": name}
        found = parse_entry({**entry(), "response": {"status": 200, "content": content}}, Counter(), folder)
        assert found is not None
        return found.body

    assert body("abc.html") == b"<h1>Inside</h1>"
    assert [body(name) for name in ("../secret", "link.html", "/etc/passwd", "none.html", "..")] == [None] * 5


# -- properties --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
SEEN = ("request", "response", "method", "url", "status", "headers", "content", "text", "name", "value", "postData")
ENTRY_KEYS = st.sampled_from((*SEEN, "encoding", "mimeType", "_file", "time", "startedDateTime"))
HARLIKE = st.recursive(
    st.sampled_from(["GET", "http://a.b/c?d=e", 200, 302, "base64", "location", "text/html", "ü\ud800", "", -1]) | JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ENTRY_KEYS, inner, max_size=6),
    max_leaves=30,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_capture_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert parse_har(data).exchanges == []


@given(st.lists(HARLIKE, max_size=4))
def test_any_entries_are_read_or_counted(entries: list[Any]) -> None:
    capture = parse_har(json.dumps({"log": {"version": "1.2", "entries": entries}}).encode())
    unread = capture.lost["entries that could not be read"]
    assert len(capture.exchanges) + unread == len(entries)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
VALUES = TEXT.map(lambda text: text.strip(" \t"))  # as HTTP has them
EXCHANGES = st.builds(
    Exchange,
    origin=st.sampled_from(["http://a.test", "https://b.test:8443"]),
    request=st.builds(
        Request,
        method=st.sampled_from(["GET", "POST", "DELETE"]),
        target=st.sampled_from(["/", "/a?b=c", "/%C3%BC?x=%2F&y"]),
        headers=st.lists(st.tuples(st.sampled_from(["accept", "cookie", "x-a"]), VALUES), max_size=3).map(tuple),
        body=st.text(st.characters(codec="utf-8"), max_size=20).map(str.encode),
    ),
    status=st.sampled_from([200, 302, 404, 503]),
    headers=st.lists(st.tuples(st.sampled_from(["location", "set-cookie", "etag"]), VALUES), max_size=3).map(tuple),
    body=st.binary(max_size=30),
    mime=st.sampled_from(["text/html", "image/png", "application/json"]),
    kind=st.sampled_from(["", "document", "xhr"]),
    started=st.just("2026-01-01T00:00:00Z"),
    wait_ms=st.none() | st.floats(0, 10_000),
    step=st.none() | st.integers(0, 9),
)


# What is secret wherever it stands, and what is by the name it stands under; each as it is spelt there.
MAIL, SESSION, PASSWORD = "ada.l+x@example.com", "s3ss10n+value/9=", "kettle & 42%"


def planted(place: str) -> Exchange:
    """An exchange with a secret in one place."""
    html = "text/html"
    form = (("content-type", "application/x-www-form-urlencoded"),)
    request, headers, body, mime = Request("GET", "/"), (("content-type", html),), b"<p>hello</p>", html
    if place == "path":
        request = Request("GET", f"/users/{quote(MAIL, safe='')}/orders")
    elif place == "query":
        request = Request("GET", "/?" + urlencode({"q": MAIL, "password": PASSWORD}))
    elif place == "form":
        request = Request("POST", "/", form, urlencode({"mail": MAIL, "password": PASSWORD, "token": SESSION}).encode())
    elif place == "json request":
        sent = json.dumps({"user": {"email": MAIL, "password": PASSWORD}, "sessionId": SESSION})
        request = Request("POST", "/", (("content-type", "application/json"),), sent.encode())
    elif place == "headers":
        sent_headers = (("cookie", f'a=b; sid="{SESSION}"'), ("referer", f"https://a.test/?email={quote(MAIL)}"))
        request = Request("GET", "/", (*sent_headers, ("x-api-key", SESSION), ("authorization", f"Bearer {SESSION}")))
    elif place == "answer":
        headers = (*headers, ("set-cookie", f"sid={SESSION}; Path=/"), ("location", f"/?email={quote(MAIL)}"))
    elif place == "page":
        fields = f"<input type=\"password\" value=\"{escape(PASSWORD)}\"><input name='csrf_token' value='{SESSION}'>"
        body = (
            f'<meta name="csrf-token" content="{SESSION}"><p>{MAIL}</p>{fields}<a href="mailto:{MAIL}">x</a>'.encode()
        )
    else:
        body, mime = (
            json.dumps({"password": PASSWORD, "nested": [{"Cookie": SESSION, "to": MAIL}]}).encode(),
            "application/json",
        )
    return Exchange("https://a.test", request, 200, headers, body, mime)


PLACES = ("path", "query", "form", "json request", "headers", "answer", "page", "json answer")


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4, unique=True))
def test_no_spelling_of_a_secret_is_written(places: list[str]) -> None:
    copies = f"<p>{escape(PASSWORD)} {quote_plus(PASSWORD)} {SESSION} {quote_plus(SESSION)} {MAIL}</p>".encode()
    echo = Exchange("https://a.test", Request("GET", "/echo"), 200, (), copies, "text/html")
    first, *rest = Redactor(bytes(32)).exchanges([echo, *(planted(place) for place in places)])
    named = [place for place in places if place not in ("path", "answer", "headers")]
    written = "".join(entry_line(exchange) for exchange in (*rest, first))
    secrets = [MAIL, quote(MAIL), quote_plus(MAIL), quote(MAIL, safe="")]
    # A secret that is known by its name alone is found elsewhere once it was met by that name.
    secrets += (
        [SESSION, quote_plus(SESSION)] if {"form", "json request", "headers", "answer", "page"} & set(places) else []
    )
    secrets += [PASSWORD, quote_plus(PASSWORD), escape(PASSWORD)] if named else []
    decoded = json.dumps(written, ensure_ascii=False)
    assert [secret for secret in secrets if secret in written or secret in decoded] == []


@given(st.lists(EXCHANGES, max_size=4))
def test_what_is_written_is_read_back(exchanges: list[Exchange]) -> None:
    data = log_line() + "".join(map(entry_line, exchanges))
    assert parse_har(data.encode()).exchanges == exchanges
    torn = parse_har((data + '{"requ').encode())
    assert (torn.exchanges, torn.lost["torn last lines"]) == (exchanges, 1)
