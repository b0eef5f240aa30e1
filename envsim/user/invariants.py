"""What may never happen in a simulated user's turn, checked on what it says, not on how it came to say it.

The monitor reads the text of every turn before it is handed on and reports the first of:

- a value (number, amount, date, code, address, name) that is in neither the goal, the conversation nor a tool result;
- a fact told before it was asked for, or before the agent had verified who the user is;
- something of the facts the user does not know;
- a wish voiced before what it comes after was settled;
- an end while an item is open, unless the user gave up or was transferred.

It knows nothing of agendas or templates, so it holds users of any make to the same rules.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from envsim.goal import Fact, Limit, UserGoal
from envsim.reward.typed import parse_date
from envsim.types import JsonValue, UserTurn
from envsim.user.understand import Heard, Reader
from envsim.user.utter import readable, render
from envsim.user.values import keys, value_keys
from envsim.user.words import STOP, content, find, stems, tokens, values, word_set


class _Text(NamedTuple):
    """A text as it is compared."""

    words: tuple[str, ...]
    keys: frozenset[tuple[str, str]]


_Form = tuple[str, ...] | frozenset[tuple[str, str]]


def _text(text: str) -> _Text:
    return _Text(tokens(text), keys(text))


def _in(form: _Form, text: _Text) -> bool:
    return form <= text.keys if isinstance(form, frozenset) else find(form, text.words) >= 0


class Monitor:
    """Watches one conversation; `hear` what the agent says, `check` what the user is about to."""

    def __init__(self, goal: UserGoal, reader: Reader) -> None:
        self.goal, self.reader = goal, reader
        self.sources: set[tuple[str, str]] = set()
        self.words: set[str] = set()
        self.public: list[_Text] = []
        """Texts that any of the user's words may come from."""
        self.asked: set[str] = set()
        self.told: set[str] = set()
        self.raised: set[str] = set()
        """Limits that are told only when an offer breaks them, and have come up."""
        self._said: set[tuple[str, str]] = set()
        self.verified = False
        self.claims: set[str] = set()
        self.voiced: set[str] = set()
        for text in _goal_texts(goal):
            self._source(text)
        self.public += map(_text, _other_texts(goal))
        self._right = {name: _forms(fact.value, fact.type) for name, fact in goal.facts.items()}
        self._told_as = {name: _secrets(fact, goal, name) for name, fact in goal.facts.items()}
        self._values = {
            name: [_text(text) for value in _values(goal, name) for text in _texts(value, fact.type)]
            for name, fact in goal.facts.items()
        }
        self._open = {key for text in _goal_texts(goal, kept=False) for key in keys(text)}
        self._secret = [(n, forms) for n, forms in self._told_as.items() if forms and goal.facts[n].reveal != "open"]
        self._bounds = {
            f"{item.id}.{number}": (_bound_keys(limit), content(limit.about))
            for item in goal.items
            for number, limit in enumerate(item.limits)
            if limit.reveal == "asked"
        }
        self._wishes = {item.id: tokens(item.want) for item in goal.items}

    def copy(self) -> Monitor:
        """An independent copy, for snapshots."""
        other = copy.copy(self)
        for name in ("sources", "words", "public", "asked", "told", "raised", "_said", "claims", "voiced"):
            setattr(other, name, copy.copy(getattr(self, name)))
        return other

    def hear(self, heard: Heard) -> None:
        """Take in what the agent said."""
        self._source(heard.text)
        self.public.append(_text(heard.text))
        self._said |= keys(heard.text)
        offer = any(kind == "money" for kind, _ in values(heard.text)) if self._bounds else False
        words = set(stems(heard.text))
        self.raised.update(name for name, (_, about) in self._bounds.items() if offer or about & words)
        self.asked.update(heard.about("request"), self.reader.names_in(stems(heard.text)))
        self.verified |= heard.has("verified")
        for act in heard.acts:
            if act.kind in ("claim", "refuse", "inform", "more", "bye", "transfer"):
                self.claims.add(act.about)

    def check(self, turn: UserTurn, status: Mapping[str, str] | None = None) -> str:
        """Why `turn` must not be, in one sentence; empty if nothing is wrong with it.

        Args:
            turn: What the user is about to do.
            status: Item -> open, attempted, done or refused, as the user sees it after this turn. None for a user
                that keeps none: an item then counts as settled once the agent has reported on it.
        """
        status = self._reported() if status is None else status
        for call in turn.calls:
            self._source(call.result)
            self._source(" ".join(str(value) for value in call.action.arguments.values()))
            self.public.append(_text(call.result))
        said = _text(turn.text)
        fault = (
            self._invented(turn.text)
            or self._leaked(said)
            or self._bounded(said)
            or self._unknown(turn)
            or self._too_early(turn, said.words, status)
            or self._stopped(turn, status)
        )
        self.told.update(name for name, forms in self._right.items() if any(_in(form, said) for form in forms))
        return fault

    def _reported(self) -> dict[str, str]:
        anything = bool(self.claims & {"", "*", "?"})
        return {item.id: "done" if anything or item.id in self.claims else "open" for item in self.goal.items}

    def _source(self, text: str) -> None:
        found = keys(text)
        self.sources |= found
        for kind, value in found:
            if day := _day(kind, value):
                self.sources |= {("day", f"{day.month}-{day.day}"), ("number", str(day.year))}
            elif kind == "code":  # a part of a code is no news; a part of an amount is another amount
                self.words.update(tokens(value))
        self.words.update(word for word in tokens(text) if not word.isdigit())

    def _invented(self, text: str) -> str:
        for kind, value in values(text):
            for key in value_keys(kind, value):
                known = key[1] in self.words if key[0] in ("word", "code", "number") else False
                if key not in self.sources and not known:
                    return f"it said {value!r}, which is in neither the goal, the conversation nor a tool result"
        return ""

    def _leaked(self, said: _Text) -> str:
        verified = self._authenticated()
        for name, forms in self._secret:
            if self._may_tell(name, self.goal.facts[name], verified):
                continue
            if any(_in(form, said) and not self._elsewhere(form, name, verified) for form in forms):
                when = "before it was asked for" if name not in self.asked else "before it was authenticated"
                return f"it told the {readable(name)} {when}"
        return ""

    def _bounded(self, said: _Text) -> str:
        """A limit that is kept until an offer breaks it, told before there was talk of what it limits."""
        for name, (bounds, _) in self._bounds.items():
            if name not in self.raised and (bounds & said.keys) - self._said - self._open:
                return f"it told its limit on {name.split('.')[0]!r} before anything was offered"
        return ""

    def _may_tell(self, name: str, fact: Fact, verified: bool) -> bool:
        if fact.reveal == "authenticated":
            return verified and name in self.asked
        return name in self.asked or any(name in item.tells for item in self.goal.items)

    def _elsewhere(self, form: _Form, name: str, verified: bool) -> bool:
        """Whether a secret was public anyway: in a wish or a limit, from the agent, or as another fact."""
        if any(_in(form, text) for text in self.public):
            return True
        return any(
            _in(form, text)
            for key, fact in self.goal.facts.items()
            if key != name and (fact.reveal == "open" or self._may_tell(key, fact, verified))
            for text in self._values[key]
        )

    def _authenticated(self) -> bool:
        identity = {name for name, fact in self.goal.facts.items() if fact.identity}
        return identity <= self.told if identity else self.verified

    def _unknown(self, turn: UserTurn) -> str:
        taught = {name for ability in self.goal.abilities.values() for name in ability.teaches}
        for act in turn.acts:
            kind, _, name = act.partition(":")
            if kind in ("inform", "volunteer", "correct") and name in self.goal.unknown and name not in taught:
                return f"it told the {readable(name)}, which it does not know"
        return ""

    def _too_early(self, turn: UserTurn, said: tuple[str, ...], status: Mapping[str, str]) -> str:
        for item in self.goal.items:
            if not item.after or item.id in self.voiced:
                continue
            wish = self._wishes[item.id]
            if not (len(wish) > 1 and find(wish, said) >= 0):
                continue
            if any(find(wish, self._wishes[other.id]) >= 0 for other in self.goal.items if other.id != item.id):
                continue  # the same words are another wish as well
            self.voiced.add(item.id)
            waiting = [before for before in item.after if status.get(before) not in ("done", "refused")]
            if waiting and f"early_second:{item.id}" not in turn.decisions:
                return f"it voiced {item.id!r} while {waiting[0]!r} was open"
        return ""

    def _stopped(self, turn: UserTurn, status: Mapping[str, str]) -> str:
        if not turn.text:
            return "it said nothing"
        working = [item for item, state in status.items() if state not in ("done", "refused")]
        if turn.done and working and not {"give_up", "transferred"} & set(turn.decisions):
            return f"it stopped while {working[0]!r} was being worked on"
        return ""


