"""Actions: whatever a policy emits becomes an `Action` or an `ActionError`, and nothing else."""

from __future__ import annotations

import json
import keyword
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from envsim.errors import ActionError
from envsim.types import MAX_ACTION_CHARS, POSITIONAL, Action, Observation, Outcome

TEXT = st.text(max_size=20) | st.sampled_from(['"', "'", "\\", "\n", "\x00", '"""', "{", "é", "\U0001f600", "\u2028"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*POSITIONAL, "get_order", "list_flights", "x", "answer", "send_msg_to_user"])
ARGUMENTS = st.dictionaries(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
    | st.sampled_from(["value", "text"]),
    JSON,
    max_size=3,
)
ACTIONS = (
    st.builds(lambda name, arguments: Action(kind="call", name=name, arguments=arguments), NAMES, ARGUMENTS)
    | st.builds(Action.say, TEXT)
    | st.builds(Action.answer, JSON)
)


@given(ACTIONS)
def test_the_call_string_reads_back(action: Action) -> None:
    assert repr(Action.parse(action.to_call())) == repr(action)


@given(st.sampled_from(["answer", "send_msg_to_user", "get_order"]), ARGUMENTS)
def test_a_call_is_the_same_action_in_every_form(name: str, arguments: dict[str, Any]) -> None:
    """A model that answers with a tool call ends the episode as one that writes answer("x") does."""
    spelt = f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    function = {"name": name, "arguments": json.dumps(arguments)}
    forms: list[Any] = [
        spelt, json.dumps({"name": name, "arguments": arguments}), function,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": function}]},
    ]  # fmt: skip
    read = []
    for form in forms:
        try:
            read.append(repr(Action.parse(form)))
        except ActionError:
            read.append("refused")
    assert len(set(read)) == 1


@given(ACTIONS)
def test_json_reads_back(action: Action) -> None:
    assert Action.parse(action.model_dump_json()) == action
    assert Action.parse(action.model_dump()) == action
    assert Action.parse(action) is action


@given(ACTIONS)
def test_json_is_byte_stable(action: Action) -> None:
    text = action.model_dump_json()
    assert Action.model_validate_json(text).model_dump_json() == text


