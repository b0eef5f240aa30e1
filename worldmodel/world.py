"""Worlds made from traces: `ModelWorld` predicts, `ReplayWorld` only remembers, `NearestNeighbourWorld` repeats.

All follow the session with the same code that read the training traces, apply predicted state
deltas in code, and so serve the same checks, rollouts and fidelity measures as a sandbox.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

from envsim.errors import ContentError, ModelError, UncertainError
from envsim.page.primitives import tools as primitives
from envsim.state import StateView
from envsim.task import Interface, Start, Task
from envsim.types import Action, Event, JsonValue, Observation, Transition
from envsim.world import World
from worldmodel.checkpoint import Model, load_model
from worldmodel.dataset import Reset
from worldmodel.document import to_transition
from worldmodel.index import StateIndex
from worldmodel.predict import NearestNeighbour, Replay, answer_batch
from worldmodel.session import WINDOW, Session, Situation, tool_request


@dataclass(frozen=True)
class _Token:
    owner: int
    session: Session
    seed: int
    step: int


@dataclass(frozen=True)
class _Ahead:
    """What was worked out before it was asked for: the answer to `action` in `session`, which then is `after`."""

    session: Session
    action: Action
    after: Session
    asked: Situation
    answer: Transition


class TraceWorld(ABC):
    """What these worlds share: resets, browser mechanics, believed state, forks."""

    kind = "model"

    def __init__(self, model: Model, *, interface: Interface = "browser") -> None:
        if interface not in model.config["interfaces"]:
            raise ModelError(
                f"{model.root} was trained on {' and '.join(model.config['interfaces'])} traces, not on {interface}. "
                f"Record sessions with interface={interface!r} and train again."
            )
        self.model = model
        self.interface = interface
        self.bugs: Mapping[str, float] = dict(model.data.manifest["bugs"])
        self._seed_view = model.data.view(model.data.manifest["seed_view"])
        self._recorded = self._find_resets()
        self._tools = {str(tool["name"]) for tool in model.data.manifest["tools"]}
        self._session: Session | None = None
        self._ahead: _Ahead | None = None
        self._index = StateIndex()
        self._seed = 0
        self._step = 0
        self._episode = 0

    @abstractmethod
    def _answer(self, situation: Situation) -> Transition:
        """What follows a request."""

    def tools(self) -> list[dict[str, JsonValue]]:
        """See `World.tools`. Browser: the page primitives. Tools: those that were recorded."""
        if self.interface == "browser":
            return primitives()
        return [dict(tool) for tool in self.model.data.manifest["tools"]]

    def seed_view(self) -> StateView:
        """See `World.seed_view`: the view most recorded sessions began with."""
        return self._seed_view

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`. A start that was recorded is replayed; another is predicted."""
        if task.interface != self.interface:
            raise ContentError(
                f"Task {task.template} is for interface {task.interface!r}; make the environment with that one."
            )
        self._seed, self._step = seed, 0
        self._episode += 1
        self._session = session = Session(self.interface, self._seed_view, index=self._index)
        known = self._recorded.get(_start_key(task.start))
        situation = session.open(task.start)
        if known is not None:
            reset, transition = known
            session.answer(situation.request, transition, self.model.data.view(reset.state) or None)
            return transition
        if self.interface == "tools":
            transition = self._open_tools(session, task)
        else:
            transition = self._answer(situation)
            session.answer(situation.request, transition)
        return transition

    def _open_tools(self, session: Session, task: Task) -> Transition:
        """A tools session opens empty; its set-up calls are requests like any other."""
        delta: list[tuple[JsonValue, ...]] = []
        trust, trusted, odds = 1.0, True, 1.0
        for call in task.start.setup:
            asked = session.ask(call)
            if isinstance(asked, Situation):
                transition = self._answer(asked)
                session.answer(asked.request, transition)
                delta += transition.delta
                trust, trusted = min(trust, transition.trust), trusted and transition.trusted
                odds *= transition.odds
        session.past, session.current = (), ()
        return Transition(observation=Observation(), delta=tuple(delta), trust=trust, trusted=trusted, odds=odds)

    def step(self, action: Action) -> Transition:
        """See `World.step`."""
        ahead, self._ahead = self._ahead, None
        asked: Situation | Transition
        answer: Transition | None
        if ahead is not None and ahead.session is self._session and ahead.action == action:
            self._session, asked, answer = ahead.after, ahead.asked, ahead.answer
        else:
            asked, answer = self._live().ask(action), None
        self._step += 1
        if isinstance(asked, Transition):
            return asked
        if answer is None:
            answer = self._answer(asked) if self._knows(action) else self._refuse(action.name, asked)
        self._live().answer(asked.request, answer)
        return answer

    def _knows(self, action: Action) -> bool:
        return self.interface != "tools" or action.name in self._tools

    def _refuse(self, name: str, asked: Situation) -> Transition:
        """The answer to a call of a tool that there is not: as recorded, where such a mistake was."""
        results = self.model.memory.results
        said = results.answer(asked) if results is not None else None
        if said is not None and said.lines is not None:
            return to_transition(said.lines, self.interface)
        error = f"there is no tool {name!r}; the tools are: {', '.join(sorted(self._tools))}"
        return Transition(observation=Observation(error=error))

    def state(self) -> StateView:
        """See `World.state`: what is believed, by the deltas predicted so far."""
        return self._live().state

    def snapshot(self) -> object:
        """See `World.snapshot`."""
        return _Token(self._episode, self._live().copy(), self._seed, self._step)

    def restore(self, token: object) -> None:
        """See `World.restore`."""
        if not isinstance(token, _Token) or token.owner != self._episode:
            raise UncertainError("This token is not from the running episode. Take it after reset().")
        self._session, self._seed, self._step = token.session.copy(), token.seed, token.step

    def spawn(self, count: int) -> list[Self]:
        """See `ForkableWorld.spawn`. They share the model, which is only ever read."""
        worlds = [copy.copy(self) for _ in range(count)]
        for world in worlds:
            world._session = None
        return worlds

    def export(self) -> object:
        """See `ForkableWorld.export`."""
        return self.snapshot()

    def load(self, token: object) -> None:
        """See `ForkableWorld.load`."""
        if not isinstance(token, _Token):
            raise UncertainError("This is no episode of a world made from traces. Export one from such a world.")
        self._episode = token.owner
        self.restore(token)

    def close(self) -> None:
        """See `World.close`."""
        self._session = None

    def _live(self) -> Session:
        if self._session is None:
            raise UncertainError("The world has no episode. Call reset() first.")
        return self._session

    def _find_resets(self) -> dict[str, tuple[Reset, Transition]]:
        first = {s.session: s for s in self.model.data.samples if s.index == 0 and s.situation.interface == "browser"}
        known: dict[str, tuple[Reset, Transition]] = {}
        for reset in self.model.data.resets:
            if reset.interface != self.interface:
                continue
            key = _start_key(Start.model_validate(reset.start))
            if reset.session in first:
                known.setdefault(key, (reset, to_transition(first[reset.session].target, "browser")))
            elif self.interface == "tools" and reset.state:
                known.setdefault(key, (reset, Transition(observation=Observation())))
        return known


