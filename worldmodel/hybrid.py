"""`HybridWorld`: the model for as long as it is to be trusted, then a sandbox that has been led to the same place.

An answer outside the trust region is not shown. A fresh sandbox is reset with the same task and seed, the actions so
far are carried out in it, and what it shows then is held against the last answer that was trusted. If they are the
same, the episode goes on there, to its end: what the sandbox does is exact and costs little once it stands where the
session stands, while a model that took over again would have to believe a state it did not predict. Where they differ
and a bug that fires by chance did so in one of the two alone, the sandbox is asked again with other chance: see
`worldmodel.retrace`. If none that is tried shows what the agent saw, what it did rests on something that never was, and
the episode ends as `sim_uncertain`.

Either way the pair is kept as a trace of the sandbox, with the prediction in its header: training data from where the
model fails. Of a sandbox with other chance nothing is kept: it was chosen for showing what the model did, and its bugs
come as often as the model has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from envsim.errors import TraceError, UncertainError
from envsim.state import StateView, diff, state_hash
from envsim.task import Interface, Task
from envsim.trace import Header, Step, TraceWriter
from envsim.types import Action, Event, JsonValue, Transition
from envsim.world import ForkableWorld, World
from worldmodel.retrace import TRIES, Episode, Replayed, by_chance, digest, reseed, retrace
from worldmodel.world import ModelWorld, load_world

FOLDER = "fallbacks"
"""Where, in a model's directory, traces of fallbacks are kept."""
AGAIN = "again"
"""Id of the event of a sandbox that was asked once more, with other chance."""


