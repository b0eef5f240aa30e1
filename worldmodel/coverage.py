"""Where the training traces do not reach: what recorded pages offer, held against what recorded sessions did there.

A *region* is a kind of page and an action on it: opening it, from wherever, or pressing something that stands there
(for tools: a tool and one of its arguments). A world model can only learn operations that somebody has used, so a
region that was never recorded is where it will be wrong first.
"""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

import jinja2

from envsim.page.lines import Line, parse_line
from envsim.rng import Rng
from envsim.state import apply
from envsim.trace import Trace
from worldmodel.browser import CLICKABLE
from worldmodel.checkpoint import Model
from worldmodel.document import body, meta, read_delta, to_transition
from worldmodel.metrics import outcome_class
from worldmodel.predict import answer_batch
from worldmodel.requests import Request, get, submit
from worldmodel.rules.branches import operation
from worldmodel.rules.known import Known
from worldmodel.session import Sample, Session, Situation, samples

LEAST = 5
"""Times that an action has to be recorded on a kind of page to count as covered."""
PAGES = 150
"""Distinct recorded pages of one kind that are searched for what they offer."""
EXAMPLES = 2
"""Situations of one region that the model is asked about."""
ESTIMATED = 100
"""Worst regions for which the model is asked at all."""
OPEN = "open"
_MOST_EPISODES = 400
_SIBLINGS = 3
"""Pages in one folder with the same buttons that are taken for one kind."""


@dataclass
class Region:
    """One action on one kind of page."""

    page: str
    action: str
    offered: int = 0
    """Pages searched that offer it; tools: calls of the tool."""
    done: int = 0
    """Times it was recorded in training."""
    sessions: int = 0
    """In how many sessions."""
    asked: int = 0
    """Times in the further traces that were given."""
    trust: float | None = None
    """Mean P that the model gives its answers there, over `EXAMPLES` recorded pages; None where it was not asked."""
    task: str = ""
    """Template whose sessions most often met it."""
    command: str = ""
    """What to record next."""

    @property
    def state(self) -> str:
        """``"never"``, ``"hardly"`` (under `LEAST` times) or ``"covered"``."""
        return "never" if self.done == 0 else "hardly" if self.done < LEAST else "covered"


@dataclass(frozen=True)
class Coverage:
    """All regions of an app, worst first, and what they were found in."""

    app: str
    interface: str
    sessions: int
    requests: int
    regions: tuple[Region, ...]
    command: str

    def count(self, state: str) -> int:
        """How many regions are in this state."""
        return sum(region.state == state for region in self.regions)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        states = {state: self.count(state) for state in ("never", "hardly", "covered")}
        regions = [{**asdict(region), "state": region.state} for region in self.regions]
        return {"app": self.app, "interface": self.interface, "sessions": self.sessions, "requests": self.requests,
                **states, "command": self.command, "regions": regions}  # fmt: skip


@dataclass
class _Found:
    """Regions while they are being gathered."""

    known: Known
    alike: dict[str, str] = field(default_factory=dict)
    """Kind of page -> the kind that stands for it and others like it."""
    regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    sessions: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    tasks: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    examples: dict[tuple[str, str], list[Situation]] = field(default_factory=lambda: defaultdict(list))

    def region(self, page: str, action: str) -> Region:
        return self.regions.setdefault((page, action), Region(page, action))

    def page(self, url: str) -> str:
        address = self.known.address(url).partition("?")[0]
        return self.alike.get(address, address)

    def key(self, url: str, request: Request) -> tuple[str, str]:
        """The region of a request made on the page at `url`."""
        head = request.lines[0]
        if head.startswith("get "):
            return self.page(json.loads(head[4:])), OPEN
        return self.page(url), label(operation(request, self.known))

    def met(self, page: str, action: str, sample: Sample) -> None:
        self.tasks[page, action][_task(sample)] += 1


def _task(sample: Sample) -> str:
    return sample.group.partition("@")[0] if "@" in sample.group else ""


