"""Chat transcripts become steps: one a tool call, one an assistant text, every loss counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envsim.ingest import chat
from envsim.ingest.records import Losses, Record
from envsim.trace import Trace
from envsim.types import Action, Message, Outcome


def call(name: str, arguments: Any, call_id: str = "c1") -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(*made: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(made)}


def result(text: str, call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def trace_of(session: Any, losses: Losses | None = None) -> Trace:
    return chat.to_trace(session, app="shop", fallback_name="s", losses=Counter() if losses is None else losses)


def said(text: str) -> tuple[Message, ...]:
    return (Message(role="user", text=text),)


def test_calls_and_texts_become_steps() -> None:
    trace = trace_of(
        [user("hello"), says("who are you?"), user("Ada"), calls(call("find", {"name": "Ada"})), result('{"id": 7}'),
         says("found you"), user("thanks"), says("bye")]
    )  # fmt: skip
    assert [step.index for step in trace.steps] == [0, 1, 2, 3, 4]
    assert [step.action for step in trace.steps] == [
        None, Action.say("who are you?"), Action.call("find", name="Ada"), Action.say("found you"), Action.say("bye")
    ]  # fmt: skip
    assert [step.observation.messages for step in trace.steps] == [said("hello"), said("Ada"), (), said("thanks"), ()]
    assert trace.steps[2].observation.result == '{"id": 7}'
    assert trace.end is not None
    assert trace.end.steps == 5


def test_parallel_calls_become_consecutive_steps_whatever_the_order_of_their_results() -> None:
    made = calls(call("a", {}, "1"), call("b", {}, "2"), content="one moment")
    trace = trace_of([user("go"), made, result("B", "2"), result("A", "1"), user("and?"), says("done")])
    assert [step.action for step in trace.steps[1:]] == [
        Action.say("one moment"), Action.call("a"), Action.call("b"), Action.say("done")
    ]  # fmt: skip
    assert [step.observation.result for step in trace.steps[1:]] == ["", "A", "B", ""]
    assert trace.steps[3].observation.messages == said("and?")


def test_a_call_id_that_recurs_answers_the_call_that_waits() -> None:
    """Real sessions do this: the ids in the tau-bench recordings repeat."""
    trace = trace_of([user("go"), calls(call("a", {})), result("A"), calls(call("b", {})), result("B")])
    assert [step.observation.result for step in trace.steps[1:]] == ["A", "B"]


def test_arguments_that_are_not_json_are_kept_as_sent() -> None:
    trace = trace_of([user("go"), calls(call("a", '{"x": ')), result("Error: bad arguments")])
    assert trace.steps[1].action is None
    assert json.loads(trace.steps[1].raw) == {"name": "a", "arguments": '{"x": '}
    assert trace.steps[1].observation.result == "Error: bad arguments"


def test_a_call_without_a_result_is_dropped_and_counted() -> None:
    losses: Losses = Counter()
    trace = trace_of([user("go"), says("ok"), calls(call("a", {})), user("hello?"), says("sorry")], losses)
    assert [step.action for step in trace.steps] == [None, Action.say("ok"), Action.say("sorry")]
    assert trace.steps[1].observation.messages == said("hello?")
    assert losses["tool calls without a result"] == 1


def test_the_legacy_function_form_is_read() -> None:
    trace = trace_of(
        [user("go"), {"role": "assistant", "content": None, "function_call": {"name": "a", "arguments": '{"x": 1}'}},
         {"role": "function", "name": "a", "content": "1"}]
    )  # fmt: skip
    assert trace.steps[1].action == Action.call("a", x=1)
    assert trace.steps[1].observation.result == "1"


def test_parts_other_than_text_are_counted() -> None:
    losses: Losses = Counter()
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    trace = trace_of([{"role": "user", "content": parts}, says("nice")], losses)
    assert trace.steps[0].observation.messages == said("look")
    assert losses == {"content parts other than text": 1}


def test_what_is_lost_is_counted() -> None:
    losses: Losses = Counter()
    message = {"role": "assistant", "content": "hi", "refusal": None, "annotations": []}
    trace_of({"messages": [{"role": "system", "content": "policy"}, user("a"), message], "usage": {}}, losses)
    assert losses == {"system prompts": 1, "message keys 'refusal'": 1, "message keys 'annotations'": 1,
                      "session keys 'usage'": 1}  # fmt: skip


def test_a_declared_tool_is_kept_and_an_undeclared_one_inferred() -> None:
    schema = {"name": "a", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}
    messages = [user("go"), calls(call("b", {"n": 1, "deep": {"x": [True]}})), result("")]
    declared = trace_of({"messages": messages, "tools": [{"type": "function", "function": schema}]})
    assert declared.header.tools == (schema,)
    inferred = trace_of(messages)
    properties = {"n": {"type": "integer"}, "deep": {"type": "object"}}
    assert inferred.header.tools == (
        {"name": "b", "description": "", "parameters": {"type": "object", "properties": properties}},
    )


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, None),
        ({"reward": 1.0}, Outcome(kind="policy", reward=1.0)),
        ({"reward": 0}, Outcome(kind="policy", reward=0.0)),
        ({"success": True}, Outcome(kind="policy", reward=1.0)),
        ({"reward": 7}, None),
        ({"reward": "good"}, None),
    ],
)
def test_the_outcome_is_what_was_recorded(extra: dict[str, Any], expected: Outcome | None) -> None:
    end = trace_of({"messages": [user("a"), says("b")], **extra}).end
    assert end is not None
    assert end.outcome == expected


def test_ids_name_the_session_and_its_task() -> None:
    traj = [user("a"), says("b")]
    header = trace_of({"traj": traj, "task_id": 7, "trial": 2}).header
    assert (header.session, header.task, header.seed) == ("task-7-trial-2", "7", 2)
    assert trace_of({"messages": traj, "conversation_id": "../x/ y"}).header.session == "x-y"
    assert trace_of(traj).header.session == "s"


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ({"no": "messages"}, "no list of messages"),
        ([], "no list of messages"),
        ([{"role": "user", "content": 5}], "neither text nor"),
        ([user("a"), {"role": "oracle", "content": "x"}], "unknown role 'oracle'"),
        ([user("a"), result("x")], "answers no call"),
        ([user("a"), {"role": "assistant", "tool_calls": [{"function": {}}]}], "no function name"),
        ([user("a"), {"role": "assistant", "tool_calls": 5}], "not a list"),
    ],
)
def test_what_cannot_be_read_says_why(session: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        trace_of(session)


# -- files -----------------------------------------------------------------------------------------

SESSIONS = [[user("a"), says("b")], {"messages": [user("c"), says("d")]}, {"traj": [user("e"), says("f")]}]


def read(path: Path) -> list[Record]:
    return list(chat.read(path, "shop", Counter()))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(session) for session in SESSIONS),
        "\n\n".join(json.dumps(session) for session in SESSIONS) + "\n",
        json.dumps(SESSIONS),
        json.dumps(SESSIONS, indent=2),
    ],
    ids=["lines", "blank lines", "array", "indented array"],
)
def test_every_layout_of_a_file_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prod.jsonl"
    path.write_text(text)
    assert chat.sniff(text.encode().split(b"\n")[0])
    traces = [record.trace for record in read(path)]
    assert [trace.steps[0].observation.messages[0].text for trace in traces if trace] == ["a", "c", "e"]


def test_a_bad_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prod.jsonl"
    path.write_bytes(b'[{"role": "user", "content": "a"}]\n{broken\n\xff\xfe\n[{"role": "user", "content": "b"}]\n')
    records = read(path)
    assert [(record.where, bool(record.trace)) for record in records] == [
        ("line 1", True), ("line 2", False), ("line 3", False), ("line 4", True)
    ]  # fmt: skip
    assert records[1].error == "it is not JSON"


def test_half_a_surrogate_pair_does_not_stop_a_session(tmp_path: Path) -> None:
    path = tmp_path / "prod.jsonl"
    path.write_text('[{"role": "user", "content": "ok \\ud83d\\ude00 cut \\ud83d"}]\n')
    (record,) = read(path)
    assert record.trace is not None
    assert record.trace.steps[0].observation.messages == said("ok \U0001f600 cut ?")


def test_the_real_sessions_lose_nothing_that_was_said_or_called(data_dir: Path) -> None:
    path = data_dir / "tau_airline_gpt4o" / "trajectories.jsonl"
    losses: Losses = Counter()
    records = list(chat.read(path, "airline", losses))
    assert [record.error for record in records if record.trace is None] == []
    for record in records:
        source = json.loads(record.raw)
        trace = record.trace
        assert trace is not None
        results = [m["content"] for m in source["traj"] if m["role"] == "tool"]
        spoken = [m["content"] for m in source["traj"] if m["role"] == "user"]
        actions = sum(bool(m.get("content")) + len(m.get("tool_calls") or []) for m in source["traj"]
                      if m["role"] == "assistant")  # fmt: skip
        taken = [step for step in trace.steps if step.action is not None and step.action.kind == "call"]
        assert [step.observation.result for step in taken] == results
        assert [message.text for step in trace.steps for message in step.observation.messages] == spoken
        assert len(trace.steps) == actions + 1
        assert trace.end is not None
        assert trace.end.outcome == Outcome(kind="policy", reward=source["reward"])
        assert (trace.header.task, trace.header.seed) == (str(source["task_id"]), source["trial"])
    assert losses == {"system prompts": 160, "session keys 'info'": 160}
