"""From what a browser exchanged back to what its user did: the actions a capture does not hold.

A driver is led through the recorded answers. A link or a form of the page before that sends just what was recorded
is taken for the action; where none does, the page was opened by its address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from envsim.page import controls, fetched, forms
from envsim.page.dom import Document, Element
from envsim.page.har import Exchange, is_text, localised
from envsim.page.http import HttpDriver
from envsim.page.snapshot import Page
from envsim.page.transport import Request, Response
from envsim.page.urls import without_fragment
from envsim.types import Action

_DROPPED = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive",
                      "strict-transport-security", "alt-svc", "content-security-policy", "content-type"})  # fmt: skip
MAX_CANDIDATES = 40
"""Links and forms tried for one page."""


@dataclass(frozen=True)
class Move:
    """One action and the page after it; `raw` stands for what no action of ours can be."""

    action: Action | None
    raw: str
    page: Page
    notice: str = ""


def served(exchange: Exchange) -> Response:
    """The recorded answer as the app would give it on the host that all apps here believe in."""
    headers = [
        (name, localised(value, exchange.origin) if name == "location" else value)
        for name, value in exchange.headers
        if name not in _DROPPED
    ]
    kind, body = exchange.mime or "application/octet-stream", exchange.body or b""
    if is_text(kind):
        try:
            text = body.decode()
            body, kind = localised(text, exchange.origin).encode(), f"{kind}; charset=utf-8"
        except UnicodeDecodeError:
            kind = dict(exchange.headers).get("content-type", kind)
    return Response(exchange.status, (*headers, ("content-type", kind)), body)


class _Tape:
    """A transport that gives the recorded answers in order, and notices when it is asked for something else."""

    def __init__(self) -> None:
        self._left: list[Exchange] = []
        self._unseen: frozenset[str] = frozenset()
        self.wrong = False

    def load(self, group: Sequence[Exchange], unseen: frozenset[str] = frozenset()) -> None:
        """Expect the requests of `group`; fields named in `unseen` may differ."""
        self._left, self._unseen, self.wrong = list(group), unseen, False

    @property
    def played(self) -> bool:
        """Whether all that was expected was asked for, and nothing else."""
        return not self.wrong and not self._left

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        if not self._left or not self._fits(request, self._left[0].request):
            self.wrong = True
            return Response(204)
        return served(self._left.pop(0))

    def _fits(self, asked: Request, recorded: Request) -> bool:
        if asked.method != recorded.method:
            return False
        if asked.target == recorded.target and (asked.body == recorded.body or not recorded.body):
            return True
        first, second = asked.target.partition("?"), recorded.target.partition("?")
        return first[0] == second[0] and all(
            self._pairs(one) == self._pairs(two) for one, two in ((first[2], second[2]), (asked.body, recorded.body))
        )

    def _pairs(self, text: str | bytes) -> list[tuple[str, str]]:
        decoded = text.decode("latin-1") if isinstance(text, bytes) else text
        pairs = parse_qsl(decoded, keep_blank_values=True)
        return sorted((name, "" if name in self._unseen else value) for name, value in pairs)

    def close(self) -> None:
        """See `Transport.close`."""


class Retracer:
    """Follows one session through its documents, in order."""

    def __init__(self) -> None:
        self._tape = _Tape()
        self._driver = HttpDriver(self._tape)
        self._begun = False

    @property
    def page(self) -> Page:
        """The page as it now is."""
        return self._driver.observe()

    def follow(self, group: Sequence[Exchange]) -> list[Move]:
        """What led to the documents of `group` (a redirect and what it led to), as moves that end on the last one."""
        first = group[0].request
        if not self._begun:
            self._begun = True
            return [self._open(group)]
        document = self._driver._document()
        base = document.base or self._driver.observe().url
        for actions, unseen in _candidates(self._driver.observe(), document, first, base):
            if moves := self._try(actions, group, unseen):
                return moves
        if first.method == "GET" and (moves := self._try([Action.call("goto", url=first.target)], group)):
            return moves
        return [replace(self._open(group), raw=f"{first.method} {first.target}")]

    def _open(self, group: Sequence[Exchange]) -> Move:
        """Show the last document of `group`, however it was asked for."""
        last = group[-1]
        self._tape.load([replace(last, request=Request("GET", last.request.target))])
        self._driver.open(last.request.target, {})
        return Move(None, "", self._driver.observe())

    def _try(
        self, actions: Sequence[Action], group: Sequence[Exchange], unseen: frozenset[str] = frozenset()
    ) -> list[Move]:
        """The moves that `actions` are, if they send just what was recorded; else nothing has happened."""
        before = self._driver.save()
        self._tape.load(group, unseen)
        moves = []
        for at, action in enumerate(actions):
            asked = self._driver.requests
            notice = self._driver.act(action)
            last = at == len(actions) - 1
            if (notice and not last) or (self._driver.requests != asked) != last:
                break
            moves.append(Move(action, "", self._driver.observe(), notice))
        if len(moves) == len(actions) and self._tape.played:
            return moves
        self._driver.load(before)
        return []


def _candidates(
    page: Page, document: Document, request: Request, base: str
) -> Iterator[tuple[list[Action], frozenset[str]]]:
    """Ways in which a page may have led to `request`, the likeliest first; fields no user sees may differ."""
    count = 0
    if request.method == "GET":
        for line in page.lines:
            if line.ref and line.url and without_fragment(line.url) == request.target and count < MAX_CANDIDATES:
                count += 1
                yield [Action.call("click", bid=line.ref)], frozenset()
    refs = {id(element): ref for ref, element in page.elements.items()}
    path = request.target.partition("?")[0]
    for form in document.root.find("form"):
        buttons: list[Element | None] = [one for one in forms.members(form, document) if forms.submitter_of(one)]
        for button in buttons or [None]:
            sent = forms.submit(form, button, document, base)
            if sent.method == request.method and sent.target.partition("?")[0] == path and count < MAX_CANDIDATES:
                count += 1
                with contextlib.suppress(KeyError):
                    yield _filled(form, button, document, request, refs)


def _filled(
    form: Element, button: Element | None, document: Document, request: Request, refs: dict[int, str]
) -> tuple[list[Action], frozenset[str]]:
    """The actions that make `form` send `request`; KeyError where one would act on what nobody can see."""
    text = request.body.decode("latin-1") if request.method == "POST" else request.target.partition("?")[2]
    wanted: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        wanted.setdefault(name, []).append(value)
    actions, field, hidden = [], None, set()
    for element in forms.members(form, document) if wanted else ():
        name = element.attrs.get("name", "")
        kind = controls.input_type(element) if element.tag == "input" else element.tag
        if kind == "hidden":
            hidden.add(name)
        elif name and not controls.is_disabled(element):
            actions += _edit(element, kind, wanted.get(name, []), refs)
        if controls.is_text_field(element) and id(element) in refs:
            field = element
    if button is not None:
        actions.append(Action.call("click", bid=refs[id(button)]))
    elif field is not None:
        actions.append(Action.call("press", bid=refs[id(field)], key_comb="Enter"))
    else:
        raise KeyError("nothing submits it")
    return actions, frozenset(hidden)


def _edit(element: Element, kind: str, wanted: list[str], refs: dict[int, str]) -> list[Action]:
    """What makes one control send the values `wanted`; takes from it what a text field sends."""
    if controls.is_text_field(element):
        value = wanted.pop(0).replace("\r\n", "\n") if wanted else ""
        return [] if value == controls.value_of(element) else [Action.call("fill", bid=refs[id(element)], value=value)]
    if kind in ("checkbox", "radio"):
        on = element.attrs.get("value", "on") in wanted
        turn = on != controls.is_checked(element) and (on or kind == "checkbox")
        return [Action.call("click", bid=refs[id(element)])] if turn else []
    if kind == "select":
        chosen = [option for option in controls.options_of(element) if controls.option_value(option) in wanted]
        if not chosen or chosen == controls.selected_options(element):
            return []
        labels = [controls.option_label(option) for option in chosen]
        multiple = "multiple" in element.attrs
        options: str | list[str] = labels if multiple else labels[0]
        return [Action.call("select_option", bid=refs[id(element)], options=options)]  # type: ignore[arg-type]
    return []


def shown(exchange: Exchange) -> bool:
    """Whether a page of lines can be made of the answer."""
    return exchange.body is not None and isinstance(
        fetched.interpret(exchange.request.target, served(exchange)), fetched.Document
    )