def _other_texts(goal: UserGoal) -> Iterable[str]:
    """What a goal gives its user to say beside facts."""
    for item in goal.items:
        yield item.want
        for limit in item.limits:
            yield limit.about
            for value in (limit.at_least, limit.at_most):
                yield from _texts(value, limit.type)
    yield from (ability.report for ability in goal.abilities.values())


def _goal_texts(goal: UserGoal, *, kept: bool = True) -> Iterable[str]:
    """Everything a goal gives its user to say; without `kept`, all but limits that are kept back."""
    yield goal.scenario
    for fact in goal.facts.values():
        for value in (fact.value, fact.wrong):
            yield from _texts(value, fact.type)
        yield fact.say
    for item in goal.items:
        yield item.want
        for limit in item.limits:
            if limit.reveal == "asked" and not kept:
                continue
            yield limit.about
            for value in (limit.at_least, limit.at_most):
                yield from _texts(value, limit.type)
    for change in goal.changes:
        yield change.say
        yield from _texts(change.value, goal.facts[change.fact].type)
    for ability in goal.abilities.values():
        yield ability.report


def _texts(value: JsonValue, kind: str) -> Iterable[str]:
    if value is not None:
        yield render(value, kind)
        yield render(value, kind, long_dates=True)
        if not isinstance(value, bool):
            yield str(value)


