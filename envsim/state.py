"""State views and the deltas between them.

A *state view* is plain JSON: ``{"orders": {"1001": {"status": "paid", ...}}, "carts": {...}}``.
Objects are descended into; lists and scalars are leaves. A *delta* is a list of changes, each
``[path, value]`` (set) or ``[path]`` (delete); a path joins keys with ``/``, with ``~1`` for a
slash and ``~0`` for a tilde inside a key (RFC 6901 without the leading slash).

Standard library only: this module also runs inside sandboxes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

StateView = dict[str, Any]
Change = Sequence[Any]  # (path,) or (path, value)


def join_path(keys: Iterable[str]) -> str:
    """The path of nested `keys`."""
    return "/".join(key.replace("~", "~0").replace("/", "~1") for key in keys)


def split_path(path: str) -> list[str]:
    """The nested keys of `path`."""
    return [key.replace("~1", "/").replace("~0", "~") for key in path.split("/")]


def diff(before: StateView, after: StateView) -> list[list[Any]]:
    """The shortest delta that makes `after` of `before` (see `apply`), in sorted path order.

    A key that is new is set whole; a key on both sides is descended into while both are objects.
    """
    changes: list[list[Any]] = []
    _diff(before, after, [], changes)
    return changes


_ABSENT = object()


def _diff(before: StateView, after: StateView, prefix: list[str], out: list[list[Any]]) -> None:
    # Parts that both share need no look: views of one app share every row that did not change.
    keys = [key for key, new in after.items() if before.get(key, _ABSENT) is not new]
    keys += before.keys() - after.keys()
    for key in sorted(keys):
        if key not in after:
            out.append([join_path([*prefix, key])])
            continue
        new = after[key]
        if key in before:
            old = before[key]
            if isinstance(old, dict) and isinstance(new, dict):
                _diff(old, new, [*prefix, key], out)
                continue
            if _same(old, new):
                continue
        out.append([join_path([*prefix, key]), new])


def _same(a: Any, b: Any) -> bool:
    # 1 == 1.0 == True and 0.0 == -0.0 in Python, but each is another JSON text.
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return repr(a) == repr(b) if isinstance(a, float) else bool(a == b)


def apply(view: StateView, delta: Iterable[Change]) -> StateView:
    """`view` with `delta` applied; `view` itself is left alone and shares unchanged parts.

    Setting below a missing key creates the objects in between; deleting a missing key is a
    no-op. Both can only come from a *predicted* delta, which must never crash a world.
    """
    out = dict(view)
    fresh: set[int] = {id(out)}
    for change in delta:
        *parents, last = split_path(change[0])
        if len(change) == 1 and not _holds(out, parents, last):
            continue
        node = out
        for key in parents:
            child = node.get(key)
            if not isinstance(child, dict):
                child = {}
            if id(child) not in fresh:
                child = dict(child)
                fresh.add(id(child))
            node[key] = child
            node = child
        if len(change) == 1:
            del node[last]
        else:
            node[last] = change[1]
    return out


def _holds(view: StateView, parents: list[str], last: str) -> bool:
    node: Any = view
    for key in parents:
        node = node.get(key)
        if not isinstance(node, dict):
            return False
    return last in node


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, unicode as itself."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def state_hash(value: Any) -> str:
    """SHA-256 (hex) of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
