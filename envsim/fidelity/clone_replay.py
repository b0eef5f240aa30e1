"""Recorded sessions made again in a clone: the same actions, on what the clone shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from envsim.errors import ContentError
from envsim.fidelity.clone_lines import Mask, pairs
from envsim.fidelity.clone_session import SHIFT, Config, Replay, Session
from envsim.fidelity.clone_wire import Wire
from envsim.guest.guest import parse_clock
from envsim.ingest.redact import Redactor
from envsim.page import fetched
from envsim.page.har import Exchange
from envsim.page.lines import Line, format_lines, parse_lines
from envsim.page.snapshot import snapshot
from envsim.page.tap import Tap
from envsim.page.transport import Transport
from envsim.page.urls import inside
from envsim.sandbox.runtime import ResetRequest, Sandbox, SetupCall
from envsim.sandbox.surfaces import PageSurface, ToolSurface, open_driver
from envsim.sandbox.tools import ToolClient
from envsim.trace import Step, Trace
from envsim.types import Action, Event, Observation

PSEUDONYM = re.compile(r"redacted-[a-z-]+-[0-9a-f]{8,}|user-[0-9a-f]{10}@redacted\.invalid")


class Player:
    """Makes sessions again in one sandbox.

    Args:
        sandbox: The clone.
        driver: ``"http"`` or ``"chromium"``.
        redactor: With the key of the recordings: pseudonyms of values that the clone knows are taken for them, and
            what the clone answers is redacted alike. None: recordings are as they were.
        password: What is typed for a redacted password.
        clock: ISO 8601 time at which sessions start; None for the clone's own, or the task's.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        driver: str = "http",
        redactor: Redactor | None = None,
        password: str = "",
        clock: str | None = None,
    ) -> None:
        self.sandbox = sandbox
        self._driver = driver
        self._redactor = redactor
        self._password = password
        self._clock = clock
        self._known = _pseudonyms(sandbox.control.seed_view(), redactor) if redactor else {}

    def account(self, name: str | None) -> str | None:
        """The clone's account that a recorded one stands for."""
        return None if name is None else self._known.get(name, name)

    def play(self, session: Session, config: Config, masks: Sequence[Mask] = (), until: int | None = None) -> Replay:
        """Make `session` again from its start.

        Args:
            session: What was recorded.
            config: How the clone runs.
            masks: What is volatile at each step, to find what production called otherwise; may be empty.
            until: Last step; None for all.

        Raises:
            ContentError: The start is none the clone can be brought to.
            SandboxError: The sandbox failed.
        """
        spec, start = self.sandbox.spec, session.start
        clock = start.clock or self._clock
        if config.shifted:
            clock = (parse_clock(clock or spec.clock.start.isoformat()) + SHIFT).isoformat()
        setup = [SetupCall(tool=call.name, arguments=dict(call.arguments)) for call in start.setup]
        request = ResetRequest(
            seed=config.seed, bugs=dict(config.bugs), clock=clock, login=self.account(start.login), setup=setup
        )
        cookies = self.sandbox.control.reset(request)
        tap = Tap(self.sandbox.transport())
        with closing(_Actor(self, session, tap, masks)) as actor:
            return actor.run(cookies, len(session.trace.steps) - 1 if until is None else until)

    def typed(self, value: Any) -> Any:
        """What is typed where a value was redacted."""
        if not isinstance(value, str) or not PSEUDONYM.search(value):
            return value
        if value.startswith("redacted-password") and self._password:
            return self._password
        return PSEUDONYM.sub(lambda found: self._known.get(found[0], found[0]), value)

    def clean(self, session: Session, steps: Sequence[Step]) -> list[Step]:
        """Steps of ours, redacted as the recording is."""
        if self._redactor is None:
            return list(steps)
        return list(self._redactor.same_key().trace(Trace(session.trace.header, tuple(steps), None)).steps)

    def surface(self, session: Session, transport: Transport) -> PageSurface | ToolSurface:
        """What the session's agent touched."""
        if session.trace.header.interface == "tools":
            if self.sandbox.spec.tools is None:
                raise ContentError(f"{self.sandbox.spec.ref} offers no tools, which {session.name} was recorded with.")
            return ToolSurface(ToolClient(transport, self.sandbox.spec.tools))
        return PageSurface(open_driver(self._driver, transport))


