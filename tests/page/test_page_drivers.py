"""Both drivers, side by side: the same pages, the same errors, the same requests."""

from __future__ import annotations

import pytest

from envsim.page.conformance import Difference, compare, walk
from envsim.page.driver import PageDriver
from envsim.types import Action

START = (
    "/", "/focus", "/counted", "/fault/reset", "/fault/short", "/fault/500", "/fault/404", "/fault/401", "/loop",
    "/away", "/empty",
)  # fmt: skip


def ref(driver: PageDriver, name: str, role: str = "") -> str:
    """The ref of the first element with that name."""
    return next(
        line.ref for line in driver.observe().lines if line.name == name and role in ("", line.role) and line.ref
    )


class Pair:
    """Two drivers led through the same actions; every step must look the same."""

    def __init__(self, first: PageDriver, second: PageDriver) -> None:
        self.first, self.second = first, second
        self.differences: list[Difference] = []

    def open(self, target: str, cookies: dict[str, str] | None = None) -> None:
        for driver in (self.first, self.second):
            driver.open(target, cookies or {})
        self.check("open")

    def do(self, name: str, element: str = "", /, **arguments: object) -> str:
        """One action on both, on the element called `element`; the error."""
        if element:
            arguments["bid"] = ref(self.first, element)
        action = Action.model_validate({"kind": "call", "name": name, "arguments": arguments})
        errors = [driver.act(action) for driver in (self.first, self.second)]
        assert errors[0] == errors[1], action
        self.check(action.to_call())
        return errors[0]

    def check(self, action: str) -> None:
        found = compare(self.first, self.second, self.first.observe().url, action)
        assert not found, "\n".join(f"{d.action}\n{d.detail}" for d in found)

    def texts(self) -> list[str]:
        return [line.name for line in self.first.observe().lines]


@pytest.fixture
def pair(driver_pair: tuple[PageDriver, PageDriver]) -> Pair:
    return Pair(*driver_pair)


def test_every_page_reads_the_same(pair: Pair) -> None:
    pair.open("/")
    differences, opened = walk(pair.first, pair.second, START, limit=100)
    assert not differences, "\n".join(f"{d.page} {d.action}\n{d.detail}" for d in differences)
    assert len(opened) > 40


def test_a_form_with_every_control(pair: Pair) -> None:
    pair.open("/fields")
    assert pair.do("fill", "Name", value="Grace <b>") == ""
    assert pair.do("fill", "E-mail", value="nobody") == ""
    assert "enter an email address" in pair.do("click", "Save")
    assert pair.do("fill", "E-mail", value=" grace@example.com ") == ""
    assert pair.do("fill", "How many", value="12") == ""
    assert "at most 9" in pair.do("click", "Save")
    assert "takes a number" in pair.do("fill", "How many", value="a few")
    assert pair.do("fill", "How many", value="7") == ""
    assert pair.do("fill", "Notes", value="one\ntwo é\n") == ""
    assert pair.do("fill", "Day", value="2026-03-31") == ""
    assert "a date" in pair.do("fill", "Day", value="tomorrow")
    assert pair.do("fill", "Loud", value="9") == ""
    assert pair.do("select_option", "Size", options="L") == ""
    assert "no option" in pair.do("select_option", "Size", options="XXL")
    assert "is disabled" in pair.do("select_option", "Size", options="XL")
    assert pair.do("select_option", "Extras", options=["Lid", "Spoon"]) == ""
    assert pair.do("select_option", "Size", options=["S"]) == ""
    assert pair.do("click", "Gift wrap") == ""
    assert pair.do("press", "Newsletter", key_comb="Space") == ""
    assert pair.do("click", "Fast") == ""
    assert pair.do("click", "Draft") == ""
    sent = [text.strip('"') for text in pair.texts() if "=" in text]
    assert sent == [
        "draft=1", "name=Grace <b>", "email=grace@example.com", "secret=abc", "count=7", "find=", "day=2026-03-31",
        "loud=9", "notes=one\\r\\ntwo \\u00e9\\r\\n", "size=S", "extras=Lid", "extras=Spoon", "gift=yes",
        "ship=fast", "fixed=same", "token=t0k", "file=", "do=draft",
    ]  # fmt: skip


