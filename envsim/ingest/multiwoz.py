"""MultiWOZ dialogues (2.0 to 2.3, ``val.json`` or the zip of it) -> traces with user turns and the user's goal.

One session per dialogue. What the assistant said is a ``say`` step; the user's answer to it is in that
step's ``user`` turn (step 0 holds the opening), with its annotated acts in our vocabulary:
``inform:restaurant_food``, ``dontcare:hotel_area``, ``request:train_price``, ``want:taxi``, ``greet``,
``thank``, ``bye``, and from the words alone ``affirm`` and ``deny``; ``other`` where nothing is annotated.
``header.meta`` holds ``user_goal`` (a `envsim.goal.UserGoal` as JSON), ``agent_acts`` (one list per
step) and ``said`` (one list of ``[fact, words]`` per step: how the user put which fact).

Lost, and counted: belief states; goals of the domains police and hospital, which name none of our facts;
utterances out of turn. The corpus is tokenised; its text is joined up again, and reads as it was typed up to spaces.

Source: Budzianowski et al., "MultiWOZ: a large-scale multi-domain Wizard-of-Oz dataset" (EMNLP 2018); acts as
annotated in MultiWOZ 2.1 (Eric et al., LREC 2020).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from envsim.errors import TraceError
from envsim.goal import Change, Fact, Item, UserGoal
from envsim.ingest.records import Format, Losses, Record, json_or_none, session_name
from envsim.trace import End, Header, Step, Trace
from envsim.types import Action, JsonValue, Message, Observation, UserTurn

MAX_BYTES = 1 << 30
"""A zip that unpacks to more than this is refused: the corpus is a thirtieth of it."""

DOMAINS = ("restaurant", "hotel", "attraction", "train", "taxi")
_WORDS = {
    "restaurant": r"restaurant|place to dine", "hotel": r"hotel|place to stay|guesthouse", "train": r"\btrain",
    "attraction": r"attraction|places to go", "taxi": r"\btaxi",
}  # fmt: skip
_WANT = {
    "restaurant": "find a restaurant", "hotel": "find a place to stay", "attraction": "find an attraction",
    "train": "find a train", "taxi": "book a taxi",
}  # fmt: skip
_SLOTS = {
    "price": "pricerange", "addr": "address", "post": "postcode", "depart": "departure", "dest": "destination",
    "leave": "leaveat", "arrive": "arriveby", "ref": "reference", "ticket": "price", "id": "trainid", "car": "cartype",
    "entrance fee": "fee", "car type": "cartype",
}  # fmt: skip
_REQUESTED = {("train", "time"): "duration"}
_ASK = {
    "address": ("address", "located"), "postcode": ("postcode", "post code"), "phone": ("phone", "number"),
    "reference": ("reference",), "fee": ("fee", "free to enter"), "pricerange": ("price",), "cartype": ("car",),
    "duration": ("long", "travel time", "minutes"), "leaveat": ("leave", "depart"), "arriveby": ("arrive",),
    "trainid": ("train id",), "price": ("price", "pounds", "cost"),
}  # fmt: skip
_AFFIRM = re.compile(r"(yes|yeah|yep|yup|sure|ok|okay|definitely|absolutely|please do|correct)\b", re.IGNORECASE)
_DENY = re.compile(r"(no|nope|nah|not really)\b(?! (preference|problem))", re.IGNORECASE)


def sniff(line: bytes) -> bool:
    """Whether a file whose first line is `line` may hold MultiWOZ dialogues: a zip, or an object that spans lines."""
    return line.startswith(b"PK\x03\x04") or line.partition(b"\n")[0].strip() == b"{" or _is_corpus(json_or_none(line))


def read(path: Path, app: str, losses: Losses) -> Iterator[Record]:
    """The dialogues of one file in name order, see `envsim.ingest.records.Format`."""
    try:
        value = json_or_none(_content(path))
    except TraceError as error:
        yield Record("the whole file", error=str(error))
        return
    if not _is_corpus(value):
        yield Record("the whole file", error='it is no JSON object of dialogues with "goal" and "log"')
        return
    for name in sorted(value):
        raw = json.dumps(value[name], sort_keys=True).encode()
        try:
            trace = to_trace(name, value[name], app=app or "multiwoz", losses=losses)
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{error.errors()[0]['msg']}" if isinstance(error, ValidationError) else type(error).__name__
            yield Record(f"dialogue {name}", error=f"it does not fit the format ({what})", raw=raw)
        else:
            yield Record(f"dialogue {name}", trace, name=(name,), raw=raw)


FORMAT = Format("multiwoz", "MultiWOZ dialogues with goals and acts, as .json or the zip of it", sniff, read)


def to_trace(name: str, dialogue: dict[str, Any], *, app: str, losses: Losses) -> Trace:
    """One dialogue as a trace.

    Raises:
        ValueError: It has no turns, or a goal without any domain of ours; also KeyError, TypeError for other shapes.
    """
    goal = goal_of(dialogue["goal"], losses)
    turns = dialogue["log"]
    if len(turns) < 2:
        raise ValueError("it has no turns")
    if len(turns) % 2 == 0:
        turns = turns[:-1]  # the assistant's last words: nobody answered
    losses["belief states"] += sum(bool(turn.get("metadata")) for turn in turns)
    steps: list[Step] = []
    agent_acts: list[JsonValue] = []
    said: list[JsonValue] = []
    for index in range(0, len(turns), 2):
        before, turn = turns[index - 1] if index else None, turns[index]
        acts, words = user_acts(turn)
        text = join(turn["text"])
        action = None if before is None else Action.say(join(before["text"]))
        agent_acts.append([] if before is None else list(acts_of(before)))
        said.append([list(pair) for pair in words])
        steps.append(
            Step(
                index=len(steps),
                action=action,
                observation=Observation(messages=(Message(role="user", text=text),)),
                user=UserTurn(text=text, acts=acts, done=index == len(turns) - 1),
            )
        )
    meta = {"user": name, "user_goal": goal.model_dump(mode="json"), "agent_acts": agent_acts, "said": said}
    header = Header(
        session=session_name(name), app=app, source="multiwoz", interface="tools", task=session_name(name), meta=meta
    )
    return Trace(header, tuple(steps), End(outcome=None, steps=len(steps)))


# -- the goal --------------------------------------------------------------------------------------


def goal_of(goal: dict[str, Any], losses: Losses) -> UserGoal:
    """The goal of a dialogue in our schema: an item per domain in the order of the instructions, a change of mind
    where the instructions name an alternative.
    """
    message = goal.get("message") or ""
    scenario = re.sub(r"<[^>]*>", "", ". ".join(message) if isinstance(message, list) else str(message))
    text = scenario.lower()
    for other in ("police", "hospital"):
        if goal.get(other):
            losses[f"goals in the domain {other}"] += 1
    wanted = [domain for domain in DOMAINS if goal.get(domain)]
    wanted.sort(key=lambda domain: _first(_WORDS[domain], text))
    facts: dict[str, Fact] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    changes: list[Change] = []
    items = []
    for domain in wanted:
        tells = _facts(domain, goal[domain], "info", facts, changes)
        needs = _facts(domain, goal[domain], "book", facts, changes)
        asked = [_fact(domain, slot) for slot in goal[domain].get("reqt") or ()]
        asked += [f"{domain}_reference"] if goal[domain].get("book") else []
        learns = tuple(name for name in dict.fromkeys(asked) if name not in facts)
        for name in learns:
            slot = name.partition("_")[2]
            unknown[name] = _ASK.get(slot, (slot,))
        items.append(Item(id=domain, want=_WANT[domain], tells=tells, needs=needs, learns=learns))
    return UserGoal(scenario=scenario, facts=facts, unknown=unknown, items=tuple(items), changes=tuple(changes))


def _facts(
    domain: str, wishes: dict[str, Any], part: str, facts: dict[str, Fact], changes: list[Change]
) -> tuple[str, ...]:
    """Add the facts of ``info`` or ``book``, with what is to be tried first (``fail_info``) as the first value."""
    final, first = wishes.get(part) or {}, wishes.get(f"fail_{part}") or {}
    names = []
    for slot, value in {**final, **first}.items():
        if "invalid" in slot or not isinstance(value, str):
            continue
        name = _fact(domain, slot)
        facts[name] = Fact(value=value, reveal="open")
        names.append(name)
        if slot in final and final[slot] != value:
            changes.append(Change(fact=name, value=final[slot], say="How about {value} instead?"))
    return tuple(names)


def _first(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    return match.start() if match else len(text)


# -- acts ------------------------------------------------------------------------------------------


def user_acts(turn: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """What the user did in a turn, sorted, and how it put each fact it told."""
    acts = set(acts_of(turn))
    text = join(turn["text"]).strip()
    if _AFFIRM.match(text):
        acts.add("affirm")
    elif _DENY.match(text):
        acts.add("deny")
    tokens = turn["text"].split()
    words = []
    for act, slot, _value, start, end in turn.get("span_info") or ():
        domain, _, kind = act.partition("-")
        if kind == "Inform" and domain.lower() in DOMAINS and isinstance(start, int) and isinstance(end, int):
            words.append((_fact(domain.lower(), slot), join(" ".join(tokens[start : end + 1]))))
    return tuple(sorted(acts or {"other"})), words


def acts_of(turn: dict[str, Any]) -> tuple[str, ...]:
    """The annotated acts of either side, in our vocabulary, sorted."""
    acts = set()
    for name, pairs in (turn.get("dialog_act") or {}).items():
        domain, _, kind = name.lower().partition("-")
        for slot, value in pairs:
            acts.add(_act(domain, kind, slot.lower(), str(value).lower()))
    return tuple(sorted(acts))


def _act(domain: str, kind: str, slot: str, value: str) -> str:
    if domain == "general":
        return kind
    if slot == "none":
        return f"want:{domain}" if kind == "inform" else f"{kind}:{domain}"
    if kind == "inform" and value in ("dontcare", "do n't care", "don't care"):
        kind = "dontcare"
    if kind == "request" and (domain, slot) in _REQUESTED:
        slot = _REQUESTED[domain, slot]
    return f"{kind}:{_fact(domain, slot)}"


def _fact(domain: str, slot: str) -> str:
    slot = slot.lower()
    return f"{domain}_{_SLOTS.get(slot, slot)}".replace(" ", "_").replace("-", "_")


# -- text ------------------------------------------------------------------------------------------

_JOIN = (
    (re.compile(r"\s+"), " "),
    (re.compile(r" (n't|'s|'m|'d|'ll|'re|'ve)\b", re.IGNORECASE), r"\1"),
    (re.compile(r" ([.,!?;:%)])"), r"\1"),
    (re.compile(r"([($£]) "), r"\1"),
    (re.compile(r"(?<=\d) - (?=\d)"), "-"),
)


def join(text: str) -> str:
    """Tokenised text as a person would have typed it: ``"I do n't mind ."`` -> ``"I don't mind."``."""
    for pattern, new in _JOIN:
        text = pattern.sub(new, text)
    return text.strip()


# -- the file --------------------------------------------------------------------------------------


def _content(path: Path) -> bytes:
    """The JSON of a file or of the only .json member of a zip.

    Raises:
        TraceError: Not readable, not a zip of one such file, or too large.
    """
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".json")]
            if len(members) != 1 or members[0].file_size > MAX_BYTES:
                raise TraceError(f"{path} is not the zip of one .json file of at most 1 GiB. Unpack it first.")
            return archive.read(members[0])
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise TraceError(f"{path} cannot be unpacked: {error}. Download it again.") from None


def _is_corpus(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(item, dict) and "goal" in item and "log" in item for item in value.values())
    )
