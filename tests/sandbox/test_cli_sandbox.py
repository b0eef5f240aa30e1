"""The `sandbox` console script: JSON shapes, exit codes, one-sentence errors."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from envsim.sandbox.image import connect, ensure_image
from envsim.sandbox.spec import find_spec

# One worker sweeps containers: another's sweep could meet an owner that a test here has just killed.
pytestmark = pytest.mark.xdist_group("docker")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def sandbox(cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """``sandbox("ps", "--json")`` with a registry of this module's own."""
    env = {"ENVSIM_CACHE": str(tmp_path_factory.mktemp("cli"))}

    def run(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return cli("sandbox", *args, env={**env, **more})

    yield run
    run("down", "--all")


@pytest.fixture(scope="module")
def name(sandbox: Run) -> str:
    return str(answer(sandbox("up", "notes", "--json"))[0]["name"])


def answer(result: subprocess.CompletedProcess[str]) -> list | dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_list_names_clones_of_user_roots_among_ours(sandbox: Run) -> None:
    clones = {clone["name"]: clone for clone in answer(sandbox("list", "--json"))}
    assert {"notes", "shop"} <= clones.keys()
    told = {"name", "base", "title", "description", "tools", "pages", "production", "folder", "variants"}
    assert set(clones["notes"]) == {*told, "default_variant"}
    assert (list(clones["ledger"]["variants"]), clones["ledger"]["default_variant"]) == (["4.2.0", "4.4.0"], "4.4.0")
    assert "4.4.0, 4.2.0" in sandbox("list").stdout  # the default one first
    assert clones["notes"]["folder"] == str(Path(__file__).parent / "content" / "sandboxes" / "notes")
    assert "Notes" in sandbox("list").stdout


def test_bugs(sandbox: Run) -> None:
    bugs = answer(sandbox("bugs", "notes", "--json"))
    assert [(bug["id"], bug["class"], bug["rate"], bug["production"]) for bug in bugs] == [
        ("lost-edit", "lost-update", 1.0, True),
        ("flaky-list", "server-error", 0.25, True),
    ]
    assert "lost-edit" in sandbox("bugs", "notes").stdout


def test_up_ps_down(sandbox: Run) -> None:
    up = answer(sandbox("up", "notes", "-n", "2", "--bugs", "none", "--seed", "7", "--json"))
    keys = {"name", "app", "url", "runtime", "container_id", "control", "transport"}
    assert [set(record) for record in up] == [keys] * 2
    assert all(record["runtime"] == "process" and record["container_id"] is None for record in up)
    assert all(Path(record["control"]).is_socket() for record in up)
    listed = {row["name"]: row for row in answer(sandbox("ps", "--json"))}
    for record in up:
        assert listed[record["name"]] == {**record, "state": "up"}
    names = [record["name"] for record in up]
    assert answer(sandbox("down", *names, "--json")) == names
    assert not set(names) & {row["name"] for row in answer(sandbox("ps", "--json"))}


def test_reset_snapshot_restore_logs(sandbox: Run, name: str) -> None:
    first = answer(sandbox("reset", name, "--seed", "3", "--login", "ann@example.test", "--json"))
    assert set(first) == {"name", "cookies", "hash", "reset_s"}
    assert set(first["cookies"]) == {"session"}
    again = answer(sandbox("reset", name, "--seed", "3", "--login", "ann@example.test", "--json"))
    assert (again["hash"], again["cookies"]) == (first["hash"], first["cookies"])
    saved = sandbox("snapshot", name).stdout.strip()
    assert answer(sandbox("snapshot", name, "--json")) == {"name": name, "snapshot": "s2"}
    assert answer(sandbox("restore", name, saved, "--json")) == {"name": name, "snapshot": saved}
    assert answer(sandbox("logs", name, "--json"))["name"] == name


def test_gc_with_nothing_to_do(sandbox: Run, name: str) -> None:
    assert answer(sandbox("gc", "--json")) == []
    assert name in [row["name"] for row in answer(sandbox("ps", "--json"))]


def test_check(sandbox: Run) -> None:
    report = answer(sandbox("check", "notes", "--json"))
    assert report["bugs"] == [
        {"id": "lost-edit", "buggy": True, "fixed": True},
        {"id": "flaky-list", "buggy": True, "fixed": True},
    ]
    assert all(set(finding) == {"item", "held"} for finding in report["audit"])
    one = sandbox("check", "notes", "--bugs", "lost-edit", "--runtime", "inprocess")
    assert one.returncode == 0
    assert "lost-edit" in one.stdout
    assert "flaky-list" not in one.stdout


def test_check_fails_on_a_bug_that_is_not_there(sandbox: Run, tmp_path: Path) -> None:
    source = Path(__file__).parent / "content" / "sandboxes" / "notes"
    folder = tmp_path / "sandboxes" / "notes"
    folder.mkdir(parents=True)
    for path in source.glob("*.*"):
        (folder / path.name).write_text(path.read_text())
    app = (folder / "app.py").read_text()
    (folder / "app.py").write_text(app.replace('self.kit.bug("lost-edit", f"note {note}")', "False"))
    result = sandbox("check", "notes", "--json", ENVSIM_PATH=str(tmp_path))
    assert result.returncode == 1
    assert json.loads(result.stdout)["bugs"][0] == {"id": "lost-edit", "buggy": False, "fixed": True}


@pytest.mark.parametrize("place", ["/proc/nothing/here", "{file}", "{file}/below", "~nobody-of-this-name/cache"])
def test_a_cache_that_cannot_be_used_is_one_sentence(sandbox: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    result = sandbox("ps", ENVSIM_CACHE=place.format(file=tmp_path / "file"))
    assert result.returncode == 2
    assert "The cache folder" in result.stderr
    assert "Set ENVSIM_CACHE" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.docker
def test_check_holds_in_a_container(sandbox: Run) -> None:
    report = answer(sandbox("check", "notes", "--runtime", "docker", "--json"))
    assert all(finding["held"] for finding in report["audit"])


BAD = [
    (["up", "nosuch"], "error: There is no app 'nosuch'. Known apps: "),
    (["up", "notes", "--bugs", "gremlin"], "error: notes has no bug 'gremlin'. Its bugs are: lost-edit, flaky-list"),
    (["up", "notes", "--runtime", "podman"], "error: 'podman' cannot be kept up. Choose process or docker."),
    (["check", "nosuch"], "error: There is no app 'nosuch'."),
    (["check", "notes", "--runtime", "podman"], "error: There is no runtime 'podman'. Choose one of: inprocess, "),
    (["reset", "nosuch"], "error: No sandbox is called 'nosuch'."),
    (["down"], "error: name the sandboxes to stop, or say --all"),
    (["down", "nosuch"], "error: No sandbox is called 'nosuch'."),
    (["logs", "nosuch"], "error: No sandbox is called 'nosuch'."),
]


@pytest.mark.parametrize(("args", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_input_gets_one_sentence(sandbox: Run, args: list[str], message: str) -> None:
    result = sandbox(*args)
    assert result.returncode == 2
    assert result.stderr.startswith(message), result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_bad_requests_to_a_running_sandbox(sandbox: Run, name: str) -> None:
    for args, message in [
        (["restore", name, "s99"], "There is no snapshot 's99' since the last reset."),
        (["reset", name, "--login", "eve"], "notes has no account 'eve'"),
        (["reset", name, "--clock", "noon"], "The clock 'noon' is not an ISO 8601 time"),
        (["reset", name, "--bugs", "gremlin"], "notes has no bug 'gremlin'."),
    ]:
        result = sandbox(*args)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert message in result.stderr


@pytest.mark.parametrize("command", [["up", "notes", "--runtime", "docker"], ["check", "notes", "--runtime", "docker"]])
def test_a_missing_engine_is_named(sandbox: Run, command: list[str]) -> None:
    result = sandbox(*command, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert result.returncode == 2
    assert result.stderr == "error: No Docker engine answers at unix:///nowhere/docker.sock. Run: docker info\n"


def test_a_bad_sandbox_toml_names_file_and_key(sandbox: Run, tmp_path: Path) -> None:
    folder = tmp_path / "sandboxes" / "odd"
    folder.mkdir(parents=True)
    (folder / "sandbox.toml").write_text('name = "odd"\ncolour = "red"\n')
    result = sandbox("up", "odd", ENVSIM_PATH=str(tmp_path))
    assert result.returncode == 2
    assert str(folder / "sandbox.toml") in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.docker
@pytest.mark.timeout(600)  # an engine takes a second for each image of earlier versions that lies there
def test_gc_reports_the_images_it_removes(cli: Run, tmp_path: Path) -> None:
    env = {"ENVSIM_CACHE": str(tmp_path)}
    with closing(connect()) as client:
        client.images.get(ensure_image(client, find_spec("notes"))).tag("envsim-notes", "superseded")
        removed = answer(cli("sandbox", "gc", "--images", "--json", env=env, timeout_s=550))
        assert "envsim-notes:superseded" in removed
        assert client.images.list("envsim-notes:superseded") == []
    again = cli("sandbox", "gc", "--images", env=env)
    assert again.returncode == 0
    assert not [name for name in removed if name in again.stdout]
