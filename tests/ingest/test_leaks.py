"""What is personal or secret leaves nothing on disk or on the terminal, wherever in a session it stands."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.cli.main import app
from envsim.errors import EnvsimError
from envsim.ingest.redact import Redactor
from envsim.trace import Header, Step, TraceReader, TraceWriter
from envsim.types import Action, Event, Message, Observation, Outcome

PLANTED = [
    "mia.li3818@example.com", "+49 30 901820", "(212) 555-0123", "4111 1111 1111 1111", "378282246310005",
    "sk-proj-abcdefghij0123456789",
]  # fmt: skip
PASSWORD = "hunter2hunter2"
WRITTEN = [
    text.replace("*", PASSWORD)
    for text in (
        "password=*", "password: *", '{"password": "*"}', '{"password": "*", bad', "{'api_key': '*'}",
        'login(user="ada", password="*")', '{\\"token\\": \\"*\\", bad',
    )
]  # fmt: skip
BROKEN = '{"note": "%s", bad'
"""Arguments as models send them now and then."""

Position = tuple[str | int, ...]
KEY = "(its key)"


def function(name: str, arguments: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


def chat() -> dict[str, Any]:
    schema = {"type": "object", "properties": {"password": {"type": "string", "description": "d", "default": "x"}}}
    return {
        "id": "s1", "task_id": "t", "model": "m", "app": "shop", "domain": "d", "usage": {"total": "5"}, "reward": 1,
        "tools": [{"type": "function", "function": {"name": "login", "description": "d", "parameters": schema}}],
        "messages": [
            {"role": "system", "content": "policy"},
            {"role": "user", "name": "n", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": "hi", "refusal": "r", "tool_calls": [function("find", {"a": ["x"]})]},
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
            {"role": "assistant", "content": None, "tool_calls": [function("login", BROKEN % "x")]},
            {"role": "tool", "tool_call_id": "c1", "content": BROKEN % "x"},
        ],
    }  # fmt: skip


def native() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        header = Header(
            session="s", app="shop", source="rollout", interface="browser", world="sandbox", goal="g", task="t@1",
            policy="p", bugs={"b": 1.0}, tools=({"name": "f", "description": "d", "parameters": {"title": "t"}},),
            meta={"note": "m", "list": ["x"]},
        )  # fmt: skip
        writer = TraceWriter(Path(folder), header)
        seen = Observation(goal="g", url="/u", title="t", page='text "x"', result="r", error="e",
                           messages=(Message(role="user", text="hello"),))  # fmt: skip
        writer.write(Step(index=0, observation=seen))
        writer.write(
            Step(
                index=1,
                action=Action.call("fill", bid="eaaaa", value="v"),
                observation=seen,
                delta=(("customers/7", {"city": "Ulm"}),),
                events=(Event(kind="bug", id="b", detail="d"),),
            )
        )
        writer.write(Step(index=2, action=Action.say("t"), observation=seen))
        writer.write(Step(index=3, action=Action.answer({"a": "v"}), raw="raw", observation=seen))
        writer.finish(Outcome(kind="policy", reward=0.0, reason="The answer x is not y."))
        return [json.loads(line) for line in writer.path.read_text().splitlines()]


def positions(value: Any, at: Position = ()) -> Iterator[Position]:
    """The path of every string in a JSON value, and of every key."""
    if isinstance(value, str):
        yield at
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*at, key, KEY)
            yield from positions(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from positions(item, (*at, index))


def plant(value: Any, at: Position, text: str) -> Any:
    """A copy of `value` with `text` there; beside the key where the position is a key."""
    if not at:
        return value % text if value == BROKEN else text
    first, *rest = at
    if isinstance(value, list):
        return [plant(item, tuple(rest), text) if index == first else item for index, item in enumerate(value)]
    if rest == [KEY]:
        return {**value, text: value[first]}
    return {key: plant(item, tuple(rest), text) if key == first else item for key, item in value.items()}


CHAT, NATIVE = list(positions(chat())), list(positions(native()))


def ingested(source: str, planted: str) -> tuple[bytes, str]:
    """Every byte below the output directory, names of files included, and what the terminal showed."""
    with tempfile.TemporaryDirectory() as folder:
        path, out, shown = Path(folder) / "in.jsonl", Path(folder) / "out", io.StringIO()
        path.write_text(source, encoding="utf-8")
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            try:
                app(["ingest", str(path), "-o", str(out)], standalone_mode=False)
            except EnvsimError as error:
                shown.write(str(error))  # what the command prints before it exits with 2
        data = b""
        for path in sorted(out.rglob("*")) if out.exists() else []:
            data += f"{path.relative_to(out)}\n".encode() + (path.read_bytes() if path.is_file() else b"")
        assert planted in source or json.dumps(planted)[1:-1] in source
        return data, shown.getvalue()


def forms(text: str) -> set[str]:
    """`text` as it is, as JSON escapes it, and as a file name would have it."""
    return {text, json.dumps(text)[1:-1], text.replace(" ", "-"), text.strip("+(").replace(") ", "-").replace(" ", "-")}


def check(source: str, text: str, secret: str) -> None:
    data, shown = ingested(source, text)
    for form in forms(secret):
        assert form.encode() not in data
        assert form not in shown


@pytest.mark.parametrize("at", CHAT, ids=lambda at: ".".join(map(str, at)))
def test_nothing_planted_in_a_chat_session_gets_out(at: Position) -> None:
    everything = f"Mail {PLANTED[0]}, call {PLANTED[1]}, pay {PLANTED[3]} with password={PASSWORD} now"
    source = json.dumps(plant(chat(), at, everything)) + "\n" + json.dumps(chat())
    data, shown = ingested(source, everything)
    for secret in (PLANTED[0], PLANTED[1], PLANTED[3], PASSWORD):
        assert not any(form.encode() in data or form in shown for form in forms(secret))


@pytest.mark.parametrize("at", NATIVE, ids=lambda at: ".".join(map(str, at)))
def test_nothing_planted_in_a_trace_gets_out(at: Position) -> None:
    everything = f"Mail {PLANTED[0]}, call {PLANTED[1]}, pay {PLANTED[3]} with password={PASSWORD} now"
    source = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in plant(native(), at, everything))
    data, shown = ingested(source, everything)
    for secret in (PLANTED[0], PLANTED[1], PLANTED[3], PASSWORD):
        assert not any(form.encode() in data or form in shown for form in forms(secret))


AROUND = st.sampled_from(["{}", "see {}", "{} or not", "a: {}.", "({})", "one\n{}\ntwo", '"{}"'])


@given(st.sampled_from(CHAT), st.sampled_from([(v, v) for v in PLANTED] + [(v, PASSWORD) for v in WRITTEN]), AROUND)
def test_no_form_of_anything_gets_out_of_a_chat_session(at: Position, planted: tuple[str, str], around: str) -> None:
    text = around.replace("{}", planted[0])
    check(json.dumps(plant(chat(), at, text)) + "\n", text, planted[1])


@given(st.sampled_from(NATIVE), st.sampled_from([(v, v) for v in PLANTED] + [(v, PASSWORD) for v in WRITTEN]), AROUND)
def test_no_form_of_anything_gets_out_of_a_trace(at: Position, planted: tuple[str, str], around: str) -> None:
    text = around.replace("{}", planted[0])
    lines = plant(native(), at, text)
    check("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines), text, planted[1])


def test_a_session_without_any_is_written_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in native()))
    app(["ingest", str(source), "-o", str(tmp_path / "out")], standalone_mode=False)
    (before,), (after,) = TraceReader(source), TraceReader(tmp_path / "out")
    assert after.steps == before.steps
    assert after.end == before.end
    assert after.header.tools == before.header.tools


@pytest.mark.parametrize(
    "text",
    [
        'textbox "Password:" [eaaaa] = "Password:"', 'text "Token:"\n  text "five"', 'button "Password: show" [eaaaa]',
        'link "Secret" [eaaaa] -> "/c/secret"', "Signature: 2026-03-01", "a token: round", '{"pin": null, bad',
        '["password", "email", bad', "if secret == other:", 'label "pin" [eaaaa]',
    ],
)  # fmt: skip
def test_labels_are_no_secrets(text: str) -> None:
    assert Redactor(bytes(32)).text(text) == text