def coverage(model: Model, further: Iterable[Trace] = (), *, estimate: bool = True) -> Coverage:
    """Map what the traces of `model` cover.

    Args:
        model: It holds its training traces.
        further: More sessions, e.g. of production: what they ask for counts as asked, not as covered.
        estimate: Ask the model how far it trusts itself in the worst regions.
    """
    rules = model.memory.rules
    found = _Found(rules.known if rules is not None else Known(frozenset()))
    recorded = model.data.samples
    more = [sample for trace in further for sample in samples(trace)]
    browser = "browser" in model.data.manifest["interfaces"]
    if browser:
        _offered(found, [s for s in (*recorded, *more) if s.situation.interface == "browser"])
    else:
        _declared(found, model.data.manifest["tools"])
    for sample, is_further in [*((s, False) for s in recorded), *((s, True) for s in more)]:
        if sample.index > 0:
            _count(found, sample, browser, is_further)
    # What further sessions were made for may be what the model is to be tried on: never advise to record that.
    trained = {_task(sample) for sample in recorded}
    for key, region in list(found.regions.items()):
        region.sessions = len(found.sessions[key])
        if not browser:
            region.offered = found.region(region.page, "call").done
        region.task = next((task for task, _ in found.tasks[key].most_common() if task in trained), "")
    ranked = sorted(found.regions.values(), key=_worst)
    sessions = int(model.data.manifest["sessions"])
    interface = "browser" if browser else "tools"
    for region in ranked:
        region.command = _command(model.app, interface, sessions, region.task, 20) if region.state != "covered" else ""
    if estimate:
        _ask(model, found, [region for region in ranked if region.state != "covered"][:ESTIMATED])
    episodes = _episodes(ranked, sessions)
    return Coverage(
        model.app, interface, sessions, len(recorded), tuple(ranked),
        _command(model.app, interface, sessions, "", episodes) if episodes else "",
    )  # fmt: skip


def _worst(region: Region) -> tuple[Any, ...]:
    """What was never recorded first, then what hardly was; of those what is asked for, then what is met, most often."""
    order = {"never": 0, "hardly": 1, "covered": 2}[region.state]
    return (order, -region.asked, region.done if order else 0, -region.offered, region.page, region.action)


# -- what is there ---------------------------------------------------------------------------------------


def _offered(found: _Found, recorded: Sequence[Sample]) -> None:
    """What recorded pages have links and buttons for."""
    by_kind: dict[str, dict[tuple[str, ...], Sample]] = defaultdict(dict)
    for sample in recorded:
        if sample.url.startswith("/"):
            by_kind[found.page(sample.url)].setdefault(body(sample.target), sample)
    parsed: dict[str, Line | None] = {}
    looked: list[tuple[str, Sample, list[Request]]] = []
    for page, shown in sorted(by_kind.items()):
        pool = list(shown.values())
        for i in sorted(Rng("coverage", page).sample(range(len(pool)), PAGES)):
            looked.append((page, pool[i], _requests(pool[i], parsed)))
    found.alike.update(_alike(found.known, looked))
    for _, sample, requests in looked:
        for key, request in {found.key(sample.url, request): request for request in requests}.items():
            found.region(*key).offered += 1
            found.met(*key, sample)
            if len(found.examples[key]) < EXAMPLES:
                found.examples[key].append(_next(sample, request))


def _requests(sample: Sample, parsed: dict[str, Line | None]) -> list[Request]:
    """What the links and buttons of a page lead to."""
    lines = [line for text in body(sample.target) if (line := _parsed(text, parsed)) is not None]
    out = []
    for i, line in enumerate(lines):
        if "disabled" in line.states:
            continue
        if line.role == "link" and line.url.startswith("/"):
            out.append(get(line.url))
        elif line.role in CLICKABLE and line.role != "switch":
            out.append(submit(lines, sample.url, {}, i, "click"))
    return out


def _alike(known: Known, looked: Sequence[tuple[str, Sample, Sequence[Request]]]) -> dict[str, str]:
    """Kinds of page that differ in the last part of their address alone and have the same buttons."""
    buttons: dict[str, set[str]] = defaultdict(set)
    for page, _, requests in looked:
        buttons[page] |= {label(operation(r, known)) for r in requests if not r.lines[0].startswith("get ")}
    groups: dict[tuple[str, frozenset[str]], list[str]] = defaultdict(list)
    for page, labels in buttons.items():
        if labels and page.count("/") > 1:
            groups[page.rpartition("/")[0], frozenset(labels)].append(page)
    return {
        page: f"{folder}/*" for (folder, _), pages in groups.items() if len(pages) >= _SIBLINGS for page in pages
    }  # fmt: skip


def _parsed(text: str, cache: dict[str, Line | None]) -> Line | None:
    if text not in cache:
        try:
            cache[text] = parse_line(text)
        except ValueError:
            cache[text] = None
    return cache[text]


