"""State comparisons: JSON's equality, in which true is not 1."""

import pytest

from envsim.reward.compare import compare


@pytest.mark.parametrize(
    ("operator", "found", "expected", "held"),
    [
        ("eq", 1, 1.0, True),
        ("eq", 1, True, False),
        ("eq", [{"paid": 1}], [{"paid": True}], False),
        ("ne", 1, True, True),
        ("one_of", True, [1, "yes"], False),
        ("contains", [{"paid": 1, "key": "a"}], {"paid": True}, False),
        ("contains", [{"paid": 1, "key": "a"}], {"paid": 1}, True),
        ("excludes", "text", "ex", False),
        ("match", {"qty": 2, "more": 0}, {"qty": 2}, True),
        ("match", {"qty": 2}, {"qty": 2, "more": None}, False),
        ("ge", "2", 1, False),
        ("ge", True, 0, False),
        ("le", 3, 2, False),
        ("count", None, 0, False),
        ("count", [1], True, False),
    ],
)
def test_as_json_has_it(operator, found, expected, held):
    assert compare(operator, found, expected) is held
