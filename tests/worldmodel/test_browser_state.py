"""What the browser does alone: compared with the http page driver on the same page, action by action."""

from __future__ import annotations

import pytest

from envsim.page.http import HttpDriver
from envsim.page.lines import format_lines
from envsim.page.transport import Request, Response
from envsim.types import Action, Observation
from worldmodel.browser import BrowserState
from worldmodel.requests import get

PAGE = """<!doctype html><title>T</title><nav><a href="/a">A</a><a href="https://elsewhere.example/">Away</a></nav>
<main><h1>Form</h1><form aria-label="Order" method="post" action="/order">
<label>Name <input name="name" required></label>
<label>Secret password <input type="password" name="pw"></label>
<label>Amount <input type="number" name="n" value="1"></label>
<label>Size <select name="size"><option>S<option selected>M<option value="l">L</select></label>
<label>Gift <input type="checkbox" name="gift"></label>
<fieldset><legend>Ship</legend><label><input type="radio" name="s" checked> Slow</label>
<label><input type="radio" name="s"> Fast</label></fieldset>
<button disabled>Off</button><button>Send</button></form></main>"""


class Fixed:
    """Answers every request with the same page."""

    def send(self, request: Request) -> Response:
        return Response(200, (("content-type", "text/html"),), PAGE.encode())

    def close(self) -> None:
        pass


def both() -> tuple[HttpDriver, BrowserState]:
    driver = HttpDriver(Fixed())
    driver.open("/start", {})
    return driver, BrowserState().show(observation(driver, ""))


def observation(driver: HttpDriver, error: str) -> Observation:
    page = driver.observe()
    return Observation(url=page.url, title=page.title, page=format_lines(page.lines), error=error)


def ref(state: BrowserState, role: str, name: str) -> str:
    return next(line.ref for line in state.tab.lines if (line.role, line.name) == (role, name))


LOCAL = [
    [("fill", "textbox", "Name", {"value": "Ada"})],
    [("fill", "textbox", "Secret password", {"value": "hunter2"}), ("clear", "textbox", "Secret password", {})],
    [("fill", "spinbutton", "Amount", {"value": "many"})],
    [("fill", "spinbutton", "Amount", {"value": "3"}), ("focus", "textbox", "Name", {})],
    [("fill", "combobox", "Size", {"value": "S"})],
    [("fill", "button", "Send", {"value": "S"})],
    [("select_option", "combobox", "Size", {"options": "L"})],
    [("select_option", "combobox", "Size", {"options": ["S"]})],
    [("select_option", "combobox", "Size", {"options": "XXL"})],
    [("select_option", "textbox", "Name", {"options": "S"})],
    [("click", "checkbox", "Gift", {}), ("click", "checkbox", "Gift", {}), ("click", "checkbox", "Gift", {})],
    [("click", "radio", "Fast", {}), ("press", "radio", "Slow", {"key_comb": "Space"})],
    [("click", "button", "Off", {})],
    [("click", "button", "Send", {})],
    [("click", "combobox", "Size", {})],
    [("click", "link", "Away", {})],
    [("hover", "link", "A", {}), ("press", "textbox", "Name", {"key_comb": "Tab"})],
    [("press", "textbox", "Name", {"key_comb": "Space"})],
    [("press", "textbox", "Name", {"key_comb": "q"})],
]


@pytest.mark.parametrize("actions", LOCAL, ids=lambda actions: "-".join(f"{a[0]}-{a[2]}" for a in actions))
def test_local_actions_match_the_driver(actions: list[tuple[str, str, str, dict[str, object]]]) -> None:
    driver, state = both()
    for name, role, label, arguments in actions:
        action = Action(kind="call", name=name, arguments={"bid": ref(state, role, label), **arguments})
        error = driver.act(action)
        state, request, ours = state.act(action)
        assert request is None
        assert state.observation(ours) == observation(driver, error)


@pytest.mark.parametrize(
    "action",
    [
        Action.call("click", bid="enope"),
        Action.call("click"),
        Action.call("fly", bid="e1"),
        Action.call("goto", url=""),
        Action.call("goto", url="https://elsewhere.example/x"),
        Action.call("go_back"),
        Action.call("tab_focus", index=4),
        Action.call("noop"),
        Action.call("drag_and_drop", from_bid="a", to_bid="b"),
        Action.call("new_tab"),
    ],
    ids=lambda action: action.to_call(),
)
def test_page_wide_actions_match_the_driver(action: Action) -> None:
    driver, state = both()
    error = driver.act(action)
    state, request, ours = state.act(action)
    assert request is None
    assert state.observation(ours) == observation(driver, error)


def test_links_history_and_forms_become_requests() -> None:
    _, state = both()
    state, request, _ = state.act(Action.call("click", bid=ref(state, "link", "A")))
    assert request == get("/a")
    state = state.show(Observation(url="/a", title="A", page="main"))
    state, request, _ = state.act(Action.call("go_back"))
    assert request == get("/start")
    state = state.show(Observation(url="/start", title="T", page="main"))
    _, request, _ = state.act(Action.call("go_forward"))
    assert request == get("/a")


def test_a_submitted_form_says_what_it_holds() -> None:
    _, state = both()
    for name, label, value in (("textbox", "Name", "Ada"), ("textbox", "Secret password", "hunter2")):
        state, _, _ = state.act(Action.call("fill", bid=ref(state, name, label), value=value))
    _, request, _ = state.act(Action.call("click", bid=ref(state, "button", "Send")))
    assert request is not None
    assert request.lines[:2] == ('click button "Send" on "/start"', 'in "Order"')
    assert {'"Name" = "Ada"', '"Secret password" = "hunter2"', '"Size" = "M"', '"Slow" checked'} <= set(request.lines)
    assert not any("e" in line and "[" in line for line in request.lines), "refs must not reach the model"


def test_queries_are_read_decoded() -> None:
    assert get("/s?q=a+b&p=2").lines == ('get "/s?q=a+b&p=2"', '"q" = "a b"', '"p" = "2"')