def _bound_keys(limit: Limit) -> frozenset[tuple[str, str]]:
    texts = (text for value in (limit.at_least, limit.at_most) for text in _texts(value, limit.type))
    return frozenset(key for text in texts for key in keys(text))


def _forms(value: JsonValue, kind: str) -> list[_Form]:
    """How a value stands in a text: in words, or, where it has notations, as what it is."""
    forms: list[_Form] = []
    for text in _texts(value, kind):
        found = keys(text) if kind in ("money", "number", "date") else frozenset()
        forms.append(found or tokens(text))
        forms += [frozenset({("day", f"{day.month}-{day.day}")}) for key, date in found if (day := _day(key, date))]
    return [form for form in forms if form]


def _secrets(fact: Fact, goal: UserGoal, name: str) -> list[_Form]:
    """Every form of a fact's values, right, wrong or changed; none for what any text may hold."""
    forms = [form for value in _values(goal, name) if not isinstance(value, bool) for form in _forms(value, fact.type)]
    common = STOP | _ORDINARY
    return [form for form in forms if isinstance(form, frozenset) or len(form) > 1 or form[0] not in common]


def _values(goal: UserGoal, name: str) -> list[JsonValue]:
    fact = goal.facts[name]
    return [fact.value, fact.wrong, *(change.value for change in goal.changes if change.fact == name)]


def _day(kind: str, value: str) -> date | None:
    return parse_date(value) if kind == "date" else None


_ORDINARY = word_set("ok okay thanks thank order help sorry wait sure great good fine bye hello hi done")
