"""A simulated user played by a language model: same goals, personas and invariants as the agenda user.

Roles are exchanged: what the agent says is the model's ``user``, what the model writes is said to the agent. The
set-up is tau-bench's (Yao et al. 2024). Such models break their own instructions in 16% to 47% of the dialogues,
by domain (tau2-bench, Barres et al. 2025); so every message is checked before it is said, and sent back if it does.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from envsim.chat import Chat, ChatMessage, open_chat
from envsim.errors import ContentError, ModelError
from envsim.goal import UserGoal
from envsim.rng import draw
from envsim.types import JsonValue, UserCall, UserTurn
from envsim.user.base import Hands
from envsim.user.chat_prompt import GIVE_UP, STOP, Known, habits, write
from envsim.user.chat_tools import Tools
from envsim.user.decisions import Decisions
from envsim.user.invariants import Monitor
from envsim.user.persona import Persona, Population
from envsim.user.state import dig
from envsim.user.understand import Heard, Reader
from envsim.user.utter import readable, render
from envsim.user.values import says_value

MAX_CALLS = 4
"""Tools used in one turn."""
MAX_TURNS = 40
"""A model may talk for ever; after so many messages the user has lost patience."""
_LONGEST = 1500
"""Characters of a message; what is longer is cut, as an app's chat box would."""
_REPAIRS = 2
"""How often a message that breaks a rule is sent back to the model, before it is a fault of the simulator."""
_OPENING = "(The chat is open. Write your first message.)"
_HABITS = ("greet", "thank", "thorough", "volunteer", "hesitate", "notice", "push_back", "ask_repeat", "say_limit",
           "drift", "confirm_wait", "check_first")  # fmt: skip
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_SPEAKER = re.compile(r"^\s*(?:\*\*)?(?:user|customer|me|you)(?:\*\*)?\s*:\s*", re.IGNORECASE)


@dataclass
class _Talk:
    """All that changes in an episode; a copy is a snapshot."""

    monitor: Monitor
    history: list[ChatMessage] = field(default_factory=list)
    heard: str = ""
    turn: int = 0
    wrong: list[str] = field(default_factory=list)
    """Facts misremembered, and not yet doubted."""
    changed: dict[str, JsonValue] = field(default_factory=dict)
    learned: dict[str, JsonValue] = field(default_factory=dict)
    left: bool = False

    def copy(self) -> _Talk:
        other = copy.copy(self)
        other.monitor = self.monitor.copy()
        for name in ("history", "wrong", "changed", "learned"):
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        return other


