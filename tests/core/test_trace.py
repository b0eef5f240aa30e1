"""Traces on disk: what is written reads back, what is damaged is refused, a killed writer loses one step at most."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from envsim.errors import TraceError
from envsim.trace import VERSION, Header, Step, Trace, TraceReader, TraceWriter, read_blob, write_blob
from envsim.types import Action, Event, Message, Observation, Outcome

STATE = {"orders": {"1001": {"status": "paid", "total": 12.5}}}


def header(session: str = "s1", **fields: Any) -> Header:
    return Header(session=session, app="shop", source="test", interface="browser", **fields)


def steps(count: int) -> list[Step]:
    rest = [
        Step(
            index=index,
            action=Action.call("click", bid=f"e{index}"),
            observation=Observation(page=f'text "{index}é"', messages=(Message(role="user", text="hi"),)),
            delta=(("orders/1001/status", "shipped"), ("carts/1",)),
            events=(Event(kind="bug", id="stale"),),
        )
        for index in range(1, count)
    ]
    return [Step(index=0, observation=Observation(url="/")), *rest]


def write(root: Path, count: int = 3, **fields: Any) -> Path:
    writer = TraceWriter(root, header(**fields), state=STATE)
    for step in steps(count):
        writer.write(step)
    writer.finish(Outcome(kind="policy", reward=1.0))
    return writer.path


def only(root: Path) -> Trace:
    (trace,) = TraceReader(root)
    return trace


def test_a_session_reads_back(tmp_path: Path) -> None:
    write(tmp_path)
    reader = TraceReader(tmp_path)
    (trace,) = reader
    assert trace.steps == tuple(steps(3))
    assert trace.state == STATE
    assert trace.end is not None
    assert trace.end.outcome == Outcome(kind="policy", reward=1.0)
    assert reader.warnings == []
    assert len(reader) == 1


def test_the_same_session_is_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a").read_bytes() == write(tmp_path / "b").read_bytes()


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_reads_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("any")
    step = Step(index=0, observation=Observation(page=text, messages=(Message(role="user", text=text),)), raw=text)
    writer = TraceWriter(root, header(goal=text))
    writer.write(step)
    writer.finish(None)
    assert only(root).steps == (step,)


def test_states_are_stored_once(tmp_path: Path) -> None:
    write(tmp_path, session="a")
    write(tmp_path, session="b")
    assert len(list((tmp_path / "blobs").iterdir())) == 1


def test_threads_may_store_one_value_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    value = {"big": ["x" * 1000] * 200}
    start = threading.Barrier(8)

    def store() -> None:
        start.wait()
        try:
            write_blob(tmp_path, value)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [write_blob(tmp_path, value)]


# -- crashes ---------------------------------------------------------------------------------------

ENDLESS_WRITER = """
import sys
from pathlib import Path
from envsim.trace import Header, Step, TraceWriter
from envsim.types import Action, Observation
writer = TraceWriter(Path(sys.argv[1]), Header(session="s1", app="shop", source="test", interface="browser"))
index = 0
while True:
    action = Action.call("click", bid="e1") if index else None
    writer.write(Step(index=index, action=action, observation=Observation(page="x" * 3000)))
    print(index, flush=True)
    index += 1
