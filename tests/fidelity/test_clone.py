"""A clone against recorded sessions: real browsers, real bugs in either, captures without bodies, other seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envsim.cli.sandbox import app
from envsim.env import TaskEnv
from envsim.errors import ContentError, EnvsimError, GateError, SandboxLost, TraceError
from envsim.fidelity import clone
from envsim.fidelity.clone_replay import Player
from envsim.fidelity.clone_report import FIGURES, Report, render_html, require, summarise, table, write_report
from envsim.ingest.live import record
from envsim.ingest.pipeline import ingest
from envsim.ingest.redact import Redactor, load_key
from envsim.page.har_lines import write_network
from envsim.page.http import HttpDriver
from envsim.page.lines import Line
from envsim.page.tap import Tap
from envsim.policy import get_policy
from envsim.rollout import run_episode
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.trace import TraceReader, TraceWriter
from envsim.types import Action

SHOP = find_spec("shop")
MAYA = str(SHOP.login)


def verified(traces: Path, bugs: str = "none", **options: Any) -> Report:
    setup = clone.Setup(spec=SHOP, traces=traces, bugs=bugs, runtime="inprocess", **options)
    return summarise(clone.verify(setup), SHOP, facts={}, command="")


def bugs_of(report: Report) -> dict[str, str]:
    return {row.id: row.kind for row in report.bugs}


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
        assert report.counts == {"missing": 0, "invented": 0, "unexplained": 0} | {
            kind: round(report.total.responses * (1 - report.total.agreement)) for kind in kinds.values()
        }


@pytest.mark.browser
def test_without_the_key_a_redacted_account_is_nobodys(productions: dict[str, Path]) -> None:
    report = verified(productions["none"])
    assert report.total.agreement < 1
    assert report.rows[0].route == "POST /login"


# -- visits through the http driver: many, and quick ------------------------------------------------------------


def visit(
    root: Path,
    bugs: str | dict[str, float],
    acts: Sequence[tuple[str, ...]],
    *,
    seed: int = 7,
    bodies: bool = True,
    name: str = "a",
) -> Path:
    """A capture of a visit to the shop, ingested: ``(goto, url)``, ``(fill, label, value)`` or ``(click, name)``."""
    with closing(get_runtime("inprocess").start(SHOP)) as sandbox:
        on = SHOP.select_bugs(bugs) if isinstance(bugs, str) else bugs
        cookies = sandbox.control.reset(ResetRequest(seed=seed, bugs=on, login=MAYA))
        tap = Tap(sandbox.transport())
        driver = HttpDriver(tap)
        driver.open("/", cookies)
        for kind, what, *value in acts:
            bid = "" if kind == "goto" else _find(driver.observe().lines, what)
            arguments = {"url": what} if kind == "goto" else {"bid": bid}
            assert driver.act(Action.call(kind, **arguments, **({"value": value[0]} if value else {}))) == ""
        network = [one if bodies else replace(one, body=None) for one in tap.drain()]
        driver.close()
    source = root / f"{name}.har"
    write_network(source, network)
    ingest([source], root / "traces", redactor=None, app="shop", format_name="har")
    return root / "traces"


def _find(lines: Sequence[Line], name: str) -> str:
    return next(line.ref for line in lines if line.ref and line.name.startswith(name))


BUY = (
    ("goto", "/c/cookware"),
    ("goto", "/c/cookware?page=2"),
    ("goto", "/p/ember-steel-lantern"),
    ("click", "Add to "),
    ("goto", "/checkout"),
    ("click", "Ship to this address"),
    ("click", "Continue to payment"),
    ("click", "Pay by invoice"),
    ("click", "Continue to review"),
    ("click", "Place order"),
    ("goto", "/account/orders"),
)


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
    assert report.counts == {"missing": 1, "invented": 0, "unexplained": 0}


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


# -- the report, the gate, the command ----------------------------------------------------------------------------


def test_what_was_recorded_runs_nowhere_in_the_report(tmp_path: Path) -> None:
    traces = visit(tmp_path, "none", [("goto", "/search?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E"), ("goto", "/cart")])
    page = render_html(verified(traces, "search-limit,layout-variant", login=MAYA, clock="2026-01-01T00:00:00Z"))
    assert "<script" not in page
    assert "http://" not in page.replace("http://app.test", "")


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return visit(tmp_path_factory.mktemp("differing"), "layout-variant", BUY)


@pytest.fixture(scope="module")
def reported(differing: Path) -> Report:
    return verified(differing, login=MAYA)


def test_the_gate_names_the_route_that_fails_it(reported: Report) -> None:
    report = reported
    for held in ("agreement>=0.5", "missing<=3", "invented<=0", "responses>=11", "elements_f1>0"):
        require(report, held)
    with pytest.raises(
        GateError, match=r"agreement is 0\.9\d*, .* Furthest from it: GET /p/ember-steel-lantern with 0"
    ):
        require(report, "agreement>=0.98")
    with pytest.raises(GateError, match="missing is 1"):
        require(report, "missing<=0")
    for wrong in ("agreement", "speed>=1", "agreement==1", "agreement>=x"):
        with pytest.raises(ContentError, match="with one of: responses, agreement"):
            require(report, wrong)
    assert set(FIGURES) >= {"agreement", "page_exact", "delta_exact", "missing", "invented"}
    head, body = table(report)
    assert [len(cells) for cells in body] == [len(head)] * len(body)


def test_the_command_reports_gates_and_resumes(
    differing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*more: str) -> Any:
        command = ["verify", "shop", "--traces", str(differing), "--bugs", "none", "--runtime", "inprocess"]
        return CliRunner().invoke(app, [*command, "--login", MAYA, "-o", str(tmp_path / "report"), *more])

    first = run("--json")
    assert first.exit_code == 0, first.output
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert json.loads(first.stdout) == written
    assert written["bugs"][0] | {"title": ""} == {
        "id": "layout-variant", "kind": "missing", "answers": 1, "session": "a", "step": 3, "title": "",
    }  # fmt: skip

    def played(*_: Any, **__: Any) -> None:
        raise SandboxLost("It was played again.")

    monkeypatch.setattr(Player, "play", played)
    again = run("--json", "--require", "agreement>=0.98")
    assert json.loads(again.stdout) == written  # nothing has changed, so nothing is played
    assert isinstance(again.exception, GateError)
    assert again.exception.exit_code == 1
    assert isinstance(run("--seed", "5").exception, SandboxLost)


@pytest.mark.parametrize(("options", "why"), [
    ({"bugs": "no-such"}, "has no bug"), ({"login": "nobody@example.com"}, "has no account"),
    ({"clock": "yesterday"}, "ISO 8601"),
])  # fmt: skip
def test_bad_input_is_one_sentence(differing: Path, options: dict[str, str], why: str) -> None:
    with pytest.raises(EnvsimError, match=why):
        verified(differing, **({"login": MAYA} | options))


def test_traces_that_cannot_be_made_again_are_said(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="does not exist"):
        verified(tmp_path / "none")
    header = TraceReader(visit(tmp_path, "none", [("goto", "/cart")])).read(tmp_path / "traces" / "a.jsonl").header
    lone = header.model_copy(update={"session": "lone", "meta": {"faults": {"rates": {}}}})
    TraceWriter(tmp_path / "faulty", lone).finish(None)
    with pytest.raises(TraceError, match="nothing was recorded"):
        verified(tmp_path / "faulty")


def test_a_report_that_cannot_be_written_is_one_sentence(reported: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContentError, match="Cannot write the report"):
        write_report(reported, tmp_path / "file")
