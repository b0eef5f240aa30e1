"""From a situation to a training example: choose the draft, write the context, write the edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from envsim.state import apply
from worldmodel import render
from worldmodel.document import Lines, body, delta_lines, dump, meta, read_delta
from worldmodel.merge import carry_over, frame
from worldmodel.pages.worth import Case
from worldmodel.render import Slots, Vocabulary, apply_patch, patch, skeleton, values
from worldmodel.results.calls import label_of
from worldmodel.results.programs import Written
from worldmodel.retrieval import Hit, Memory, substitute, substitution
from worldmodel.rules.programs import Outcome, draw, events_of
from worldmodel.session import Sample, Situation
from worldmodel.typed import restore

MAX_CONTEXT = 640
MAX_ANSWER = 256
ACCEPT_ALL = -1e9
"""No log-probability is less."""
_SHAPE_OVERLAP = 0.6
_REPEATED = 0.5
"""How sure an earlier answer to the same call is where programs do not know what it says."""


@dataclass(frozen=True)
class Draft:
    """What an answer is written as edits of."""

    lines: Lines
    source: str
    """``"rules"`` (programs), ``"past"`` (this session), ``"near"`` (a neighbour), ``"current"`` (nothing better)."""
    hit: Hit | None = None
    sure: float = 1.0
    """How far to believe what code put into it, in [0, 1]: the support of its least sure part."""
    outcome: Outcome | None = None
    """What the rules say follows, and the draft was chosen for; None without rules, or for an operation never seen."""
    rival: int | None = None
    """Lines in which what it was preferred to differs from it; None where there was nothing else."""

    @property
    def label(self) -> str | None:
        """The class of answer the draft is for, as `outcome_of` names it; None where rules say nothing."""
        if self.outcome is None:
            return None
        return "+".join(self.outcome.events) or ("error" if self.outcome.branch.startswith("error ") else "ok")

    @property
    def kind(self) -> str:
        """One of `render.KINDS`."""
        if self.source != "near" or self.hit is None:
            return self.source if self.source in ("past", "rules") else "current"
        return next(
            (name for name, holds in zip(("exact", "page", "similar"), self.hit.kind, strict=True) if holds), "other"
        )


def choose_draft(
    situation: Situation, memory: Memory, *, without: str | None = None, point: float | None = None,
    told: Sample | None = None,
) -> Draft:  # fmt: skip
    """The best guess that code alone can make; ground-truth events are no part of it.

    What programs of results write; else the page by its program, or what there is without one, whichever of the two did
    better on recorded requests like this (`worldmodel.weigh`). Without one: what this session was answered to the same
    request, or of the same kind about the same entity; else the neighbour's answer with its entities replaced by ours;
    else the page as it is.

    Args:
        situation: What to answer.
        memory: Records and rules.
        without: As `Memory.nearest`.
        point: Where in [0, 1) of the distribution over outcomes the draft's lies; None: the most probable.
        told: What really followed: the draft is for the outcome most like it. In training, an answer is learned as
            edits of the draft for what happened, not for what usually does.
    """
    found = candidates(situation, memory, without=without, point=point, told=told)
    neighbour = found.page is None or (found.case is not None and not memory.worth.prefers(found.case))
    draft = found.other if neighbour or found.page is None else found.page
    if found.page is not None and found.other.source != "current":
        mine, theirs = Counter(found.page.lines), Counter(found.other.lines)
        draft = replace(draft, rival=((mine - theirs) + (theirs - mine)).total())
    return replace(draft, lines=restore(draft.lines, situation.restored)) if situation.restored else draft


@dataclass(frozen=True)
class Candidates:
    """What a draft may be: the page by its program, where there is one, or what there is without it."""

    other: Draft
    page: Draft | None = None
    case: Case | None = None
    """What the choice between them is about."""


def candidates(
    situation: Situation, memory: Memory, *, without: str | None = None, point: float | None = None,
    told: Sample | None = None,
) -> Candidates:  # fmt: skip
    """What `choose_draft` chooses from."""
    outcomes = memory.rules.outcomes(situation) if memory.rules is not None else ()
    outcome = _outcome_like(outcomes, told, memory) if told is not None else draw(outcomes, point)
    kind = outcome.branch if outcome is not None else None
    said = memory.results.answer(situation, without) if memory.results is not None else None
    if said is not None:
        kind = said.label
    hits = memory.nearest(situation, 8, without=without, branch=kind)
    hit = _fitting(hits, outcome, memory)
    near = _transfer(situation, memory, hit) if hit is not None else None
    past = _from_past(situation, memory, near, said)
    delta = read_delta(near) if near is not None and hit is not None and memory.alike(situation, hit) else ()
    if outcome is not None and outcome.delta is not None:
        delta = outcome.delta
    effects = delta_lines(delta)
    if said is not None and said.lines is not None:
        return Candidates(Draft((*effects, *said.lines), "rules", hit, said.sure, outcome))
    if past is not None:
        other = Draft((*effects, *_seen(past)), "past", hit, 1.0 if said is None else _REPEATED, outcome)
    elif near is not None:
        # Where programs say what is not known, a neighbour has the form of the answer and not its content.
        other = Draft((*effects, *_seen(near)), "near", hit, 1.0 if said is None else 0.0, outcome)
    else:
        other = Draft(_seen(situation.current), "current", outcome=outcome)
    if memory.pages is None or outcome is None or situation.interface != "browser":
        return Candidates(other)
    guess = other.lines[len(effects) :] if other.source != "current" else ()
    after = apply(situation.state, delta) if delta else situation.state
    page = memory.pages.document(situation, outcome, after, guess, without)
    if page is None:
        return Candidates(other)
    case = Case(page.kind, outcome.branch, other.kind, page.support)
    return Candidates(other, Draft((*effects, *page.lines), "rules", hit, page.sure, outcome), case)


def _outcome_like(outcomes: Sequence[Outcome], told: Sample, memory: Memory) -> Outcome | None:
    """Of what may follow, what is most like what did; the most probable of equals."""
    assert memory.rules is not None
    events, kind = events_of(told.target), memory.rules.branch(told)
    return max(outcomes, key=lambda o: (frozenset(o.events) == events, o.branch == kind, o.p), default=None)


def is_of(draft: Draft, sample: Sample, memory: Memory) -> bool:
    """Whether a draft is for what happened in `sample`, as far as rules can tell."""
    if draft.outcome is None or memory.rules is None:
        return True
    same_bugs = frozenset(draft.outcome.events) == events_of(sample.target)
    return same_bugs and draft.outcome.branch == memory.rules.branch(sample)


def without_events(lines: Lines) -> Lines:
    """Lines less ground truth about bugs: the outcome token speaks of those."""
    return tuple(line for line in lines if not line.startswith("@event "))


def _seen(lines: Lines) -> Lines:
    """What an agent saw of an answer."""
    return tuple(line for line in without_events(lines) if line[:1] != "!")


def _fitting(hits: list[Hit], outcome: Outcome | None, memory: Memory) -> Hit | None:
    """The best hit; of those as good by kind, the best where the same bugs fired, most often none.

    Where none fires for us and all of these are of another kind of page, such as one that broke off: the best of ours.
    """
    alike = [h for h in hits if h.kind == hits[0].kind]
    wanted = ("+".join(sorted(outcome.events)) if outcome is not None else "") or "ok"
    best = next((h for h in alike if outcome_of(h.sample.target) == wanted), None)
    if best is not None or not hits or outcome is None or outcome.events or memory.pages is None:
        return best or (hits[0] if hits else None)
    kind, pages = memory.pages.kind_of(outcome.branch), memory.pages
    ours = (h for h in hits if kind in (None, pages.kind(h.sample.target, h.sample.situation)))
    return next(ours, hits[0])


def _transfer(situation: Situation, memory: Memory, hit: Hit) -> Lines:
    """A neighbour's answer in our terms: its entities replaced by ours, its frame by ours."""
    sample, theirs = hit.sample, hit.sample.situation
    mapping = substitution(memory.lexicon, theirs, situation)

    def adapt(lines: Lines) -> Lines:
        return substitute(memory.lexicon, lines, mapping)

    head = tuple(line for line in sample.target if line[:1] in ("!", "@"))
    page = body(sample.target)
    asked, was = situation.request.lines[0], theirs.request.lines[0]
    if asked.startswith("get ") and (was == f"get {dump(meta(head, 'url'))}" or hit.same_page):
        # Neither was sent elsewhere: we are where we asked to be.
        head = tuple(f"@url {asked[4:]}" if line.startswith("@url ") else line for line in head)
    if situation.interface == "tools":
        return (*adapt(head), *adapt(page))
    return (*adapt(head), *carry_over(frame(theirs, page), frame(situation, page), page, adapt))


