"""Bad input gets one clear sentence that says what to do next, exit code 2, no traceback: in every console script."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envsim.trace import Header, Step, TraceWriter
from envsim.types import Action, Observation

SCRIPTS = {"envsim": "envsim.cli.main", "sandbox": "envsim.cli.sandbox", "worldmodel": "worldmodel.cli"}
Run = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder; its error sentence, once the exit code and the form are right."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> str:
        script, *args = line.split()
        monkeypatch.setattr(sys, "argv", [script, *args])
        with pytest.raises(SystemExit) as caught:
            importlib.import_module(SCRIPTS[script]).main()
        captured = capsys.readouterr()
        assert caught.value.code == 2, captured
        assert captured.out == ""
        (sentence,) = [text for text in captured.err.splitlines() if text.strip()]
        assert sentence.startswith("error: ")
        assert "Traceback" not in sentence
        return sentence.removeprefix("error: ")

    return run


# Command line, then what the sentence must name: the thing that is wrong, and what to do.
UNKNOWN_NAMES = [
    ("sandbox up nope", "'nope'", "Known apps: "),
    ("sandbox bugs nope", "'nope'", "ENVSIM_PATH"),
    ("sandbox check nope", "'nope'", "Known apps: "),
    ("sandbox up shop --bugs nope", "'nope'", "production, none or all"),
    ("sandbox up shop --runtime nope", "'nope'", "process or docker"),
    ("sandbox reset nope", "'nope'", "sandbox up"),
    ("sandbox snapshot nope", "'nope'", "sandbox up"),
    ("sandbox restore nope x", "'nope'", "sandbox up"),
    ("sandbox logs nope", "'nope'", "sandbox up"),
    ("sandbox down nope", "'nope'", "sandbox up"),
    ("sandbox down", "name the sandboxes", "--all"),
    ("envsim rollout -o o --app nope", "'nope'", "Known apps: "),
    ("envsim rollout -o o --app shop --policy nope", "'nope'", "oracle"),
    ("envsim rollout -o o --app shop --split nope", "'nope'", "'train'"),
    ("envsim rollout -o o --app shop --task nope", "'nope'", "Its tasks are"),
    ("envsim rollout -o o --app shop --interface nope", "nope", "browser"),
    ("envsim rollout -o o --app shop --world nope", "'nope'", "sandbox"),
    ("envsim rollout -o o --app shop --world model", "model", "worldmodel train"),
    ("envsim rollout -o o --app shop --runtime nope", "'nope'", "docker"),
    ("envsim rollout -o o --app shop --driver nope", "'nope'", "chromium"),
    ("envsim rollout -o o --app shop --bugs nope -n 1", "'nope'", "production, none or all"),
    ("envsim tasks list --app nope", "'nope'", "Known apps: "),
    ("envsim tasks show nope", "'nope'", "Its tasks are"),
    ("envsim tasks audit --app nope", "'nope'", "Known apps: "),
    ("envsim ingest nope -o o", "nope", "Give a file"),
    ("envsim ingest nope -o o --format pcap", "nope", "Give a file"),
    ("envsim ingest x -o o --no-redact --redact-key k", "exclude each other", "Leave one out"),
    ("envsim fidelity --model nope -o o", "nope", "worldmodel train"),
    ("worldmodel train nope -o m", "nope", "Give a trace directory"),
    ("worldmodel info nope", "nope", "worldmodel train"),
]


@pytest.mark.parametrize(("line", "wrong", "next_step"), UNKNOWN_NAMES, ids=[case[0] for case in UNKNOWN_NAMES])
def test_an_unknown_name(refused: Run, line: str, wrong: str, next_step: str) -> None:
    sentence = refused(line)
    assert wrong in sentence
    assert next_step in sentence


USAGE = [
    "sandbox up",
    "sandbox up shop -n 0",
    "sandbox up shop --seed x",
    "sandbox nope",
    "envsim nope",
    "envsim rollout",
    "envsim rollout --app shop -o o --episodes 0",
    "envsim ingest",
    "worldmodel train",
    "worldmodel nope",
]


@pytest.mark.parametrize("line", USAGE)
def test_a_wrong_command_line_points_at_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    script, *args = line.split()
    monkeypatch.setattr(sys, "argv", [script, *args])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(SCRIPTS[script]).main()
    assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err


# -- damaged content -------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A content root of the user's own, with one app and one task of the shop."""
    (tmp_path / "root" / "sandboxes" / "desk").mkdir(parents=True)
    (tmp_path / "root" / "tasks" / "shop").mkdir(parents=True)
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name = ", "not valid TOML"),
        ('name = "desk"\n', "title"),
        ('name = "desk"\ntitel = "x"\n', "sandbox.toml"),
        ("\x00", "not valid TOML"),
        ('name = "Not An Identifier"\n', "name"),
    ],
)
def test_a_bad_sandbox_toml(refused: Run, root: Path, text: str, named: str) -> None:
    (root / "sandboxes" / "desk" / "sandbox.toml").write_text(text)
    sentence = refused("sandbox up desk")
    assert "sandbox.toml" in sentence
    assert named in sentence


