"""The fault transport before an app that keeps what reaches it: what is said to be done is done, and only that."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.errors import ContentError, UncertainError
from envsim.page.fetched import NAVIGATION_HEADERS, decode
from envsim.page.transport import Request, Response, WireFault
from envsim.sandbox.declared import BugClass
from envsim.sandbox.faults import APP_ONLY, FAULTS, PRODUCTION, FaultProfile, Schedule, read_faults
from envsim.sandbox.faults_wire import FaultTransport

PAGE = """<!doctype html><html><head><title>Zoë's shelf</title></head><body><header><a href="/">Home</a></header>
<main><h1>Café {n}</h1><ul><li>one</li><li>two</li><li>three</li></ul>
<form method="post" action="/put"><input name="item" aria-label="Item"><input type="hidden" name="csrf" value="abc">
<button>Put</button></form></main></body></html>"""
FORM = (
    *NAVIGATION_HEADERS,
    ("content-type", "application/x-www-form-urlencoded"),
    ("cookie", "sid=1"),
    ("referer", "http://app.test/"),
)
BROWSE = (*NAVIGATION_HEADERS, ("cookie", "sid=1"))


@dataclass
class Shelf:
    """An app that never says the same twice."""

    got: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        self.got.append(request)
        n = len(self.got)
        if request.target.startswith("/api"):
            return Response(
                200, (("content-type", "application/json"),), json.dumps({"item_count": n, "name": "Zoë"}).encode()
            )
        if request.method == "POST":
            return Response(303, (("location", "/"), ("set-cookie", "sid=2")))
        return Response(
            200, (("content-type", "text/html"), ("set-cookie", f"n={n}")), PAGE.replace("{n}", str(n)).encode()
        )

    def close(self) -> None:
        pass


GET = Request("GET", "/?page=2", BROWSE)
POST = Request("POST", "/put", FORM, b"item=cup&csrf=abc")
API = Request("GET", "/api/items", (("accept", "application/json"), ("cookie", "sid=1")))
API_POST = Request("POST", "/api/items", (("accept", "application/json"), ("content-type", "application/json")), b"{}")
STYLE = Request("GET", "/style.css", (("sec-fetch-dest", "style"), ("sec-fetch-mode", "no-cors")))
REQUESTS = (GET, POST, API, API_POST, STYLE)


def wired(seed: int = 0, **rates: float) -> tuple[FaultTransport, Shelf]:
    app = Shelf()
    transport = FaultTransport(app, FaultProfile({name.replace("_", "-"): rate for name, rate in rates.items()}))
    transport.begin(seed)
    return transport, app


def sent(transport: FaultTransport, request: Request) -> Response | str:
    try:
        return transport.send(request)
    except WireFault as fault:
        return fault.kind


# -- profiles and schedule -----------------------------------------------------------------------


def test_faults_and_app_bugs_cover_the_taxonomy() -> None:
    classes = {fault.fault_class for fault in FAULTS.values()} - {""}
    assert classes | set(APP_ONLY) == set(BugClass.__args__)  # type: ignore[attr-defined]
    assert not classes & set(APP_ONLY)


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("none", {}),
        ("production", PRODUCTION),
        ("production*0.5", {name: rate / 2 for name, rate in PRODUCTION.items()}),
        ("production*0", {}),
        ("modal=0.5, latency=1", {"latency": 1.0, "modal": 0.5}),
        ("all*100", dict.fromkeys(FAULTS, 1.0)),
    ],
)
def test_profiles_are_read(text: str, rates: dict[str, float]) -> None:
    assert read_faults(text).rates == pytest.approx(rates)
    assert list(read_faults(text).rates) == [name for name in FAULTS if name in rates]


@pytest.mark.parametrize(
    "bad", ["storm", "latency=often", "storm=0.1", "latency=1.5", "latency=nan", "production*x", "production*-1"]
)
def test_what_is_no_profile_is_refused(bad: str) -> None:
    with pytest.raises(ContentError):
        read_faults(bad)


def test_patience_must_be_a_time() -> None:
    with pytest.raises(ContentError):
        FaultProfile({"latency": 1.0}, patience_s=0)


def test_rates_are_kept_and_faults_are_drawn_apart() -> None:
    schedule = Schedule(read_faults({"modal": 0.3, "latency": 0.1}), seed=5)
    due = [schedule.due(number) for number in range(4000)]
    assert sum("modal" in hit for hit in due) / 4000 == pytest.approx(0.3, abs=0.03)
    assert sum("latency" in hit for hit in due) / 4000 == pytest.approx(0.1, abs=0.02)
    assert sum(len(hit) == 2 for hit in due) / 4000 == pytest.approx(0.03, abs=0.015)
    alone = Schedule(read_faults({"modal": 0.3}), seed=5)
    assert [n for n in range(4000) if alone.due(n)] == [n for n, hit in enumerate(due) if "modal" in hit]


def test_delays_have_the_tail_they_are_said_to_have() -> None:
    schedule = Schedule(read_faults({"latency": 1.0}), seed=1)
    delays = sorted(schedule.delay_s(number) for number in range(4000))
    assert delays[2000] == pytest.approx(1.5, rel=0.1)
    assert delays[3800] == pytest.approx(10.8, rel=0.15)


# -- one class at a time ---------------------------------------------------------------------------


def test_server_errors_say_whether_the_app_was_asked() -> None:
    seen = set()
    for seed in range(12):
        transport, app = wired(seed, server_error=1.0)
        answer = transport.send(API_POST)
        seen.add(answer.status)
        assert len(app.got) == (answer.status == 502)
        assert json.loads(answer.body)["error"]["message"]
    assert seen == {500, 502, 503}


def test_a_rate_limit_lasts_as_long_as_it_says() -> None:
    for seed in range(8):
        transport, app = wired(seed, rate_limit=0.2)
        number = next(n for n in range(100) if Schedule(read_faults({"rate-limit": 0.2}), seed).due(n))
        for _ in range(number):
            assert transport.send(GET).status == 200
        first = transport.send(GET)
        (event,) = transport.drain()
        assert first.status == 429
        assert first.header("retry-after") in event.detail
        more = int(event.detail.split()[-2])
        assert [transport.send(GET).status for _ in range(more)] == [429] * more
        assert first.header("retry-after") in decode(first)
        assert len(app.got) == number


@pytest.mark.parametrize(
    ("name", "kind", "asked"),
    [
        ("connection-reset", "reset", 0),
        ("timeout-before-commit", "timeout", 0),
        ("timeout-after-commit", "timeout", 1),
        ("truncated-body", "truncated", 1),
    ],
)
def test_broken_exchanges(name: str, kind: str, asked: int) -> None:
    transport, app = wired(**{name: 1.0})
    assert sent(transport, GET) == kind
    assert len(app.got) == asked
    assert [event.id for event in transport.drain()] == [name]


def test_latency_costs_no_time_and_beyond_patience_is_a_timeout_after_commit() -> None:
    app = Shelf()
    transport = FaultTransport(app, FaultProfile({"latency": 1.0}, patience_s=1.5))
    transport.begin(3)
    answers = [sent(transport, GET) for _ in range(200)]
    details = [event.detail for event in transport.drain()]
    assert len(app.got) == len(details) == 200
    late = [float(detail.split()[0]) > 1.5 for detail in details]
    assert [answer == "timeout" for answer in answers] == late
    assert 60 < sum(late) < 140


def test_a_session_is_not_seen_for_a_while_and_then_is_again() -> None:
    transport, app = wired(4, session_expiry=0.3)
    for _ in range(60):
        before = len(app.got)
        answer = transport.send(GET)
        expired = bool(transport.drain())
        assert any(key == "cookie" for key, _ in app.got[before].headers) is not expired
        assert bool(answer.set_cookies()) is not expired
    transport, app = wired(session_expiry=1.0)
    assert transport.send(POST).status == 401
    assert app.got == []


def test_a_rotated_token_is_the_apps_to_refuse() -> None:
    transport, app = wired(csrf_rotation=1.0)
    transport.send(POST)
    assert app.got[0].body.startswith(b"item=cup&csrf=")
    assert not app.got[0].body.endswith(b"=abc")
    transport.drain()
    bare = Request("POST", "/put", FORM, b"item=cup")
    assert transport.send(bare).status == 403
    assert len(app.got) == 1
    transport.drain()
    assert transport.send(GET).status == 200
    assert transport.drain() == ()


def test_a_stale_answer_is_an_earlier_one_that_differs() -> None:
    transport, _ = wired(stale_response=1.0)
    first = transport.send(GET)
    assert transport.drain() == ()
    again = transport.send(GET)
    assert again.body == first.body
    assert again.set_cookies() == []
    assert [event.id for event in transport.drain()] == ["stale-response"]


def test_only_what_changes_things_is_delivered_twice() -> None:
    transport, app = wired(duplicate_delivery=1.0)
    transport.send(GET)
    assert len(app.got) == 1
    transport.send(API_POST)
    assert app.got[1:] == [API_POST, API_POST]


def test_json_is_cut_renamed_and_misread() -> None:
    transport, _ = wired(malformed_body=1.0)
    with pytest.raises(ValueError, match=r"."):
        json.loads(transport.send(API).body)
    seen = set()
    for seed in range(10):
        transport, _ = wired(seed, schema_drift=1.0)
        seen.add(transport.send(API).body.decode())
    assert seen == {'{"itemCount":"1","name":"Zoë"}', '{"item_count":1,"name_value":"Zoë"}'}
    transport, _ = wired(encoding_damage=1.0)
    assert json.loads(transport.send(API).body)["name"] == "ZoÃ«"


def test_a_challenge_stands_until_it_is_solved() -> None:
    transport, app = wired(7, captcha=1.0)
    page = decode(transport.send(GET))
    assert "One more step" in page
    one, two = (int(word.rstrip("?")) for word in page.partition("What is ")[2].partition("<")[0].split(" plus "))
    wrong = Request("POST", GET.target, FORM, b"challenge_reply=0")
    assert "not right" in decode(transport.send(wrong))
    right = Request("POST", GET.target, FORM, f"challenge_reply={one + two}".encode())
    answer = transport.send(right)
    assert (answer.status, answer.header("location")) == (303, GET.target)
    assert app.got == []
    assert [event.detail for event in transport.drain()] == ["shown", "not solved", "solved"]


def test_nobody_is_locked_out_by_a_challenge() -> None:
    number = next(
        s
        for s in range(100)
        if [bool(Schedule(read_faults({"captcha": 0.4}), s).due(n)) for n in range(4)] == [True, False, False, False]
    )
    transport, app = wired(number, captcha=0.4)
    titles = ["One more" in decode(transport.send(GET)) for _ in range(4)]
    assert titles == [True, True, True, False]
    assert len(app.got) == 1


def test_toasts_lie_both_ways() -> None:
    outcomes = set()
    for seed in range(10):
        transport, app = wired(seed, lying_toast=1.0)
        answer = transport.send(POST)
        page = decode(transport.send(Request("GET", str(answer.header("location")), BROWSE)))
        assert answer.status == 303
        posted = sum(request.method == "POST" for request in app.got)
        outcomes.add((posted, "have been saved" in page, "could not be saved" in page))
        assert "could not" not in decode(transport.send(GET))
    assert outcomes == {(0, True, False), (1, False, True)}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("modal", "", "aria-modal"),
        ("slow-render", "three", "Loading"),
        ("disabled-clickable", "", '<button type="button">'),
        ("layout-variant", "", "<body><main>"),
        ("page-skip", "<li>one</li>", "<li>two</li>"),
    ],
)
def test_pages_are_rewritten(name: str, before: str, after: str) -> None:
    transport, _ = wired(**{name: 1.0})
    page = decode(transport.send(GET))
    assert after in page
    assert not before or before not in page
    transport.send(API)
    assert [event.id for event in transport.drain()] == [name]


def test_a_list_keeps_its_items_in_another_order() -> None:
    transport, _ = wired(list_order=1.0)
    page = decode(transport.send(GET))
    places = [page.index(f"<li>{word}</li>") for word in ("one", "two", "three")]
    assert places != sorted(places)


# -- what holds for all -------------------------------------------------------------------------------

UNSENT = {"connection-reset", "timeout-before-commit", "captcha", "rate-limit"}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    names=st.sets(st.sampled_from(sorted(FAULTS)), max_size=5),
    requests=st.lists(st.sampled_from(REQUESTS), max_size=12),
)
def test_nothing_is_done_that_is_not_said(seed: int, names: set[str], requests: list[Request]) -> None:
    transport, app = wired(seed, **dict.fromkeys(names, 0.4))
    toast = False
    for request in requests:
        before = len(app.got)
        answer = sent(transport, request)
        events = transport.drain()
        asked = app.got[before:]
        ids = {event.id for event in events}
        assert ids <= names
        assert len(ids - {"latency"}) <= 1
        if request is STYLE:
            assert not events
        if not ids - {"latency"} and not any("given up" in event.detail for event in events):
            assert asked == [request]
            true = Shelf([*app.got[:before]]).send(request)
            assert isinstance(answer, Response)
            assert answer == true or (toast and answer.status == 200)
        elif ids & UNSENT and not any("given up" in event.detail or event.detail == "solved" for event in events):
            assert asked == []
        toast = (toast or "lying-toast" in ids) and not (
            isinstance(answer, Response) and b'role="status"' in answer.body
        )


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    first=st.lists(st.sampled_from(REQUESTS), max_size=6),
    second=st.lists(st.sampled_from(REQUESTS), max_size=6),
)
def test_a_saved_position_is_the_whole_of_the_state(seed: int, first: list[Request], second: list[Request]) -> None:
    transport, app = wired(seed, **dict.fromkeys(FAULTS, 0.2))
    for request in first:
        sent(transport, request)
    token, asked = transport.save(), list(app.got)
    runs = []
    for _ in range(2):
        transport.load(token)
        app.got[:] = asked
        runs.append([(sent(transport, request), transport.drain()) for request in second])
    assert runs[0] == runs[1]


def test_a_foreign_token_is_refused() -> None:
    transport, _ = wired(modal=1.0)
    with pytest.raises(UncertainError):
        transport.load("elsewhere")


def test_before_an_episode_and_on_spared_paths_everything_passes() -> None:
    app = Shelf()
    transport = FaultTransport(app, FaultProfile({"connection-reset": 1.0}), {"/api/openapi.json"})
    assert transport.send(GET).status == 200
    transport.begin(0)
    assert transport.send(Request("GET", "/api/openapi.json?x=1")).status == 200
    assert sent(transport, GET) == "reset"
    transport.end()
    assert transport.send(GET).status == 200
