"""The agenda user: a simulated user without a language model, the same episode for the same seed.

After Schatzmann et al. 2007 ("Agenda-Based User Simulation for Bootstrapping a POMDP Dialogue
System"): the goal becomes a stack of dialogue acts, what the agent says pushes more of them, and each
turn pops some; how many, and what else happens, are the decision points of a persona.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable

from envsim.errors import ContentError
from envsim.goal import Item, Limit, UserGoal
from envsim.types import UserTurn
from envsim.user.base import Hands
from envsim.user.decisions import Decisions
from envsim.user.invariants import Monitor
from envsim.user.persona import Persona, Population
from envsim.user.react import Reaction
from envsim.user.state import State, Task
from envsim.user.understand import Heard, Reader
from envsim.user.utter import Say, readable, render, utter

ORDER = (
    "greet", "thanks", "wish", "affirm", "negate", "limit", "correct", "object", "change", "contradict",
    "accept_refusal", "push_back", "withhold", "hesitate", "admit", "claim", "did", "cannot", "what_exactly",
    "inform", "inform_yes", "inform_no", "unknown", "no_idea", "repeat", "restate", "wish_next", "ask",
    "volunteer", "ack", "wait", "impatient", "drift", "nothing_else", "give_up", "bye",
)  # fmt: skip
"""The acts of a turn are said in this order."""
MAX_HEARD = 2_000
"""Longest message (characters) a user takes in; of a longer one it only knows that it was too much."""
_RANK = {kind: rank for rank, kind in enumerate(ORDER)}


class AgendaUser:
    """Plays a goal by rules; see `envsim.user.base.User`.

    Args:
        population: Whom to draw from; each seed plays one persona of it.
    """

    def __init__(self, population: Population) -> None:
        self.population = population
        self._goal: UserGoal | None = None

    def reset(self, goal: UserGoal, seed: int, hands: Hands | None = None) -> UserTurn:
        """Begin an episode; the opening utterance.

        Raises:
            ContentError: The goal names a trait that does not exist, or a value nobody can say.
        """
        persona = self.population.pick(seed).with_traits(goal.traits)
        for fact in goal.facts.values():
            render(fact.value, fact.type)
        self._goal, self._seed, self._hands, self._persona = goal, seed, hands, persona
        self._reader = Reader(goal)
        self._state = State.begin(goal)
        self._monitor = Monitor(goal, self._reader)
        decide = Decisions(persona, seed, 0)
        return self._turn(Reaction(goal, self._state, decide, hands), self._opening(decide))

    def hear(self, text: str) -> UserTurn:
        """Answer what the agent said; after the user has left, nothing."""
        if self._goal is None:
            raise ContentError("No episode has begun. Call reset(goal, seed) before hear().")
        state = self._state
        if state.left:
            return UserTurn(done=True)
        state.turn += 1
        heard = self._reader.read(text)
        self._monitor.hear(heard)
        if len(text) > MAX_HEARD:
            # Whoever recites a policy or all it knows has said nothing to this person in particular.
            heard = Heard(text, ())
        decide = Decisions(self._persona, self._seed, state.turn)
        reaction = Reaction(self._goal, state, decide, self._hands)
        before = state.progress()
        reaction.to(heard)
        now = reaction.now if state.left else self._go_on(reaction)
        state.stuck = 0 if state.progress() != before else state.stuck + 1
        if not state.left and self._gives_up(decide):
            state.left = True
            now = [("give_up", "")]
        return self._turn(reaction, now)

    def snapshot(self) -> object:
        """A token for the state of the conversation."""
        return self._state.copy(), self._monitor.copy()

    def restore(self, token: object) -> None:
        """Return to `token`, taken since the last reset.

        Raises:
            ContentError: Not a token of this user.
        """
        match token:
            case (State() as state, Monitor() as monitor):
                self._state, self._monitor = state.copy(), monitor.copy()
            case _:
                raise ContentError("This is no snapshot of an agenda user. Pass what snapshot() returned.")

    def fork(self, hands: Hands | None) -> AgendaUser:
        """See `ForkableUser.fork`."""
        twin = copy.copy(self)
        twin.restore(self.snapshot())
        twin._hands = hands
        return twin

    @property
    def persona(self) -> Persona:
        """Who is being played, the goal's traits included."""
        return self._persona

    @property
    def statuses(self) -> dict[str, str]:
        """Item -> open, attempted, done or refused, as the user sees it."""
        return dict(self._state.status)

    # What a turn holds.

    def _opening(self, decide: Decisions) -> list[Task]:
        now: list[Task] = [("greet", "")] if decide.chance("greet") else []
        first = self._voice(decide)
        now.append(("wish", first.id))
        if (other := self._state.next_wish(self._of())) and not other.after and decide.chance("combine"):
            self._voice(decide)
            now.append(("wish", other.id))
        now += self._limits(decide, first)
        return now + self._pop(decide, decide.count("disclose_first"))

    def _of(self) -> UserGoal:
        if self._goal is None:  # pragma: no cover - hear() has said so
            raise ContentError("No episode has begun. Call reset(goal, seed) first.")
        return self._goal

    def _voice(self, decide: Decisions, item: Item | None = None) -> Item:
        """Bring up an item, by default the next: what belongs to it goes on the agenda."""
        item = item or self._state.next_wish(self._of()) or self._of().items[0]
        self._state.voiced.append(item.id)
        for name in reversed(item.tells):
            if name not in self._state.told and self._of().facts[name].reveal != "authenticated":
                self._state.push("inform", name)
        return item

    def _limits(self, decide: Decisions, item: Item) -> list[Task]:
        stated: list[Task] = []
        for number, limit in enumerate(item.limits):
            name = f"{item.id}.{number}"
            if limit.reveal == "open" and name not in self._state.bounded and decide.chance("say_limit", name):
                stated.append(("limit", name))
        return stated

    def _go_on(self, reaction: Reaction) -> list[Task]:
        """The rest of a turn: what is popped, the next wish, remarks, or the farewell."""
        state, decide, now = self._state, reaction.decide, list(reaction.now)
        asked = list(dict.fromkeys(reaction.asked_now))
        hesitating = any(kind == "hesitate" for kind, _ in now)
        count = decide.count("disclose")
        if asked:
            count = len(asked) if decide.chance("thorough") else max(1, count)
        if not hesitating:
            now += self._pop(decide, count)
        now += self._next_wishes(decide)
        if not state.pending() and state.next_wish(self._of()) is None:
            return self._farewell(decide, now)
        if state.agenda and state.pending() and not any(kind in ("affirm", "inform") for kind, _ in now):
            now += [("ask", name) for kind, name in self._take("ask", 1)]
        if (name := self._mentionable({about for _, about in now})) and decide.chance("volunteer"):
            now.append(("volunteer", name))
        if not now:
            now.append(("ack", ""))
        overdue = state.turn - self._persona.patience
        if overdue > 0 and decide.chance("impatience", probability=min(1.0, self._persona.impatience * overdue)):
            now.append(("impatient", ""))
        if decide.chance("drift"):
            now.append(("drift", ""))
        return now

    def _next_wishes(self, decide: Decisions) -> list[Task]:
        state, goal = self._state, self._of()
        item = state.next_wish(goal)
        if item is not None and not state.pending():
            self._voice(decide)
            return [("wish_next", item.id), *self._limits(decide, item)]
        later = next((item for item in goal.items if item.id not in state.voiced), None)
        if later is not None and state.pending() and decide.chance("early_second", later.id):
            self._voice(decide, later)
            return [("wish_next", later.id)]
        return []

    def _farewell(self, decide: Decisions, now: list[Task]) -> list[Task]:
        self._state.left = True
        now = [task for task in now if task[0] not in ("wait", "restate", "repeat", "ack")]
        if decide.chance("bye"):
            now.append(("bye", ""))
        return (
            now if any(kind in ("bye", "thanks", "accept_refusal") for kind, _ in now) else [*now, ("nothing_else", "")]
        )

    def _pop(self, decide: Decisions, count: int) -> list[Task]:
        """Facts off the top of the agenda, `count` at most; a secret is put there only once it may be told."""
        return [("inform", name) for _, name in self._take("inform", count)]

    def _take(self, kind: str, count: int) -> list[Task]:
        taken: list[Task] = []
        for task in reversed(self._state.agenda):
            if task[0] == kind and len(taken) < count:
                taken.append(task)
        for task in taken:
            self._state.agenda.remove(task)
        return taken

    def _mentionable(self, said: Collection[str]) -> str | None:
        """An open fact of a voiced wish, or of none, that was not told before and is not `said` in this turn."""
        goal, state = self._of(), self._state
        later = {n for item in goal.items if item.id not in state.voiced for n in item.tells + item.needs}
        for name, fact in goal.facts.items():
            if fact.reveal == "open" and name not in state.told and name not in later and name not in said:
                return name
        return None

    def _gives_up(self, decide: Decisions) -> bool:
        after = self._persona.give_up_after
        if self._state.stuck >= 2 * after:
            decide.note("give_up")
            return True
        return self._state.stuck >= after and decide.chance("give_up")

    # Into words.

    def _turn(self, reaction: Reaction, now: Iterable[Task]) -> UserTurn:
        decide = reaction.decide
        tasks = sorted(dict.fromkeys(now), key=lambda task: _RANK[task[0]])
        says = [self._say(kind, about, reaction) for kind, about in tasks]
        text = utter(says, self.population.bank, self._persona.style, decide)
        turn = UserTurn(
            text=text,
            acts=tuple(say.act for say in says),
            calls=tuple(reaction.calls),
            decisions=tuple(point for point in decide.fired if not point.startswith("_")),
            done=self._state.left,
        )
        fault = self._monitor.check(turn, self._state.status)
        return turn.model_copy(update={"fault": fault}) if fault else turn

    def _say(self, kind: str, about: str, reaction: Reaction) -> Say:
        match kind:
            case "inform" | "volunteer" | "correct" | "object":
                return self._tell(kind, about, reaction.decide, unasked=about not in reaction.asked_now)
            case "change":
                value = self._rendered(about, self._state.values[about], reaction.decide)
                return Say(kind, about, {"value": value, "name": readable(about)}, reaction.reports[f"change {about}"])
            case "did":
                return Say(kind, about, {}, reaction.reports[about].replace("{", "(").replace("}", ")"))
            case "limit":
                return self._bound(about)
            case "wish" | "wish_next" | "restate" | "push_back" | "accept_refusal" | "contradict":
                return Say(kind, about, {"want": next(item.want for item in self._of().items if item.id == about)})
            case _:
                return Say(kind, about, {"name": readable(about)} if about else {})

    def _tell(self, kind: str, name: str, decide: Decisions, *, unasked: bool) -> Say:
        fact, state = self._of().facts.get(name), self._state
        value = state.values[name]
        first = name not in state.told
        if first:
            state.told.append(name)
        if fact is not None and kind in ("inform", "volunteer"):
            changed = value != fact.value
            if first and not changed and fact.wrong is not None and decide.chance("misremember", name):
                state.wrong.append(name)
            if name in state.wrong:
                value = fact.wrong
        elif name in state.wrong:
            state.wrong.remove(name)
        if isinstance(value, bool) and kind in ("inform", "volunteer") and not (fact and fact.say):
            kind = "inform_yes" if value else "inform_no"
        slots = {"value": self._rendered(name, value, decide), "name": readable(name)}
        own = fact.say if fact and kind in ("inform", "volunteer") else ""
        return Say(kind, name, slots, own, unasked and kind == "inform")

    def _rendered(self, name: str, value: object, decide: Decisions) -> str:
        fact = self._of().facts.get(name)
        long_dates = decide.chance("_dates", probability=self._persona.style.long_dates)
        return render(value, fact.type if fact else "text", long_dates=long_dates)  # type: ignore[arg-type]

    def _bound(self, name: str) -> Say:
        item, number = name.split(".")
        limit = next(i for i in self._of().items if i.id == item).limits[int(number)]
        if name not in self._state.bounded:
            self._state.bounded.append(name)
        return Say("limit", item, {"about": limit.about, "bound": bound(limit)})


def bound(limit: Limit) -> str:
    """A limit in words: ``at most $40``."""
    parts = []
    if limit.at_least is not None:
        parts.append(f"at least {render(limit.at_least, limit.type)}")
    if limit.at_most is not None:
        parts.append(f"at most {render(limit.at_most, limit.type)}")
    return " and ".join(parts)
