"""A plain agenda-based user simulator with fixed rates: the baseline that realism is measured against.

The goal's constraints and requests stand on a stack; what the agent asks pushes the answer to its top; each turn
pops a number of acts drawn from one fixed distribution and says each by the one template of its kind. Nothing
in it comes from data.

Source: Schatzmann, Thomson, Weilhammer, Ye and Young, "Agenda-Based User Simulation for Bootstrapping a POMDP
Dialogue System" (NAACL 2007).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from envsim.errors import ContentError
from envsim.goal import UserGoal
from envsim.rng import Rng
from envsim.types import UserTurn
from envsim.user.base import Hands
from envsim.user.ear import Ear
from envsim.user.progress import Progress, slot

POPS = (0.4, 0.4, 0.2)
"""Probability of saying 1, 2 or 3 acts in a turn: set by hand, as the paper sets its own."""

LONGEST = 20
TEMPLATES = {
    "want": "I want to {want}.",
    "inform": "The {name} should be {value}.",
    "change": "Then make the {name} {value}.",
    "dontcare": "I do not care about the {name}.",
    "request": "What is the {name}?",
    "affirm": "Yes.",
    "thank": "Thank you.",
    "bye": "Goodbye.",
}


@dataclass
class _State:
    progress: Progress
    stack: list[str] = field(default_factory=list)
    left: bool = False


class AbusUser:
    """Plays a goal by a stack of acts; see `envsim.user.base.User`.

    Args:
        ear: Reads the agent's acts out of its words; the same one the user it is compared with has.
    """

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._state: _State | None = None

    def reset(self, goal: UserGoal, seed: int, hands: Hands | None = None) -> UserTurn:
        """Begin an episode; the opening utterance. `hands` are not used."""
        self._seed = seed
        state = _State(Progress(goal))
        for item in reversed(goal.items):
            state.stack.append(f"close:{item.id}")
            state.stack += [f"request:{name}" for name in reversed(item.learns)]
            state.stack += [f"inform:{name}" for name in reversed((*item.tells, *item.needs))]
            state.stack.append(f"want:{item.id}")
        self._state = state
        return self._speak(Rng(seed, "abus", 0), ())

    def hear(self, text: str) -> UserTurn:
        """Answer what the agent said; after the user has left, nothing."""
        if self._state is None:
            raise ContentError("No episode has begun. Call reset(goal, seed) before hear().")
        if self._state.left:
            return UserTurn(done=True)
        labels = self._ear.hear(text)
        self._state.progress.hear(labels)
        return self._speak(Rng(self._seed, "abus", self._state.progress.turn), labels)

    def snapshot(self) -> object:
        """A token for the state of the conversation."""
        return copy.deepcopy(self._state)

    def restore(self, token: object) -> None:
        """Return to `token`, taken since the last reset.

        Raises:
            ContentError: Not a token of this user.
        """
        if not isinstance(token, _State):
            raise ContentError("This is no snapshot of an agenda-based user. Pass what snapshot() returned.")
        self._state = copy.deepcopy(token)

    def fork(self, hands: Hands | None) -> AbusUser:
        """See `ForkableUser.fork`."""
        twin = copy.copy(self)
        twin.restore(self.snapshot())
        return twin

    def _speak(self, rng: Rng, labels: Iterable[str]) -> UserTurn:
        state = self._state
        assert state is not None
        acts, announced = self._push(state, labels)
        at = rng.uniform()
        wanted = 1 + next((k for k, most in enumerate(itertools.accumulate(POPS)) if at < most), len(POPS) - 1)
        while state.stack and len(acts) < wanted:
            act = state.stack.pop()
            kind, _, name = act.partition(":")
            # What was told meanwhile, or found out, need not be said again.
            if kind == "close" or (kind == "inform" and name in state.progress.told):
                continue
            if kind == "request" and name in state.progress.learned:
                continue
            if act not in acts:
                acts.append(act)
        if not acts or state.progress.turn + 1 >= LONGEST:
            acts, state.left = ["thank", "bye"], True
        text = " ".join(self._words(act, state.progress, announced) for act in acts)
        state.progress.say(acts, announced)
        return UserTurn(text=text, acts=tuple(sorted(acts)), done=state.left)

    def _push(self, state: _State, labels: Iterable[str]) -> tuple[list[str], list[str]]:
        """What the agent's acts call for at once: answers, second choices, consent."""
        acts: list[str] = []
        progress = state.progress
        kinds = {label.partition(":")[0] for label in labels}
        asked = {label.partition(":")[2] for label in labels if label.startswith(("request:", "select:"))}
        item = progress.items[progress.opened[-1]] if progress.opened else None
        announced = sorted(progress.changes.keys() & progress.told) if kinds & {"nooffer", "nobook"} else []
        acts += [f"inform:{name}" for name in announced]
        for kind in sorted(asked):
            if item is None:
                break
            known = [name for name in (*item.tells, *item.needs) if slot(name) == kind]
            acts += [f"inform:{name}" for name in known]
            if not known and not announced:
                acts.append(f"dontcare:{item.id}_{kind}")
        if kinds & {"want", "offerbook"} and not acts:
            acts.append("affirm")
        return acts, announced

    def _words(self, act: str, progress: Progress, announced: list[str]) -> str:
        kind, _, name = act.partition(":")
        if kind == "want":
            return TEMPLATES["want"].format(want=progress.items[name].want)
        if not name:
            return TEMPLATES[kind]
        value = progress.value(name, announced) or ""
        template = TEMPLATES["change" if name in announced else kind]
        return template.format(name=slot(name).replace("_", " "), value=value)
