"""A clone against recorded sessions: real browsers, real bugs in either, captures without bodies, other seeds."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envsim.env import TaskEnv
from envsim.errors import GateError
from envsim.fidelity import clone
from envsim.fidelity.clone_report import COUNTS, Report, render_html, require, summarise
from envsim.ingest.live import record
from envsim.ingest.pipeline import ingest
from envsim.ingest.redact import Redactor, load_key
from envsim.page.har import Exchange
from envsim.page.har_lines import network_path, write_network
from envsim.page.tap import Tap
from envsim.page.transport import Request
from envsim.policy import get_policy
from envsim.rollout import run_episode
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.trace import TraceReader, TraceWriter
from tests.fidelity.visits import BUY, MAYA, SHOP, bugs_of, verified, visit

# -- recorded in a real browser ---------------------------------------------------------------------------


def browse(page: Any) -> None:
    page.get_by_role("searchbox").fill("linen")
    page.get_by_role("searchbox").press("Enter")
    page.locator('main a[href^="/p/"]').first.click()
    page.locator("main form button").first.click()
    page.wait_for_load_state()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("E-mail").fill(MAYA)
    page.get_by_label("Password").fill("larkfield-demo")
    with page.expect_navigation():
        page.locator("main form button").first.click()


@pytest.fixture(scope="module")
def productions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bugs that production has -> sessions recorded of it, redacted."""
    out = {}
    with closing(get_runtime("inprocess").start(SHOP)) as sandbox:
        for bugs in ("none", "layout-variant"):
            root = tmp_path_factory.mktemp(bugs) / "traces"
            redactor = Redactor(load_key(root.with_name("traces.redact-key")))
            sandbox.control.reset(ResetRequest(seed=7, bugs=SHOP.select_bugs(bugs)))
            with record(sandbox.url(), root, redactor=redactor, app="shop", session="visit") as (browser, _):
                browse(browser.page)
            out[bugs] = root
    return out


@pytest.mark.browser
@pytest.mark.parametrize(("production", "ours", "kinds"), [
    ("none", "none", {}),
    ("layout-variant", "layout-variant", {"layout-variant": "reproduced"}),
    ("layout-variant", "none", {"layout-variant": "missing"}),
    ("none", "layout-variant", {"layout-variant": "invented"}),
    ("none", "layout-variant,search-limit", {"layout-variant": "invented"}),
])  # fmt: skip
def test_a_bug_that_only_one_of_the_two_has_is_named(
    productions: dict[str, Path], production: str, ours: str, kinds: dict[str, str]
) -> None:
    traces = productions[production]
    key = traces.with_name("traces.redact-key")
    report = verified(traces, ours, redact_key=key, password="larkfield-demo")
    assert bugs_of(report) == kinds
    agrees = production == ours
    assert (report.total.agreement == 1.0) == agrees
    assert report.total.responses == 6
    assert (report.total.page_exact == 1.0) == agrees
    if not agrees:
        assert report.rows[0].route.startswith("GET /p/")
        assert report.examples[report.rows[0].route][0].first
        assert report.counts == dict.fromkeys(COUNTS, 0) | {
            kind: round(report.total.responses * (1 - report.total.agreement)) for kind in kinds.values()
        }


@pytest.mark.browser
def test_without_the_key_a_redacted_account_is_nobodys(productions: dict[str, Path]) -> None:
    report = verified(productions["none"])
    assert report.total.agreement < 1
    assert report.rows[0].route == "POST /login"


# -- visits through the http driver: many, and quick ------------------------------------------------------------


def test_another_seed_and_time_are_masked_and_nothing_else_is(tmp_path: Path) -> None:
    """Order numbers, tokens and dates differ; what production called otherwise is found all the same."""
    acts = (*BUY, ("click", "1"))
    traces = visit(tmp_path, "none", acts, seed=7)
    report = verified(traces, seed=99, clock="2026-05-05T10:00:00Z", login=MAYA)
    assert report.total.agreement == 1.0, report.examples
    assert report.total.responses == len(acts)  # all but choosing how to pay, and the first page
    assert int(report.facts["volatile patterns masked"]) > 0


SEARCHES = tuple(f"/search?q={word}" for word in ("linen", "oak", "steel", "cotton", "brass"))


