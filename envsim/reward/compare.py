"""The comparisons of state checks: as JSON has it, where 1 equals 1.0 and never true."""

from __future__ import annotations

from typing import Any


def compare(operator: str, found: Any, expected: Any) -> bool:
    """Whether what a query found stands in the relation `operator` (see `StateCheck`) to what is expected."""
    match operator:
        case "eq":
            return _equal(found, expected)
        case "ne":
            return not _equal(found, expected)
        case "ge" | "le":
            if not (_both(found, expected, (int, float)) or _both(found, expected, (str,))):
                return False
            return bool(found >= expected) if operator == "ge" else bool(found <= expected)
        case "one_of":
            return isinstance(expected, list) and any(_equal(found, item) for item in expected)
        case "contains":
            return isinstance(found, list) and any(_matches(item, expected) for item in found)
        case "excludes":
            return isinstance(found, list) and not any(_matches(item, expected) for item in found)
        case "match":
            return isinstance(found, dict) and _matches(found, expected)
        case _:
            return isinstance(found, list) and _equal(len(found), expected)


def _both(found: Any, expected: Any, kinds: tuple[type, ...]) -> bool:
    return all(isinstance(value, kinds) and not isinstance(value, bool) for value in (found, expected))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)


def _matches(item: Any, expected: Any) -> bool:
    if isinstance(item, dict) and isinstance(expected, dict):
        return all(key in item and _equal(item[key], value) for key, value in expected.items())
    return _equal(item, expected)