"""


def test_a_killed_writer_loses_at_most_the_step_in_flight(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS_WRITER, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        confirmed = 20 + len([line for line in process.stdout.read().split("\n") if line])
    reader = TraceReader(tmp_path)
    (trace,) = reader
    # The last confirmation itself may have been lost, never a confirmed step.
    assert confirmed <= len(trace.steps) <= confirmed + 1
    assert [step.index for step in trace.steps] == list(range(len(trace.steps)))
    assert trace.end is None
    assert any("cut off" in warning for warning in reader.warnings)


@pytest.mark.parametrize("lost", [1, 5, 40])
def test_a_torn_last_line_is_skipped_and_said(tmp_path: Path, lost: int) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-lost])
    reader = TraceReader(tmp_path)
    (trace,) = reader
    assert len(trace.steps) == 3
    assert trace.end is None
    assert [w for w in reader.warnings if "torn" in w] == ["s1.jsonl, line 5: torn; it was skipped"]


def test_a_writer_stopped_before_its_header_does_not_spoil_the_directory(tmp_path: Path) -> None:
    write(tmp_path, session="b")
    (tmp_path / "a.jsonl").write_bytes(b'{"type":"hea')
    (tmp_path / "c.jsonl").touch()
    reader = TraceReader(tmp_path)
    assert [trace.header.session for trace in reader] == ["b"]
    assert [warning.split(":")[0] for warning in reader.warnings] == ["a.jsonl", "c.jsonl"]


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "damage", [lambda old: old[:-9], lambda old: b"", lambda old: b"\xff" + old, lambda old: b"[]"]
)
def test_damage_before_the_last_line_is_an_error_that_names_it(tmp_path: Path, line: int, damage: Any) -> None:
    path = write(tmp_path)
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = damage(lines[line - 1])
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(TraceError, match=f"line {line}: "):
        TraceReader(tmp_path).read(path)


@pytest.mark.parametrize("missing", [2, 3, 4])
def test_a_missing_line_is_noticed(tmp_path: Path, missing: int) -> None:
    path = write(tmp_path)
    lines = path.read_bytes().split(b"\n")
    del lines[missing - 1]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(TraceError, match="step"):
        TraceReader(tmp_path).read(path)


def test_lines_after_the_end_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    with path.open("ab") as file:
        file.write(path.read_bytes().split(b"\n")[1] + b"\n")
    with pytest.raises(TraceError, match="after the end"):
        TraceReader(tmp_path).read(path)


def test_another_version_is_named_even_if_its_fields_differ(tmp_path: Path) -> None:
    path = write(tmp_path)
    first, rest = path.read_text("utf-8").split("\n", 1)
    data = {**json.loads(first), "envsim_trace": VERSION + 1, "a_field_of_the_future": 1}
    path.write_text(json.dumps(data) + "\n" + rest, "utf-8")
    with pytest.raises(TraceError, match=f"version {VERSION + 1}"):
        TraceReader(tmp_path).read(path)


@pytest.mark.parametrize("text", ["", "not json\n", "{}\n", "5\n", "null\n", "[" * 100_000 + "\n"])
def test_other_files_are_not_traces(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(TraceError):
        TraceReader(path).read(path)


@pytest.mark.parametrize("session", ["../up", "a/b", "/abs", ".hidden", "", "a\n", "a b", "x" * 200, "-dash", "a\\b"])
def test_a_session_cannot_name_a_file_elsewhere(session: str) -> None:
    with pytest.raises(ValidationError, match="session"):
        header(session)


def test_a_damaged_blob_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (blob,) = (tmp_path / "blobs").iterdir()
    blob.write_bytes(blob.read_bytes().replace(b"paid", b"open"))
    with pytest.raises(TraceError, match="hash"):
        list(TraceReader(tmp_path))
    blob.unlink()
    with pytest.raises(TraceError, match="missing"):
        list(TraceReader(tmp_path))


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_blob_name_cannot_leave_its_folder(tmp_path: Path, digest: str) -> None:
    with pytest.raises(TraceError, match="not a blob name"):
        read_blob(tmp_path, digest)


def test_recording_never_overwrites(tmp_path: Path) -> None:
    before = write(tmp_path).read_bytes()
    with pytest.raises(TraceError, match="exists"):
        TraceWriter(tmp_path, header())
    assert (tmp_path / "s1.jsonl").read_bytes() == before


def test_places_without_traces_are_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="does not exist"):
        TraceReader(tmp_path / "nowhere")
    with pytest.raises(TraceError, match="holds no"):
        TraceReader(tmp_path)
