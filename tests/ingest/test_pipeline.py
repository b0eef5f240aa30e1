"""``envsim ingest`` end to end: nothing unredacted is written, runs resume, bad lines are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import ContentError, TraceError
from envsim.ingest.pipeline import MANIFEST, Report, ingest
from envsim.ingest.redact import Redactor
from envsim.trace import Header, Step, TraceReader, TraceWriter
from envsim.types import Observation, Outcome

KEY = bytes(32)
MAIL = "ada@example.com"


def session(text: str, **extra: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}], **extra}


def source(path: Path, *sessions: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in sessions))
    return path


def run(*sources: Path, out: Path, key: bytes | None = KEY, **options: Any) -> Report:
    return ingest(sources, out, redactor=Redactor(key) if key is not None else None, **options)


def heard(out: Path) -> dict[str, str]:
    return {trace.header.session: trace.steps[0].observation.messages[0].text for trace in TraceReader(out)}


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != MANIFEST}


def test_sessions_are_written_redacted(tmp_path: Path) -> None:
    report = run(
        source(tmp_path / "p.jsonl", session(f"I am {MAIL}", id="a"), session("hi", id="b")), out=tmp_path / "o"
    )
    assert heard(tmp_path / "o") == {"a": f"I am {Redactor(KEY).text(MAIL)}", "b": "hi"}
    assert (report.written, report.steps, report.redacted) == (2, 4, {"email": 1})
    assert all(MAIL.encode() not in data for data in files(tmp_path / "o").values())


def test_without_redaction_they_are_written_as_they_are(tmp_path: Path) -> None:
    run(source(tmp_path / "p.jsonl", session(MAIL, id="a")), out=tmp_path / "o", key=None)
    assert heard(tmp_path / "o") == {"a": MAIL}


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    path, out = source(tmp_path / "p.jsonl", *(session(str(i)) for i in range(5))), tmp_path / "o"
    run(path, out=out)
    before = files(out)
    report = run(path, out=out)
    assert (report.written, report.skipped) == (0, 5)
    assert files(out) == before


@pytest.mark.parametrize("keep", [0, 10, 400, -3])
def test_an_interrupted_run_resumes_to_the_same_bytes(tmp_path: Path, keep: int) -> None:
    path, out = source(tmp_path / "p.jsonl", *(session(str(i), id=f"s{i}") for i in range(4))), tmp_path / "o"
    run(path, out=out)
    whole = files(out)
    (out / "s3.jsonl").unlink()
    (out / "s2.jsonl").write_bytes(whole["s2.jsonl"][:keep])
    report = run(path, out=out)
    assert (report.written, report.skipped) == (2, 2)
    assert files(out) == whole


def test_a_grown_source_adds_its_new_sessions(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run(source(tmp_path / "p.jsonl", session("1")), out=out)
    report = run(source(tmp_path / "p.jsonl", session("1"), session("2")), out=out)
    assert (report.written, report.skipped) == (1, 1)


def test_equal_names_get_numbers(tmp_path: Path) -> None:
    one = source(tmp_path / "a" / "p.jsonl", session("1", id="s"), session("2", id="s"))
    two = source(tmp_path / "b" / "p.jsonl", session("3", id="s"))
    for expected in ((3, 0), (0, 3)):
        report = run(one, two, out=tmp_path / "o")
        assert (report.written, report.skipped) == expected
    assert sorted(heard(tmp_path / "o").items()) == [("s", "1"), ("s-2", "2"), ("s-3", "3")]


def test_another_session_of_the_same_name_is_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run(source(tmp_path / "p.jsonl", session("1", id="s")), out=out)
    before = files(out)
    with pytest.raises(TraceError, match="another session"):
        run(source(tmp_path / "q.jsonl", session("2", id="s")), out=out)
    with pytest.raises(TraceError, match="another key"):
        run(tmp_path / "p.jsonl", out=out, key=KEY[:-1] + b"x")
    assert files(out) == before


def native(root: Path, name: str, text: str) -> Path:
    header = Header(session=name, app="shop", source="rollout", interface="browser", world="sandbox")
    writer = TraceWriter(root, header, state={"customers": {MAIL: {}}})
    writer.write(Step(index=0, observation=Observation(page=f'text "{text}"')))
    writer.finish(Outcome(kind="policy", reward=1.0))
    return writer.path


def test_our_own_traces_are_redacted_and_copied_with_their_state(tmp_path: Path) -> None:
    native(tmp_path / "in", "s", MAIL)
    report = run(tmp_path / "in", out=tmp_path / "o")
    (trace,) = TraceReader(tmp_path / "o")
    name = Redactor(KEY).text(MAIL)
    assert trace.state == {"customers": {name: {}}}
    assert trace.steps[0].observation.page == f'text "{name}"'
    assert trace.header.world == "sandbox"
    assert list(report.sources.values()) == ["envsim"]


def test_ingesting_a_directory_into_itself_destroys_nothing(tmp_path: Path) -> None:
    before = native(tmp_path, "s", "hello").read_bytes()
    with pytest.raises(TraceError, match="another session"):
        run(tmp_path, out=tmp_path)
    assert (tmp_path / "s.jsonl").read_bytes() == before


def test_a_bad_line_is_reported_and_skipped(tmp_path: Path) -> None:
    path = source(tmp_path / "p.jsonl", session("1"), "{broken", session("2"), [{"role": "alien", "content": ""}])
    report = run(path, out=tmp_path / "o")
    assert (report.written, report.unreadable) == (2, 2)
    assert report.errors == [
        f"{path}, line 2: it is not JSON",
        f"{path}, line 4: it has a message with the unknown role 'alien'",
    ]


def test_a_damaged_trace_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    native(tmp_path / "in", "good", "x")
    bad = native(tmp_path / "in", "bad", "y")
    bad.write_bytes(bad.read_bytes().replace(b'"index":0', b'"index":7'))
    report = run(tmp_path / "in", out=tmp_path / "o")
    assert (report.written, report.unreadable) == (1, 1)
    assert "bad.jsonl" in report.errors[0]


@pytest.mark.parametrize("content", ["", "hello\n", '{"log": {"entries": []}}\n', '{"a": 1}\n', "\x00\x01"])
@pytest.mark.parametrize("format_name", ["auto", "chat", "envsim"])
def test_a_file_of_no_known_format_is_an_error(tmp_path: Path, content: str, format_name: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(TraceError, match=r"x\.json"):
        run(path, out=tmp_path / "o", format_name=format_name)
    assert not (tmp_path / "o").exists()


def test_unknown_formats_and_missing_sources_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="no trace format 'pcap'"):
        run(source(tmp_path / "p.jsonl", session("1")), out=tmp_path / "o", format_name="pcap")
    with pytest.raises(TraceError, match="does not exist"):
        run(tmp_path / "nowhere", out=tmp_path / "o")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TraceError, match=r"no \.jsonl"):
        run(tmp_path / "empty", out=tmp_path / "o")


def test_the_manifest_says_where_it_came_from(tmp_path: Path) -> None:
    path = source(tmp_path / "p.jsonl", session("1"))
    run(path, out=tmp_path / "o")
    manifest = json.loads((tmp_path / "o" / MANIFEST).read_text())
    assert manifest["stage"] == "ingest"
    assert list(manifest["inputs"]) == [str(path)]
    assert len(manifest["inputs"][str(path)]) == 64


def test_the_real_sessions_are_ingested(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    read: list[int] = []
    path = data_dir / "tau_airline_gpt4o" / "trajectories.jsonl"
    report = run(path, out=out, app="airline", on_bytes=read.append)
    assert (report.written, report.unreadable, report.steps) == (160, 0, 2405)
    assert report.redacted == {"email": 109}
    assert sum(read) == path.stat().st_size
    reader = TraceReader(out)
    assert {trace.header.app for trace in reader} == {"airline"}
    assert reader.warnings == []
    assert not any(b"@example.com" in data for data in files(out).values())