def _from_past(situation: Situation, memory: Memory, near: Lines | None, said: Written | None) -> Lines | None:
    key = situation.request.key
    if key.startswith(("get ", "call ")):
        for at in range(len(situation.past) - 1, -1, -1):
            past_key, lines = situation.past[at]
            if past_key == key and (said is None or said.label == label_of(key, lines)):
                return _brought_up_to_date(situation, at, lines)
    if near is None or situation.interface == "browser":
        return None
    lexicon = memory.lexicon
    named = [v for v in values(lexicon, situation.request.lines) if len(v) > 3][:1]
    shape = Counter(skeleton(lexicon, (line,)) for line in body(near))
    if not named or shape.total() < 4:
        return None
    for _, lines in reversed(situation.past):
        if not any(named[0] in line for line in lines):
            continue
        other = Counter(skeleton(lexicon, (line,)) for line in body(lines))
        if 2 * (shape & other).total() / (shape.total() + other.total()) >= _SHAPE_OVERLAP:
            return lines
    return None


def _brought_up_to_date(situation: Situation, at: int, lines: Lines) -> Lines:
    """Our own earlier answer, its frame as it is now."""
    if situation.interface == "tools":
        return lines
    page = body(lines)
    before = replace(situation, current=situation.past[at - 1][1] if at else (), past=situation.past[: max(at - 1, 0)])
    head = tuple(line for line in lines if line[:1] in ("!", "@"))
    return (*head, *carry_over(frame(before, page), frame(situation, page), page, lambda same: same))