class HybridWorld:
    """Implements `envsim.world.ForkableWorld` and `BatchedWorld` over a model and a sandbox.

    Args:
        model: What answers first.
        fresh: Makes a world of sandboxes with the model's app, interface and bugs, not yet started. Called once, at the
            first fallback, and for each fork.
        keep: Hold on to a sandbox between episodes; False gives it back to its pool at the next reset.
        fallbacks: Directory for traces of fallbacks; None keeps none. A fallback that was recorded already, by task,
            seed and actions, is not recorded again.
        threshold: Least trust of an answer that is shown; None: the model's own trust region.
        tries: The most that a sandbox is asked again with other chance; 0: never.
    """

    kind = "hybrid"

    def __init__(
        self,
        model: ModelWorld,
        fresh: Callable[[], ForkableWorld],
        *,
        keep: bool = True,
        fallbacks: Path | None = None,
        threshold: float | None = None,
        tries: int = TRIES,
    ) -> None:
        self.model = model
        self.interface = model.interface
        self.threshold = threshold
        self.tries = tries
        self._fresh = fresh
        self._keep = keep
        self._fallbacks = fallbacks
        self._sandbox: ForkableWorld | None = None
        self._episode: Episode | None = None
        self._count = 0
        self._real = False
        """Whether the running episode is the sandbox's."""
        self._over = ""
        """Why the running episode cannot go on."""
        self._writer: TraceWriter | None = None

    @property
    def bugs(self) -> Mapping[str, float]:
        """See `World.bugs`: the sandbox's once it has taken over."""
        return self._sandbox.bugs if self._real and self._sandbox is not None else self.model.bugs

    @property
    def fell_back(self) -> bool:
        """Whether the running episode is in the sandbox."""
        return self._real

    def tools(self) -> list[dict[str, JsonValue]]:
        """See `World.tools`."""
        return self.model.tools()

    def seed_view(self) -> StateView:
        """See `World.seed_view`."""
        return self.model.seed_view()

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`. A start that the model cannot be trusted with is the sandbox's."""
        self._finish()
        if self._sandbox is not None and not self._keep:
            self._sandbox.close()
        self._real, self._over = False, ""
        self._count += 1
        first = self.model.reset(task, seed)
        self._episode = Episode(self._count, task, seed, None)
        if self._trusts(first):
            self._take(None, first)
            return first
        return self._fall_back(None, first, {})

    def step(self, action: Action) -> Transition:
        """See `World.step`.

        Raises:
            UncertainError: The sandbox shows something else than the agent last saw.
            SandboxError: The sandbox failed.
        """
        self._live()
        if self._real:
            return self._go_on(action)
        before = self.model.state()
        answer = self.model.step(action)
        if self._trusts(answer):
            self._take(action, answer)
            return answer
        return self._fall_back(action, answer, before)

    def foresee(self, worlds: Sequence[World], actions: Sequence[Action]) -> None:
        """See `BatchedWorld.foresee`: for those that still step the model."""
        pairs = [
            (world.model, action)
            for world, action in zip(worlds, actions, strict=True)
            if isinstance(world, HybridWorld) and not world.fell_back
        ]
        self.model.foresee([model for model, _ in pairs], [action for _, action in pairs])

    def state(self) -> StateView:
        """See `World.state`."""
        self._live()
        return self._there().state() if self._real else self.model.state()

    # -- forks -------------------------------------------------------------------------------------------

    def snapshot(self) -> object:
        """See `World.snapshot`."""
        return self.export()

    def restore(self, token: object) -> None:
        """See `World.restore`."""
        if self._episode is None or not isinstance(token, Episode) or token.owner != self._episode.owner:
            raise UncertainError("This token is not from the running episode. Take it after reset().")
        self._begin(token)

    def spawn(self, count: int) -> list[HybridWorld]:
        """See `ForkableWorld.spawn`. They share the model; a sandbox they get when they need one."""
        places = self._there().spawn(count) if self._real else ()
        worlds = [self._like(model) for model in self.model.spawn(count)]
        for world, place in zip(worlds, places, strict=False):
            if isinstance(place, ForkableWorld):
                world._sandbox = place
        return worlds

    def _like(self, model: ModelWorld) -> HybridWorld:
        return HybridWorld(model, self._fresh, keep=self._keep, fallbacks=self._fallbacks, threshold=self.threshold,
                           tries=self.tries)  # fmt: skip

    def export(self) -> object:
        """See `ForkableWorld.export`."""
        episode = self._live()
        # Not a snapshot of the sandbox, which its next reset forgets: a token can outlive another fallback.
        real = self._there().export() if self._real else None
        return replace(episode, model=self.model.export(), real=real)

    def load(self, token: object) -> None:
        """See `ForkableWorld.load`."""
        if not isinstance(token, Episode):
            raise UncertainError("This is no episode of a hybrid world. Export one from such a world.")
        self._begin(token)

    def _begin(self, token: Episode) -> None:
        # What follows is another session than the one that is being recorded.
        self._finish()
        self.model.load(token.model)
        self._over, self._real, self._episode, self._count = "", False, token, token.owner
        if token.real is not None:
            self._there().load(token.real)
            self._real = True

    def close(self) -> None:
        """See `World.close`."""
        self._finish()
        self._episode, self._real = None, False
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()
        self.model.close()

    # -- falling back --------------------------------------------------------------------------------------

    def _trusts(self, answer: Transition) -> bool:
        return answer.trusted if self.threshold is None else answer.trust >= self.threshold

    def _live(self) -> Episode:
        if self._over:
            raise UncertainError(self._over)
        if self._episode is None:
            raise UncertainError("The world has no episode. Call reset() first.")
        return self._episode

    def _there(self) -> ForkableWorld:
        if self._sandbox is None:
            self._sandbox = self._fresh()
        return self._sandbox

    def _take(self, action: Action | None, answer: Transition) -> None:
        """Note what was shown, and what led there."""
        e = self._live()
        self._episode = replace(
            e,
            actions=e.actions if action is None else (*e.actions, action),
            shown=(*e.shown, digest(answer.observation)),
            fired=(*e.fired, frozenset(event.id for event in answer.events if event.kind == "bug")),
        )

    def _fall_back(self, action: Action | None, predicted: Transition, before: StateView) -> Transition:
        episode, sandbox = self._live(), self._there()
        # Until all of it has worked there is no episode to step.
        self._over = "The sandbox that was to go on with this episode failed. Call reset()."
        first = retrace(sandbox, episode, episode.seed)
        steps = list(first.steps)
        if first.agrees and action is not None:
            steps.append(sandbox.step(action))
        self._record(episode, action if first.agrees else None, steps, first, predicted)
        again: tuple[Event, ...] = ()
        if not first.agrees:
            found, again = self._ask_again(episode, sandbox, first)
            if found is None:
                self._over = _uncertain(episode, first, len(again))
                raise UncertainError(self._over, events=again)
            # What is recorded is the episode's own chance.
            self._finish()
            steps = [*found.steps, *([] if action is None else [sandbox.step(action)])]
        self._over, self._real = "", True
        other = 0 if again else len(first.other)
        detail = f"trust {predicted.trust:.3f}; {len(episode.actions)} actions replayed, {other} shown otherwise"
        fallback = Event(kind="fallback", id="sandbox", detail=detail)
        # What the model believed wrongly is put right by the same step: deltas add up to the state.
        delta = diff(before, sandbox.state()) if action is not None else []
        return steps[-1].model_copy(
            update={"delta": tuple(map(tuple, delta)), "events": (*steps[-1].events, *again, fallback)}
        )  # fmt: skip

    def _ask_again(
        self, episode: Episode, sandbox: ForkableWorld, first: Replayed
    ) -> tuple[Replayed | None, tuple[Event, ...]]:
        """A sandbox with other chance that shows all that was shown, if one was found, and an event for each asked."""
        odds = {**self.model.bugs, **sandbox.bugs}
        events: list[Event] = []
        if not by_chance(episode, first, {bug for bug, rate in odds.items() if rate < 1.0}):
            return None, ()
        for number in range(1, self.tries + 1):
            found = retrace(sandbox, episode, reseed(episode, number), to_end=False)
            detail = f"other chance {number}: {len(found.steps) - 1} of {len(episode.actions)} actions replayed"
            events.append(Event(kind="fallback", id=AGAIN, detail=detail))
            if not found.other:
                return found, tuple(events)
        return None, tuple(events)

    def _go_on(self, action: Action) -> Transition:
        answer = self._there().step(action)
        if self._writer is not None:
            self._writer.write(_step(self._writer.steps, action, answer))
        return answer

    # -- what is kept ----------------------------------------------------------------------------------------

    def _record(
        self,
        episode: Episode,
        action: Action | None,
        steps: list[Transition],
        first: Replayed,
        predicted: Transition,
    ) -> None:
        """Begin the trace of what really happened; the sandbox's further steps are added to it."""
        if self._fallbacks is None:
            return
        task = episode.task
        actions = [*episode.actions, *([] if action is None else [action])]
        key = state_hash([task.id, episode.seed, self.interface, [a.model_dump(mode="json") for a in actions]])
        fallback: JsonValue = {
            "model": str(self.model.model.config.get("key", "")),
            "step": len(steps) - 1,
            "agreed": first.agrees,
            "shown_otherwise": list(first.other),
            "trust": predicted.trust,
            "predicted": predicted.model_dump(mode="json"),
        }
        header = Header(
            session=f"{task.template}-{episode.seed}-fallback-{key[:12]}",
            app=task.app,
            source="fallback",
            world="sandbox",
            interface=task.interface,
            goal=task.goal,
            task=task.id,
            seed=episode.seed,
            bugs=dict(self._there().bugs),
            tools=tuple(self._there().tools()) if task.interface == "tools" else (),
            meta={"split": task.split, "start": task.start.model_dump(mode="json"), "fallback": fallback},
        )
        if (self._fallbacks / f"{header.session}.jsonl").exists():
            return
        try:
            self._writer = TraceWriter(self._fallbacks, header, state=first.start)
        except TraceError:
            if not (self._fallbacks / f"{header.session}.jsonl").exists():
                raise
            return  # another process was faster with the same bytes
        for index, (done, transition) in enumerate(zip([None, *actions], steps, strict=False)):
            self._writer.write(_step(index, done, transition))

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.finish(None)


def _uncertain(episode: Episode, first: Replayed, tried: int) -> str:
    others = f", nor with {tried} other draws of its chance" if tried else ""
    return (
        f"After {len(episode.actions)} actions the sandbox shows something else than the model did "
        f"(first at step {first.other[0]}){others}. Train on more traces, or use world='sandbox'."
    )


def _step(index: int, action: Action | None, transition: Transition) -> Step:
    return Step(
        index=index,
        action=action,
        observation=transition.observation,
        delta=transition.delta,
        events=transition.events,
    )


def load_hybrid(
    model: str | Path,
    *,
    app: str | None,
    interface: Interface,
    fresh: Callable[[], ForkableWorld],
    keep: bool = True,
) -> HybridWorld:
    """A hybrid world from a model directory, which also receives the traces of its fallbacks.

    Raises:
        ModelError: The model cannot be used.
    """
    world = load_world(model, "model", app, interface)
    if not isinstance(world, ModelWorld):
        raise TypeError(f"a world of kind 'model' is a {type(world).__name__}")
    return HybridWorld(world, fresh, keep=keep, fallbacks=Path(model) / FOLDER)
