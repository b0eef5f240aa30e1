"""A replay clone: what was recorded is served as it was, in order, and nothing else is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from envsim.content import find_app
from envsim.errors import ContentError
from envsim.ingest.redact import Redactor
from envsim.page.chromium import ChromiumDriver
from envsim.page.driver import PageDriver
from envsim.page.har import Exchange, parse_har
from envsim.page.http import HttpDriver
from envsim.page.lines import format_lines
from envsim.page.tap import Tap
from envsim.page.transport import Request, Response
from envsim.sandbox.from_har import write_clone
from envsim.sandbox.image import connect
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.sandbox.spec import SandboxSpec, find_spec, load_spec
from envsim.testing import check_sandbox
from envsim.types import Action

FORM = "application/x-www-form-urlencoded"


def page(title: str, *links: str) -> bytes:
    anchors = "".join(f'<a href="{link}">Go {link}</a>' for link in links)
    return f"<title>{title}</title><h1>{title}</h1>{anchors}".encode()


def exchange(target: str, body: bytes | None, *, method: str = "GET", sent: bytes = b"", **more: Any) -> Exchange:
    headers = (("content-type", FORM),) if sent else ()
    request = Request(method, target, headers, sent)
    return Exchange("https://a.example", request, more.pop("status", 200), (), body, "text/html", "document", **more)


NETWORK = [
    exchange("/", page("Empty", "/cart?b=2&a=1")),
    exchange("/cart?a=1&b=2", page("No items")),
    exchange("/cart?a=1&b=2", page("Still no items")),
    exchange("/add", b"", method="POST", sent=b"id=7&pin=redacted-pin-0a1b", status=303),
    exchange("/cart?a=1&b=2", page("One item")),
    exchange("/lost", None),
]

Start = Callable[..., Sandbox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Sandbox] = []

    def start(network: list[Exchange] | None = None, runtime: str = "inprocess") -> Sandbox:
        written = write_clone(NETWORK if network is None else network, "replayed", tmp_path, force=True)
        running.append(get_runtime(runtime).start(load_spec(written.folder / "sandbox.toml")))
        running[-1].control.reset(ResetRequest())
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.close()


def ask(sandbox: Sandbox, target: str, body: bytes = b"", method: str = "", accept: str = "text/html") -> Response:
    headers = [("accept", accept)] + ([("content-type", FORM)] if body else [])
    with closing(sandbox.transport()) as transport:
        return transport.send(Request(method or ("POST" if body else "GET"), target, tuple(headers), body))


def heard(sandbox: Sandbox, *targets: str) -> list[str]:
    return [ask(sandbox, target).body.decode().partition("</title>")[0].removeprefix("<title>") for target in targets]


def how(sandbox: Sandbox) -> list[str]:
    rows = sandbox.control.state()["requests"]
    return [rows[key]["answer"] for key in sorted(rows, key=int)]


def test_several_answers_come_in_recorded_order_and_the_last_again(start: Start) -> None:
    sandbox = start()
    assert heard(sandbox, *["/cart?b=2&a=1"] * 4) == ["No items", *["Still no items"] * 3]
    assert how(sandbox) == ["exact"] * 4


def test_what_follows_a_write_is_not_shown_before_it(start: Start) -> None:
    sandbox = start()
    assert heard(sandbox, "/cart?a=1&b=2") == ["No items"]
    assert (
        ask(sandbox, "/add", b"pin=1234&id=7").status == 303
    )  # a redacted value can be anything, its field must be there
    assert heard(sandbox, "/cart?a=1&b=2", "/") == ["One item", "Empty"]
    assert how(sandbox) == ["exact", "exact", "exact", "earlier"]
    assert sandbox.control.state()["visit"] == {"1": {"stretch": 1}}


def test_what_was_not_recorded_is_refused_as_what_was_asked_for(start: Start) -> None:
    sandbox = start()
    refused = ask(sandbox, "/cart?a=1")
    assert (refused.status, b"<h1>Not recorded</h1>" in refused.body) == (501, True)
    for target, body in (("/add", b"id=8&pin=1"), ("/add", b"id=7"), ("/add", b"id=7&pin=1&x=1"), ("/lost", b"")):
        answer = ask(sandbox, target, body, accept="application/json")
        assert (answer.status, json.loads(answer.body)["error"]) == (501, "not_recorded")
    assert ask(sandbox, "/cart?a=1&b=2", b"", "DELETE").status == 501
    assert ask(sandbox, "/add", b"id=7&pin=1").status == 303
    assert ask(sandbox, "/add", b"id=7&pin=1").status == 501  # it was sent once
    expected = ["not recorded"] * 4 + ["body not recorded", "not recorded", "exact", "used up"]
    assert how(sandbox) == expected


def test_it_is_a_clone_like_any_other(start: Start) -> None:
    check_sandbox(start())


def test_the_same_capture_is_the_same_folder(tmp_path: Path) -> None:
    def files(root: Path) -> dict[str, bytes]:
        folder = write_clone(NETWORK, "replayed", root).folder
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_folder_that_is_no_replay_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "sandboxes" / "mine" / "sandbox.toml"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    for force in (False, True):
        with pytest.raises(ContentError, match="exists"):
            write_clone(NETWORK, "mine", tmp_path, force=force)
    assert precious.read_text() == "mine"
    with pytest.raises(ContentError, match="no name for an app"):
        write_clone(NETWORK, "../mine", tmp_path)
    with pytest.raises(ContentError, match="nothing to serve"):
        write_clone([exchange("/", None)], "other", tmp_path)
    assert [path.name for path in (tmp_path / "sandboxes").iterdir()] == ["mine"]


def test_a_name_that_another_app_has_is_not_taken_unasked(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=re.escape(f"There is an app 'notes' already, in {find_app('notes')}, and")):
        write_clone(NETWORK, "notes", tmp_path)
    assert not (tmp_path / "sandboxes").exists()
    assert write_clone(NETWORK, "notes", tmp_path, force=True).folder == tmp_path / "sandboxes" / "notes"


# -- a visit to the shop, recorded and replayed --------------------------------------------------------


def visit(driver: PageDriver, cookies: dict[str, str]) -> list[str]:
    """What a buyer sees; each action is found by its role and name on the page."""
    driver.open("/", cookies)
    seen = [format_lines(driver.observe().lines)]
    for role, name, value in (
        ("searchbox", "Search", "linen"),
        ("button", "Search", None),
        ("link", "", None),
        ("button", "Add to cart", None),
        ("link", "Cart", None),
    ):
        lines = driver.observe().lines
        found = [line for line in lines if line.role == role and name in line.name]
        bid = found[0].ref if name else next(line.ref for line in lines if line.url.startswith("/p/"))
        action = Action.call("click", bid=bid) if value is None else Action.call("fill", bid=bid, value=value)
        assert driver.act(action) == ""
        seen.append(format_lines(driver.observe().lines))
    return seen


@pytest.fixture(scope="module")
def recorded() -> tuple[list[Exchange], list[str], SandboxSpec]:
    spec = find_spec("shop")
    sandbox = get_runtime("inprocess").start(spec)
    tap = Tap(sandbox.transport())
    driver = HttpDriver(tap)
    seen = visit(driver, sandbox.control.reset(ResetRequest(seed=5, login=spec.login)))
    network = list(Redactor(bytes(32)).exchanges(tap.drain()))
    # What a page looks like is part of what a browser records.
    style = sandbox.transport().send(Request("GET", "/static/style.css"))
    network.append(
        Exchange(network[0].origin, Request("GET", "/static/style.css"), 200, style.headers, style.body, "text/css")
    )
    driver.close()
    sandbox.close()
    return network, seen, spec


def replayed(sandbox: Sandbox, driver: PageDriver) -> list[str]:
    cookies = sandbox.control.reset(ResetRequest(login=sandbox.spec.login))
    assert all(value.startswith("redacted-cookie-") for value in cookies.values())
    with closing(driver):
        return visit(driver, cookies)


def pseudonymous(pages: list[str]) -> list[str]:
    return [Redactor(bytes(32)).text(page) for page in pages]


def test_a_recorded_visit_can_be_made_again(start: Start, recorded: Any) -> None:
    network, seen, _ = recorded
    sandbox = start(network)
    assert replayed(sandbox, HttpDriver(sandbox.transport())) == pseudonymous(seen)
    assert set(how(sandbox)) == {"exact"}


@pytest.mark.browser
def test_a_browser_sees_the_same_replay(start: Start, recorded: Any) -> None:
    network, seen, _ = recorded
    sandbox = start(network)
    assert replayed(sandbox, ChromiumDriver(sandbox.transport())) == pseudonymous(seen)
    rows = sandbox.control.state()["requests"]
    assert replayed(sandbox, HttpDriver(sandbox.transport())) == pseudonymous(seen)
    assert sandbox.control.state()["requests"] == rows  # the same facts through either driver


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_container_serves_the_same_replay(start: Start, recorded: Any) -> None:
    network, seen, _ = recorded
    sandbox = start(network, "docker")
    try:
        assert replayed(sandbox, HttpDriver(sandbox.transport())) == pseudonymous(seen)
        check_sandbox(sandbox)
    finally:
        sandbox.close()
        with closing(connect()) as client:
            for image in client.images.list(filters={"label": "envsim.app=replayed"}):
                client.images.remove(image.id, force=True)


def test_bodies_are_compared_whatever_their_order(start: Start) -> None:
    def sent(body: bytes, kind: str) -> Exchange:
        return Exchange(
            "https://a.example",
            Request("POST", "/api", (("content-type", kind),), body),
            200,
            (),
            b'"ok"',
            "application/json",
        )

    sandbox = start(
        [sent(b'{"a": 1, "b": [2]}', "application/json"), sent(urlencode({"x": "1", "y": "2"}).encode(), FORM)]
    )

    def status(body: bytes, kind: str) -> int:
        with closing(sandbox.transport()) as transport:
            return transport.send(Request("POST", "/api", (("content-type", kind),), body)).status

    assert status(b'{"b":[2],"a":1}', "application/json; charset=utf-8") == 200
    assert status(b'{"b":[2],"a":2}', "application/json") == 501
    assert status(b"y=2&x=1", FORM) == 200


def test_headers_that_nobody_may_send_do_not_break_an_answer(start: Start) -> None:
    sent = [("x-kept", " padded\t"), ("bad name", "v"), ("", "v"), (":status", "200"), ("x-split", "a\r\nb: c")]
    entry = {
        "startedDateTime": "2026-03-02T09:00:00Z",
        "request": {"method": "GET", "url": "https://a.example/", "headers": []},
        "response": {
            "status": 200,
            "headers": [{"name": name, "value": value} for name, value in sent],
            "content": {"mimeType": "text/html", "text": "<h1>Here</h1>"},
        },
        "_resourceType": "document",
    }
    capture = parse_har(json.dumps({"log": {"entries": [entry]}}).encode())
    with closing(start(capture.of_app(), "process").transport()) as transport:
        answer = transport.send(Request("GET", "/", (), b""))
    assert (answer.status, answer.body) == (200, b"<h1>Here</h1>")
    assert [header for header in answer.headers if header[0] not in ("content-type", "content-length")] == [
        ("x-kept", "padded")
    ]
