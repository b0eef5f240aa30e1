"""The http driver on its own: what it sends, and that nothing an agent does can break it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envsim.page.http import HttpDriver
from envsim.page.lines import format_lines, parse_lines
from envsim.page.primitives import PRIMITIVES
from envsim.page.snapshot import snapshot
from envsim.page.transport import Request, Response, WireFault
from envsim.types import POSITIONAL, Action


class Script:
    """A transport that answers every request with the next of its responses, and remembers the requests."""

    def __init__(self, *responses: Response | WireFault) -> None:
        self.responses = list(responses)
        self.sent: list[Request] = []

    def send(self, request: Request) -> Response:
        self.sent.append(request)
        answer = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if isinstance(answer, WireFault):
            raise answer
        return answer

    def close(self) -> None:
        pass


def html(text: str, status: int = 200, **headers: str) -> Response:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, (("content-type", "text/html"), *named), text.encode())


def opened(*responses: Response | WireFault) -> tuple[HttpDriver, Script]:
    script = Script(*responses)
    driver = HttpDriver(script)
    driver.open("/start", {"sid": "s1"})
    return driver, script


def click(driver: HttpDriver, name: str) -> str:
    return driver.act(Action.call("click", bid=next(line.ref for line in driver.observe().lines if line.name == name)))


FORM = '<form method=post action="/send?x=1"><input name=a value="1 2&"><button name=b value=c>Go</button></form>'


def test_what_a_post_looks_like_on_the_wire() -> None:
    driver, script = opened(html(FORM), html("", 303, location="/done", set_cookie="sid=s2; Path=/"), html("<p>done"))
    assert click(driver, "Go") == ""
    first, post, get = script.sent
    assert (first.method, first.target, dict(first.headers)["cookie"]) == ("GET", "/start", "sid=s1")
    assert "referer" not in dict(first.headers)
    assert (post.method, post.target, post.body) == ("POST", "/send?x=1", b"a=1+2%26&b=c")
    headers = dict(post.headers)
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert (headers["origin"], headers["referer"]) == ("http://app.test", "http://app.test/start")
    assert (get.method, get.target, get.body, dict(get.headers)["cookie"]) == ("GET", "/done", b"", "sid=s2")
    assert (driver.observe().url, driver.requests) == ("/done", 3)


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", b""),
        (302, "GET", b""),
        (303, "GET", b""),
        (307, "POST", b"a=1+2%26&b=c"),
        (308, "POST", b"a=1+2%26&b=c"),
    ],
)
def test_redirects_keep_or_drop_the_body(status: int, method: str, body: bytes) -> None:
    driver, script = opened(html(FORM), html("", status, location="/next"), html("x"))
    click(driver, "Go")
    assert (script.sent[2].method, script.sent[2].body) == (method, body)


@pytest.mark.parametrize("kind", ["reset", "timeout", "truncated"])
def test_a_broken_exchange_is_a_page_like_any_other(kind: Any) -> None:
    driver, _ = opened(html("<a href=/next>Next</a>"), WireFault(kind), html("<p>fine"))
    assert click(driver, "Next") == ""
    page = driver.observe()
    assert page.url == "/next"
    assert f"Error: {kind}" in [line.name for line in page.lines]
    assert driver.act(Action.call("go_back")) == ""
    assert [line.name for line in driver.observe().lines] == ["fine"]


def test_the_schemas_are_the_call_strings_primitives() -> None:
    schemas = {schema["name"]: tuple(schema["parameters"]["properties"]) for schema in PRIMITIVES}
    assert schemas == {name: arguments for name, arguments in POSITIONAL.items() if name != "report_infeasible"}


def test_tools_are_the_callers_own() -> None:
    driver, _ = opened(html(""))
    driver.tools()[0]["name"] = "changed"
    assert driver.tools()[0]["name"] == "noop"


def test_a_saved_session_can_be_used_twice() -> None:
    driver, script = opened(html("<input aria-label=Name><a href=/b>B</a>"), html("<p>b"))
    ref = driver.observe().lines[0].ref
    driver.act(Action.call("fill", bid=ref, value="one"))
    token = driver.save()
    for value in ("two", "three"):
        driver.act(Action.call("fill", bid=ref, value=value))
        click(driver, "B")
        driver.load(token)
        assert driver.observe().lines[0].value == "one"
    assert len(script.sent) == 3


PAGE = """<title>T</title><form action=/s><label>N <input name=n required></label>
<select name=s aria-label=S multiple><option>a<option>b</select><input type=checkbox aria-label=C>
<input type=radio name=r aria-label=R1><input type=radio name=r aria-label=R2><textarea aria-label=T></textarea>
<button>Go</button><button type=reset>Reset</button><button formmethod=dialog>D</button></form>
<details><summary>Sum</summary><a href=#x>in</a></details><a href=/a>A</a><a href=/b target=_blank>B</a>
<a href=http://out.test/>O</a><dialog open><form method=dialog><button>Close</button></form></dialog>
<div role=button tabindex=0>Div</div><span role=link>L</span><input type=range aria-label=Range>
<a href=/c>C <input aria-label=In value=v> <select><option>x<option>y</select></a>
<button>Holds <label>Tick <input type=checkbox></label></button>
<input type=date aria-label=Date><button form=none>Orphan</button><input type=image alt=I>"""
ARGUMENTS = st.dictionaries(
    st.sampled_from(["bid", "value", "options", "key_comb", "url", "index", "wait_ms", "button", "modifiers", "other"]),
    st.one_of(
        st.text(max_size=5), st.integers(-3, 3), st.none(), st.booleans(), st.lists(st.text(max_size=2), max_size=2),
        st.sampled_from(["a", "/a", "#x", "Enter", "Tab", "Space", "2026-03-31", "middle"]),
    ),
    max_size=3,
)  # fmt: skip
ACTION = st.tuples(st.sampled_from([*POSITIONAL, "nothing"]), st.integers(0, 30), ARGUMENTS, st.booleans())


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTION, max_size=12))
def test_nothing_an_agent_does_raises(choices: list[tuple[str, int, dict[str, Any], bool]]) -> None:
    driver, script = opened(html(PAGE))
    for name, at, arguments, real in choices:
        names = POSITIONAL.get(name, ())
        refs = [line.ref for line in driver.observe().lines if line.ref]
        if real:
            arguments = {key: value for key, value in arguments.items() if key in names}  # noqa: PLW2901
            if "bid" in names and refs:
                arguments["bid"] = refs[at % len(refs)]
        error = driver.act(Action(kind="call", name=name, arguments=arguments))
        assert "\n" not in error
        page = driver.observe()
        assert parse_lines(format_lines(page.lines)) == list(page.lines)
        # What was only read again where it changed is the page as a whole.
        whole = snapshot(driver._document(), page.url) if page.lines else page
        assert (page, list(page.elements.values())) == (whole, list(whole.elements.values()))
    assert driver.requests == len(script.sent)
    assert all(request.target.startswith("/") for request in script.sent)


def test_only_controls_whose_state_changed_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, _ = opened(html(PAGE))
    refs = {line.name: line.ref for line in driver.observe().lines}
    monkeypatch.setattr("envsim.page.http.snapshot", lambda *_: pytest.fail("the whole page was read again"))
    driver.act(Action.call("fill", bid=refs["N"], value="one"))
    driver.act(Action.call("click", bid=refs["C"]))
    driver.act(Action.call("click", bid=refs["R2"]))
    driver.act(Action.call("click", bid=refs["R1"]))
    driver.act(Action.call("select_option", bid=refs["S"], options=["a", "b"]))
    states = {line.name: (line.value, sorted(line.states)) for line in driver.observe().lines if line.ref}
    assert states["N"] == ("one", ["required"])
    assert (states["C"][1], states["R1"][1], states["R2"][1]) == (["checked"], ["checked"], [])
    assert states["S"] == ("a | b", ["focused", "multiple", "options"])
    driver.act(Action.call("click", bid=refs["Reset"]))
    states = {line.name: (line.value, sorted(line.states)) for line in driver.observe().lines if line.ref}
    assert (states["N"], states["C"], states["S"]) == (
        (None, ["required"]),
        (None, []),
        (None, ["multiple", "options"]),
    )