@pytest.mark.parametrize(("bug", "targets", "route"), [
    ("page-skip", ("/c/cookware", "/c/cookware?page=2"), "GET /c/cookware"),
    ("layout-variant", ("/c/cookware", "/p/ember-steel-lantern"), "GET /p/ember-steel-lantern"),
    ("search-limit", SEARCHES, "GET /search"),
])  # fmt: skip
def test_each_bug_is_told_by_where_it_shows(tmp_path: Path, bug: str, targets: tuple[str, ...], route: str) -> None:
    acts = [("goto", target) for target in targets]
    without, with_ = (visit(tmp_path / bugs, bugs, acts) for bugs in ("none", bug))
    for traces, ours, kind in ((with_, "none", "missing"), (without, bug, "invented"), (with_, bug, "reproduced")):
        report = verified(traces, ours, login=MAYA)
        assert bugs_of(report) == {bug: kind}
        assert (report.rows[0].route if kind != "reproduced" else route) == route
        assert (report.total.agreement == 1.0) == (kind == "reproduced")


def test_two_bugs_that_meet_on_one_page_are_both_found(tmp_path: Path) -> None:
    both = {"layout-variant": 1.0, "slow-reviews": 1.0}
    traces = visit(tmp_path, both, [("goto", "/p/ember-steel-lantern")])
    report = verified(traces, login=MAYA)
    assert bugs_of(report) == dict.fromkeys(both, "missing")
    assert report.counts == dict.fromkeys(COUNTS, 0) | {"missing": 1}


def test_a_bug_with_a_rate_may_fire_in_one_and_not_in_the_other(tmp_path: Path) -> None:
    traces = visit(tmp_path, "none", BUY, name="quiet")
    noisy = SHOP.model_copy(update={"bugs": tuple(
        bug.model_copy(update={"rate": 0.99}) if bug.id == "layout-variant" else bug for bug in SHOP.bugs
    )})  # fmt: skip
    setup = clone.Setup(spec=noisy, traces=traces, bugs="layout-variant", runtime="inprocess", login=MAYA)
    report = summarise(clone.verify(setup), noisy, facts={}, command="")
    assert bugs_of(report) == {"layout-variant": "chance"}
    assert report.total.agreement == 1.0
    assert (report.total.page_exact or 1) < 1


def test_a_clone_that_fails_by_itself_is_told_from_one_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = visit(tmp_path, "none", BUY)
    setup = clone.Setup(spec=SHOP, traces=traces, bugs="none", runtime="inprocess", login=MAYA)
    result = clone.verify(setup)
    at = next(place for place, case in enumerate(result.cases) if case.path == "GET /account/orders")
    result.cases[at] = replace(result.cases[at], agrees=False, fails="clone", aspects={"status": False})
    report = summarise(result, SHOP, facts={}, command="")
    assert [(row.id, row.kind, row.title) for row in report.bugs] == [("", "invented", "the clone failed by itself")]
    assert "undeclared is invented" in report_verdict(report)


def report_verdict(report: Report) -> str:
    html = render_html(report)
    return html.partition('class="verdict">')[2].partition("<")[0]


def test_a_capture_without_bodies_still_says_statuses_and_redirects(tmp_path: Path) -> None:
    acts = [act for act in BUY if act[0] == "goto"]
    report = verified(visit(tmp_path, "none", acts, bodies=False), login=MAYA)
    assert (report.total.page_exact, report.total.elements_f1, report.total.delta_exact) == (None, None, None)
    assert (report.total.status, report.total.redirect) == (1.0, 1.0)
    assert report.total.responses == len(acts) + 1
    with pytest.raises(GateError, match="page_exact was not measured"):
        require(report, "page_exact>=0.5")


def test_two_recordings_of_one_session_tell_what_of_production_is_volatile(tmp_path: Path) -> None:
    """What only production draws anew, a clone's replays cannot show."""
    (first,) = TraceReader(visit(tmp_path, "none", [("goto", "/cart")]))

    def stamped(traces: Path, name: str, goods: str) -> Report:
        writer = TraceWriter(traces, first.header.model_copy(update={"session": name}))
        for step in first.steps:
            page = step.observation.page.replace("320 good things", goods)
            assert page != step.observation.page
            writer.write(step.model_copy(update={"observation": step.observation.model_copy(update={"page": page})}))
        writer.finish(None)
        return verified(traces, login=MAYA)

    for word, agreement in (("good", 1.0), ("bad", 0.0)):
        assert stamped(tmp_path / word, "one", f"317 {word} things").total.agreement == 0.0
        # Now the number is known to be volatile, and the word beside it is not.
        assert stamped(tmp_path / word, "two", f"323 {word} things").total.agreement == agreement