class ChatUser:
    """Plays a goal through a chat model; see `envsim.user.base.User`.

    With an endpoint equal seeds give equal requests; equal replies are the endpoint's to give. With a local model
    equal seeds give equal episodes.

    Args:
        chat: The model.
        population: Whom to draw from; each seed plays one persona of it.
        temperature: Of the model's replies.
    """

    def __init__(self, chat: Chat, population: Population, *, temperature: float = 0.7) -> None:
        self.population = population
        self._chat = chat
        self._temperature = temperature
        self._goal: UserGoal | None = None

    def reset(self, goal: UserGoal, seed: int, hands: Hands | None = None) -> UserTurn:
        """Begin an episode; the opening utterance.

        Raises:
            ContentError: The goal names a trait that does not exist, or a value nobody can say.
            PrerequisiteError: The model cannot be reached.
        """
        self._persona = self.population.pick(seed).with_traits(goal.traits)
        for fact in goal.facts.values():
            render(fact.value, fact.type)
        self._goal, self._seed = goal, seed
        self._tools = Tools(goal, hands)
        self._reader = Reader(goal)
        self._talk = _Talk(Monitor(goal, self._reader))
        decide = Decisions(self._persona, seed, 0)
        for name, fact in goal.facts.items():
            if fact.wrong is not None and decide.chance("misremember", name):
                self._talk.wrong.append(name)
        self._person = habits(self._persona, [point for point in _HABITS if decide.chance(point)])
        self._talk.history.append({"role": "user", "content": _OPENING})
        return self._answer(goal, [], decide.fired)

    def hear(self, text: str) -> UserTurn:
        """Answer what the agent said; after the user has left, nothing.

        Raises:
            PrerequisiteError: The model cannot be reached.
        """
        if self._goal is None:
            raise ContentError("No episode has begun. Call reset(goal, seed) before hear().")
        talk = self._talk
        if talk.left:
            return UserTurn(done=True)
        talk.turn += 1
        heard = self._reader.read(text)
        talk.monitor.hear(heard)
        talk.heard += f"\n{text}"
        talk.history.append({"role": "user", "content": text or "(says nothing)"})
        decide = Decisions(self._persona, self._seed, talk.turn)
        if heard.has("not_found", "unverified"):
            # Doubted once, it is remembered rightly: what was told wrongly is looked up again.
            talk.wrong = [name for name in talk.wrong if name not in talk.monitor.asked]
        news = self._second_thoughts(self._goal, heard, decide)
        if heard.has("transfer"):
            decide.note("transferred")
        if talk.turn >= MAX_TURNS:
            decide.note("give_up")
        return self._answer(self._goal, news, decide.fired)

    def snapshot(self) -> object:
        """A token for the state of the conversation."""
        return self._talk.copy()

    def restore(self, token: object) -> None:
        """Return to `token`, taken since the last reset.

        Raises:
            ContentError: Not a token of this user.
        """
        if not isinstance(token, _Talk):
            raise ContentError("This is no snapshot of a chat user. Pass what snapshot() returned.")
        self._talk = token.copy()

    def fork(self, hands: Hands | None) -> ChatUser:
        """See `ForkableUser.fork`."""
        if self._goal is None:
            raise ContentError("No episode has begun. Call reset(goal, seed) before fork().")
        twin = copy.copy(self)
        twin.restore(self.snapshot())
        twin._tools = Tools(self._goal, hands)
        return twin

    @property
    def persona(self) -> Persona:
        """Who is being played, the goal's traits included."""
        return self._persona

    # -- what may be said --------------------------------------------------------------------------------

    def _second_thoughts(self, goal: UserGoal, heard: Heard, decide: Decisions) -> list[str]:
        """Changes of mind that happen now, in words."""
        talk, pressed = self._talk, heard.has("confirm", "claim")
        for change in goal.changes:
            if change.fact in talk.changed or change.fact not in talk.monitor.told:
                continue
            if pressed or (change.when == "told" and decide.chance("mind_change", change.fact)):
                decide.note(f"changed:{change.fact}")
                talk.changed[change.fact] = change.value
                said = change.say.replace("{value}", render(change.value, goal.facts[change.fact].type))
                return [f'You have changed your mind about the {readable(change.fact)}. Say so now: "{said}"']
        return []

    def _known(self, goal: UserGoal, news: list[str]) -> Known:
        """What the monitor would let pass, so that the model is not told of anything else."""
        talk, monitor = self._talk, self._talk.monitor
        identity = {name for name, fact in goal.facts.items() if fact.identity}
        authenticated = identity <= monitor.told if identity else monitor.verified
        settled = self._settled(goal)
        wishes = [item for item in goal.items if set(item.after) <= settled]
        told_with_wish = {name for item in wishes for name in item.tells}
        known = Known(wishes=wishes, settled=settled, raised=monitor.raised, news=news)
        for name, fact in goal.facts.items():
            asked = name in monitor.asked
            if fact.reveal == "authenticated":
                may = asked and authenticated
            else:
                may = asked or fact.reveal == "open" or name in told_with_wish
            if may:
                right = talk.changed.get(name, fact.value)
                known.values[name] = fact.wrong if name in talk.wrong else right
            else:
                known.later.append(name)
        known.values |= talk.learned
        return known

    def _settled(self, goal: UserGoal) -> set[str]:
        """Items the agent has reported on, as the monitor counts it for users that keep no account themselves."""
        claims = self._talk.monitor.claims
        anything = bool(claims & {"", "*", "?"})
        return {item.id for item in goal.items if anything or item.id in claims}

    # -- saying it -----------------------------------------------------------------------------------------

    def _answer(self, goal: UserGoal, news: list[str], fired: list[str]) -> UserTurn:
        """One turn: asked of the model until it breaks no rule, or too often."""
        talk = self._talk
        known = self._known(goal, news)
        messages = [{"role": "system", "content": write(goal, known, self._person)}, *talk.history]
        calls: list[UserCall] = []
        turn = UserTurn()
        for attempt in range(_REPAIRS + 1):
            try:
                said = self._ask(goal, known, messages, calls, attempt)
            except ModelError as error:
                turn = UserTurn(calls=tuple(calls), fault=f"its model could not go on: {error}")
                break
            turn = self._turn(goal, said, calls, fired)
            monitor = talk.monitor.copy()
            fault = monitor.check(turn)
            if not fault:
                talk.monitor = monitor
                break
            turn = turn.model_copy(update={"fault": fault})
            again = f"(Not sent: {fault}. Write the message again without that, as the customer.)"
            messages = [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": again}]
        talk.left = turn.done
        talk.history.append({"role": "assistant", "content": turn.text})
        return turn

    def _ask(
        self, goal: UserGoal, known: Known, messages: list[ChatMessage], calls: list[UserCall], attempt: int
    ) -> str:
        """The model's words, after the tools it wants; what these led to is added to `messages` and kept."""
        tools = self._tools.schemas
        for number in range(MAX_CALLS + 1):
            seed = draw(self._seed, "chat user", self._talk.turn, attempt, number) % 2**31
            more = tools if len(calls) < MAX_CALLS else []
            reply = self._chat.reply(messages, tools=more, seed=seed, temperature=self._temperature)
            wanted = reply.get("tool_calls") or []
            if not wanted or not more:
                break
            content = reply.get("content")
            said: ChatMessage = {"role": "assistant", "content": content or "", "tool_calls": []}
            answers: list[ChatMessage] = []
            for at, raw in enumerate(wanted[: MAX_CALLS - len(calls)]):
                name, arguments = raw["function"]["name"], raw["function"]["arguments"]
                mark = raw["id"] or f"call_{self._talk.turn}_{number}_{at}"
                call, result = self._tools.call(name, arguments, self._talk.heard, known.values)
                if call is not None:
                    calls.append(call)
                    self._learn(goal, name, call)
                function = {"name": name, "arguments": arguments}
                said["tool_calls"].append({"id": mark, "type": "function", "function": function})
                answers.append({"role": "tool", "tool_call_id": mark, "content": result})
            messages += [said, *answers]
            # Also for the turns to come: a result is a source of what may be said.
            self._talk.history += [said, *answers]
        content = reply.get("content")
        return content if isinstance(content, str) else ""

    def _learn(self, goal: UserGoal, name: str, call: UserCall) -> None:
        ability = goal.abilities.get(name)
        if ability is not None and not call.error:
            found = {fact: dig(call.result, path) for fact, path in ability.teaches.items()}
            self._talk.learned |= {fact: value for fact, value in found.items() if value is not None}

    def _turn(self, goal: UserGoal, said: str, calls: list[UserCall], fired: list[str]) -> UserTurn:
        talk = self._talk
        decisions = [point for point in fired if not point.startswith("_")]
        if GIVE_UP in said and "give_up" not in decisions:
            decisions.append("give_up")
        done = STOP in said or "give_up" in decisions
        # Half a surrogate pair is no text, and no trace can hold it.
        said = said.encode("utf-8", "replace").decode("utf-8")
        text = _SPEAKER.sub("", _THOUGHT.sub("", said).replace(STOP, "").replace(GIVE_UP, "")).strip()[:_LONGEST]
        if done and not text:
            text = "Goodbye."
        facts = {name: (fact.type, talk.changed.get(name, fact.value)) for name, fact in goal.facts.items()}
        told = [name for name, (kind, value) in facts.items() if says_value(kind, value, text)]
        return UserTurn(
            text=text, acts=tuple(f"inform:{name}" for name in told), calls=tuple(calls),
            decisions=tuple(decisions), done=done,
        )  # fmt: skip


def chat_user(model: str, population: Population) -> ChatUser:
    """A user played by a model behind an endpoint."""
    return ChatUser(open_chat(f"chat:{model}"), population)


def local_user(path: str, population: Population) -> ChatUser:
    """A user played by a model on this machine.

    Raises:
        ModelError: There is no usable model at `path`.
        PrerequisiteError: It needs packages that are not installed.
    """
    return ChatUser(open_chat(f"local:{path}"), population)