class _Actor:
    """One replay."""

    def __init__(self, player: Player, session: Session, tap: Tap, masks: Sequence[Mask]) -> None:
        self._player = player
        self._session = session
        self._tap = tap
        self._masks = masks
        self._surface = player.surface(session, tap)
        self._replay = Replay()
        self._seen: list[Exchange] = []
        self._words: dict[str, str] = {}
        """What production called it -> what the clone calls it."""

    def run(self, cookies: Mapping[str, str], until: int) -> Replay:
        """Make steps 0 to `until`."""
        control = self._player.sandbox.control
        control.changes()
        self._wire = Wire(self._tap, cookies, self._spelt)
        direct = not self._session.pages and self._session.trace.header.interface == "browser"
        for step in self._session.trace.steps[: until + 1]:
            if direct:
                observation = self._said(step)
            elif step.index == 0:
                observation = self._surface.open(self._session.start.url, cookies)
            else:
                observation = self._step(step)
            changes = control.changes()
            self._drain()
            seen, self._seen = self._seen, []
            self._replay.network += [replace(one, step=step.index) for one in seen]
            if seen:
                self._replay.asked.add(step.index)
            events = tuple(map(Event.model_validate, changes["events"]))
            delta = tuple(tuple(change) for change in changes["delta"])
            self._replay.steps.append(
                Step(index=step.index, action=step.action, observation=observation, delta=delta, events=events)
            )
            self._learn(step, observation)
        self._replay.steps = self._player.clean(self._session, self._replay.steps)
        return self._replay

    def _drain(self) -> None:
        """Take note of what has passed."""
        seen = [one for one in self._tap.drain() if not self._is_document_of_tools(one)]
        self._wire.see(seen)
        self._seen += seen

    def close(self) -> None:
        """Close the connection."""
        self._surface.close()

    def _step(self, step: Step) -> Observation:
        action = step.action
        if action is not None and action.kind == "call":
            translated = self._translated(action, step.index)
            if translated is not None:
                observation, _ = self._surface.act(translated)
                # A page that says why it does not let a form go is an answer; an element that is not there is none.
                if not observation.error or step.observation.error or "no element" not in observation.error:
                    return observation
        elif action is not None:
            return self._last(step)  # said to a user: the app is not asked
        else:
            return self._sent_again(step)
        self._replay.notes[step.index] = "no such element"
        return self._opened(step)

    def _said(self, step: Step) -> Observation:
        """What a client of the app's own interface was answered: its requests again, one by one."""
        for exchange in self._session.sent(step.index):
            self._wire.send(exchange)
        self._drain()
        last = self._seen[-1] if self._seen else None
        body = (last.body or b"").decode("utf-8", "replace") if last else ""
        return Observation(url=last.request.target if last else "", result=body)

    def _sent_again(self, step: Step) -> Observation:
        """What no action of ours does, a form that a script sends or a click on what is no control."""
        asked = self._session.sent(step.index)
        if not asked or asked[0].request.method == "GET":
            return self._opened(step)
        self._wire.send(asked[0])
        self._drain()
        last = self._seen[-1] if self._seen else None
        if last is not None and inside(last.location) and last.location:
            return self._surface.act(Action.call("goto", url=last.location))[0]
        shown = fetched.interpret(asked[0].request.target, last.response) if last is not None else None
        if not isinstance(shown, fetched.Document) or last is None:
            return self._last(step)
        page = snapshot(shown.source, last.request.target)
        return Observation(url=page.url, title=page.title, page=format_lines(page.lines))

    def _opened(self, step: Step) -> Observation:
        """Where it led, if that was a page that can be asked for."""
        url = self._spelt(step.observation.url)
        asked = self._session.sent(step.index)
        known = self._session.pages and url and inside(url) and all(one.request.method == "GET" for one in asked)
        if known and (asked or url != self._last(step).url):
            return self._surface.act(Action.call("goto", url=url))[0]
        return self._last(step)

    def _last(self, step: Step) -> Observation:
        before = self._replay.steps[step.index - 1].observation
        return before.model_copy(update={"error": ""})

    # -- saying the same here ---------------------------------------------------------------------------

    def _translated(self, action: Action, index: int) -> Action | None:
        arguments: dict[str, Any] = {}
        for name, value in action.arguments.items():
            if name in ("bid", "from_bid", "to_bid"):
                found = self._ref(str(value), index)
                if found is None:
                    return None
                arguments[name] = found
            elif name == "url":
                arguments[name] = self._spelt(str(value))
            elif isinstance(value, str):
                arguments[name] = self._player.typed(self._words.get(value, value))
            else:
                arguments[name] = value
        return Action.call(action.name, **arguments)

    def _spelt(self, text: str) -> str:
        """`text` with the words that production spells otherwise."""
        text = str(self._player.typed(text))
        if not self._words:
            return text
        return re.sub(r"[^\W_]+", lambda found: self._words.get(found[0], found[0]), text)

    def _ref(self, ref: str, index: int) -> str | None:
        """The element here that production's `ref` meant, by what its line says but for numbers."""
        page = self._replay.steps[index - 1].observation.page
        if re.search(rf"^[^\"]*(?:\"(?:[^\"\\]|\\.)*\" )?\[{re.escape(ref)}\]", page, re.MULTILINE):
            return ref
        here = _elements(page)
        there = _elements(self._session.trace.steps[index - 1].observation.page)
        meant = next((line for line in there if line.ref == ref), None)
        if meant is None:
            return None
        for key in (self._named, _shape):
            same = [line.ref for line in here if key(line) == key(meant)]
            if same:
                place = [line.ref for line in there if key(line) == key(meant)].index(ref)
                return same[min(place, len(same) - 1)]
        return _counterpart(meant, there, here)

    def _named(self, line: Line) -> tuple[str, str, str]:
        return line.role, self._spelt(line.name), self._spelt(line.url)

    def _is_document_of_tools(self, exchange: Exchange) -> bool:
        """Whether it is our own client's: asking what operations there are."""
        tools = self._session.trace.header.interface == "tools"
        return tools and exchange.request.target == self._player.sandbox.spec.tools

    def _learn(self, step: Step, observation: Observation) -> None:
        """Note what production calls otherwise, from the volatile words of lines that mean the same."""
        if step.index >= len(self._masks) or not (mask := self._masks[step.index]).patterns:
            return
        left = _texts(observation)
        for theirs in _texts(step.observation):
            ours = next((text for text in left if mask.fits(theirs, text)), None)
            if ours is None:
                continue
            left.remove(ours)
            for there, here in mask.words(theirs, ours):
                if there != here and len(there) > 2:
                    self._words[there] = here