def test_a_bad_sandbox_toml_is_in_nobody_elses_way(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "sandboxes" / "desk" / "sandbox.toml").write_text('name = "desk"\n')

    def done(*words: str) -> tuple[str, str, int]:
        monkeypatch.setattr(sys, "argv", [*words])
        with pytest.raises(SystemExit) as caught:
            importlib.import_module(SCRIPTS[words[0]]).main()
        captured = capsys.readouterr()
        return captured.out, captured.err, int(caught.value.code or 0)

    out, err, code = done("sandbox", "list")
    assert (code, "shop" in out, "desk" in out) == (0, True, False)
    (sentence,) = err.splitlines()
    assert sentence.startswith(f"warning: desk cannot be used: {root / 'sandboxes' / 'desk' / 'sandbox.toml'}: title: ")
    out, err, code = done("sandbox", "list", "--json")
    listed = {clone["name"]: clone for clone in json.loads(out)}
    assert (code, err, set(listed["desk"])) == (0, "", {"name", "error"})
    assert "folder" in listed["shop"]
    assert done("envsim", "tasks", "list")[2] == 0
    found = json.loads(done("envsim", "doctor", "--json")[0])
    (check,) = [check for check in found["checks"] if check["name"] == "app desk"]
    assert (found["ok"], check["ok"], check["broken"], check["detail"]) == (True, False, True, listed["desk"]["error"])


@pytest.mark.parametrize(
    "text", ["goal = ", "", "no_such_key = 1\n", 'goal = "x"\n[[checks]]\nkind = "nope"\n'], ids=repr
)
def test_a_bad_task_toml(refused: Run, root: Path, text: str) -> None:
    (root / "tasks" / "shop" / "broken.toml").write_text(text)
    assert "broken.toml" in refused("envsim tasks show broken")


# -- damaged traces --------------------------------------------------------------------------------


def trace(folder: Path, app: str = "shop") -> Path:
    writer = TraceWriter(folder, Header(session="s1", app=app, source="rollout", interface="browser"), state={})
    writer.write(Step(index=0, observation=Observation(url="/", page="main")))
    writer.write(Step(index=1, action=Action.call("go_back"), observation=Observation(url="/", page="main")))
    writer.finish(None)
    return writer.path


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "not a trace": lambda data: b'{"hello": 1}\n',
    "not json": lambda data: b"hello\n",
    "torn in the middle": lambda data: data.replace(b'"index":0', b'"index":', 1),
    "another version": lambda data: data.replace(b'"envsim_trace":1', b'"envsim_trace":99'),
    "a lost line": lambda data: b"\n".join(data.split(b"\n")[:1] + data.split(b"\n")[2:]),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("line", ["worldmodel train traces -o m", "envsim ingest traces -o o"])
def test_a_corrupt_trace(refused: Run, tmp_path: Path, line: str, damage: str) -> None:
    path = trace(tmp_path / "traces")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert "s1.jsonl" in refused(line)