class ModelWorld(TraceWorld):
    """A world that predicts: implements `envsim.world.World` over a trained model.

    Args:
        model: The model, or its directory.
        app: Refuse a model of another app.
        interface: ``"browser"`` or ``"tools"``.

    Raises:
        ModelError: Missing, damaged, of another app, or not trained on that interface.
    """

    kind = "model"

    def __init__(self, model: Model | Path, app: str | None = None, *, interface: Interface = "browser") -> None:
        super().__init__(model if isinstance(model, Model) else load_model(model, app=app), interface=interface)

    def foresee(self, worlds: Sequence[World], actions: Sequence[Action]) -> None:
        """See `BatchedWorld.foresee`: one batch for all worlds of this model."""
        asked: list[tuple[ModelWorld, Action, Session, Situation]] = []
        for world, action in zip(worlds, actions, strict=True):
            if not isinstance(world, ModelWorld) or world.model is not self.model or world._session is None:
                continue
            after = world._session.copy()
            situation = after.ask(action) if action.kind == "call" and world._knows(action) else None
            if isinstance(situation, Situation):
                asked.append((world, action, after, situation))
        keys = [world._key(situation, world._step + 1) for world, _, _, situation in asked]
        answers = answer_batch(self.model, [situation for *_, situation in asked], keys)
        for (world, action, after, situation), answer in zip(asked, answers, strict=True):
            world._ahead = _Ahead(world._live(), action, after, situation, world._watched(answer))

    def _key(self, situation: Situation, step: int) -> tuple[int | str, ...]:
        """What the outcome of this step is drawn with.

        The request is part of it: else all policies that run on one seed had a bug at one step, whatever each did.
        """
        return (self._seed, "outcome", step, len(situation.past), situation.request.key)

    def _answer(self, situation: Situation) -> Transition:
        key = self._key(situation, self._step)
        return self._watched(answer_batch(self.model, [situation], [key])[0])

    def _watched(self, answer: Transition) -> Transition:
        """The answer, with a notice where trust begins to be lower than it usually is."""
        trust, recent = self.model.trust, self._live().recent
        window = (*recent, answer.trust)[-WINDOW:]
        if trust.drifts(recent) or not trust.drifts(window):
            return answer
        # Told once, where it begins: whoever watches traces sees production leave what was recorded.
        usual = f"{trust.usual[0]:.2f}" if trust.usual else ""
        notice = f"trust averages {sum(window) / WINDOW:.2f} over {WINDOW} answers; on held-out sessions {usual}"
        return answer.model_copy(
            update={"events": (*answer.events, Event(kind="drift", id="trust", detail=notice))}
        )  # fmt: skip


