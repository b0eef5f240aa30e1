"""HTTP archives (HAR 1.2) -> browser traces, with the redacted exchanges beside them.

A file is one session. Each page that was asked for is a step; what led to it is inferred from the page before
(`envsim.page.retrace`): filling and sending a form, following a link, or else opening the address. A page is what
the answer's HTML shows without scripts. All exchanges with the app are kept, in HAR's own form one a line, as
``network/<session>.jsonl`` beside the trace: a clone can be checked against them and a replay clone made of them.

Lost, and counted: what the file did not hold (bodies, timings), other hosts, what a person looked at, typed or
clicked without asking the app anything, what scripts changed on a page.

Source: HAR 1.2 (Odvarko); see `envsim.page.har` for what is read beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from envsim.ingest.records import Format, Losses, Record, session_name
from envsim.page.har import Capture, Exchange, groups, parse_har
from envsim.page.lines import format_lines
from envsim.page.retrace import Move, Retracer, shown
from envsim.trace import End, Header, Step, Trace
from envsim.types import Action, Observation


def sniff(line: bytes) -> bool:
    """Whether `line` begins an archive: on one line, or laid out over many."""
    start = b"".join(line.removeprefix(b"\xef\xbb\xbf")[:256].split())
    return start.startswith(b'{"log":')


def read(path: Path, app: str, losses: Losses) -> Iterator[Record]:
    """The one session of a file, see `envsim.ingest.records.Format`."""
    raw = path.read_bytes()
    try:
        capture = parse_har(raw, path.parent)
    except ValueError as error:
        yield Record("the whole file", error=str(error), raw=raw)
        return
    network = capture.of_app()
    losses.update(capture.lost)
    if not network:
        yield Record("the whole file", error="no request in it was answered", raw=raw)
        return
    trace, network = to_trace(capture, network, app=app, name=path.stem, losses=losses)
    yield Record("the whole file", trace, name=(path.stem,), raw=raw, network=tuple(network))


FORMAT = Format("har", "HTTP archives of a browser: one session per file, actions inferred", sniff, read)


def to_trace(
    capture: Capture, network: Sequence[Exchange], *, app: str, name: str, losses: Losses
) -> tuple[Trace, list[Exchange]]:
    """A capture as a trace, and its exchanges with the steps they belong to.

    Args:
        capture: What was read.
        network: Its exchanges with the app, not empty.
        app: Name of the app; "" for its host's.
        name: Of the session.
        losses: Added to.
    """
    documents = list(groups(network))
    if documents:
        steps, counts = _browsed(documents, losses)
    else:
        # An API's client has no pages: each call is a step of its own.
        documents = [[exchange] for exchange in network]
        steps, counts = _called(network)
    header = Header(
        session=session_name(name),
        app=app or urlsplit(capture.origin).hostname or "app",
        source="har",
        interface="browser",
        policy=capture.creator,
        meta={"site": capture.origin, "recorded": network[0].started},
    )
    return Trace(header, tuple(steps), End(steps=len(steps))), _numbered(network, documents, counts)


def _browsed(documents: Sequence[Sequence[Exchange]], losses: Losses) -> tuple[list[Step], list[int]]:
    """The steps of a session with pages, and the index of the step that each group of documents belongs to."""
    tracer, steps, counts = Retracer(), list[Step](), list[int]()
    for group in documents:
        moves = tracer.follow(group)
        losses["actions (inferred from the pages)"] += sum(move.action is not None for move in moves)
        losses["requests that no action of ours makes"] += sum(bool(move.raw) for move in moves)
        seen = shown(group[-1])
        losses["pages (no body was recorded)"] += not seen and not moves[-1].notice
        steps += [_step(len(steps) + at, move, seen=seen or at < len(moves) - 1) for at, move in enumerate(moves)]
        counts.append(len(steps) - 1)
    for key in [key for key, count in losses.items() if not count]:
        del losses[key]
    return steps, counts


def _step(index: int, move: Move, *, seen: bool) -> Step:
    page = move.page
    observation = Observation(
        url=page.url, title=page.title if seen else "", page=format_lines(page.lines) if seen else "", error=move.notice
    )
    return Step(index=index, action=move.action, raw=move.raw, observation=observation)


def _called(network: Sequence[Exchange]) -> tuple[list[Step], list[int]]:
    steps = [Step(index=0, observation=Observation())]
    for exchange in network:
        request = exchange.request
        action = Action.call("goto", url=request.target) if request.method == "GET" else None
        result = (exchange.body or b"").decode("utf-8", "replace")
        observation = Observation(url=request.target, result=result)
        raw = "" if action else f"{request.method} {request.target}"
        steps.append(Step(index=len(steps), action=action, raw=raw, observation=observation))
    return steps, list(range(1, len(steps)))


def _numbered(
    network: Sequence[Exchange], documents: Sequence[Sequence[Exchange]], counts: Sequence[int]
) -> list[Exchange]:
    """The exchanges with their steps: what a page asked for belongs to the step that opened it."""
    of = {id(exchange): step for group, step in zip(documents, counts, strict=True) for exchange in group}
    current, out = 0, []
    for exchange in network:
        current = of.get(id(exchange), current)
        out.append(replace(exchange, step=current))
    return out