def test_an_empty_folder_of_traces(refused: Run, tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    assert "envsim rollout" in refused("worldmodel train traces -o m")


@pytest.mark.parametrize("line", ["worldmodel info m", "worldmodel eval m traces", "envsim rollout --app shop -o o "
                                  "--world model --model m -n 1"])  # fmt: skip
@pytest.mark.parametrize("content", ["{}", "not json", '{"app": "shop", "version": 99}'])
def test_a_corrupt_model(refused: Run, tmp_path: Path, line: str, content: str) -> None:
    trace(tmp_path / "traces")
    (tmp_path / "m").mkdir()
    for name in ("config.json", "model.json", "manifest.json"):
        (tmp_path / "m" / name).write_text(content)
    sentence = refused(line)
    assert sentence.startswith(("m ", "m/"))
    assert "Train " in sentence


def test_a_corrupt_redaction_key(refused: Run, tmp_path: Path) -> None:
    trace(tmp_path / "traces")
    (tmp_path / "key").write_text("secret")
    assert "is not a redaction key" in refused("envsim ingest traces -o o --redact-key key")


@pytest.mark.parametrize("line", ["envsim ingest traces -o file", "worldmodel train traces -o file"])
def test_an_output_that_is_a_file(refused: Run, tmp_path: Path, line: str) -> None:
    trace(tmp_path / "traces")
    (tmp_path / "file").touch()
    assert "file" in refused(line)


# -- missing prerequisites -------------------------------------------------------------------------


def installed(line: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A console script as pip installed it, in a new process."""
    script, *args = line.split()
    return subprocess.run(
        [Path(sys.executable).with_name(script), *args],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


@pytest.mark.parametrize(
    ("line", "env", "named"),
    [
        ("envsim rollout --app nope -o o", {}, "'nope'"),
        ("sandbox up nope", {}, "'nope'"),
        ("worldmodel info nope", {}, "nope"),
        ("sandbox up shop --runtime docker", NO_ENGINE, "Run: "),
        ("envsim rollout --app shop -o o -n 1 --runtime docker", NO_ENGINE, "Run: "),
        (
            "envsim rollout --app shop -o o -n 1 --driver chromium",
            {"ENVSIM_CHROMIUM": "/none/chromium"},
            "/none/chromium",
        ),
    ],
)
def test_the_installed_scripts_say_it_in_one_line(tmp_path: Path, line: str, env: dict[str, str], named: str) -> None:
    result = installed(line, tmp_path, **env)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert named in sentence


@pytest.mark.parametrize(
    ("package", "line", "extra"),
    [
        ("docker", "sandbox up shop --runtime docker", "docker"),
        ("torch", "worldmodel train traces -o m", "worldmodel"),
        ("playwright", "envsim rollout --app shop -o o -n 1 --driver chromium", "browser"),
    ],
)
def test_a_missing_extra_names_the_pip_line(tmp_path: Path, package: str, line: str, extra: str) -> None:
    trace(tmp_path / "traces")
    # A module of that name that is not there, for child processes too.
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"{package}.py").write_text(f"raise ModuleNotFoundError(name={package!r})\n")
    result = installed(line, tmp_path, PYTHONPATH=str(tmp_path / "path"))
    assert result.returncode == 2, result.stderr
    (sentence,) = result.stderr.splitlines()
    assert f"pip install 'envsim[{extra}]'" in sentence


def test_doctor_reports_what_is_missing_and_succeeds_where_the_core_works(tmp_path: Path) -> None:
    result = installed("envsim doctor --json", tmp_path, **NO_ENGINE)
    report = json.loads(result.stdout)
    assert result.returncode == 0
    assert report["ok"] is True
    missing = {check["name"]: check for check in report["checks"] if not check["ok"]}
    assert missing["Docker engine"]["fix"]
    assert not any(check["required"] for check in missing.values())


def test_doctor_fails_where_the_core_does_not_work(tmp_path: Path) -> None:
    result = installed("envsim doctor", tmp_path, ENVSIM_CACHE="/proc/nowhere")
    assert result.returncode == 1
    assert "BROKEN" in result.stdout
    assert "Run: export ENVSIM_CACHE" in result.stdout