class ReplayWorld(TraceWorld):
    """A world that remembers: answers where this very situation was recorded, else gives up.

    Raises (from `reset` and `step`):
        UncertainError: The situation was never recorded; the episode ends as `sim_uncertain`.
    """

    kind = "replay"
    recall: ClassVar[type[Replay] | type[NearestNeighbour]] = Replay

    def __init__(self, model: Model | Path, app: str | None = None, *, interface: Interface = "browser") -> None:
        super().__init__(model if isinstance(model, Model) else load_model(model, app=app), interface=interface)
        self._recall = self.recall(self.model.memory)

    def _answer(self, situation: Situation) -> Transition:
        found = self._recall.answer([situation])[0]
        if found is None:
            first = situation.request.lines[0]
            raise UncertainError(f"No recorded session did {first} in this state. Use world='model' to predict it.")
        return found


class NearestNeighbourWorld(ReplayWorld):
    """A world that answers every situation as the most similar recorded one was answered, word for word."""

    kind = "nearest-neighbour"
    recall = NearestNeighbour


_KINDS: dict[str, type[ModelWorld] | type[ReplayWorld]] = {
    world.kind: world for world in (ModelWorld, ReplayWorld, NearestNeighbourWorld)
}


def load_world(
    model: str | Path, kind: str = "model", app: str | None = None, interface: Interface = "browser"
) -> ModelWorld | ReplayWorld:
    """A world from a model directory.

    Raises:
        ContentError: No such kind.
        ModelError: The model cannot be used.
    """
    if kind not in _KINDS:
        raise ContentError(f"There is no learned world {kind!r}. Use one of: {', '.join(_KINDS)}.")
    root = Path(model)
    try:
        written = (root / "config.json").stat().st_mtime_ns
    except OSError:
        written = 0
    return _KINDS[kind](_shared_model(root, root.resolve(), app, written), interface=interface)


@lru_cache(maxsize=4)
def _shared_model(root: Path, place: Path, app: str | None, written_ns: int) -> Model:
    """One copy for all worlds of this process: a model is only ever read. Errors name `root` as it was given."""
    del place, written_ns
    return load_model(root, app=app)


def _start_key(start: Start) -> str:
    calls = [tool_request(call).key for call in start.setup]
    clock = [f"clock {start.clock}"] if start.clock else []
    return "\n".join([start.url, start.login or "", *clock, *calls])
