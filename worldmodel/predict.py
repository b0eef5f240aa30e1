"""One-step predictors under one interface: the model, and the baselines that stand beside every number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.rng import uniform
from envsim.state import StateView
from envsim.task import Start
from envsim.trace import Step, Trace, TraceReader
from envsim.types import Action, Transition
from worldmodel.checkpoint import Model, load_model
from worldmodel.conformal import figures
from worldmodel.decode import write
from worldmodel.document import to_lines, to_transition
from worldmodel.examples import choose_draft, read_answer, with_events
from worldmodel.metrics import Metrics, Score, score
from worldmodel.retrieval import Memory
from worldmodel.session import Sample, Session, Situation, open_request, samples
from worldmodel.support import comparable, said_odds, same_answer

BATCH = 16


class Predictor(ABC):
    """Says what follows an action, given what really happened so far."""

    name: str

    @abstractmethod
    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """What follows each request; None where this predictor has no answer."""

    def odds(self, situation: Situation) -> float:
        """P(the bugs that fire by chance are those its answer tells of); 1 where it says nothing about that."""
        return 1.0

    def predict(self, history: Sequence[Step], action: Action, state: StateView) -> Transition | None:
        """What follows `action`.

        Args:
            history: The real steps so far, the reset first.
            action: What is done next.
            state: The state view before it; ``{}`` where it is not known.

        Returns:
            The predicted transition; what a browser does alone is carried out, not predicted.
        """
        asked = follow(history, state).ask(action)
        return asked if isinstance(asked, Transition) else self.answer([asked])[0]


def follow(history: Sequence[Step], state: StateView) -> Session:
    """The session that real steps lead to."""
    browser = any(step.observation.page for step in history)
    session = Session("browser" if browser else "tools")
    for step in history:
        transition = Transition(observation=step.observation, delta=step.delta, events=step.events)
        asked = session.ask(step.action) if step.action is not None else None
        request = asked.request if isinstance(asked, Situation) else None
        if step.action is None and browser:
            request = open_request(Start(url=step.observation.url or "/"))
        session.answer(request, transition)
    session.state = state
    return session


class ModelPredictor(Predictor):
    """The trained model. Greedy, the outcome too: the most probable answer is what one step is scored on."""

    name = "model"

    def __init__(self, model: Model) -> None:
        self.model = model

    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """See `Predictor.answer`."""
        out: list[Transition | None] = []
        for start in range(0, len(situations), BATCH):
            out += answer_batch(self.model, situations[start : start + BATCH], None)
        return out

    def odds(self, situation: Situation) -> float:
        """See `Predictor.odds`."""
        rules = self.model.memory.rules
        outcomes = rules.outcomes(situation) if rules is not None else ()
        return said_odds(outcomes, self.model.data.manifest["bugs"])


def answer_batch(
    model: Model, situations: Sequence[Situation], keys: Sequence[tuple[int | str, ...]] | None
) -> list[Transition]:
    """The model's transitions, with trust; `keys` are RNG keys for outcomes, None for greedy."""
    points = [None] * len(situations) if keys is None else [uniform(*key) for key in keys]
    drafts = [choose_draft(s, model.memory, point=point) for s, point in zip(situations, points, strict=True)]
    written = write(
        model.network, model.vocabulary, situations, drafts, model.stable, model.accept, keys, model.temperature
    )  # fmt: skip
    out = []
    for situation, (context, answer) in zip(situations, written, strict=True):
        _, lines = read_answer(model.vocabulary, context, answer.tokens, answer.logprobs, model.accept)
        trust = model.trust.probability(model.support.features(situation, context.draft, answer, lines))
        found = to_transition(lines, situation.interface, trust, trusted=model.trust.holds(trust))
        out.append(found.model_copy(update={"odds": model.support.odds(situation, context.draft.outcome)}))
    return out


class Replay(Predictor):
    """Only what was recorded: same request, same page before, same believed facts."""

    name = "replay"

    def __init__(self, memory: Memory) -> None:
        self._known: dict[tuple[str, ...], Sample] = {}
        for sample in memory.samples:
            self._known[_identity(sample.situation)] = sample

    def find(self, situation: Situation) -> Sample | None:
        """The latest recorded sample in this very situation."""
        return self._known.get(_identity(situation))

    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """See `Predictor.answer`."""
        found = [self.find(s) for s in situations]
        return [to_transition(f.target, s.interface) if f else None for f, s in zip(found, situations, strict=True)]


def _identity(situation: Situation) -> tuple[str, ...]:
    shown = situation.current if situation.interface == "browser" else ()
    return (situation.interface, situation.request.key, "", *situation.facts, "", *shown)


class CopyPrevious(Predictor):
    """Nothing ever changes: the page, or the last result, stays as it is."""

    name = "copy-previous"

    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """See `Predictor.answer`."""
        return [to_transition([line for line in s.current if line[:1] != "!"], s.interface) for s in situations]