def _next(sample: Sample, request: Request) -> Situation:
    """The situation of a request made on the page that a sample led to."""
    before = sample.situation
    session = Session(
        before.interface,
        apply(before.state, read_delta(sample.target)),
        current=sample.target,
        past=(*before.past, (before.request.key, sample.target)),
        login=before.login,
    )
    return session.situation(request)


def _declared(found: _Found, tools: Sequence[dict[str, Any]]) -> None:
    """Every tool, every argument it declares, and its refusals."""
    for tool in tools:
        name = str(tool["name"])
        parameters = tool.get("parameters")
        arguments = parameters.get("properties") if isinstance(parameters, dict) else None
        for action in ("call", "refused", *(f"with {key}" for key in sorted(arguments or {}))):
            found.region(name, action)
        situation = Situation("tools", Request((f"call {name}",)))
        found.examples[name, "call"] = [situation]


def label(name: str) -> str:
    """An operation in words: ``click "Remove *" in "Cart"``."""
    if not name.startswith("["):
        return name
    how, *names, group, _ = json.loads(name)
    inside = f' in "{group}"' if group and group not in names else ""
    return f"{how} {' '.join(json.dumps(text, ensure_ascii=False) for text in names)}{inside}"


def _count(found: _Found, sample: Sample, browser: bool, further: bool) -> None:
    situation = sample.situation
    if situation.interface != ("browser" if browser else "tools"):
        return
    if browser:
        keys = [found.key(meta(situation.current, "url"), situation.request)]
    else:
        head, *rest = situation.request.lines
        tool = head.removeprefix("call ")
        given = {line.partition(" = ")[0].partition(".")[0].partition("[")[0] for line in rest}
        answered = outcome_class(to_transition(sample.target, "tools").observation)
        keys = [(tool, "call"), *((tool, f"with {key}") for key in sorted(given))]
        keys += [(tool, "refused")] if answered == "error" else []
    for key in keys:
        region = found.region(*key)
        if further:
            region.asked += 1
        else:
            region.done += 1
            found.sessions[key].add(sample.session)
        found.met(*key, sample)


# -- what to think of it, and do about it ------------------------------------------------------------------


def _ask(model: Model, found: _Found, regions: Sequence[Region]) -> None:
    """Let the model answer there, for how far it trusts its answers."""
    asked = [(region, s) for region in regions for s in found.examples[region.page, region.action]]
    trust: dict[int, list[float]] = defaultdict(list)
    for start in range(0, len(asked), 16):
        part = asked[start : start + 16]
        for (region, _), answer in zip(part, answer_batch(model, [s for _, s in part], None), strict=True):
            trust[id(region)].append(answer.trust)
    for region in regions:
        if given := trust[id(region)]:
            region.trust = round(sum(given) / len(given), 4)


def _episodes(regions: Sequence[Region], sessions: int) -> int:
    """How many more sessions like these would cover what they hardly cover; 0 where that is nothing."""
    needed = (
        math.ceil((LEAST - r.done) * sessions / r.sessions) for r in regions if r.state == "hardly" and r.sessions
    )
    return min(_MOST_EPISODES, max(needed, default=0))


def _command(app: str, interface: str, sessions: int, task: str, episodes: int) -> str:
    """A recording that is not there yet: the number of sessions so far is its seed."""
    parts = ["envsim", "rollout", "--app", app, "--interface", interface, "--policy", "explorer"]
    parts += ["--task", task] if task else ["--split", "train"]
    return shlex.join([*parts, "--episodes", str(episodes), "--seed", str(sessions), "-o", "TRACES"])


def render_html(found: Coverage) -> str:
    """The map as one HTML page without outside resources. Recorded text in it is escaped."""
    # Recorded pages are untrusted: autoescape is what keeps a trace from running in the reader's browser.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("worldmodel").joinpath("coverage.html.j2").read_text("utf-8")
    pages: dict[str, list[Region]] = defaultdict(list)
    for region in found.regions:
        pages[region.page].append(region)
    most = math.log1p(max((region.done for region in found.regions), default=1))
    rows = sorted(pages.items(), key=lambda row: (-sum(r.state == "never" for r in row[1]), row[0]))
    shade = {
        (r.page, r.action): round(25 + 60 * math.log1p(r.done) / most) for r in found.regions if r.state == "covered"
    }
    worst = [region for region in found.regions if region.state != "covered"]
    return environment.from_string(source).render(found=found, rows=rows, shade=shade, worst=worst, least=LEAST)
