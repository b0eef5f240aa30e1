"""Paths into what a user's own tools returned."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.user.state import dig

RESULT = json.dumps({"messages": [{"code": "4711"}, {"code": "0815"}], "open": True})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("messages.0.code", "4711"), ("messages.-1.code", "0815"), ("open", True), ("messages.2.code", None),
        ("messages.--1", None), ("messages.²", None), ("messages.code", None), ("open.0", None),
        ("", json.loads(RESULT)),
    ],
)  # fmt: skip
def test_a_path_leads_to_a_value_or_nowhere(path, value):
    assert dig(RESULT, path) == value


@given(st.text(), st.text())
def test_no_path_and_no_result_raises(result, path):
    dig(result, path)


def test_plain_words_are_a_result_too():
    assert dig("Airplane mode is now OFF.", "") == "Airplane mode is now OFF."
    assert dig("", "") is None
