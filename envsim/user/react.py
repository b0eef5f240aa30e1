"""How a user reacts to what it understood: pushes onto the agenda, and what must be said at once.

One `Reaction` is one turn. It changes the state, uses the user's hands, and leaves in `now` the
dialogue acts that belong to this turn alone; `envsim.user.agenda` adds what it pops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envsim.goal import Ability, Change, FactType, Item, UserGoal
from envsim.types import JsonValue, UserCall
from envsim.user.base import Hands
from envsim.user.decisions import Decisions
from envsim.user.offers import breaks, settles
from envsim.user.state import State, Task, dig
from envsim.user.understand import Heard
from envsim.user.values import says_value, value_in

_SLOT = re.compile(r"\{(said|fact|result)(?:\.([\w.-]+))?\}")
_WHETHER = re.compile(r"\b(?:have|did) you\b", re.I)
MAX_CALLS = 4
"""Operations of its own a user carries out in one turn."""


class Reaction:
    """The user's answer to one message, in the making."""

    def __init__(self, goal: UserGoal, state: State, decisions: Decisions, hands: Hands | None) -> None:
        self.goal, self.state, self.decide, self.hands = goal, state, decisions, hands
        self.persona = decisions.persona
        self.items = {item.id: item for item in goal.items}
        self.now: list[Task] = []
        self.reports: dict[str, str] = {}
        self.calls: list[UserCall] = []
        self.asked_now: list[str] = []

    def to(self, heard: Heard) -> None:
        """React to a message."""
        self.state.verified |= heard.has("verified")
        self._requests(heard)
        self._deeds(heard)
        self._not_found(heard)
        changed = self._change_of_mind(heard)
        if heard.has("transfer"):
            self._transfer()
            return
        if not changed:
            self._confirmations(heard)
        self._informs(heard)
        if not changed:
            claimed = self._claims(heard)
            self._refusals(heard, claimed)
        self._otherwise(heard)

    def _say(self, kind: str, about: str = "") -> None:
        if (kind, about) not in self.now:
            self.now.append((kind, about))

    # What the agent asks for.

    def _requests(self, heard: Heard) -> None:
        state = self.state
        if state.verified or state.authenticated(self.goal):
            for name in [name for name in state.withheld if state.authenticated(self.goal)]:
                state.withheld.remove(name)
                self._ask(name)
        for name in dict.fromkeys([*heard.about("request"), *self._meant_to_ask(heard)]):
            if name not in state.values and (ability := self._teacher(name)):
                self._perform(ability, heard.text)
            if name in state.values:
                self._request(name)
            elif (name in self.goal.unknown and name not in state.informed) or (
                self._teacher(name) and ("cannot", self._teacher(name)) not in self.now
            ):
                self._say("unknown", name)
        # What was asked first is on top; what was told before comes last, or asking twice would get the first twice.
        self.asked_now.sort(key=lambda name: name in state.told)
        for name in reversed(self.asked_now):
            state.push("inform", name)

    def _meant_to_ask(self, heard: Heard) -> list[str]:
        """Of the facts only named, those that are owed: of a pending wish or the identity, and not told rightly."""
        pending, facts, state = [self.items[name] for name in self.state.pending()], self.goal.facts, self.state
        owed = {name for item in pending for name in item.needs + item.tells}
        owed |= {name for name, fact in facts.items() if fact.identity}
        return [n for n in heard.about("mention") if n in owed and (n not in state.told or n in state.wrong)]

    def _request(self, name: str) -> None:
        fact, state = self.goal.facts.get(name), self.state
        if fact is None:
            self._ask(name)
        elif name in state.wrong:
            self._say("correct", name)
        elif fact.reveal == "authenticated" and not state.authenticated(self.goal):
            self._say("withhold", name)
            if name not in state.withheld:
                state.withheld.append(name)
        elif fact.identity and name not in state.told + state.hesitated and self.decide.chance("hesitate", name):
            state.hesitated.append(name)
            state.push("inform", name)
            self._say("hesitate", name)
        else:
            self._ask(name)

    def _ask(self, name: str) -> None:
        self.state.push("inform", name)
        self.asked_now = [*(other for other in self.asked_now if other != name), name]
        if name not in self.state.asked:
            self.state.asked.append(name)

    # Dual control.

    def _teacher(self, name: str) -> str | None:
        return next((a for a, ability in self.goal.abilities.items() if name in ability.teaches), None)

    def _deeds(self, heard: Heard) -> None:
        for name in heard.about("do"):
            done = self.state.deeds.get(name)
            if done == "done" and all(_WHETHER.search(act.text) for act in heard.acts if act[:2] == ("do", name)):
                self._say("inform_yes", name)  # "Did you add it?" is no request to add another
            elif done is None and self.decide.chance("claim_undone", name):
                self.state.deeds[name] = "claimed"
                self.state.said_for[name] = heard.text
                self._say("claim", name)
            elif self._perform(name, heard.text) and done == "claimed":
                self.decide.note(f"admit:{name}")
                self._say("admit", name)

    def _perform(self, name: str, said: str) -> bool:
        """Carry out an ability of the user; whether it worked."""
        ability = self.goal.abilities[name]
        arguments = self._arguments(ability, said)
        if arguments is not None:
            self.state.said_for[name] = said
        elif name in self.state.said_for:  # it was told what to enter when it was asked first
            arguments = self._arguments(ability, self.state.said_for[name])
        if arguments is None:
            self._say("what_exactly", name)
            return False
        call = self._call(ability.tool, arguments)
        # A refusal teaches too: what the page says is wrong can be told when it is asked for.
        learned = {fact: dig(call.result, path) for fact, path in ability.teaches.items()} if call else {}
        self.state.values |= {fact: value for fact, value in learned.items() if value is not None}
        if call is None or call.error or dig(call.result, "error"):
            self.state.deeds[name] = "failed"
            self._say("cannot", name)
            return False
        self.state.deeds[name] = "done"
        self.reports[name] = _SLOT.sub(lambda slot: _plain(dig(call.result, slot[2] or "")), ability.report)
        self._say("did", name)
        return True

    def _call(self, tool: str, arguments: dict[str, JsonValue]) -> UserCall | None:
        if self.hands is None or len(self.calls) >= MAX_CALLS:
            return None
        call = self.hands.call(tool, arguments)
        self.calls.append(call)
        return call

    def _arguments(self, ability: Ability, said: str) -> dict[str, JsonValue] | None:
        out: dict[str, JsonValue] = {}
        for name, raw in ability.arguments.items():
            if not isinstance(raw, str):
                out[name] = raw
            elif slot := _SLOT.fullmatch(raw):
                out[name] = _read(said, ability.reads) if slot[1] == "said" else self.state.values.get(slot[2] or "")
            else:
                out[name] = _SLOT.sub(lambda part: _plain(self.state.values.get(part[2] or "")), raw)
        return None if None in out.values() else out

    # What went wrong, and second thoughts.

    def _not_found(self, heard: Heard) -> None:
        if not heard.has("not_found", "unverified"):
            return
        doubted = [name for name in heard.about("not_found") if name in self.goal.facts]
        wrong = [name for name in self.state.wrong if name in doubted] or list(self.state.wrong)
        for name in wrong:
            self._say("correct", name)
        if not wrong and not self.asked_now and not self.now:
            for name in doubted or [name for name in self.state.told if name in self.goal.facts][-1:]:
                self._request(name)

    def _change_of_mind(self, heard: Heard) -> bool:
        """Announce a change that is due; whether one was."""
        pressed = heard.has("confirm", "claim")
        for number, change in enumerate(self.goal.changes):
            if number in self.state.changed or change.fact not in self.state.told or self._unvoiced(change):
                continue
            if change.when == "confirm" and not pressed:
                continue
            if pressed or self.decide.chance("mind_change", change.fact):
                self.decide.note(f"changed:{change.fact}")
                self.state.changed.append(number)
                self.state.values[change.fact] = change.value
                self.state.drop("inform", change.fact)
                if change.fact in self.state.wrong:
                    self.state.wrong.remove(change.fact)
                self.reports[f"change {change.fact}"] = change.say
                self._say("change", change.fact)
                return True
        return False

    def _unvoiced(self, change: Change) -> bool:
        owners = [item.id for item in self.goal.items if change.fact in item.tells + item.needs]
        return bool(owners) and not any(owner in self.state.pending() for owner in owners)

    # Proposals.

    def _confirmations(self, heard: Heard) -> None:
        acts = [act for act in heard.acts if act.kind in ("confirm", "extra")]
        if not acts or not (pending := self.state.pending()):
            return
        about = [act.about for act in acts if act.kind == "confirm" and act.about in pending]
        items = [self.items[name] for name in dict.fromkeys(about or pending[:1])]
        # "I can't do that, but ... Is that okay?" proposes something else, unless it names the user's own wish.
        if all(act.kind == "extra" for act in acts) or (heard.has("refuse") and not about):
            settled = [self.items[name] for name in pending if settles(self.items[name], acts)]
            if settled or any(self._mine(act.text) for act in acts):
                self._affirm(settled)
            else:
                self._say("negate")
            return
        for item in items:
            if broken := self._broken(item, heard.text):
                self._say("negate")
                self._say("limit", broken)
                return
        for name in self._mistaken(heard):
            self._say("correct" if name in self.state.wrong else "object", name)
        if not any(kind in ("correct", "object") for kind, _ in self.now):
            self._affirm(items)

    def _mine(self, text: str) -> bool:
        """Whether a proposal names something the user has told of itself."""
        facts = (
            (self.goal.facts[name], self.state.values[name]) for name in self.state.told if name in self.goal.facts
        )
        return any(isinstance(value, str) and says_value(fact.type, value, text) for fact, value in facts)

    def _affirm(self, items: list[Item]) -> None:
        self._say("affirm")
        for item in items:
            self.state.status[item.id] = "attempted"
        if self.decide.chance("confirm_wait"):
            self._say("wait")

    def _broken(self, item: Item, text: str) -> str | None:
        """The first limit of `item` that an offer in `text` breaks, as item.number."""
        for number, limit in enumerate(item.limits):
            if breaks(limit, text):
                return f"{item.id}.{number}"
        return None

    def _mistaken(self, heard: Heard) -> Iterator[str]:
        """Facts the agent's proposal has another value for than the user's own."""
        for name in list(self.state.told):
            fact = self.goal.facts.get(name)
            if fact is None or says_value(fact.type, self.state.values[name], heard.text):
                continue
            if name in self.state.wrong and says_value(fact.type, fact.wrong, heard.text):
                yield name
                continue
            older = [fact.value, *(change.value for change in self.goal.changes if change.fact == name)]
            if any(says_value(fact.type, value, heard.text) for value in older) and self.decide.chance("notice", name):
                yield name

    # Reports.

    def _informs(self, heard: Heard) -> None:
        for name in heard.about("inform"):
            if name not in self.state.informed:
                self.state.informed.append(name)
                self.state.drop("ask", name)
        for item in self.state.pending():
            wanted = self.items[item]
            if wanted.learns and not wanted.done_words and not self._unlearned(wanted):
                self._close(item)

    def _unlearned(self, item: Item) -> list[str]:
        return [name for name in item.learns if name not in self.state.informed]

    def _claims(self, heard: Heard) -> list[str]:
        pending = self.state.pending()
        claimed: list[str] = []
        for about in heard.about("claim"):
            claimed += self._meant(about)
        quiet = not heard.has("refuse", "blocked", "failed", "not_found", "request", "confirm", "unverified", "claim")
        if quiet and heard.has("more", "bye"):
            claimed += [item for item in pending if self.state.status[item] == "attempted"]
        for name in dict.fromkeys(claimed):
            self._accept(self.items[name], heard)
        return claimed

    def _meant(self, about: str) -> list[str]:
        """The voiced items an agent's claim is about."""
        pending = self.state.pending()
        if about == "?":  # something was done: this, unless its own words would have said so
            return [item for item in pending[:1] if not self.items[item].done_words]
        return [about] if about in pending else pending if about == "*" else [] if about else pending[:1]

    def _accept(self, item: Item, heard: Heard) -> None:
        if self.state.closed(item.id):
            return
        if missing := self._unlearned(item):
            for name in missing:
                self.state.push("ask", name)
        elif broken := self._broken(item, heard.text):
            self._say("limit", broken)
        elif self._seen_undone(item):
            self._say("contradict", item.id)
        else:
            self._close(item.id)

    def _seen_undone(self, item: Item) -> bool:
        """Whether the user looked for itself and found the item not done."""
        if item.check is None or self.hands is None or not self.decide.chance("check_first", item.id):
            return False
        arguments = self._arguments(Ability(tool=item.check.tool, arguments=item.check.arguments, ask=("",)), "")
        call = self._call(item.check.tool, arguments or {})
        if call is None or call.error:
            return False
        seen = dig(call.result, item.check.path)
        return not seen if item.check.equals is None else seen != item.check.equals

    def _close(self, item: str) -> None:
        self.state.status[item] = "done"
        if self.decide.chance("thank", item):
            self._say("thanks")

    def _refusals(self, heard: Heard, claimed: list[str]) -> None:
        pending = self.state.pending()
        # "I can't change that for you; please do it in your account" hands over, it refuses nothing.
        named = [] if heard.has("do") else [about for about in heard.about("refuse") if about != "?"]
        if heard.has("refuse") and not heard.has("do") and not named:
            self.state.doubts += 1
            named = [""] if self.state.doubts > 1 else []
        elif heard.acts:
            self.state.doubts = 0
        offers = [act for act in heard.acts if act.kind in ("extra", "confirm")]
        offered = [act.about for act in offers if act.kind == "confirm"]
        for about in named:
            for name in [about] if about in pending else [] if about else pending[:1]:
                if name in claimed + offered or settles(self.items[name], offers):
                    continue
                argued = self.state.argued.get(name, 0)
                if argued < self.persona.push_back_most and self.decide.chance("push_back", name):
                    self.state.argued[name] = argued + 1
                    self._say("push_back", name)
                else:
                    self.state.status[name] = "refused"
                    self._say("accept_refusal", name)

    def _transfer(self) -> None:
        self.decide.note("transferred")
        for item in self.state.pending():
            self.state.status[item] = "refused"
        self.now = [("ack", "")]
        self.state.left = True

    def _otherwise(self, heard: Heard) -> None:
        """What is said where nothing else was called for."""
        if self.now or self.asked_now:
            return
        pending = self.state.pending()
        fresh = any(kind == "ask" for kind, _ in self.state.agenda) or not pending
        if heard.has("inform") or fresh:
            return
        if heard.has("help", "more", "bye", "choice", "claim", "refuse"):
            self._say("restate", pending[0])
        elif heard.has("wait", "failed", "verified", "blocked", "thanks", "transfer"):
            self._say("wait" if heard.has("wait") else "ack")
        elif heard.has("question"):  # "I don't know" to what was not understood would be an answer, and a false one
            self._say("no_idea" if any(heard.about("question")) else "repeat")
        elif heard.has("greet", "apology", "not_found", "unverified"):
            self._say("restate", pending[0])
        elif self.decide.chance("ask_repeat"):
            self._say("repeat")
        else:
            self._say("restate", pending[0])


def _read(said: str, kind: FactType | None) -> JsonValue:
    """What the agent said, as a value of the tool's: an order number is a number, whatever stands around it."""
    value = value_in(said, kind)
    digits = (value or "").lstrip("#")
    return int(digits) if kind == "number" and digits.isdecimal() else value


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
