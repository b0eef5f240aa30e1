"""A session as the model follows it: what was asked, what was shown, what is believed.

The same class walks recorded sessions (training, one-step evaluation) and served ones, so that
what the model reads when it serves is what it read when it learned.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from envsim.errors import ActionError
from envsim.state import StateView, apply, split_path
from envsim.task import Start
from envsim.trace import Step, Trace
from envsim.types import Action, JsonValue, Observation, Transition
from worldmodel.browser import BrowserState
from worldmodel.document import Lines, dump, meta, to_lines, units
from worldmodel.index import StateIndex
from worldmodel.requests import Request

MAX_FACTS = 24
"""Rows of the state view kept for one request; the model's own room for them is smaller."""
WINDOW = 8
"""Answers that a notice of drift looks back on."""
_MAX_TEXT = 60
_STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LEAVES = re.compile(
    r'click \w+ "(?:sign|log)[ -]?(?:out|off)"|get "[^"?]*/(?:sign|log)[-_]?(?:out|off)[/"?]', re.IGNORECASE
)
"""Requests that end a sign-in, by what such controls and addresses are usually called in English. Where an app calls
them otherwise, whoever signed in stays it for the model: nothing else in a trace says that somebody left."""


@dataclass(frozen=True)
class Situation:
    """All that a predictor may look at before it answers."""

    interface: str
    request: Request
    current: Lines = ()
    """The page or result before the action; for tools, the last result."""
    past: tuple[tuple[str, Lines], ...] = ()
    """(request key, answer) of every request so far, oldest first."""
    facts: Lines = ()
    """Believed rows of the state view that the request or the session so far touches."""
    state: StateView = field(default_factory=dict, compare=False, repr=False)
    """All that is believed, for rules; a network reads `facts`."""
    drift: int = field(default=0, compare=False)
    """Answers since the last that was certain: real, or inside the trust region."""
    restored: Lines = ()
    """Controls that a browser fills in again, where it goes back or forward to a page that was left."""

    @property
    def login(self) -> str:
        """The account in use, "" for a guest."""
        head = self.facts[0] if self.facts else ""
        return head[7:-1] if head.startswith('login "') else ""


@dataclass
class Session:
    """One session in progress. `copy()` forks it."""

    interface: str
    state: StateView = field(default_factory=dict)
    browser: BrowserState = field(default_factory=BrowserState)
    current: Lines = ()
    past: tuple[tuple[str, Lines], ...] = ()
    login: str = ""
    """The account in use, as far as requests told."""
    touched: tuple[str, ...] = ()
    """Rows ("collection/key") the session changed, latest last."""
    drift: int = 0
    """See `Situation.drift`."""
    recent: tuple[float, ...] = ()
    """Trust of the last `WINDOW` answers."""
    index: StateIndex = field(default_factory=StateIndex, compare=False, repr=False)
    """For finding rows of `state`; forks share it."""

    @classmethod
    def at(cls, situation: Situation) -> Session:
        """One that stands where a recorded one stood."""
        s = situation
        return cls(s.interface, s.state, current=s.current, past=s.past, login=s.login)

    def copy(self) -> Session:
        """A fork; everything inside is immutable or replaced, never edited."""
        return copy.copy(self)

    def open(self, start: Start) -> Situation:
        """The situation of a reset: an empty browser and a start to open."""
        self.login = start.login or ""
        request = open_request(start)
        facts = relevant_facts(self.state, request, (), self.login, self.index)
        return Situation(self.interface, request, facts=facts, state=self.state)

    def ask(self, action: Action) -> Situation | Transition:
        """What an action asks of the app, or the whole answer where the browser needs no app."""
        if self.interface == "tools":
            if action.kind != "call":
                return Transition(observation=_nothing())
            return self.situation(tool_request(action))
        if action.kind != "call":
            return Transition(observation=self.browser.observation())
        self.browser, request, error = self.browser.act(action)
        if request is None:
            return Transition(observation=self.browser.observation(error))
        return self.situation(request)

    def answer(self, request: Request | None, transition: Transition, state: StateView | None = None) -> None:
        """Take in what followed; `state` replaces the believed state where the real one is known."""
        if state is not None:
            self.state = state
        elif transition.delta:  # else it stays the very same, of which much is known already
            self.state = apply(self.state, transition.delta)
        rows = ["/".join(split_path(str(change[0]))[:2]) for change in transition.delta]
        if rows:
            self.touched = tuple(dict.fromkeys([*(r for r in self.touched if r not in rows), *rows]))
        lines = to_lines(transition)
        if self.interface == "browser":
            self.browser = self.browser.show(transition.observation, loaded=request is not None)
            self.current = lines
        if request is not None:
            self.login = _login_after(request, lines, self.login)
            self.past = (*self.past, (request.key, lines))
            self.current = lines
            self.drift = 0 if transition.trusted else self.drift + 1
            self.recent = (*self.recent, transition.trust)[-WINDOW:]

    def situation(self, request: Request) -> Situation:
        """What is known before the answer to `request`."""
        facts = relevant_facts(self.state, request, self.touched, self.login, self.index)
        restored = self.browser.restored()
        return Situation(self.interface, request, self.current, self.past, facts, self.state, self.drift, restored)


