"""Roundup as it is: its seed, a person's work in it through the http driver, its own bugs in both versions."""

from __future__ import annotations

import contextlib
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from envsim.content import load_entry
from envsim.page.conformance import walk
from envsim.page.http import HttpDriver
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.oracle import prove_bugs
from envsim.sandbox.process import ProcessRuntime, ProcessSandbox
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.seed import cache_dir
from envsim.sandbox.spec import SandboxSpec
from envsim.testing import check_sandbox
from envsim.types import Action

INGRID = "ingrid@heron.example"


@contextlib.contextmanager
def driver(sandbox: Sandbox, page: str, login: str | None = INGRID):
    """The http driver on a page, right after a reset."""
    cookies = sandbox.control.reset(ResetRequest(seed=3, login=login))
    with closing(sandbox.transport()) as transport, closing(HttpDriver(transport)) as opened:
        opened.open(page, cookies)
        yield opened


def ref(page: HttpDriver, role: str, near: str, nth: int = 0) -> str:
    """The ref of the nth element of a role at or below the line that begins with `near`."""
    lines = page.observe().lines
    start = next(number for number, line in enumerate(lines) if line.name.startswith(near))
    return [line.ref for line in lines[start:] if line.role == role and line.ref][nth]


def do(page: HttpDriver, name: str, **arguments: str) -> None:
    assert page.act(Action.call(name, **arguments)) == ""


def test_the_seed_is_a_project_of_some_age(tracker: ProcessSandbox) -> None:
    view = tracker.control.seed_view()
    assert (len(view["issues"]), len(view["users"]), len(view["keywords"])) == (159, 28, 16)
    assert len(view["messages"]) > 350
    assert len({row["text"] for row in view["messages"].values()}) > 150
    assert len({row["title"] for row in view["issues"].values()}) == 159
    assert {row["priority"] for row in view["issues"].values()} == {"critical", "urgent", "bug", "feature", "wish"}
    assert {"unread", "chatting", "deferred", "in-progress", "resolved"} <= {
        r["status"] for r in view["issues"].values()
    }
    created = sorted(row["created"] for row in view["issues"].values())
    assert "20250505" < created[0] < created[-1] < "20260301"
    assert all(row["text"] for row in view["messages"].values())
    assert not any("lorem" in row["text"].lower() for row in view["messages"].values())


@pytest.mark.slow
def test_the_seed_is_the_same_wherever_and_in_whichever_version(
    tracker: ProcessSandbox, spec: SandboxSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker.control.reset(ResetRequest(seed=3))
    (tmp_path / "venvs").symlink_to(cache_dir() / "venvs")
    monkeypatch.setenv("ENVSIM_CACHE", str(tmp_path))
    with closing(ProcessRuntime().start(spec)) as again:
        again.control.reset(ResetRequest(seed=3))
        assert again.control.hash() == tracker.control.hash()
    with closing(ProcessRuntime().start(spec.with_variant("2.6.0"))) as newer:
        assert newer.control.seed_view() == tracker.control.seed_view()


def test_a_person_answers_a_report_and_moves_it_on(tracker: ProcessSandbox) -> None:
    with driver(tracker, "/issue1") as page:
        do(page, "select_option", bid=ref(page, "combobox", "Priority", 1), options="resolved")
        do(page, "fill", bid=ref(page, "textbox", "Change Note"), value="Could you try the build of tonight, René?")
        do(page, "click", bid=ref(page, "button", "Submit Changes"))
        assert any("status, messages edited ok" in line.name for line in page.observe().lines)
    view = tracker.control.state()
    assert view["issues"]["1"]["status"] == "resolved"
    newest = max(view["messages"].values(), key=lambda row: row["date"])
    assert (newest["issue"], newest["author"], newest["text"]) == (
        1,
        "ingrid",
        "Could you try the build of tonight, René?",
    )
    assert newest["date"].startswith("20260302090")
    mail = (Path(tracker.record.folder) / "data" / "mail.txt").read_text(encoding="utf-8")
    assert "Subject: [issue1] Sorting by hours puts 9 after 80" in mail
    assert "Mon, 02 Mar 2026 09:00" in mail


def test_a_form_with_another_nonce_is_refused(tracker: ProcessSandbox, spec: SandboxSpec) -> None:
    person = load_entry(spec.root, "oracles.browsing:Session")(tracker)  # type: ignore[operator]
    fields = {"@action": "new", "name": "weather", "@csrf": "of-another-page"}
    person.send("POST", "/keyword", urlencode(fields).encode(), "application/x-www-form-urlencoded")
    assert person.rows("keywords", name="weather") == {}
    assert person.submit("/keyword?@template=item", "/keyword", at_action="new", name="weather").status == 302
    assert len(person.rows("keywords", name="weather")) == 1


def test_a_guest_may_look_and_not_touch(tracker: ProcessSandbox) -> None:
    with driver(tracker, "/issue?@template=item", login=None) as page:
        assert not any(line.name.startswith("Submit") for line in page.observe().lines)
    assert tracker.control.changes()["delta"] == []


def test_signing_in_by_the_form_is_signing_in(tracker: ProcessSandbox) -> None:
    with driver(tracker, "/", login=None) as page:
        do(page, "fill", bid=ref(page, "textbox", "Show issue:", 1), value="noor")
        do(page, "fill", bid=ref(page, "textbox", "Show issue:", 2), value="heron-2026")
        do(page, "click", bid=ref(page, "button", "Login"))
        assert any("Hello, noor" in line.name for line in page.observe().lines)


@pytest.mark.slow
def test_the_conformance_kit_holds(spec: SandboxSpec) -> None:
    check_sandbox(ProcessRuntime().start(spec))


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.xdist_group("docker")
@pytest.mark.timeout(400)
def test_every_bug_is_in_the_one_version_and_not_in_the_other(spec: SandboxSpec) -> None:
    assert prove_bugs(spec, spec.bugs, DockerRuntime()) == [
        {"id": bug.id, "buggy": True, "fixed": True} for bug in spec.bugs
    ]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("variant", "login"), [("2.5.0", None), ("2.6.0", INGRID)])
def test_both_drivers_read_every_page_alike(spec: SandboxSpec, variant: str, login: str | None) -> None:
    from envsim.page.chromium import ChromiumDriver

    chosen = spec.with_variant(variant)
    with contextlib.ExitStack() as stack:
        drivers = []
        for kind in (HttpDriver, ChromiumDriver):
            sandbox = stack.enter_context(closing(ProcessRuntime().start(chosen)))
            drivers.append(stack.enter_context(closing(kind(sandbox.transport()))))
            drivers[-1].open("/", sandbox.control.reset(ResetRequest(seed=5, login=login)))
        # A browser puts back what was typed into the search page when it returns to it; see docs/dev/log.md.
        pages = [page for page in spec.pages if page != "/issue?@template=search"]
        differences, opened = walk(drivers[0], drivers[1], pages, limit=16, avoid=("/issue?@template=search",))
        assert not differences, "\n".join(f"{d.page} {d.action}\n{d.detail}" for d in differences[:5])
        assert len(opened) == 16
