"""The report on a clone, the gates on it, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envsim.cli.sandbox import app
from envsim.errors import ContentError, EnvsimError, GateError, SandboxLost, TraceError
from envsim.fidelity.clone_replay import Player
from envsim.fidelity.clone_report import FIGURES, Report, render_html, require, table, verdict, write_report
from envsim.trace import TraceReader, TraceWriter
from tests.fidelity.visits import BUY, MAYA, verified, visit


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
    for held in ("agreement>=0.5", "missing<=3", "invented<=0", "responses>=11", "elements_f1>0", "skipped<=0"):
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
    ({"clock": "yesterday"}, "ISO 8601"), ({"driver": "firefox"}, "no page driver"),
    ({"redact_key": Path("none/traces.redact-key")}, "Cannot use the redaction key"),
])  # fmt: skip
def test_bad_input_is_one_sentence(differing: Path, options: dict[str, Any], why: str) -> None:
    with pytest.raises(EnvsimError, match=why):
        verified(differing, **({"login": MAYA} | options))
    assert not Path("none").exists()  # a key that was named is not made up


def test_traces_that_cannot_be_made_again_are_said(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="does not exist"):
        verified(tmp_path / "none")
    header = TraceReader(visit(tmp_path, "none", [("goto", "/cart")])).read(tmp_path / "traces" / "a.jsonl").header
    lone = header.model_copy(update={"session": "lone", "meta": {"faults": {"rates": {}}}})
    TraceWriter(tmp_path / "faulty", lone).finish(None)
    with pytest.raises(TraceError, match="nothing was recorded"):
        verified(tmp_path / "faulty")
    TraceWriter(tmp_path / "traces", lone).finish(None)
    report = verified(tmp_path / "traces", login=MAYA)
    assert list(report.skipped) == ["lone"]
    assert "1 of the sessions could not be made again" in verdict(report)
    require(report, "agreement>=1")
    with pytest.raises(GateError, match="skipped is 1"):
        require(report, "skipped<=0")


def test_a_report_that_cannot_be_written_is_one_sentence(reported: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContentError, match="Cannot write the report"):
        write_report(reported, tmp_path / "file")