@pytest.mark.parametrize(
    "action",
    [
        Action.call("get-order", id="1"),
        Action.call("orders.list", page=1),
        Action.call("class", lambda_=1),
        Action(kind="call", name="search", arguments={"from": "a", "not a name": 1, "class": 2}),
        Action(kind="call", name="press", arguments={"bid": "e1", "key_comb": "é"}),
        Action.call("answer"),
        Action.call("send_msg_to_user", text="a tool of that name"),
        Action.answer({"nested": [1, None, {"a": True}]}),
        Action(kind="call", name="x", arguments={"kind": "k", "self": 1, "cls": 2, "name": "n"}),
    ],
    ids=lambda action: action.name or action.kind,
)
def test_awkward_names_read_back_too(action: Action) -> None:
    """Production tools are called what they are called: dots, dashes, keywords, our own primitives' names."""
    assert Action.parse(action.to_call()) == action


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('click("e4kq2")', Action.call("click", bid="e4kq2")),
        ("click('e4kq2', button='right')", Action.call("click", bid="e4kq2", button="right")),
        ('fill("e1", "two words")', Action.call("fill", bid="e1", value="two words")),
        ('send_msg_to_user("hi")', Action.say("hi")),
        ("answer(12.5)", Action.answer(12.5)),
        ("answer()", Action.answer()),
        ("scroll(0, -100)", Action.call("scroll", delta_x=0, delta_y=-100)),
        ('{"name": "f", "arguments": {"a": 1}}', Action.call("f", a=1)),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', Action.call("f", a=1)),
        ('{"name": "f", "arguments": ""}', Action.call("f")),
        ('{"name": "answer", "arguments": {"value": 5}}', Action.answer(5)),
        ('{"name": "answer", "arguments": "{}"}', Action.answer()),
        ('{"name": "send_msg_to_user", "arguments": {"text": "hi"}}', Action.say("hi")),
        ('{"kind": "call", "name": "answer", "arguments": {"value": 5}}', Action.call("answer", value=5)),
        (
            {"tool_calls": [{"id": "c", "type": "function",
             "function": {"name": "answer", "arguments": "{\"value\": \"x\"}"}}]},
            Action.answer("x"),
        ),
        ({"role": "assistant", "content": "hello"}, Action.say("hello")),
        (
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function",
             "function": {"name": "f", "arguments": "{}"}}]},
            Action.call("f"),
        ),
    ],
)  # fmt: skip
def test_every_form_is_read(raw: Any, expected: Action) -> None:
    assert Action.parse(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "click",
        "click(e4kq2)",
        'click("a"); click("b")',
        '__import__("os").system("true")',
        "click(open('x'))",
        "click(*['a'])",
        "click(**{'bid': 'a'})",
        "a.b('c')",
        "answer(1j)",
        "answer({1, 2})",
        "answer(b'x')",
        "answer(1, 2)",
        "answer(float('nan'))",
        "answer(1e999)",
        "answer({'a': -1e999})",
        "answer({1: 'not a JSON key'})",
        "answer((1, b'x'))",
        "answer(" + "[" * 5000 + "]" * 5000 + ")",
        "answer(" + "-" * 5000 + "1)",
        "answer(" + "9" * 5000 + ")",
        "answer(" + "1 + " * 4000 + "1)",
        '{"kind": "answer", "value": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"kind": "answer", "value": NaN}',
        '{"kind": "answer", "value": Infinity}',
        '{"kind": "answer", "value": 1e999}',
        '{"kind": "say", "text": "\\ud800"}',
        '{"kind": "answer", "value": "\\ud800"}',
        '{"kind": "answer", "value": {"\\ud800": 1}}',
        "say('\\ud800')",
        "x(a='\ud800')",
        '{"kind": "dance"}',
        '{"kind": "say", "txt": "misspelt"}',
        '{"kind": "call"}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "answer", "arguments": [1]}',
        '{"name": "answer", "arguments": {"value": 1, "reason": "x"}}',
        '{"name": "send_msg_to_user", "arguments": {}}',
        '{"name": "send_msg_to_user", "arguments": {"text": 5}}',
        '{"name": "send_msg_to_user", "arguments": {"text": "hi", "to": "ada"}}',
        "answer(reason='x')",
        "send_msg_to_user()",
        '{"name": "f", "arguments": "{"}',
        '{"tool_calls": [{}, {}]}',
        '{"tool_calls": "x"}',
        '{"tool_calls": [{"function": {"arguments": "{}"}}]}',
        "{",
        "[]",
        "null",
        "x" * (MAX_ACTION_CHARS + 1),
        {"kind": "answer", "value": float("nan")},
        {"kind": "answer", "value": object()},
        {1: 2},
        [],
        None,
        5,
    ],
    ids=lambda raw: repr(raw)[:40],
)
def test_everything_else_is_an_action_error(raw: Any) -> None:
    with pytest.raises(ActionError) as caught:
        Action.parse(raw)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("depth", [10, 60, 70, 200, 300, 700, 1500])
@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a": ', "}")])
def test_nesting_is_read_or_refused_and_never_crashes_later(depth: int, before: str, after: str) -> None:
    value = before * depth + "1" + after * depth
    for raw in (
        f"answer({value})",
        f'{{"kind": "answer", "value": {value}}}',
        f'{{"name": "f", "arguments": {{"x": {value}}}}}',
    ):
        try:
            action = Action.parse(raw)
        except ActionError:
            assert depth > 60
            continue
        assert Action.model_validate_json(action.model_dump_json()) == Action.parse(action.to_call()) == action


@given(st.text(max_size=200) | st.from_regex(r"[a-z_]{1,6}\([^)]{0,30}\)", fullmatch=True))
def test_any_text_is_an_action_or_an_action_error(raw: str) -> None:
    try:
        action = Action.parse(raw)
    except ActionError:
        return
    assert Action.parse(action.to_call()) == action


@given(JSON)
def test_any_json_is_an_action_or_an_action_error(value: Any) -> None:
    try:
        action = Action.parse(json.dumps(value))
    except ActionError:
        return
    assert Action.parse(action.to_call()) == action


def test_values_are_frozen_and_a_misspelt_field_is_an_error() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Observation(goal="a").goal = "b"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="extra"):
        Observation.model_validate({"gaol": "a"})


def test_an_outcome_says_whether_it_was_scored() -> None:
    with pytest.raises(ValidationError, match="reward"):
        Outcome.model_validate({"kind": "infra"})
    assert Outcome(kind="infra", reward=None).reward is None
