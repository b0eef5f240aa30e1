"""A clone of another's app: its bugs cannot be switched, but its versions can be told apart."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from envsim.fidelity import clone
from envsim.fidelity.clone_report import summarise
from envsim.ingest.pipeline import ingest
from envsim.page.har_lines import write_network
from envsim.page.http import HttpDriver
from envsim.page.tap import Tap
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.types import Action


@pytest.mark.slow
def test_production_is_known_for_the_version_it_is(tmp_path: Path) -> None:
    old, new = find_spec("roundup", "2.5.0"), find_spec("roundup", "2.6.0")
    with closing(get_runtime("process").start(old)) as sandbox:
        cookies = sandbox.control.reset(ResetRequest(seed=7, login=old.login))
        tap = Tap(sandbox.transport())
        with closing(HttpDriver(tap)) as driver:
            driver.open("/issue", cookies)
            for target in ("/issue1", "/issue?@template=item"):
                assert driver.act(Action.call("goto", url=target)) == ""
            write_network(tmp_path / "visit.har", tap.drain())
    ingest([tmp_path / "visit.har"], tmp_path / "traces", redactor=None, app="roundup", format_name="har")

    def rows(spec: object, *, variants: bool = False) -> tuple[float, dict[str, str]]:
        assert isinstance(spec, type(old))
        setup = clone.Setup(
            spec=spec, traces=tmp_path / "traces", seed=3, login=str(old.login), variants=variants, work=None
        )
        report = summarise(clone.verify(setup), spec, facts={}, command="")
        return report.total.agreement, {row.id: row.kind for row in report.bugs}

    assert rows(old) == (1.0, {})
    agreement, found = rows(new, variants=True)
    assert agreement < 1
    assert found == {"@2.5.0": "variant"}