def test_buttons_that_do_not_post(pair: Pair) -> None:
    pair.open("/fields")
    pair.do("fill", "Name", value="x")
    assert pair.do("click", "Nothing") == ""
    assert "is disabled" in pair.do("click", "Off")
    assert pair.do("click", "Reset") == ""
    assert next(line.value for line in pair.first.observe().lines if line.name == "Name") == "Ada"
    assert pair.do("click", "As query") == ""
    assert pair.first.observe().url.startswith("/search?name=Ada&")
    assert pair.do("go_back") == ""
    assert pair.do("fill", "Part", value="a\nb") == ""
    assert pair.do("click", "Send parts") == ""
    assert '"part=a b"' in pair.texts()


def test_enter_sends_the_form(pair: Pair) -> None:
    pair.open("/fields")
    pair.do("fill", "Query", value="red kettle")
    assert pair.do("press", "Query", key_comb="Enter") == ""
    assert pair.first.observe().url == "/search?q=red+kettle"
    pair.do("goto", url="/fields")
    pair.do("fill", "Owned elsewhere", value="z")
    assert pair.do("press", "Owned elsewhere", key_comb="Enter") == ""
    assert pair.first.observe().url == "/search?outer=z"
    pair.do("goto", url="/fields")
    assert "fill()" in pair.do("press", "Notes", key_comb="Enter")
    assert "one of" in pair.do("press", "Notes", key_comb="a")
    assert pair.do("press", "Name", key_comb="Tab") == ""
    assert pair.do("press", "Name", key_comb="Escape") == ""


def test_validation_stops_a_form(pair: Pair) -> None:
    pair.open("/strict")
    assert "fill out this field" in pair.do("click", "Send")
    pair.do("fill", "Must", value="m")
    pair.do("fill", "Zip", value="12")
    assert "Five digits" in pair.do("click", "Send")
    pair.do("fill", "Zip", value="12345")
    pair.do("fill", "Some", value="5")
    assert "steps of 2" in pair.do("click", "Send")
    pair.do("fill", "Some", value="4")
    assert "at most 5 characters" in pair.do("fill", "Short", value="too long")
    pair.do("fill", "Short", value="t")
    assert "at least 2" in pair.do("click", "Send")
    pair.do("clear", "Short")
    assert "check this box" in pair.do("click", "Send")
    pair.do("click", "Agree")
    assert "select an item" in pair.do("press", "Must", key_comb="Enter")
    pair.do("select_option", "Pick", options="One")
    assert pair.do("click", "Send") == ""
    assert pair.first.observe().title == "Echo"
    pair.do("go_back")
    assert pair.do("click", "Send anyway") == ""


def test_cookies_redirects_and_history(pair: Pair) -> None:
    pair.open("/counted", {"count": "4"})
    assert "count 4, from -" in pair.texts()
    assert pair.do("dblclick", "Add") == ""
    assert "count 5, from http://app.test/counted" in pair.texts()
    assert pair.do("click", "Add") == ""
    asked = pair.first.requests
    assert pair.do("click", "Same") == ""
    assert pair.first.requests == asked
    assert pair.do("click", "Forget") == ""
    assert any(text.startswith("count 0") for text in pair.texts())
    for _ in range(6):
        pair.do("go_back")
    assert "no page to go back" in pair.do("go_back")
    assert pair.do("go_forward") == ""
    pair.open("/counted")
    assert "count 0, from -" in pair.texts()
    assert "no page to go back" in pair.do("go_back")


def test_the_result_of_a_form_is_there_again(pair: Pair) -> None:
    pair.open("/fields")
    pair.do("click", "Send parts")
    assert pair.first.observe().title == "Echo"
    pair.do("click", "Again")
    before = pair.first.requests
    assert pair.do("go_back") == ""
    assert pair.first.observe().title == "Echo"
    assert pair.first.requests == before


def test_nothing_outside_the_app(pair: Pair) -> None:
    pair.open("/")
    for url in ("https://example.com/", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x",
                "view-source:/", "chrome://version", "http://127.0.0.1:22/", "//evil.test/", "about:blank", "http://app.test:81/",
                "ht\ntp://example.com", "blob:http://app.test/x", "http://app.test@evil.test/"):  # fmt: skip
        assert "outside the app" in pair.do("goto", url=url)
    assert pair.do("goto", url="http://app.test/lists") == ""
    assert pair.do("goto", url="table") == ""
    pair.do("goto", url="/")
    assert "outside the app" in pair.do("click", "elsewhere")
    assert "outside the app" in pair.do("click", "Mail")
    assert pair.do("goto", url="/away") == ""
    assert "Error: blocked" in pair.texts()
    assert pair.do("goto", url="/lists#part") == ""


