"""`sandbox new` and `sandbox prove`: what is written, what is said, and what a proof finds."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from envsim.cli.sandbox import app
from envsim.content import find_app
from envsim.errors import ContentError, PrerequisiteError
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.image import connect, find_base, quiet
from envsim.sandbox.new import plan, write
from envsim.sandbox.new_proof import Proof, prove
from envsim.sandbox.new_state import _from_sqlite
from envsim.sandbox.spec import SandboxSpec, find_spec, load_spec

COMMAND = "python3 app.py --port {port} --data {data}"


def written(tmp_path: Path, **options: object) -> SandboxSpec:
    return write(plan("mine", command=COMMAND, **options), tmp_path)  # type: ignore[arg-type]


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    spec = written(tmp_path, sqlite="app.db", port=9000, requirements=["flask>=3"], packages=["git"])
    assert spec.hosted is not None
    assert spec.hosted.command == ("python3", "app.py", "--port", "{port}", "--data", "{data}")
    assert (spec.hosted.port, spec.hosted.database, spec.hosted.data) == (9000, "sqlite:app.db", "/state")
    assert spec.packages == ("git", "libfaketime")
    assert spec.requirements == ("flask>=3",)
    assert spec == load_spec(tmp_path / "sandboxes" / "mine" / "sandbox.toml")
    assert spec.state == {}


@pytest.mark.parametrize(
    ("options", "database"),
    [
        ({"postgres": True}, "postgres"),
        ({}, "files"),
        ({"sqlite": "/var/lib/mine/db/x.db", "data": "/var/lib/mine"}, "sqlite:db/x.db"),
    ],
)
def test_databases(tmp_path: Path, options: dict[str, object], database: str) -> None:
    spec = written(tmp_path, **options)
    assert spec.hosted is not None
    assert spec.hosted.database == database
    assert ("postgresql" in spec.packages) == (database == "postgres")


def test_the_seed_that_is_written_is_python_that_starts_the_app(tmp_path: Path) -> None:
    spec = write(plan("mine", command="serve --unix {socket} --db {data}/x", socket="app.sock"), tmp_path)
    source = (spec.root / "seed.py").read_text(encoding="utf-8")
    words = '["serve", "--unix", f"{data}/app.sock", "--db", f"{data}/x"]'
    assert f'start_once({words}, data / "app.sock")' in source
    subprocess.run([sys.executable, "-m", "py_compile", str(spec.root / "seed.py")], check=True)


def test_braces_of_the_program_are_its_own(tmp_path: Path) -> None:
    spec = write(plan("mine", command="run '--set={{x}}={data}/{y}' '{data}'"), tmp_path)
    source = (spec.root / "seed.py").read_text(encoding="utf-8")
    listed = re.search(r"start_once\((\[.*\]), 8000\)", source)
    assert listed is not None
    assert listed[1] == '["run", f"--set={{{{x}}}}={data}/{{y}}", f"{data}"]'


QUOTED = ["it's", 'say "x"', "back\\slash", "tab\t"]


@pytest.mark.parametrize("word", QUOTED)
def test_words_of_any_kind_survive(tmp_path: Path, word: str) -> None:
    quoted = "'" + word.replace("'", "'\"'\"'") + "'"
    spec = write(plan("mine", command=f"run {quoted}"), tmp_path)
    assert spec.hosted is not None
    assert spec.hosted.command == ("run", word)
    subprocess.run([sys.executable, "-m", "py_compile", str(spec.root / "seed.py")], check=True)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    spec = written(tmp_path)
    (spec.root / "seed.py").write_text("mine", encoding="utf-8")
    with pytest.raises(ContentError, match="is there already and stays as it is"):
        written(tmp_path)
    assert (spec.root / "seed.py").read_text(encoding="utf-8") == "mine"


def test_a_name_that_another_app_has_is_not_taken_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned, shop = plan("shop", command=COMMAND), find_app("shop")
    with pytest.raises(ContentError, match=re.escape(f"There is an app 'shop' already, in {shop}, and")):
        write(planned, tmp_path)
    assert not (tmp_path / "sandboxes").exists()
    arguments = ["new", "shop", "--command", COMMAND, "--root", str(tmp_path), "--no-prove"]
    assert isinstance(CliRunner().invoke(app, arguments).exception, ContentError)
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path))
    assert find_app("shop") == tmp_path / "sandboxes" / "shop"
    with pytest.raises(ContentError, match="is there already and stays as it is"):
        write(planned, tmp_path, force=True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plan("Mine", command="x"), "is no app's name"),
        (lambda: plan("mine", command=COMMAND, socket="a.sock"), "listens on a socket"),
        (lambda: plan("mine"), "Say what is to run"),
        (lambda: plan("mine", command="x", sqlite="a.db", postgres=True), "one database"),
        (lambda: plan("mine", command="x", sqlite="/a/b.db", data="/c"), "not below the data folder"),
        (lambda: plan("mine", command="x", data="state"), "must be a whole path"),
        (lambda: plan("mine", command="x", socket="a.sock", port=80), "listens on a socket"),
        (lambda: plan("mine", command="x 'y"), "cannot be split into words: No closing quotation"),
        (lambda: plan("mine", command=" "), "--command is empty"),
        (lambda: plan("mine", command="x", sqlite="../a.db"), "not below the data folder"),
        (lambda: plan("mine", command="x", sqlite="b/../../a.db"), "not below the data folder"),
        (lambda: plan("mine", command="x", sqlite=""), "not below the data folder"),
    ],
)
def test_what_does_not_fit_together_is_said(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ContentError, match=said):
        call()


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"packages": ["git; rm -rf /"]}, "packages.0"),
        ({"requirements": ["--index-url=http://mine.example"]}, "requirements.0"),
        ({"requirements": ["-rother.txt"]}, "requirements.0"),
        ({"requirements": ["flask\n--pre"]}, "requirements.0"),
        ({"requirements": ["no such==1"]}, "requirements.0"),
        ({"data": "/"}, "hosted.data"),
        ({"socket": "../a.sock"}, "hosted.socket"),
    ],
)
def test_what_would_not_be_valid_is_not_written(tmp_path: Path, options: dict[str, object], key: str) -> None:
    planned = plan("mine", command="serve", **options)  # type: ignore[arg-type]
    with pytest.raises(ContentError, match=rf"^Nothing was written.* {re.escape(key)}: .* Correct what you said\.$"):
        write(planned, tmp_path)
    assert list((tmp_path / "sandboxes").iterdir()) == []
    assert write(plan("mine", command="serve", requirements=["flask[async] >=3; python_version>'3'"]), tmp_path).hosted


def test_tables_are_suggested_for_the_state_view() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(
        """CREATE TABLE "order" (id INTEGER PRIMARY KEY, total REAL, "group" TEXT, photo BLOB, password TEXT);
        INSERT INTO "order" VALUES (1, 2.5, 'a', x'00', 'secret'), (2, 1.0, 'b', NULL, '');
        CREATE TABLE link (a INTEGER, b INTEGER, PRIMARY KEY (a, b)); INSERT INTO link VALUES (1, 2);
        CREATE TABLE empty (id INTEGER)"""
    )
    assert _from_sqlite(db.serialize()) == [
        'order = { key = "id", sql = "SELECT id, total, \\"group\\" FROM \\"order\\"" }',
        'link = { key = "rowid", sql = "SELECT rowid, a, b FROM link" }',
    ]
    db.close()


def test_the_command_line_writes_and_says_where(tmp_path: Path) -> None:
    arguments = [
        "new",
        "mine",
        "--command",
        COMMAND,
        "--sqlite",
        "app.db",
        "--root",
        str(tmp_path),
        "--no-prove",
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["folder"] == str(tmp_path / "sandboxes" / "mine")
    assert f"export ENVSIM_PATH={tmp_path}" in result.stderr


@pytest.mark.docker
@pytest.mark.xdist_group("tally")
def test_a_proof_holds_for_an_app_that_keeps_its_promises(user_root: Path) -> None:
    proof = prove(find_spec("tally"), DockerRuntime(), quiet)
    assert [point for point in proof.points if point.held is False] == []
    said = {point.item: point for point in proof.points}
    assert said["login"].note == "ann: token"
    assert said["state view"].note == "rows: votes 2"
    assert said["clock"].held is True
    assert proof.proven


@pytest.mark.docker
@pytest.mark.xdist_group("tally")
def test_a_proof_names_what_does_not_hold_and_what_to_do(user_root: Path) -> None:
    tally = find_spec("tally")
    assert tally.hosted is not None
    hosted = tally.hosted.model_copy(update={"restart": False})
    spec = tally.model_copy(
        update={"hosted": hosted, "login": None, "state": {}, "pages": ("/", "/nowhere?", "/crash")}
    )
    proof = prove(spec, DockerRuntime(), quiet)
    said = {point.item: point for point in proof.points}
    assert not proof.proven
    assert said["GET /crash"].held is False
    assert "status 502" in said["GET /crash"].note
    assert said["same pages after use and reset"].held is False
    assert "restart = true" in said["same pages after use and reset"].note
    assert said["reset"].held is True
    assert 'vote = { key = "name", sql = "SELECT name, votes FROM vote" }' in proof.suggestions
    assert json.loads(json.dumps(proof.to_json()))["proven"] is False


def test_what_could_not_be_told_does_not_fail_a_proof() -> None:
    assert Proof([]).proven


@pytest.mark.docker
def test_an_image_that_is_not_there_is_named() -> None:
    client = connect()
    with pytest.raises(PrerequisiteError, match="no image 'no-such-image:1'"):
        plan("mine", image="no-such-image:1", client=client)
    client.close()


@pytest.mark.docker
def test_an_image_says_what_it_runs_or_we_ask(tmp_path: Path) -> None:
    client = connect()
    base = find_base(client)
    planned = plan("mine", image=base, command="python3 -m http.server {port}", sqlite="/var/lib/x/x.db", client=client)
    assert (planned.image, planned.data, planned.database) == (base, "/var/lib/x", "sqlite:x.db")
    assert write(planned, tmp_path).image == base
    with pytest.raises(ContentError, match="requires is in the image"):
        plan("mine", image=base, command="x", requirements=["flask"], client=client)
    client.close()
