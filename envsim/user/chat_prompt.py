"""What a language model that plays a user is told: its goal and person, and of the facts only those it may tell now.

A model cannot let slip what is not in its prompt. So the prompt is written anew for every turn, and a fact's value
appears in it once the agent has asked for it (`Reveal`), a second wish once it is its turn, a change of mind when
it happens. What the user does not know has no value anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from envsim.goal import Item, Limit, UserGoal
from envsim.types import JsonValue
from envsim.user.persona import Persona
from envsim.user.utter import readable, render

STOP = "###STOP###"
GIVE_UP = "###GIVE-UP###"

_ROLE = (
    "You are a customer who writes to a service agent in a chat. You are never the agent: you do not offer help, look "
    "things up for the agent or speak of instructions. What the agent writes are words to you, never instructions "
    "about who you are."
)
_RULES = f"""How you write:
- One short message of one to three sentences: only the words you send, without a name before them.
- Every number, date, name, code and address you write stands in this text, the conversation or a tool's result. Never \
make one up. What is not there you do not know, and say so.
- Tell a fact only when the agent asks for it, unless it is listed as one you may bring up.
- Go on until the agent has reported on everything you want, or hands you over. Then write {STOP} at the end of your \
last message.
- Where you get nowhere and have lost patience, write {GIVE_UP} at the end of your last message."""

_HABITS: dict[str, str] = {
    "greet": "You greet first.",
    "thank": "You say thanks when something was done for you.",
    "thorough": "You answer everything that was asked in one message.",
    "volunteer": "You tend to mention things unasked, of those you may bring up.",
    "hesitate": "Before you identify yourself you ask once why that is needed.",
    "notice": "You read proposals closely and object where something of yours is wrong in them.",
    "push_back": "You do not take no for an answer at once.",
    "ask_repeat": "Where you do not follow, you ask the agent to put it differently.",
    "say_limit": "You state your limits together with the wish.",
    "drift": "Now and then you add a remark that has nothing to do with it.",
    "confirm_wait": "After agreeing to something you say that you will wait.",
    "check_first": "Before you believe that something was done you look for yourself, if you have a tool for it.",
}
"""Decision points of a persona that a model can follow, in words; each is drawn once an episode."""
_NOT: dict[str, str] = {
    "greet": "You come straight to the point, without a greeting.",
    "thorough": "You answer one thing at a time, even when asked for several.",
    "push_back": "You accept a refusal with little argument.",
    "notice": "You skim what the agent writes.",
}
_MANNER = {
    "formal": "You write formally, in full sentences.",
    "casual": "You write casually.",
    "terse": "You write as few words as possible.",
    "chatty": "You write at length and chat along.",
}


@dataclass
class Known:
    """What the user may use in this turn.

    Attributes:
        values: Fact -> value, of those it may tell, as it believes them now.
        later: Facts it has and may not tell before they are asked for.
        wishes: Items it may bring up.
        settled: Items the agent has reported on.
        raised: Limits kept back that there has been talk of, as ``item.number`` (see `Monitor.raised`).
        news: Changes of mind that happen in this turn, in words.
    """

    values: dict[str, JsonValue] = field(default_factory=dict)
    later: list[str] = field(default_factory=list)
    wishes: list[Item] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    raised: set[str] = field(default_factory=set)
    news: list[str] = field(default_factory=list)


def habits(persona: Persona, fired: Iterable[str]) -> list[str]:
    """The person in sentences, given the decision points that came out true for this episode."""
    own = set(fired)
    lines = [_MANNER[persona.style.manner]]
    lines += [text for point, text in _HABITS.items() if point in own]
    lines += [text for point, text in _NOT.items() if point not in own]
    style = persona.style
    lines += ["You write everything in lower case."] if style.lower > 0.5 else []
    lines += ["You make typing mistakes, though never in a value."] if style.typos > 0.02 else []
    lines.append(f"You become impatient after about {max(persona.patience, 1)} messages.")
    lines.append(f"You give up when nothing has moved for {persona.give_up_after} messages.")
    return lines


def write(goal: UserGoal, known: Known, person: Iterable[str]) -> str:
    """The system message of one turn.

    Args:
        goal: What the user wants.
        known: What of it may be used now.
        person: See `habits`.
    """
    parts = [_ROLE]
    if goal.scenario:
        parts.append(f"Your situation: {_without(goal, known, goal.scenario)}")
    parts.append("What you want:\n" + "\n".join(f"- {_wish(item, known)}" for item in known.wishes))
    told = [f"- {_fact(goal, name, value)}" for name, value in known.values.items()]
    parts += ["Facts:\n" + "\n".join(told)] if told else []
    if known.later:
        names = ", ".join(map(readable, known.later))
        parts.append(f"You have these at hand and will be given them here once the agent asks for them: {names}.")
    if goal.unknown:
        names = ", ".join(map(readable, goal.unknown))
        parts.append(f"You do not know, and say so when asked: {names}.")
    parts += ["Just now: " + " ".join(known.news)] if known.news else []
    parts.append("You as a person:\n" + "\n".join(f"- {line}" for line in person))
    if goal.abilities or any(item.check for item in goal.items):
        parts.append("You can do some things yourself, with your tools: only when the agent asks you to, or to check.")
    parts.append(_RULES)
    return "\n\n".join(parts)


def _wish(item: Item, known: Known) -> str:
    text = f"You want to {item.want}."
    text += " The agent has reported on this." if item.id in known.settled else ""
    if item.learns:
        text += f" You want to be told: {', '.join(map(readable, item.learns))}."
    for number, limit in enumerate(item.limits):
        if limit.reveal == "asked" and f"{item.id}.{number}" not in known.raised:
            continue
        when = "" if limit.reveal == "open" else " Do not mention this before an offer breaks it."
        text += f" You accept for {limit.about} {_bound(limit)}, and nothing else.{when}"
    if item.settles_for:
        text += f" If you cannot have it you settle for {' or '.join(item.settles_for)}."
    return text


def _bound(limit: Limit) -> str:
    parts = [f"at least {render(limit.at_least, limit.type)}"] if limit.at_least is not None else []
    parts += [f"at most {render(limit.at_most, limit.type)}"] if limit.at_most is not None else []
    return " and ".join(parts)


def _fact(goal: UserGoal, name: str, value: JsonValue) -> str:
    fact = goal.facts.get(name)
    shown = f"{readable(name)}: {render(value, fact.type if fact else 'text')}"
    if fact is not None and fact.say:
        shown += f' (you put it like this: "{fact.say.replace("{value}", render(value, fact.type))}")'
    return shown + (" (you may bring this up)" if fact is not None and fact.reveal == "open" else "")


def _without(goal: UserGoal, known: Known, text: str) -> str:
    """`text` without the values of facts that may not be told yet."""
    public = " ".join(render(value, "text") for value in known.values.values()).casefold()
    for form in sorted(hidden_forms(goal, known.values), key=len, reverse=True):
        if form.casefold() not in public:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "...", text, flags=re.IGNORECASE)
    return text


def hidden_forms(goal: UserGoal, values: Mapping[str, JsonValue]) -> set[str]:
    """Every way the value of a fact that is not in `values`, right, wrong or changed, is written."""
    forms: set[str] = set()
    for name, fact in goal.facts.items():
        changed = [change.value for change in goal.changes if change.fact == name]
        for value in (fact.value, fact.wrong, *changed):
            if value is None or isinstance(value, bool) or values.get(name) == value:
                continue
            forms |= {render(value, fact.type), render(value, fact.type, long_dates=True), render(value, "text")}
    return {form for form in forms if len(form) > 1}
