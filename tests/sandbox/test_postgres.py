"""PostgreSQL under a sandbox's control: resets by template, states that move, a client of our own."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.guest import postgres, postgres_wire
from envsim.guest.postgres_wire import PostgresError
from envsim.sandbox.bundle import guest_files

SCRIPT = Path(__file__).with_name("postgres_inside.py")
NOBODY = 65534

try:
    postgres.find_programs()
    HERE = True
except ContentError:
    HERE = False


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, object]]:
    """What the script found out, run as a user PostgreSQL accepts, with nothing of envsim but the bundle."""
    if not HERE:
        pytest.skip("PostgreSQL is not installed here; tests of apps on it run in containers")
    folder = Path(tempfile.mkdtemp(prefix="envsim-test-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        for name, content in guest_files().items():
            path = folder / "guest" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        shutil.copy(SCRIPT, folder / "script.py")
        (folder / "work").mkdir()
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if as_user:
            os.chown(folder / "work", NOBODY, NOBODY)
        result = subprocess.run(
            ["python3", str(folder / "script.py"), str(folder / "work")],
            env={"PYTHONPATH": str(folder / "guest"), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            cwd=folder / "work",
            **as_user,  # type: ignore[call-overload]
        )
        assert result.returncode == 0, result.stderr
        yield json.loads(result.stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_reset_leaves_nothing_of_the_episode(facts: dict[str, object]) -> None:
    assert facts["dirty"] != facts["clean"]
    assert facts["reset"] == facts["clean"]
    assert facts["reset again"] == facts["clean"]


def test_a_state_comes_back_with_rows_sequences_and_files(facts: dict[str, object]) -> None:
    assert facts["loaded"] == facts["dirty"]
    assert facts["next id"] == 22
    assert facts["loaded file"] == "new"


def test_the_app_can_change_nothing_that_a_reset_does_not_undo(facts: dict[str, object]) -> None:
    # Not allowed, seven times (one is a file, one a program); no way into the other databases; no entry to the seed.
    assert facts["refused to the app"] == ["42501"] * 9 + ["55000"]
    assert facts["role"] != facts["clean"]
    assert facts["reset after the role"] == [facts["clean"], '"$user", public']


def test_a_state_has_the_apps_role_and_the_view_its_search_path(facts: dict[str, object]) -> None:
    assert facts["as the app sees it"] == [["of its own schema"]]
    assert facts["loaded role"] == "mine, public"
    assert facts["no role"] == "The database role of this state is none. Export it again."


def test_a_state_of_other_tables_is_refused(facts: dict[str, object]) -> None:
    assert "has other tables than the app: table public.more" in str(facts["refused"])


def test_values_come_as_what_they_are(facts: dict[str, object]) -> None:
    assert facts["row"] == [1, "a\t\\\n☃", True, 0.5, "12.30", '{"a": 1}', "2026-03-02 09:00:00+00", 2, None]


def test_the_mark_moves_with_every_write_and_with_nothing_else(facts: dict[str, object]) -> None:
    assert facts["marks"] == [True, False, False]


def test_an_error_leaves_the_connection_usable(facts: dict[str, object]) -> None:
    assert facts["error"] == ["42703", 'column "nope" does not exist']
    assert facts["after the error"] == [[1]]


def test_the_app_is_put_out_while_the_database_is_replaced(facts: dict[str, object]) -> None:
    assert facts["old connection"] == "gone"


def test_a_server_that_was_killed_is_started_again_by_a_reset(facts: dict[str, object]) -> None:
    assert facts["after kill"] == facts["clean"]


def test_large_objects_are_not_lost_in_silence(facts: dict[str, object]) -> None:
    assert "large objects" in str(facts["large"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_root_is_told_that_postgresql_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="does not run as root"):
        postgres.PostgresServer(tmp_path)


def test_where_postgresql_is_missing_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres.shutil, "which", lambda name: None)
    monkeypatch.setattr(postgres.Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(ContentError, match="packages = "):
        postgres.find_programs()


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8"))), max_size=8))
def test_a_row_is_read_as_it_was_written(values: list[str | None]) -> None:
    body = struct.pack("!h", len(values))
    for value in values:
        raw = b"" if value is None else value.encode()
        body += struct.pack("!i", -1 if value is None else len(raw)) + raw
    assert postgres_wire._row(body, [str] * len(values)) == tuple(values)


def test_an_error_says_whether_the_server_hangs_up() -> None:
    error, fatal = postgres_wire._error(b"SFATAL\0VFATAL\0C57P01\0Mterminating\0\0")
    assert (str(error), error.code, fatal) == ("terminating", "57P01", True)
    assert postgres_wire._error(b"VERROR\0C42P01\0Mno\0\0")[1] is False
    assert isinstance(error, PostgresError)