def test_links_within_a_page(pair: Pair) -> None:
    pair.open("/")
    assert pair.do("click", "Below") == ""
    assert pair.do("goto", url="/#below") == ""
    assert pair.do("goto", url="/#name") == ""
    assert pair.first.requests == 1
    for _ in range(3):
        assert pair.do("go_back") == ""
    assert "no page to go back" in pair.do("go_back")
    assert pair.first.requests == 1


def test_downloads_leave_the_page(pair: Pair) -> None:
    pair.open("/")
    assert pair.do("click", "Report") == "Downloaded report.csv (8 bytes); the page stays as it is."
    assert pair.first.observe().title == "Home"
    assert "report.csv" in pair.do("goto", url="/report.csv")
    assert pair.do("go_back") == "There is no page to go back to."


def test_tabs(pair: Pair) -> None:
    pair.open("/tabs")
    assert pair.do("click", "New") == ""
    assert pair.first.observe().url == "/lists"
    assert pair.do("tab_focus", index=0) == ""
    assert pair.do("click", "Find") == ""
    assert pair.first.observe().url == "/search?q=t"
    assert pair.do("tab_close") == ""
    assert "no tab 7" in pair.do("tab_focus", index=7)
    assert pair.do("new_tab") == ""
    assert pair.first.observe().url == "about:blank"
    assert pair.do("goto", url="/table") == ""
    assert pair.do("tab_focus", index=0) == ""
    assert pair.do("tab_focus", index=1) == ""
    for _ in range(4):
        pair.do("tab_close")
    assert pair.first.observe().url == "about:blank"
    pair.open("/")
    assert pair.do("click", "Lists", button="middle") == ""
    assert pair.first.observe().url == "/"
    assert pair.do("tab_focus", index=1) == ""
    assert pair.first.observe().url == "/lists"


def test_dialogs_and_details(pair: Pair) -> None:
    pair.open("/dialog")
    assert "Home" not in pair.texts()
    assert pair.do("click", "Close") == ""
    assert "Home" in pair.texts()
    pair.do("goto", url="/details")
    assert "Inside" not in pair.texts()
    assert pair.do("click", "More") == ""
    assert "Inside" in pair.texts()
    assert pair.do("press", "Shown", key_comb="Enter") == ""
    assert "Text" not in pair.texts()


def test_impossible_actions_are_told(pair: Pair) -> None:
    pair.open("/fields")
    assert "no element" in pair.do("click", bid="e0000")
    assert 'needs the argument "value"' in pair.do("fill", "Name")
    assert "no argument" in pair.do("click", "Name", force=True)
    assert "must be text" in pair.do("fill", "Name", value=3)
    assert "no page action" in pair.do("teleport")
    assert "not a text field" in pair.do("fill", "Save", value="x")
    assert "select_option" in pair.do("fill", "Size", value="x")
    assert "select_option" in pair.do("click", "Size")
    assert "not a list" in pair.do("select_option", "Name", options="x")
    assert "exactly one" in pair.do("select_option", "Size", options=["S", "M"])
    assert "is disabled" in pair.do("fill", "Code", value="x")
    assert "read-only" in pair.do("fill", "Fixed", value="x")
    assert "not supported" in pair.do("click", "File")
    assert "not supported" in pair.do("drag_and_drop", from_bid="a", to_bid="b")
    assert pair.do("hover", "Save") == ""
    assert pair.do("focus", "Save") == ""
    assert pair.do("scroll", delta_x=0, delta_y=200) == ""
    assert pair.do("noop", wait_ms=1) == ""


def test_a_saved_session_comes_back(pair: Pair) -> None:
    pair.open("/counted", {"count": "2"})
    pair.do("goto", url="/fields")
    pair.do("fill", "Name", value="Kept")
    pair.do("click", "Gift wrap")
    pair.do("select_option", "Size", options="L")
    tokens = [driver.save() for driver in (pair.first, pair.second)]
    asked = [driver.requests for driver in (pair.first, pair.second)]
    pages = [pair.first.observe(), pair.second.observe()]
    for _ in range(2):
        pair.do("click", "Save")
        pair.do("goto", url="/forget")
        before = [driver.requests for driver in (pair.first, pair.second)]
        for driver, token in zip((pair.first, pair.second), tokens, strict=True):
            driver.load(token)
        assert [driver.requests for driver in (pair.first, pair.second)] == before
        pair.check("load")
        assert [pair.first.observe(), pair.second.observe()] == pages
    assert before != asked
    assert pair.do("go_back") == ""
    assert any(text.startswith("count 2") for text in pair.texts())