def _elements(page: str) -> list[Line]:
    with suppress(ValueError):
        return [line for line in parse_lines(page) if line.ref]
    return []


def _counterpart(meant: Line, there: list[Line], here: list[Line]) -> str | None:
    """The element that stands where `meant` stands there: a button that is called otherwise here."""
    ours = [_text(line) for line in here]
    for group in pairs([_text(line) for line in there], ours):
        for one, two in group.both:
            if one == _text(meant):
                return here[ours.index(two)].ref
    return None


def _texts(observation: Observation) -> list[str]:
    return [_text(line) for line in _all(observation)]


def _text(line: Line) -> str:
    return Line(line.role, line.name, 0, "", line.url, line.value, line.states).format()


def _all(observation: Observation) -> list[Line]:
    with suppress(ValueError):
        return parse_lines(observation.page)
    return []


def _shape(line: Line) -> tuple[str, str, str]:
    """What a line says but for numbers and codes."""
    return line.role, re.sub(r"[^\W_]*\d[^\W_]*", "#", line.name), re.sub(r"[^\W_]*\d[^\W_]*", "#", line.url)


def _pseudonyms(view: Any, redactor: Redactor) -> dict[str, str]:
    """Pseudonym -> value, for every address and number of the clone's seed data."""
    known: dict[str, str] = {}
    counting = redactor.same_key()
    stack = [view]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            stack += value
        elif isinstance(value, str) and value:
            new = counting.text(value)
            if new != value:
                known[new] = value
    return known
