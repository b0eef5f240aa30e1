"""Tests that hold for every app of a kind: a subclass in an app's module names the app, and pytest finds it there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import pytest

from envsim.audit import audit_template
from envsim.content import load_entry
from envsim.env import TaskEnv
from envsim.sandbox.oracle import HeldSandbox, OracleFailure, run_oracle
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.sandbox.spec import Bug, SandboxSpec, find_spec
from envsim.sandbox.visitor import Visitor
from envsim.task_template import TaskTemplate, load_tasks

Envs = Callable[..., TaskEnv]
"""``envs("browser", bugs="none")``: an environment of the app, started once a module."""


def envs_of(app: str) -> Iterator[Envs]:
    """What a module's fixture ``envs`` yields from."""
    made: dict[tuple[str, str], TaskEnv] = {}

    def get(interface: Literal["browser", "tools"] = "browser", bugs: str = "production") -> TaskEnv:
        if (interface, bugs) not in made:
            made[interface, bugs] = TaskEnv(app, interface=interface, bugs=bugs)
        return made[interface, bugs]

    try:
        yield get
    finally:
        for env in made.values():
            env.close()


class SoundTasks:
    """Every template of `app` is sound and varied. The module has a fixture ``envs``."""

    app: ClassVar[str]
    bugs: ClassVar[tuple[str, ...]] = ("production",)
    seeds: ClassVar[int] = 1
    drawn: ClassVar[int] = 20
    """How many instances are drawn, and how many of them must differ."""
    different: ClassVar[int] = 15

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Once for each template, and each choice of bugs."""
        if "template" in metafunc.fixturenames:
            metafunc.parametrize("template", load_tasks(self.app), ids=lambda template: template.id)
        if "bugs_on" in metafunc.fixturenames:
            metafunc.parametrize("bugs_on", self.bugs)

    def test_instances_are_sound(self, template: TaskTemplate, bugs_on: str, envs: Envs) -> None:
        audited = audit_template(envs(template.interface, bugs_on), template.id, range(self.seeds))
        assert not audited.failures

    def test_instances_differ(self, template: TaskTemplate, envs: Envs) -> None:
        view = envs(template.interface, self.bugs[-1]).world.seed_view()
        tasks = [template.instantiate(seed, view) for seed in range(self.drawn)]
        assert len({(task.goal, task.start.login) for task in tasks}) >= self.different

    def test_templates_are_in_both_splits_and_judge_what_else_changed(self) -> None:
        templates = load_tasks(self.app)
        assert {template.split for template in templates} == {"train", "test"}
        assert all("unchanged" in {check["kind"] for check in template.checks} for template in templates)


class FifteenTasks(SoundTasks):
    """Those of a clone: for both interfaces, with and without bugs, and twenty instances of each."""

    bugs = ("production", "none")

    @pytest.mark.slow
    @pytest.mark.timeout(300)
    def test_twenty_instances_are_sound(self, template: TaskTemplate, envs: Envs) -> None:
        audited = audit_template(envs(template.interface), template.id, range(20))
        assert not audited.failures
        means = audited.means
        assert (means["oracle"], means["null"], means["random"]) == (1.0, 0.0, 0.0)

    def test_there_are_fifteen_in_both_interfaces(self) -> None:
        templates = load_tasks(self.app)
        assert Counter(template.interface for template in templates) == {"browser": 10, "tools": 5}
        assert Counter(template.split for template in templates) == {"train": 10, "test": 5}
        assert all(len(template.goal) >= 2 for template in templates)


def held(sandbox: Sandbox, *bugs: str, login: str | None = None, clock: str | None = None) -> Any:
    """A visitor of a clone right after a reset, with these bugs on at rate 1."""
    session = load_entry(sandbox.spec.root, "oracles.browsing:Session")
    return session(HeldSandbox(sandbox, dict.fromkeys(bugs, 1.0)), login, clock)  # type: ignore[operator]


class SwitchedBugs:
    """Every declared bug of a clone is there when it is on, gone when it is off, and says so when it fires.

    The module, or its conftest, has a fixture named as the app: the sandbox.
    """

    app: ClassVar[str]
    served: ClassVar[tuple[str, ...]]
    """Bugs whose oracles are run in a process and in a container too."""
    known: ClassVar[tuple[str, ...]]
    """Bugs that production must have."""
    random: ClassVar[int]
    """How many have a rate below 1."""

    def spec(self) -> SandboxSpec:
        return find_spec(self.app)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Once for each bug."""
        if "bug" in metafunc.fixturenames:
            metafunc.parametrize("bug", self.spec().bugs, ids=lambda bug: bug.id)

    @pytest.fixture
    def site(self, request: pytest.FixtureRequest) -> Sandbox:
        sandbox: Sandbox = request.getfixturevalue(self.app)
        return sandbox

    def test_its_oracle_tells_with_from_without_and_it_reports_itself_alone(self, site: Sandbox, bug: Bug) -> None:
        assert run_oracle(site, bug) == {"id": bug.id, "buggy": True, "fixed": True}
        assert site.control.changes()["events"] == []  # the last run was without
        with pytest.raises(OracleFailure):
            load_entry(site.spec.root, bug.oracle)(HeldSandbox(site, {bug.id: 1.0}))  # type: ignore[operator]
        assert {event["id"] for event in site.control.changes()["events"]} == {bug.id}

    @pytest.mark.parametrize("runtime", ["process", pytest.param("docker", marks=pytest.mark.docker)])
    def test_oracles_hold_where_the_site_is_served_too(self, runtime: str) -> None:
        some = self.spec().choose_bugs(self.served)
        sandbox = get_runtime(runtime).start(self.spec())
        try:
            assert [run_oracle(sandbox, bug) for bug in some] == [
                {"id": bug.id, "buggy": True, "fixed": True} for bug in some
            ]
        finally:
            sandbox.close()

    def test_the_set_covers_what_was_asked_of_it(self) -> None:
        bugs = self.spec().bugs
        assert len({bug.bug_class for bug in bugs}) == 22
        assert sum(bug.rate < 1 for bug in bugs) >= self.random
        assert {bug.layer for bug in bugs} == {"app", "wire", "ui"}
        assert set(self.known) <= set(self.spec().production)

    def test_the_readme_names_every_bug(self) -> None:
        spec = self.spec()
        lines = (spec.root / "README.md").read_text(encoding="utf-8").splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
        assert rows == [
            [f"`{b.id}`", b.layer, b.bug_class, f"{b.rate:g}", "yes" if b.id in spec.production else "", b.symptom]
            for b in spec.bugs
        ]


def resets_leave_nothing(site: Sandbox, login: str, rounds: int, use: Callable[[Visitor], None]) -> None:
    """Whatever `use` does, with all bugs on: one state after every reset and restore, and another one before."""
    request = ResetRequest(seed=9, bugs=site.spec.select_bugs("all"), login=login)
    clean, dirty = set(), set()
    for _ in range(rounds):
        visitor = Visitor(site, site.control.reset(request), login)
        clean.add(site.control.hash())
        fork = site.control.snapshot()
        use(visitor)
        dirty.add(site.control.hash())
        site.control.restore(fork)
        clean.add(site.control.hash())
    assert (len(clean), len(dirty)) == (1, 1)
    assert clean != dirty