def test_a_client_of_an_api_is_played_request_by_request(tmp_path: Path) -> None:
    def call(sandbox: Sandbox, cookies: dict[str, str]) -> list[Exchange]:
        tap = Tap(sandbox.transport())
        cookie = ("cookie", "; ".join(f"{key}={value}" for key, value in cookies.items()))
        kind = ("content-type", "application/json")
        for method, target, body in (
            ("GET", "/api/products?query=linen", b""),
            ("POST", "/api/cart/items", b'{"sku": "none", "qty": 1}'),
            ("GET", "/api/cart", b""),
        ):
            tap.send(Request(method, target, (cookie, ("accept", "application/json"), kind), body))
        with closing(tap):
            return tap.drain()

    with closing(get_runtime("inprocess").start(SHOP)) as sandbox:
        network = call(sandbox, sandbox.control.reset(ResetRequest(seed=7, login=MAYA)))
    assert [one.is_document for one in network] == [False] * 3
    source = tmp_path / "api.har"
    write_network(source, network)
    ingest([source], tmp_path / "traces", redactor=None, app="shop", format_name="har")
    report = verified(tmp_path / "traces", login=MAYA)
    assert (report.total.responses, report.total.agreement, report.total.page_exact) == (3, 1.0, 1.0), report.examples
    changed = json.loads((network[0].body or b"").decode() or "{}")
    assert changed
    write_network(network_path(tmp_path / "traces", "api"), [replace(network[0], status=429, step=1), *[
        replace(one, step=at) for at, one in enumerate(network[1:], 2)
    ]])  # fmt: skip
    worse = verified(tmp_path / "traces", login=MAYA)
    assert (worse.total.status, worse.rows[0].route) == (2 / 3, "GET /api/products")


def test_what_no_action_of_ours_sends_is_sent_as_it_was(tmp_path: Path) -> None:
    """A form that only a script can fill in: its token is that of the clone's pages, not production's."""
    traces = visit(tmp_path, "none", [("goto", "/p/ember-steel-lantern"), ("click", "Add to cart")])
    lines = (traces / "a.jsonl").read_text().splitlines()
    step = json.loads(lines[3])
    assert step["action"]["name"] == "click"
    lines[3] = json.dumps(step | {"action": None, "raw": "POST /cart/add"})
    (traces / "a.jsonl").write_text("\n".join(lines) + "\n")
    report = verified(traces, login=MAYA, seed=3)
    assert report.total.agreement == 1.0, report.examples
    assert [row.route for row in report.rows if row.route.startswith("POST")] == ["POST /cart/add"]


@pytest.mark.browser
def test_a_browser_plays_a_session_too(tmp_path: Path) -> None:
    traces = visit(tmp_path, "layout-variant", [("goto", "/p/ember-steel-lantern"), ("click", "Add to ")])
    report = verified(traces, "layout-variant", driver="chromium", login=MAYA)
    assert report.total.agreement == 1.0, report.examples
    assert bugs_of(report) == {"layout-variant": "reproduced"}


# -- rollouts: the same seed, so nothing is masked, and state deltas are known --------------------------------


@pytest.mark.parametrize("interface", ["browser", "tools"])
def test_rollouts_are_compared_exactly_with_their_state(tmp_path: Path, interface: Any) -> None:
    env = TaskEnv(
        app="shop", split="train", interface=interface, runtime="inprocess", record=tmp_path, bugs="production"
    )
    with closing(env):
        for seed in (1, 2):
            run_episode(env, get_policy("oracle"), seed=seed, name="oracle")
    report = verified(tmp_path, "production")
    assert report.total.agreement == 1.0, report.examples
    assert report.total.delta_exact == 1.0
    assert report.facts["volatile patterns masked"] == "0"
    (path, *_) = sorted(tmp_path.glob("*.jsonl"))
    lines = path.read_text().splitlines()
    changed = [at for at, line in enumerate(lines) if '"type":"step"' in line and json.loads(line)["delta"]]
    if changed:
        step = json.loads(lines[changed[-1]])
        step["delta"] = [["orders/none", {"total_cents": 1}]]
        lines[changed[-1]] = json.dumps(step)
        path.write_text("\n".join(lines) + "\n")
        worse = verified(tmp_path, "production")
        assert (worse.total.delta_exact or 0) < 1.0
        assert worse.counts["unexplained"] == 1