def outcome_of(target: Sequence[str]) -> str:
    """The class of an answer: which events it tells of, or ``error``, or ``ok``."""
    events = sorted({line[7:].strip('"') for line in target if line.startswith("@event ")})
    if events:
        return "+".join(events)
    return "error" if meta(target, "error") else "ok"


@dataclass(frozen=True)
class Context:
    """What the model reads, and what its answer is read against."""

    tokens: list[int]
    slots: Slots
    draft: Draft


def write_context(vocabulary: Vocabulary, situation: Situation, draft: Draft, stable: frozenset[str]) -> Context:
    """The prompt: request, facts, what the current page has beyond the draft, the marked draft.

    Draft lines known to survive (`stable`) are left out; all others can be edited, and an edit names lines by marks
    that have to be seen to be copied.
    """
    slots = Slots()
    parts: list[list[int]] = []

    def section(mark: int, lines: Iterable[str], room: int) -> None:
        tokens = [mark]
        for line in lines:
            written = [*vocabulary.line(line, slots, True), render.NL]
            if len(tokens) + len(written) > room:
                tokens.append(render.SKIP)
                break
            tokens += written
        parts.append(tokens)

    section(render.REQUEST, situation.request.lines, 160)
    section(render.FACTS, situation.facts, 72)
    shown = set(draft.lines)
    section(render.CURRENT, (line for line in _seen(situation.current) if line not in shown), 72)
    room = MAX_CONTEXT - sum(map(len, parts)) - 2
    parts.append(_write_draft(vocabulary, draft, slots, stable, room))
    return Context([token for part in parts for token in part] + [render.OUT], slots, draft)


def _write_draft(vocabulary: Vocabulary, draft: Draft, slots: Slots, stable: frozenset[str], room: int) -> list[int]:
    tokens = [render.DRAFT, vocabulary.kind0 + render.KINDS.index(draft.kind)]
    shown = True
    for number, line in enumerate(draft.lines[: render.MAX_LINES]):
        if line in stable and not shown:
            continue
        # An edit of a line is up to the next one: that one's mark is written, where its words are not.
        shown = line not in stable
        written = [vocabulary.line0 + number, *(vocabulary.line(line, slots, True) if shown else ())]
        if len(tokens) + len(written) >= room:
            tokens.append(render.SKIP)
            break
        tokens += written
    # The place after the last line can be named too: that is where lines are appended.
    if len(draft.lines) < render.MAX_LINES:
        tokens.append(vocabulary.line0 + len(draft.lines))
    return tokens


