"""Recording a real browser: the trace is what a driver would have written, and survives whatever ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envsim.cli.sandbox import app
from envsim.errors import ContentError, PrerequisiteError, TraceError
from envsim.ingest.live import LiveTrace, record
from envsim.ingest.redact import Redactor
from envsim.page.har import Exchange, read_capture
from envsim.page.har_lines import network_path
from envsim.page.http import HttpDriver
from envsim.page.lines import format_lines, without_focus
from envsim.page.record import Recording
from envsim.page.transport import Request
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.trace import Header, Step, Trace, TraceReader
from envsim.types import Action, Observation

KEY = bytes(32)
MAIL, PASSWORD = "someone.new@example.com", "zanzibar & 42"


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    sandbox = get_runtime("inprocess").start(find_spec("shop"))
    sandbox.control.reset(ResetRequest(seed=7))
    with closing(sandbox):
        yield sandbox


def buy(page: Any) -> None:
    """What a visitor does: types, presses Enter, clicks, goes back, opens an address, fills a form in."""
    page.get_by_role("searchbox").fill("linen")
    page.get_by_role("searchbox").press("Enter")
    page.locator('main a[href^="/p/"]').first.click()
    page.get_by_role("button", name="Add to cart").click()
    page.wait_for_url("**/cart*")
    page.go_back()
    page.go_forward()
    page.goto(page.url.partition("/cart")[0] + "/c/cookware")
    page.locator("main select").first.select_option(index=1)
    page.goto(page.url.partition("/c/")[0] + "/register")
    page.get_by_label("Full name").fill("Someone New")
    page.get_by_label("E-mail").fill(MAIL)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    with page.expect_navigation():
        page.locator("main form button").first.click()


class Both:
    """One recording, kept twice: as it is and redacted."""

    def __init__(self, *kept: LiveTrace) -> None:
        self._kept = kept

    def step(self, step: Step) -> None:
        for one in self._kept:
            one.step(step)

    def exchange(self, exchange: Exchange) -> None:
        for one in self._kept:
            one.exchange(exchange)

    def secret(self, value: str, field: str) -> None:
        for one in self._kept:
            one.secret(value, field)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path, Trace, str, dict[str, int]]:
    """A visit to the shop in a real browser, as it is and redacted."""
    plain, clean = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("clean")
    header = Header(session="s", app="shop", source="record", interface="browser")
    kept = [LiveTrace(plain, header, None), LiveTrace(clean, header, Redactor(KEY))]
    with closing(get_runtime("inprocess").start(find_spec("shop"))) as sandbox:
        sandbox.control.reset(ResetRequest(seed=7))
        url = sandbox.url()
        with Recording(url, Both(*kept), headless=True) as browser:
            buy(browser.page)
    for one in kept:
        one.finish()
    first, second = (TraceReader(root).read(root / "s.jsonl") for root in (plain, clean))
    return first, clean, second, url, dict(Counter(browser.lost))


@pytest.mark.browser
def test_a_recording_is_what_the_http_driver_sees_doing_the_same(shop: Sandbox, recorded: Any) -> None:
    trace = recorded[0]
    assert trace.end is not None
    did = [step.action.name if step.action else step.raw for step in trace.steps]
    assert did == [
        "", "fill", "press", "click", "click", "go_back", "go_forward", "goto", "select_option", "goto", "fill",
        "fill", "fill", "fill", "click",
    ]  # fmt: skip
    with closing(HttpDriver(shop.transport())) as driver:
        driver.open("/", {})
        for step in trace.steps:
            error = driver.act(step.action) if step.action else ""
            page = driver.observe()
            seen = step.observation
            assert (error, page.url, page.title) == ("", seen.url, seen.title), step.index
            assert without_focus(format_lines(page.lines)) == without_focus(seen.page), step.index


@pytest.mark.browser
def test_what_was_exchanged_lies_beside_it_and_nothing_secret_is_written(recorded: Any) -> None:
    _, root, trace, url, lost = recorded
    written = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    for secret in (MAIL, MAIL.replace("@", "%40"), "zanzibar", "someone.new"):
        assert secret.encode() not in written, secret
    typed = [step.action.arguments.get("value") for step in trace.steps if step.action]
    assert Redactor(KEY).text(MAIL) in typed
    network = read_capture(network_path(root, "s")).exchanges
    pages = [(one.step, one.request.method, one.request.target, one.status) for one in network if one.is_document]
    assert (4, "POST", "/cart/add", 303) in pages
    assert (5, "GET", trace.steps[5].observation.url, 200) in pages
    assert (7, "GET", "/c/cookware", 200) in pages
    assert pages[-1][0] == 14
    # A page that is left at once takes its body with it, and that is said.
    bare = sum(one.body is None for one in network)
    assert bare == lost.get("response bodies", 0)
    assert bare < len(network) / 4
    assert {one.origin for one in network} == {url}
    cookies = {value for one in network for name, value in one.request.headers if name == "cookie"}
    assert cookies
    assert all("=redacted-cookie-" in value for value in cookies)


@pytest.mark.browser
def test_what_no_primitive_can_do_is_said_not_guessed(tmp_path: Path) -> None:
    html = "<div onclick=\"document.title='hit'\">Press here</div><button>Ok</button>"
    site = Static({"/": html + "<iframe srcdoc='<a href=#>x</a>'>"})
    with closing(site), record(site.url, tmp_path, redactor=None, session="s") as (browser, _):
        browser.page.get_by_text("Press here").click()
        browser.page.frame_locator("iframe").locator("a").click()
        browser.page.get_by_role("button").dblclick()
        browser.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<h1>Late</h1>')")
        browser.page.get_by_role("button").focus()
        browser.page.get_by_role("button").press("Enter")
    steps = TraceReader(tmp_path).read(tmp_path / "s.jsonl").steps
    assert [step.raw or (step.action.name if step.action else "") for step in steps] == [
        "", 'click "Press here"', "click", "click", "press",
    ]  # fmt: skip
    assert "Late" in steps[3].observation.page
    assert browser.lost["actions on what no ref names"] == 1
    assert browser.lost["actions inside frames"] == 1


@pytest.mark.browser
def test_tabs_are_followed(tmp_path: Path) -> None:
    site = Static({"/": "<a href=/two target=_blank>Two</a><button>One</button>", "/two": "<button>In two</button>"})
    with closing(site), record(site.url, tmp_path, redactor=None, session="s") as (browser, _):
        with browser.page.context.expect_page() as opened:
            browser.page.get_by_role("link").click()
        opened.value.wait_for_load_state()
        opened.value.get_by_role("button").click()
        browser.page.bring_to_front()
        browser.page.get_by_role("button").click()
    steps = TraceReader(tmp_path).read(tmp_path / "s.jsonl").steps
    names = [step.action.to_call() if step.action else "" for step in steps]
    assert [name.partition("(")[0] for name in names] == ["", "click", "click", "tab_focus", "click"]
    assert names[3] == "tab_focus(index=0)"
    assert "In two" in steps[1].observation.page
    assert "One" in steps[3].observation.page


CLI = [sys.executable, "-m", "envsim.cli.sandbox", "record"]


def started(url: str, out: Path, *more: str) -> subprocess.Popen[str]:
    """A recorder that has written its first page."""
    command = [*CLI, url, "-o", str(out), "--headless", "--session", "s", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (out / "s.jsonl").exists() or len((out / "s.jsonl").read_bytes().splitlines()) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


@pytest.mark.slow
@pytest.mark.browser
def test_ctrl_c_ends_a_recording_cleanly(shop: Sandbox, tmp_path: Path) -> None:
    process = started(shop.url(), tmp_path / "out", "--json")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["steps"] == 1
    trace = TraceReader(tmp_path / "out").read(tmp_path / "out" / "s.jsonl")
    assert trace.end is not None
    assert trace.header.meta["start"] == {"url": "/"}
    assert (tmp_path / "out.redact-key").stat().st_mode & 0o077 == 0


@pytest.mark.slow
@pytest.mark.browser
def test_a_killed_recording_keeps_what_was_done(shop: Sandbox, tmp_path: Path) -> None:
    process = started(shop.url(), tmp_path / "out")
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    process.kill()
    process.communicate()
    reader = TraceReader(tmp_path / "out")
    (trace,) = reader
    assert len(trace.steps) == 1
    assert "Larkfield" in trace.steps[0].observation.page
    assert "cut off" in reader.warnings[0]
    assert any(one.is_document for one in read_capture(network_path(tmp_path / "out", "s")).exchanges)
    end = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}") for pid in children.stdout.split()):  # noqa: PTH110
        assert time.monotonic() < end, "the browser outlived its recorder"
        time.sleep(0.05)


@pytest.mark.browser
def test_closing_the_window_ends_it(shop: Sandbox, tmp_path: Path) -> None:
    with record(shop.url(), tmp_path, redactor=None, session="s") as (browser, _):
        browser.page.close()
        browser.pump()
        assert not browser.open
    trace = TraceReader(tmp_path).read(tmp_path / "s.jsonl")
    assert trace.end is not None
    assert "Larkfield" in trace.steps[0].observation.page


@pytest.mark.browser
def test_bad_addresses_leave_nothing(tmp_path: Path) -> None:
    for url, why in (("ftp://a", "no web address"), ("http://127.0.0.1:9/", "cannot be opened")):
        with pytest.raises(ContentError, match=why), record(url, tmp_path / "out", redactor=None):
            pass
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.browser
def test_an_address_where_nothing_answers_is_one_sentence(tmp_path: Path) -> None:
    """Chromium tells of its first page while that is being closed; Playwright would print what a handler raises."""
    command = [sys.executable, "-m", "envsim.cli.sandbox", "record", "http://localhost:1/", "-o", str(tmp_path / "out")]
    done = subprocess.run([*command, "--headless"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: http://localhost:1/ cannot be opened")
    assert done.stderr.count("\n") == 1


def test_bad_names_and_addresses_make_no_key(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"no name for a trace.* 'x'"):
        record("http://127.0.0.1:9/", tmp_path / "out", redactor=None, session="../../x").__enter__()
    answer = CliRunner().invoke(app, ["record", "file:///etc/passwd", "-o", str(tmp_path / "out"), "--headless"])
    assert isinstance(answer.exception, ContentError)
    assert list(tmp_path.iterdir()) == []


def test_a_window_needs_a_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with (
        pytest.raises(PrerequisiteError, match="no screen"),
        record("http://127.0.0.1:9/", tmp_path, redactor=None, headless=False),
    ):
        pass


def test_a_short_secret_is_one_too(tmp_path: Path) -> None:
    """Too short to be looked for inside other text, but whole it is never written."""
    live = LiveTrace(tmp_path, Header(session="s", app="a", source="record", interface="browser"), Redactor(KEY))
    live.secret("1234", "code")
    live.step(Step(index=0, observation=Observation(page='textbox "Code" [eabcd]')))
    live.step(Step(index=1, action=Action.call("fill", bid="eabcd", value="1234"), observation=Observation()))
    for kind, body in (("application/x-www-form-urlencoded", b"code=1234"), ("application/json", b'{"a": ["1234"]}')):
        sent = Request("POST", "/?x=1234", (("content-type", kind),), body)
        live.exchange(Exchange("http://a.test", sent, 200, (), b"ok", "text/plain"))
    live.finish()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"1234" not in written
    assert written.count(b"redacted-password-") == 5


def test_a_session_is_never_overwritten(tmp_path: Path) -> None:
    header = Header(session="s", app="a", source="record", interface="browser")
    LiveTrace(tmp_path, header, None).finish()
    before = (tmp_path / "s.jsonl").read_bytes()
    with pytest.raises(TraceError, match="exists"):
        LiveTrace(tmp_path, header, None)
    assert (tmp_path / "s.jsonl").read_bytes() == before


def test_where_only_the_network_is_in_the_way_no_trace_is_left(tmp_path: Path) -> None:
    header = Header(session="s", app="a", source="record", interface="browser")
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "s.jsonl").write_text("theirs", encoding="utf-8")
    with pytest.raises(TraceError, match=r"Cannot write .*s\.jsonl"):
        LiveTrace(tmp_path, header, None)
    assert [path.name for path in tmp_path.iterdir()] == ["network"]
    assert (tmp_path / "network" / "s.jsonl").read_text(encoding="utf-8") == "theirs"


class Static:
    """A few pages on a loopback port."""

    def __init__(self, pages: dict[str, str]) -> None:
        from envsim.page.loopback import LoopbackHandler, LoopbackServer
        from envsim.page.transport import Response

        class Handler(LoopbackHandler):
            def forward(self) -> None:
                page = pages.get(self.path, "")
                self.send(Response(200 if page else 404, (("content-type", "text/html"),), page.encode()))

        self._server = LoopbackServer(Handler)
        self._server.start("pages")
        self.url = self._server.url

    def close(self) -> None:
        self._server.stop()
