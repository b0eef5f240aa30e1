"""`TaskEnv`: a task in a world, as a `gymnasium.Env`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from envsim import spaces
from envsim.conversation import Conversation
from envsim.episode import Heard, check_fault, kind_of
from envsim.errors import ActionError, ContentError, SandboxError, UncertainError
from envsim.fork import fork
from envsim.recorder import Recorder
from envsim.sandbox.faults import MUTATING, Faults, read_faults
from envsim.sandbox.runtime import Runtime
from envsim.source import TaskSource, TemplateSource
from envsim.task import Interface, Task
from envsim.trace import Step
from envsim.types import Action, JsonValue, Observation, Outcome, Transition
from envsim.user.base import User
from envsim.user.factory import get_user
from envsim.world import World
from envsim.worlds import default_interface, open_world

UNSCORABLE = math.nan
"""Reward of a step that ended an episode nobody can score. Not 0: a trainer that ignores
`info["outcome"]` must fail loudly instead of learning from an outage."""


class TaskEnv(gymnasium.Env[dict[str, Any], str]):
    """One task after another in one world.

    Observations are dicts of text (`envsim.spaces.observation_space`); actions are call strings
    or JSON (`envsim.types.Action.parse`). Nothing an action says can raise: a malformed or
    impossible one becomes `observation["error"]` and costs a step.

    An episode ends when the agent answers (``answer(value)``, ``report_infeasible(reason)``) or the
    task's user leaves, which terminates it, or after `max_steps`, which truncates it; all are scored
    by the task's checks on the last step, reward 1.0 or 0.0. A failure of the infrastructure, a world
    that cannot go on, or a simulated user that breaks its own rules truncates it with reward NaN, never 0.

    Where the task has a user, its opening words are in the first observation's ``messages``, and what
    it answers to ``send_msg_to_user(text)`` in the next one's.

    ``info`` holds ``task`` and ``step`` always; after a step also ``trust`` (the world's own
    P(this step is right)), ``trusted`` (whether that is inside its trust region), ``odds`` (its P(bugs
    that fire now and then fire as they do in it)), ``delta`` and ``events`` (ground truth for trainers
    and traces, never to be shown to an agent); on the last step ``outcome`` (``policy | env_bug | infra |
    sim_uncertain``), ``reason`` and ``success``. ``user`` is the user's turn, hidden parts included.

    Args:
        app: Name of the app; ``oscar@3.2`` for a variant.
        variant: The same said apart: a version of the app, with that version's bugs.
        task: One template id, or one instance ``<template>@<seed>``; None for all.
        split: ``"train"`` or ``"test"``; None for both.
        interface: ``"browser"`` or ``"tools"``; None: the app's own.
        world: ``"sandbox"``, ``"model"``, ``"replay"``, ``"hybrid"``, or a `World` of your own.
        model: Model directory; worlds made from traces, and hybrid.
        runtime: ``"inprocess"``, ``"process"``, ``"docker"``, or ``"auto"``: the fastest that the app allows; or a
            runtime of your own, such as a `envsim.sandbox.pool.SandboxPool` that several environments draw from.
        driver: ``"http"`` or ``"chromium"``.
        bugs: ``"production"``, ``"none"``, ``"all"``, or ids; a task may say otherwise.
        faults: What goes wrong in front of the app: ``"production"``, ``"none"``, or rates by fault, see
            `envsim.sandbox.faults.read_faults`; sandbox only.
        record: Directory for a trace of every episode.
        render_mode: ``"ansi"`` (the page as text) or ``"rgb_array"`` (chromium only).
        screenshot: Add a ``screenshot`` to every observation (chromium only).
        max_steps: Overrides every task's own limit.
        policy: Name written into traces.
        user: Who plays the users of tasks that have one: ``"agenda"`` or ``"mined"`` (seeded, no LLM),
            ``"chat:MODEL"``, ``"local:PATH"``, or a function that makes a `User`.
        population: What the user's persona is drawn from: a built-in population or a directory made
            by ``envsim personas mine``.
        source: Where tasks come from and who judges them; None: the task files of `app`.

    Raises:
        ContentError: An unknown app, task, split, bug, world or driver, or modes that do not go together.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    def __init__(
        self,
        app: str,
        *,
        variant: str | None = None,
        task: str | None = None,
        split: str | None = None,
        interface: Interface | None = None,
        world: str | World = "sandbox",
        model: str | Path | None = None,
        runtime: str | Runtime = "auto",
        driver: str = "http",
        bugs: str | tuple[str, ...] = "production",
        faults: Faults = "none",
        record: str | Path | None = None,
        render_mode: str | None = None,
        screenshot: bool = False,
        max_steps: int | None = None,
        policy: str = "",
        user: str | Callable[[], User] = "agenda",
        population: str | Path = "default",
        source: TaskSource | None = None,
    ) -> None:
        app = app if variant is None else f"{app}@{variant}"
        interface = default_interface(app) if interface is None else interface
        _check_modes(render_mode, screenshot, driver, interface)
        if max_steps is not None and max_steps < 1:
            raise ContentError(f"max_steps={max_steps} leaves no step. Give 1 or more, or None for each task's own.")
        if not isinstance(world, str) and read_faults(faults):
            raise ContentError("A World of your own brings its own faults. Leave faults='none', or name a world.")
        self.app = app
        self.source = source or TemplateSource(app, task=task, split=split, interface=interface)
        self.render_mode = render_mode
        self.action_space = spaces.action_space()
        self.observation_space = spaces.observation_space(screenshot=screenshot)
        self.world: World = (
            open_world(
                world, app, interface=interface, runtime=runtime, driver=driver, bugs=bugs, faults=faults, model=model
            )
            if isinstance(world, str)
            else world
        )
        self.interface = interface
        self.observation = Observation()
        """The current observation, typed."""
        self.task: Task | None = None
        """The current task instance, gold data included: for trainers and oracles, not for agents."""
        self.outcome: Outcome | None = None
        """How the last episode ended; None while one runs."""
        self._make_user = user
        self._population = population
        self._conversation: Conversation | None = None
        self._screenshot = screenshot
        self._max_steps = max_steps
        self._recorder = Recorder(Path(record) if record is not None else None, policy)
        self._steps = 0
        self._heard = Heard()

    # -- the gymnasium interface -----------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Chooses template, instance and every draw of the episode. None: the next of the
                sequence begun by the last seed given.
            options: ``task`` picks a template or instance for this episode, ``task_seed`` lets another seed
                than the episode's choose it (several trials of one instance); ``clock`` is an ISO 8601 time that
                a sandbox starts at instead of the task's; ``session`` names its trace.

        Raises:
            SandboxError: No sandbox could be started, twice in a row; `outcome` says so too.
            UncertainError: The world does not know this start; `outcome` says so too.
            ContentError: The task cannot be set up; says what to correct.
            PrerequisiteError: The model that plays the user cannot be reached.
        """
        super().reset(seed=seed)
        episode_seed = seed if seed is not None else int(self.np_random.integers(2**31))
        self._recorder.close()
        # Until all of it has worked there is no episode to step.
        self.task, self.outcome = None, None
        options = options or {}
        try:
            task = self.source.choose(options.get("task_seed", episode_seed), options.get("task"), self.world)
            self.task = task.starting_at(options["clock"]) if options.get("clock") else task
            transition = self.world.reset(self.task, episode_seed)
            before = self.world.state()
            if self.task.user is not None:
                transition = self._talk().begin(self.task.user, episode_seed).after(transition)
                check_fault(transition)
            self._recorder.begin(self.task, self.world, episode_seed, before, options.get("session"))
        except (SandboxError, UncertainError) as error:
            self.outcome = Outcome(kind=kind_of(error), reward=None, reason=str(error))
            raise
        except Exception:
            self.task = None
            raise
        self._steps = 0
        self._heard = Heard(before=before)
        self._see(transition)
        self._write(transition)
        return self._encode(), self._info(transition)

    def step(self, action: str | Action | dict[str, Any]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action; see the class for what ends an episode.

        Raises:
            gymnasium.error.ResetNeeded: No episode is running.
            PrerequisiteError: The model that plays the user cannot be reached; the episode is over, without an outcome.
        """
        if self.task is None or self.outcome is not None:
            raise gymnasium.error.ResetNeeded("The episode is over. Call reset() before step().")
        self._steps += 1
        raw = ""
        parsed: Action | None = None
        try:
            parsed = Action.parse(action)
            transition = self._carry_out(parsed)
        except ActionError as error:
            raw = action if isinstance(action, str) else repr(action)
            transition = Transition(observation=self._unchanged(error=str(error)))
        except (SandboxError, UncertainError) as error:
            return self._break_off(error, parsed)
        except Exception:
            # In the middle of the user's turn, which cannot be taken again: nothing goes on from here.
            self.task = None
            raise
        self._see(transition)
        self._write(transition, parsed, raw)
        try:
            check_fault(transition)
        except UncertainError as error:
            return self._break_off(error, None, written=True)
        return self._settle(parsed, transition)

    def render(self) -> str | NDArray[np.uint8] | None:
        """The page as text (``ansi``) or pixels, shape (720, 1280, 3) (``rgb_array``)."""
        if self.render_mode == "ansi":
            seen = self.observation
            parts = [seen.url, seen.page or seen.result, f"error: {seen.error}" if seen.error else ""]
            return "\n".join(part for part in parts if part)
        return self._pixels() if self.render_mode == "rgb_array" else None

    def fork(self, count: int) -> list[TaskEnv]:
        """`count` environments in the middle of this one's episode; see `envsim.fork.fork`."""
        return fork(self, count)

    def close(self) -> None:
        """Release the world; an unfinished trace stays without an end line."""
        self._recorder.close()
        self.world.close()

    @property
    def tools(self) -> list[dict[str, JsonValue]]:
        """What can be called, as OpenAI function schemas."""
        return self.world.tools()

    # -- one step --------------------------------------------------------------------------------

    def _carry_out(self, action: Action) -> Transition:
        if action.kind == "call" and action.name != "report_infeasible":
            return self.world.step(action)
        transition = Transition(observation=self._unchanged())
        if action.kind == "say":
            self._heard.said.append(action.text)
            if self.task is not None and self.task.user is not None:
                return self._talk().hear(action.text).after(transition)
        return transition

    def _settle(
        self, action: Action | None, transition: Transition
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        ended = transition.user is not None and transition.user.done
        if action is not None and action.kind == "answer":
            self._heard.answered, self._heard.answer = True, action.value
            ended = True
        elif action is not None and action.name == "report_infeasible":
            self._heard.infeasible = True
            ended = True
        truncated = not ended and self._steps >= self._limit
        info = self._info(transition)
        if not (ended or truncated):
            return self._encode(), 0.0, False, False, info
        try:
            outcome = self._judged()
        except (SandboxError, UncertainError) as error:
            return self._break_off(error, None, written=True)
        self._end(outcome, info)
        reward = UNSCORABLE if outcome.reward is None else outcome.reward
        return self._encode(), reward, ended, truncated, info

    def _judged(self) -> Outcome:
        assert self.task is not None
        record = self._heard.record(self.world.state())
        try:
            verdict = self.source.judge(self.task, record)
        except ContentError as error:
            # The task's own check is broken: neither the policy nor the infrastructure.
            return Outcome(kind="env_bug", reward=None, reason=str(error))
        if self._heard.tampered and verdict.reward < 1.0:
            # Whether the agent would have done it is not to be told from a state that others changed.
            return Outcome(kind="infra", reward=None, reason=f"A fault changed the state: {self._heard.tampered}.")
        return Outcome(kind="policy", reward=verdict.reward, reason=verdict.reason)

    def _break_off(
        self, error: SandboxError | UncertainError, action: Action | None, *, written: bool = False
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """End the episode unscorable, whatever the world's state."""
        self.observation = self._unchanged(error="The environment failed; this episode is not scored.")
        events = error.events if isinstance(error, UncertainError) else ()
        if not written:
            step = Step(index=self._steps, action=action, observation=self.observation, events=events, trust=0.0)
            self._recorder.write(step)
        info = self._info(Transition(observation=self.observation, events=events, trust=0.0, trusted=False))
        self._end(Outcome(kind=kind_of(error), reward=None, reason=str(error)), info)
        return self._encode(), UNSCORABLE, False, True, info

    def _end(self, outcome: Outcome, info: dict[str, Any]) -> None:
        self.outcome = outcome
        info |= {"outcome": outcome.kind, "reason": outcome.reason, "success": outcome.success}
        self._recorder.finish(outcome)

    # -- helpers -----------------------------------------------------------------------------------

    @property
    def _limit(self) -> int:
        assert self.task is not None
        return self.task.max_steps if self._max_steps is None else self._max_steps

    def _talk(self) -> Conversation:
        if self._conversation is None:
            # Not before a task has a user: most have none, and a chat user needs an endpoint.
            make = self._make_user
            user = get_user(make, self._population) if isinstance(make, str) else make()
            self._conversation = Conversation(user, self.world)
        return self._conversation

    def _see(self, transition: Transition) -> None:
        assert self.task is not None
        self.observation = transition.observation.model_copy(update={"goal": self.task.goal})
        self._heard.urls.append(self.observation.url)
        self._heard.seen.append(self.observation.page or self.observation.result)
        hits = [event.detail for event in transition.events if event.kind == "fault" and event.id in MUTATING]
        self._heard.tampered = self._heard.tampered or "".join(hits[:1])

    def _write(self, transition: Transition, action: Action | None = None, raw: str = "") -> None:
        if not self._recorder.running:
            return
        self._recorder.write(
            Step(
                index=self._steps, action=action, raw=raw, observation=self.observation,
                delta=transition.delta, events=transition.events, trust=transition.trust, user=transition.user,
            )
        )  # fmt: skip

    def _unchanged(self, error: str = "") -> Observation:
        return self.observation.model_copy(update={"messages": (), "error": error})

    def _info(self, transition: Transition) -> dict[str, Any]:
        assert self.task is not None
        info = {
            "task": self.task.id,
            "step": self._steps,
            "trust": transition.trust,
            "trusted": transition.trusted,
            "odds": transition.odds,
            "delta": [list(change) for change in transition.delta],
            "events": [event.model_dump() for event in transition.events],
        }
        return info if transition.user is None else {**info, "user": transition.user.model_dump(mode="json")}

    def _encode(self) -> dict[str, Any]:
        encoded: dict[str, Any] = dict(spaces.encode(self.observation))
        if self._screenshot:
            encoded["screenshot"] = self._pixels()
        return encoded

    def _pixels(self) -> NDArray[np.uint8]:
        png = getattr(self.world, "screenshot", lambda: None)()
        if png is None:
            # A model has no looks, and after a failure there is no page.
            return np.zeros(spaces.SCREENSHOT_SHAPE, np.uint8)
        return spaces.decode_png(png)


def _check_modes(render_mode: str | None, screenshot: bool, driver: str, interface: str) -> None:
    if render_mode not in (None, "ansi", "rgb_array"):
        raise ContentError(f"There is no render_mode {render_mode!r}. Use 'ansi' or 'rgb_array'.")
    if interface not in ("browser", "tools"):
        raise ContentError(f"There is no interface {interface!r}. Use 'browser' or 'tools'.")
    if (render_mode == "rgb_array" or screenshot) and (driver != "chromium" or interface != "browser"):
        raise ContentError("Only a browser paints pixels. Add driver='chromium', or use render_mode='ansi'.")