def write_answer(
    vocabulary: Vocabulary, context: Context, target: Lines, *, known_only: bool = False
) -> list[int] | None:
    """The tokens the model should answer with; None if they would not fit.

    With `known_only`, edits are left out that hold a value which stands nowhere in the context: it can only
    be guessed, and a model trained to guess invents. The draft's lines stay then.
    """
    name = outcome_of(target)
    outcomes = vocabulary.outcomes
    out = [vocabulary.outcome0 + (outcomes.index(name) if name in outcomes else 0)]
    known = {line: i for i, line in reversed(list(enumerate(context.draft.lines[: render.MAX_LINES])))}
    for i, j, lines in patch(context.draft.lines, without_events(target)):
        if j >= render.MAX_LINES:
            return None
        written: list[int] = []
        knowable = True
        for line in lines:
            if line in known and len(line) > 8:
                written.append(vocabulary.line0 + known[line])
            else:
                knowable = knowable and vocabulary.knows(line, context.slots)
                written += [*vocabulary.line(line, context.slots, False), render.NL]
        if knowable or not known_only:
            out += [render.EDIT, vocabulary.line0 + i, vocabulary.line0 + j, *written]
    out.append(render.END)
    return out if len(out) <= MAX_ANSWER else None


def read_answer(
    vocabulary: Vocabulary,
    context: Context,
    tokens: Sequence[int],
    logprobs: Sequence[float] = (),
    accept: Mapping[str, float] | None = None,
) -> tuple[str, Lines]:
    """Outcome and document of an answer.

    Args:
        vocabulary: The model's.
        context: What was answered.
        tokens: The answer; one without ``<end>`` leaves the draft as it is.
        logprobs: Log-probability of each token, where edits are to be judged by it.
        accept: By kind of draft, the least log-probability of the token that begins an edit: how sure the network is
            that the draft is wrong here. The draft stands where it is less sure. None accepts all.
    """
    outcome = vocabulary.outcomes[0]
    if tokens and vocabulary.outcome0 <= tokens[0] < vocabulary.outcome0 + len(vocabulary.outcomes):
        outcome = vocabulary.outcomes[tokens[0] - vocabulary.outcome0]
    lines = context.draft.lines
    if tokens and tokens[-1] == render.END:
        edits = _edits(vocabulary, context, tokens)
        least = accept[context.draft.kind] if accept else ACCEPT_ALL
        sure = [edit for at, edit in edits if not logprobs or logprobs[at] >= least]
        lines = apply_patch(lines, sure)
    # What the rules say has happened stands, whatever the network's token: the draft is written for it.
    told = context.draft.outcome
    events = told.events if told is not None else tuple(name for name in outcome.split("+") if ":" in name)
    return outcome, _with_events(lines, events)


def with_events(draft: Draft) -> Lines:
    """The document of a draft as it stands."""
    return _with_events(draft.lines, draft.outcome.events if draft.outcome is not None else ())


def _with_events(lines: Lines, events: Sequence[str]) -> Lines:
    changes = sum(line[:1] == "!" for line in lines)
    return (*lines[:changes], *(f"@event {dump(name)}" for name in events), *lines[changes:])


def _edits(
    vocabulary: Vocabulary, context: Context, tokens: Sequence[int]
) -> list[tuple[int, tuple[int, int, list[str]]]]:
    """The edits of a finished answer, each with the place of the token that begins it."""
    starts = [at for at, token in enumerate(tokens) if token == render.EDIT]
    out = []
    for start, end in pairwise([*starts, len(tokens) - 1]):
        lines: list[str] = []
        run: list[int] = []
        for token in tokens[start + 3 : end]:
            if token == render.NL:
                lines.append(vocabulary.read(run, context.slots).replace("\n", " "))
                run = []
            elif vocabulary.line0 <= token < vocabulary.text0:
                lines.append(context.draft.lines[token - vocabulary.line0])
            else:
                run.append(token)
        first, last = tokens[start + 1] - vocabulary.line0, tokens[start + 2] - vocabulary.line0
        out.append((start, (first, last, lines)))
    return out


def survival(pairs: Iterable[tuple[Draft, Sample]], least: int = 12, share: float = 0.995) -> frozenset[str]:
    """Draft lines that (nearly) always stand in the answer too: not worth the model's attention."""
    kept: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for draft, sample in pairs:
        target = set(sample.target)
        for line in set(draft.lines):
            total[line] += 1
            kept[line] += line in target
    return frozenset(line for line, n in total.items() if n >= least and kept[line] >= share * n)