def _nothing() -> Observation:

    return Observation()


def open_request(start: Start) -> Request:
    """The request that stands for a reset."""
    lines = [f"open {dump(start.url)}", f"login {dump(start.login or '')}"]
    lines += [f"clock {dump(start.clock)}"] if start.clock else []
    lines += [line for call in start.setup for line in tool_request(call).lines]
    return Request(tuple(lines))


def tool_request(action: Action) -> Request:
    """The request of a tool call: its name, then one line per leaf of its arguments."""
    lines = [f"call {action.name}"]
    for key, value in sorted(action.arguments.items()):
        _flatten(key, value, lines)
    return Request(tuple(lines))


def _flatten(path: str, value: JsonValue, out: list[str]) -> None:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            _flatten(f"{path}.{key}", child, out)
    elif isinstance(value, list) and value:
        for child in value:
            _flatten(f"{path}[]", child, out)
    else:
        out.append(f"{path} = {dump(value)}")


def leaves(request: Request) -> bool:
    """Whether a request ends a sign-in: its answer is already for somebody who is not signed in."""
    return _LEAVES.match(request.lines[0]) is not None


def _login_after(request: Request, answer: Lines, login: str) -> str:
    """The account in use after a request: that of a sign-in form, unless its answer asks for the password again."""
    if leaves(request):
        return ""
    asked = next((line for line in request.lines[1:] if "assword" in line.partition(" = ")[0]), "")
    if not asked or any(line.lstrip(" ").startswith(f"textbox {asked.partition(' = ')[0]}") for line in answer):
        return login
    return next((text for text in _STRINGS.findall(request.key) if "@" in text and " " not in text), login)


def relevant_facts(state: StateView, request: Request, touched: Sequence[str], login: str, index: StateIndex) -> Lines:
    """Who is signed in; rows the session changed, latest first; rows named by the request, then by the login.

    At most `MAX_FACTS` rows.
    """
    rows: dict[str, str] = {}
    for path in reversed(touched):
        collection, _, key = path.partition("/")
        table = state.get(collection)
        rows[path] = _row(path, table.get(key) if isinstance(table, dict) else table)
    words = {part for text in _STRINGS.findall(request.key) for part in (text, *re.split(r"[/?&=]", text))}
    for wanted in (words, {login}):
        found: dict[str, set[str]] = {}
        for word in wanted:
            for collection, keys in index.named(state, word) if len(word) > 2 else ():
                found.setdefault(collection, set()).update(keys)
        for collection in state if found else ():
            for key in sorted(found.get(collection, ())):
                if (path := f"{collection}/{key}") not in rows:
                    texts = index.texts(state[collection])
                    rows[path] = texts.get(path) or texts.setdefault(path, _row(path, state[collection][key]))
    return (f"login {dump(login)}", *list(rows.values())[:MAX_FACTS])


def _row(path: str, row: JsonValue) -> str:
    if isinstance(row, dict):
        row = {k: v for k, v in row.items() if not (isinstance(v, str) and len(v) > _MAX_TEXT)}
    return f"{dump(path)} {json.dumps(units(row), ensure_ascii=False, sort_keys=True)[:400]}"


@dataclass(frozen=True)
class Sample:
    """One recorded request and its answer, with what was known before."""

    session: str
    group: str
    index: int
    situation: Situation
    target: Lines

    @property
    def url(self) -> str:
        """Where the answer was."""
        return meta(self.target, "url")


def samples(trace: Trace) -> list[Sample]:
    """Every request of a recorded session, the reset included where its start was recorded.

    Raises:
        ActionError: Never; actions that could not be parsed when recorded are skipped.
    """
    header = trace.header
    session = Session(header.interface, trace.state or {})
    out: list[Sample] = []
    group = header.task or header.session
    for step in trace.steps:
        try:
            asked = _ask(session, step, trace)
        except ActionError:
            asked = None
        transition = Transition(observation=step.observation, delta=step.delta, events=step.events)
        if isinstance(asked, Situation):
            out.append(Sample(header.session, group, step.index, asked, to_lines(transition)))
            session.answer(asked.request, transition)
        else:
            session.answer(None, transition)
    return out


def _ask(session: Session, step: Step, trace: Trace) -> Situation | Transition | None:
    if step.action is not None:
        return session.ask(step.action)
    if step.index == 0 and trace.header.interface == "browser":
        return session.open(start_of(trace))
    return None


def start_of(trace: Trace) -> Start:
    """Where a session began: as recorded, or at the URL it first showed."""
    recorded = trace.header.meta.get("start")
    if isinstance(recorded, dict):
        return Start.model_validate(recorded)
    return Start(url=trace.steps[0].observation.url or "/" if trace.steps else "/")
