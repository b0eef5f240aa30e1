"""What the tests of the sites share: walking their pages, trying their forms, calling their tools, trusting them."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from envsim.content import load_entry
from envsim.env import TaskEnv
from envsim.page.conformance import Difference
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.page.lines import Line
from envsim.policy import OraclePolicy
from envsim.rollout import run_episode
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import Bug, SandboxSpec, find_spec
from envsim.sandbox.visitor import Visitor
from envsim.task import Task

WAY_IN = 303  # to the sign-in page
KINDS: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
                         "boolean": bool, "null": type(None)}  # fmt: skip


SLUGS = r"(?<=/)(\d+|[a-z]+(-[a-z0-9]+)+)(?=/|$)"


def walk(visitor: Visitor, starts: tuple[str, ...], most: int = 3, names: str = SLUGS) -> dict[str, str]:
    """HTML of what links reach, `most` pages of each kind; `names` says what in a path is a name of something."""
    found: dict[str, str] = {}
    seen: Counter[str] = Counter()
    queue = list(starts)
    for target in queue:
        kind = re.sub(names, "*", target.split("?")[0])
        if target in found or seen[kind] >= most:
            continue
        reply = visitor.send("GET", target)
        if reply.status in (WAY_IN, 403) or "html" not in (reply.header("content-type") or ""):
            continue
        assert reply.status == 200, target
        seen[kind] += 1
        found[target] = reply.body.decode()
        queue += [link.replace("&amp;", "&") for link in re.findall(r'<a [^>]*?href="(/[^"#]*)', found[target])]
    return found


def unbalanced(html: str) -> list[str]:
    """Tags that close nothing, or are never closed."""
    open_tags: list[str] = []
    for slash, tag in re.findall(r"<(/?)([a-z0-9]+)\b[^>]*>", html.partition("<html")[2]):
        if tag in ("meta", "link", "input", "img", "br"):
            continue
        if not slash:
            open_tags.append(tag)
        elif not open_tags or open_tags.pop() != tag:
            return [f"</{tag}>"]
    return [tag for tag in open_tags if tag != "html"]


def headings(lines: tuple[Line, ...]) -> int:
    """How many headings of the first level there are."""
    return sum(line.role == "heading" and line.states.get("level") == "1" for line in lines)


ODD = ("", " ", "-1", "0", "9" * 25, "²", "1.5", "x" * 3000, "é\0☃", "💩" * 300, "' OR 1=1 --", "<b>&",
       "2026-13-40", "2026-02-30", "9999-12-31", "0001-01-01", "//x", "a@b")  # fmt: skip
TAKEN = {200, 303, 403, 404, 405, 409, 413, 422}


def forms(html: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Method, action and fields of each form."""
    for head, inner in re.findall(r"<form([^>]*)>(.*?)</form>", html, re.DOTALL):
        action = re.search(r'action="([^"]*)"', head)
        fields = re.findall(
            r'<(?:input|button|textarea|select)[^>]*?\bname="([^"]+)"(?:[^>]*?\bvalue="([^"]*)")?', inner
        )
        yield "POST" if 'method="post"' in head else "GET", action[1] if action else "", dict(fields)


def misfits(document: dict[str, Any], value: Any, schema: dict[str, Any], at: str) -> list[str]:
    """Where `value` is not what `schema` says, missing and undocumented keys included."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(isinstance(value, KINDS[kind]) and (isinstance(value, bool) <= (kind == "boolean")) for kind in kinds):
        return [f"{at}: {value!r} is not {kinds}"]
    if isinstance(value, list):
        return [wrong for item in value for wrong in misfits(document, item, schema["items"], f"{at}[]")]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    out = [f"{at}: {key}" for key in sorted(known.keys() ^ value.keys())]
    return out + [
        w for key in known.keys() & value.keys() for w in misfits(document, value[key], known[key], f"{at}.{key}")
    ]


@contextmanager
def versions(app: str) -> Iterator[Callable[[str], Sandbox]]:
    """``get("3.2")``: the sandbox of that version of `app`, a process that is started once."""
    started: dict[str, Sandbox] = {}

    def get(variant: str) -> Sandbox:
        if variant not in started:
            started[variant] = ProcessRuntime().start(find_spec(app, variant=variant))
        return started[variant]

    try:
        yield get
    finally:
        for sandbox in started.values():
            sandbox.close()


def tells_apart(spec: SandboxSpec, bug: Bug, get: Callable[[str], Sandbox]) -> None:
    """The oracle of a real bug meets it in the version that has it, and not in the one that has it no more."""
    assert bug.variants is not None
    oracle: Any = load_entry(spec.root, bug.oracle)
    with pytest.raises(OracleFailure):
        oracle(get(bug.variants.buggy))
    oracle(get(bug.variants.fixed))


class Caller:
    """Calls tools and holds every answer to the document."""

    def __init__(self, visitor: Visitor, document: dict[str, Any]) -> None:
        self.visitor, self.document, self.called = visitor, document, set[str]()
        self.results = {
            operation["operationId"]: operation["responses"]["200"]["content"]["application/json"]["schema"]
            for item in document["paths"].values()
            for operation in item.values()
        }

    def __call__(self, name: str, /, **arguments: object) -> Any:
        answer = self.visitor.tool(name, **arguments)
        assert "error" not in answer, (name, answer)
        assert misfits(self.document, answer, self.results[name], name) == []
        self.called.add(name)
        return answer


class Trusting:
    """A policy with steps of its own, run by the oracle's interpreter."""

    def __init__(self, *steps: Any) -> None:
        self.steps, self.oracle = steps, OraclePolicy()

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        assert task is not None
        self.oracle.reset(task.model_copy(update={"oracle": self.steps}), seed, tools)

    def act(self, observation: Any) -> Any:
        return self.oracle.act(observation)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.oracle, name)


def rewards(env: TaskEnv, task: str, steps: list[Any], seeds: range) -> list[float | None]:
    return [run_episode(env, Trusting(*steps), seed=s, task=f"{task}@{s}").outcome.reward for s in seeds]


@contextmanager
def both(spec: SandboxSpec, request: ResetRequest) -> Iterator[tuple[PageDriver, PageDriver]]:
    """The http driver and a browser, each on a site of its own in the same state."""
    from envsim.page.chromium import ChromiumDriver

    with contextlib.ExitStack() as stack:
        drivers = []
        for driver in (HttpDriver, ChromiumDriver):
            sandbox = stack.enter_context(closing(InProcessRuntime().start(spec)))
            drivers.append(stack.enter_context(closing(driver(sandbox.transport()))))
            drivers[-1].open("/", sandbox.control.reset(request))
        yield drivers[0], drivers[1]


def told(differences: list[Difference]) -> str:
    return "\n".join(f"{d.page} {d.action}\n{d.detail}" for d in differences[:5])