class NearestNeighbour(Predictor):
    """The answer that the most similar recorded situation got, word for word."""

    name = "nearest-neighbour"

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """See `Predictor.answer`."""
        out: list[Transition | None] = []
        for situation in situations:
            hits = self._memory.nearest(situation)
            out.append(to_transition(hits[0].sample.target, situation.interface) if hits else None)
        return out


class DraftOnly(Predictor):
    """The model's draft without the network: what code alone gets right. Its trust is how sure the draft is."""

    name = "draft"

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """See `Predictor.answer`."""
        drafts = [choose_draft(situation, self._memory) for situation in situations]
        return [to_transition(with_events(d), s.interface, d.sure) for d, s in zip(drafts, situations, strict=True)]


def predictors(model_dir: Path | Model) -> dict[str, Predictor]:
    """The model and its baselines, all over the same training transitions.

    Raises:
        ModelError: The model cannot be read.
    """
    model = model_dir if isinstance(model_dir, Model) else load_model(model_dir)
    return {ModelPredictor.name: ModelPredictor(model), **baselines(model.memory)}


def baselines(memory: Memory) -> dict[str, Predictor]:
    """What needs no network, over the same training transitions: draft, nearest neighbour, copy, replay."""
    found: list[Predictor] = [DraftOnly(memory), NearestNeighbour(memory), CopyPrevious(), Replay(memory)]
    return {predictor.name: predictor for predictor in found}


@dataclass(frozen=True)
class Scored:
    """One step that was predicted and scored."""

    session: str
    index: int
    action: str
    real: Transition
    predicted: Transition | None
    score: Score
    odds: float = 1.0
    """See `Predictor.odds`."""


def evaluate(
    predictor: Predictor, traces: Iterable[Trace] | TraceReader, keep: Callable[[Scored], None] = lambda scored: None
) -> dict[str, Metrics]:
    """Teacher-forced one-step metrics over real sessions, by interface.

    Resets are left out: what is measured is what an action leads to.

    Args:
        predictor: What is measured.
        traces: Real sessions it was not trained on.
        keep: Called with every scored step.
    """
    out: dict[str, Metrics] = {}
    for trace in traces:
        interface = trace.header.interface
        metrics = out.setdefault(interface, Metrics(interface))
        steps = {step.index: step for step in trace.steps}
        asked = [sample for sample in samples(trace) if sample.index > 0]
        states = _states(trace)
        for sample, guess in zip(asked, predictor.answer([s.situation for s in asked]), strict=True):
            step = steps[sample.index]
            real = _transition(step)
            result = score(interface, sample.situation.current, real, guess, states.get(sample.index))
            metrics.scores.append(result)
            action = step.action.to_call() if step.action is not None else ""
            odds = predictor.odds(sample.situation) if guess is not None else 1.0
            keep(Scored(sample.session, sample.index, action, real, guess, result, odds))
        right, total = local_steps(trace)
        metrics.local_right += right
        metrics.local_total += total
    return out


def trust_figures(model: Model, scored: Iterable[Scored]) -> dict[str, Any]:
    """How well the model's trust tells right steps from wrong ones (`worldmodel.conformal.figures`).

    Steps that chance alone parts from the recording are left out; ``chance`` is their number.
    """
    trust: list[float] = []
    right: list[bool] = []
    chance = 0
    for item in scored:
        if item.predicted is None:
            continue
        guess, truth = to_lines(item.predicted), to_lines(item.real)
        if comparable(guess, truth, model.data.manifest["bugs"]):
            trust.append(item.predicted.trust)
            right.append(same_answer(guess, truth))
        else:
            chance += 1
    threshold = model.trust.threshold
    return {**figures(trust, right, threshold), "threshold": threshold, "chance": chance}


def _transition(step: Step) -> Transition:
    return Transition(observation=step.observation, delta=step.delta, events=step.events)


def _states(trace: Trace) -> dict[int, StateView]:
    session = Session(trace.header.interface, trace.state or {})
    out = {}
    for step in trace.steps:
        out[step.index] = session.state
        session.answer(None, _transition(step))
    return out


def local_steps(trace: Trace) -> tuple[int, int]:
    """(right, all) of the steps that the browser answers alone."""
    if trace.header.interface != "browser":
        return 0, 0
    session = Session("browser", trace.state or {})
    right = total = 0
    for step in trace.steps:
        asked = session.ask(step.action) if step.action is not None and step.action.kind == "call" else None
        if isinstance(asked, Transition):
            total += 1
            right += (
                asked.observation.page == step.observation.page and asked.observation.error == step.observation.error
            )
        request = asked.request if isinstance(asked, Situation) else None
        session.answer(request, _transition(step))
    return right, total
