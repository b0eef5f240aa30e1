"""What only a browser does: scripts, styles, screenshots, and what it must not reach."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from envsim.errors import PrerequisiteError, SandboxError, SandboxTimeout, UncertainError
from envsim.page import browser
from envsim.page.chromium import ChromiumDriver
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.page.transport import AsgiTransport, Request
from envsim.page.transport import Response as Answer
from envsim.types import Action

pytestmark = pytest.mark.browser


class Counter(HTTPServer):
    hits = 0


class CountingHandler(BaseHTTPRequestHandler):
    server: Counter

    def do_GET(self) -> None:
        self.server.hits += 1
        self.send_response(200)
        self.send_header("access-control-allow-origin", "*")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def neighbour() -> Iterator[Counter]:
    """Another service on this machine, which no page may reach."""
    server = Counter(("127.0.0.1", 0), CountingHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def serve(html: str, **others: Response) -> ChromiumDriver:
    routes = [Route("/", lambda _: HTMLResponse(html))]
    routes += [Route(f"/{path}", lambda _, r=response: r) for path, response in others.items()]
    return ChromiumDriver(AsgiTransport(Starlette(routes=routes)))


def names(driver: PageDriver) -> list[str]:
    return [line.name for line in driver.observe().lines]


def click(driver: PageDriver, name: str) -> str:
    ref = next(line.ref for line in driver.observe().lines if line.name == name and line.ref)
    return driver.act(Action.call("click", bid=ref))


def test_scripts_and_styles_count() -> None:
    html = """<style>.gone { display: none } .faint { visibility: hidden }</style>
      <p class=gone>unseen</p><p class=faint>faint</p><input id=i aria-label=Field value=old>
      <button onclick="document.body.append('added'); i.value = 'new'">Act</button>
      <button onclick="this.remove()">Vanish</button>"""
    with closing(serve(html)) as driver:
        driver.open("/", {})
        assert names(driver) == ["Field", "Act", "Vanish"]
        assert click(driver, "Act") == ""
        assert names(driver) == ["Field", "Act", "Vanish", "added"]
        assert driver.observe().lines[0].value == "new"
        assert click(driver, "Vanish") == ""
        assert names(driver) == ["Field", "Act", "added"]


def slow(driver_of: dict[str, Response | str], seconds: dict[str, float]) -> ChromiumDriver:
    """A driver whose app takes its time over some paths; text is a page."""

    class Slow(AsgiTransport):
        def send(self, request: Request) -> Answer:
            threading.Event().wait(seconds.get(request.target.partition("?")[0], 0))
            return super().send(request)

    def route(path: str, answer: Response | str) -> Route:
        return Route(path, lambda _: answer if isinstance(answer, Response) else HTMLResponse(answer))

    return ChromiumDriver(Slow(Starlette(routes=[route(path, answer) for path, answer in driver_of.items()])))


def test_a_page_is_waited_for_until_it_has_loaded() -> None:
    first = """<a href="/late">Late</a><a href="/none">Nothing</a><a href="#here">Here</a>
      <button onclick="setTimeout(() => location = '/late?by=timer')">Timer</button>"""
    late = "<p>waiting</p><script src='/late.js'></script><p>end</p><a href='/'>Back</a>"
    script = Response("document.querySelector('p').textContent = 'loaded'", media_type="text/javascript")
    routes: dict[str, Response | str] = {
        "/": first,
        "/late": late,
        "/late.js": script,
        "/none": Response(status_code=204),
    }
    # Longer than a page that is left is waited in, for the answer and again for what the page itself asks for.
    with closing(slow(routes, {"/late": 0.08, "/late.js": 0.08, "/none": 0.08})) as driver:
        driver.open("/", {})
        for name in ("Late", "Timer"):
            assert click(driver, name) == ""
            assert names(driver) == ["loaded", "end", "Back"]
            assert click(driver, "Back") == ""
        assert click(driver, "Nothing") == ""
        assert names(driver) == ["Late", "Nothing", "Here", "Timer"]
        assert click(driver, "Here") == ""
        assert driver.observe().url == "/"
        assert names(driver) == ["Late", "Nothing", "Here", "Timer"]


def test_what_is_typed_is_kept_for_each_place_in_the_history() -> None:
    page = "<input aria-label=Field><a href='#more'>More</a><a href='/two'>Two</a><a href='/three'>Three</a>"
    others = {name: HTMLResponse(page) for name in ("two", "three")}
    with closing(serve(page, **others)) as driver, closing(serve(page, **others)) as other:
        driver.open("/", {})
        field = driver.observe().lines[0].ref
        for name in ("Two", "More", "Three"):
            driver.act(Action.call("fill", bid=field, value=f"before {name}"))
            assert click(driver, name) == ""
        driver.act(Action.call("fill", bid=field, value="last"))
        other.load(driver.save())
        for value in ("last", "before Three", "before Three", "before Two"):
            assert [each.observe().lines[0].value for each in (driver, other)] == [value, value]
            driver.act(Action.call("go_back"))
            other.act(Action.call("go_back"))


def test_a_place_that_a_script_made_up_is_of_the_page_that_was_there() -> None:
    push = "history.pushState({}, '', '/?made=up')"
    page = f"""<input aria-label=Field><button onclick="{push}">Push</button><a href='/two'>Two</a>"""
    two = {"two": HTMLResponse("<p>two</p>")}
    with closing(serve(page, **two)) as driver, closing(serve(page, **two)) as other:
        driver.open("/", {})
        field = driver.observe().lines[0].ref
        assert click(driver, "Push") == ""
        other.load(driver.save())
        assert names(other) == names(driver) == ["Field", "Push", "Two"]
        driver.act(Action.call("fill", bid=field, value="typed"))
        assert click(driver, "Two") == ""
        other.load(driver.save())
        for each in (driver, other):
            assert names(each) == ["two"]
            each.act(Action.call("go_back"))
            assert (each.observe().url, each.observe().lines[0].value) == ("/?made=up", "typed")


def test_a_covered_button_is_an_error_not_a_failure() -> None:
    html = "<button>Under</button><div style='position:fixed; inset:0; background:#fff'></div>"
    with closing(serve(html)) as driver:
        driver.open("/", {})
        assert "covers it" in click(driver, "Under")
        assert names(driver) == ["Under"]


def test_an_element_that_a_script_took_away() -> None:
    html = "<button>Later</button><script>setTimeout(() => document.querySelector('button').remove(), 150)</script>"
    with closing(serve(html)) as driver:
        driver.open("/", {})
        ref = driver.observe().lines[0].ref
        threading.Event().wait(0.3)
        assert "no longer on the page" in driver.act(Action.call("click", bid=ref))
        assert names(driver) == []


def test_pages_reach_the_app_and_nothing_else(neighbour: Counter) -> None:
    url = f"http://127.0.0.1:{neighbour.server_port}/"
    html = f"""<script>
      const tell = (name, promise) => promise.then(() => name + ' reached', () => name + ' refused')
        .then(text => document.body.append(Object.assign(document.createElement('p'), {{textContent: text}})));
      const socket = new Promise((yes, no) => {{
        const it = new WebSocket('{url.replace("http", "ws")}'); it.onopen = yes; it.onerror = no; }});
      window.onload = () => Promise.all([
        tell('neighbour', fetch('{url}', {{mode: 'no-cors'}}).then(r => {{ if (r.status === 403) throw r; }})),
        tell('internet', fetch('https://example.com/', {{mode: 'no-cors'}})),
        tell('own', fetch('/data')), tell('socket', socket)]).then(() => document.title = 'done');
      </script><img src="{url}img"><iframe src="{url}frame"></iframe><a href="#" onclick="location='{url}'">Leave</a>"""
    with closing(serve(html, data=Response("x"))) as driver:
        driver.open("/", {})
        for _ in range(50):
            if driver.observe().title == "done":
                break
            driver.act(Action.call("noop", wait_ms=50))
        assert "own reached" in names(driver)
        assert {"internet refused", "socket refused"} <= set(names(driver))
        click(driver, "Leave")
        driver.observe()
        assert driver.act(Action.call("goto", url="/")) == ""
    assert neighbour.hits == 0


def test_a_screenshot_is_a_picture_of_the_viewport(chromium_driver: PageDriver, http_driver: HttpDriver) -> None:
    chromium_driver.open("/fields", {})
    picture = chromium_driver.screenshot()
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1280, 720]
    assert http_driver.screenshot() is None


def test_two_drivers_from_two_threads() -> None:
    seen: dict[str, list[str]] = {}

    def browse(name: str) -> None:
        with closing(serve(f"<p>{name}</p>")) as driver:
            for _ in range(3):
                driver.open("/", {"who": name})
                seen[name] = names(driver)

    threads = [threading.Thread(target=browse, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"one": ["one"], "two": ["two"]}


def keep_going(driver: PageDriver) -> None:
    """Act until something gives."""
    for _ in range(100):
        driver.act(Action.call("noop", wait_ms=20))
        driver.observe()


def test_a_browser_that_dies_is_replaced() -> None:
    with closing(serve("<p>here</p>")) as driver:
        driver.open("/", {})
        os.kill(browser.shared().pid, signal.SIGKILL)
        with pytest.raises(SandboxError, match="Reset the environment"):
            keep_going(driver)
    with closing(serve("<p>again</p>")) as driver:
        driver.open("/", {})
        assert names(driver) == ["again"]


def test_a_script_that_never_returns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    html = "<button onclick='setTimeout(() => { for (;;); }, 50)'>Spin</button>"
    with closing(serve(html)) as driver:
        driver.open("/", {})
        pid = browser.shared().pid
        assert click(driver, "Spin") == ""
        monkeypatch.setattr(browser, "DEADLINE_S", 2)
        with pytest.raises(SandboxTimeout):
            keep_going(driver)
        monkeypatch.undo()
    with closing(serve("<p>again</p>")) as driver:
        driver.open("/", {})
        assert names(driver) == ["again"]
        assert browser.shared().pid != pid


def test_sessions_do_not_leak() -> None:
    html = "<script>document.write('<p>' + (localStorage.seen || 'first') + document.cookie + '</p>');"
    html += "localStorage.seen = 'again'; document.cookie = 'c=1'</script>"
    with closing(serve(html)) as driver:
        for _ in range(2):
            driver.open("/", {})
            assert names(driver) == ["first"]


def test_use_before_open_and_foreign_tokens(chromium_driver: PageDriver, http_driver: HttpDriver) -> None:
    with pytest.raises(UncertainError, match="open"):
        chromium_driver.act(Action.call("noop"))
    http_driver.open("/", {})
    with pytest.raises(UncertainError, match="chromium"):
        chromium_driver.load(http_driver.save())
    with pytest.raises(UncertainError, match="http"):
        http_driver.load("nonsense")


def test_closing_twice_is_fine(chromium_driver: PageDriver) -> None:
    chromium_driver.open("/", {})
    chromium_driver.close()
    chromium_driver.close()
    with pytest.raises((SandboxError, SandboxTimeout, UncertainError)):
        chromium_driver.act(Action.call("noop"))


def test_a_missing_browser_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browser.ENV, "/nowhere/chromium")
    with pytest.raises(PrerequisiteError, match="/nowhere/chromium is not a program"):
        browser.find_chromium()
    monkeypatch.delenv(browser.ENV)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PrerequisiteError, match="apt-get install"):
        browser.find_chromium()


def test_a_session_goes_on_in_another_browser_context() -> None:
    """What only the browser holds: storage of both kinds, what was typed on pages before, and what was posted."""
    shown = """<form method=post action=/post><input aria-label=Word name=word><button>Post</button></form>
      <p id=seen></p><a href="/next">Next</a><script>
        localStorage.both = (localStorage.both || '') + 'L'; sessionStorage.one = (sessionStorage.one || '') + 'S';
        seen.textContent = `${localStorage.both} ${sessionStorage.one}`;
      </script>"""
    asked: list[str] = []

    async def page(request: StarletteRequest) -> Response:
        asked.append(f"{request.method} {request.url.path}")
        return HTMLResponse(shown if request.method == "GET" else "<p>posted</p><a href='/next'>Next</a>")

    routes = [Route("/", page), Route("/post", page, methods=["POST"])]
    routes.append(Route("/next", lambda _: HTMLResponse("<p>next</p>")))
    app = AsgiTransport(Starlette(routes=routes))
    with closing(ChromiumDriver(app)) as first, closing(ChromiumDriver(app)) as second:
        first.open("/", {})
        word = next(line.ref for line in first.observe().lines if line.name == "Word")
        first.act(Action.call("fill", bid=word, value="typed"))
        click(first, "Post")
        click(first, "Next")
        token, before = first.save(), list(asked)
        second.load(token)
        assert asked == before  # nothing was asked again, least of all posted
        assert second.observe() == first.observe()
        walks = []
        for driver in (first, second):
            driver.act(Action.call("go_back"))
            posted = names(driver)
            driver.act(Action.call("go_back"))
            walks.append((posted, driver.observe(), [n for n in names(driver) if n.startswith("L")]))
        assert walks[0] == walks[1]
        assert walks[0][0] == ["posted", "Next"]
        assert "typed" in str(walks[0][1])
        assert walks[0][2] == ["LL SS"]
