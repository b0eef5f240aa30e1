"""What an agent's message means to a user with a goal: a rule-based reader of free text.

Fast, deterministic and total: any text gives acts, none raises. Read sentence by sentence, with the
cues of `envsim.user.cues`; what a sentence is about is found by the words of the goal (facts, unknown
facts, items, abilities), compared as stems. It errs on the side of the user not understanding: an act
is reported only where a cue says so. A sentence without any that speaks to the user and names a fact is a
``mention``: whether it asks for it is for the user to judge, who knows what is still owed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from envsim.goal import UserGoal
from envsim.user import cues
from envsim.user.words import Sentence, content, find, sentences, stem, stems, values

KINDS = (
    "request", "mention", "question", "help", "confirm", "choice", "extra", "claim", "refuse", "blocked", "failed",
    "not_found", "verified", "unverified", "do", "inform", "wait", "more", "greet", "bye", "thanks", "transfer",
    "apology",
)  # fmt: skip
"""Every kind of act the reader reports."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "email": ("mail address", "email", "mail"), "phone": ("phone", "telephone", "mobile", "cell"),
    "zip": ("zip", "postcode", "postal code", "post code"), "postcode": ("zip", "postcode", "postal code"),
    "birth": ("birthday", "date of birth", "born", "dob", "birth date"), "name": ("full name", "first and last name"),
    "address": ("address",), "reason": ("reason", "why", "what prompted", "wrong with", "led you to"),
    "quantity": ("quantity", "how many"), "date": ("what day", "which day"), "size": ("what size",),
    "color": ("colour", "color"), "colour": ("colour", "color"), "code": ("code", "passcode"),
}  # fmt: skip
"""Other words for the words that fact names often hold."""


class Act(NamedTuple):
    """One thing an agent's message does."""

    kind: str
    about: str = ""
    """A fact, unknown fact, item or ability of the goal; empty: nothing in particular; of claims and refusals,
    ``*``: everything, ``?``: perhaps something else."""
    text: str = ""
    """The sentence that did it."""


class Heard(NamedTuple):
    """A message as understood."""

    text: str
    acts: tuple[Act, ...]

    def about(self, kind: str) -> list[str]:
        """What the acts of `kind` are about, each once, in order."""
        return list(dict.fromkeys(act.about for act in self.acts if act.kind == kind))

    def has(self, *kinds: str) -> bool:
        """Whether there is an act of one of `kinds`."""
        return any(act.kind in kinds for act in self.acts)


Phrases = list[tuple[tuple[str, ...], str]]


class Reader:
    """Reads messages for one goal; compiled once per episode, holds no state of the conversation."""

    def __init__(self, goal: UserGoal) -> None:
        taught = {name for ability in goal.abilities.values() for name in ability.teaches}
        asks = dict.fromkeys(taught, ()) | {name: fact.ask for name, fact in goal.facts.items()} | goal.unknown
        self._named = _by_first(_phrases(asks))
        self._unknown = frozenset(goal.unknown)
        self._choices = [
            (name, stems(fact.value))
            for name, fact in goal.facts.items()
            if isinstance(fact.value, str) and 2 < len(fact.value) <= 40 and not any(c.isdigit() for c in fact.value)
        ]
        self._abilities = [(name, [stems(words) for words in ability.ask]) for name, ability in goal.abilities.items()]
        self._items = [
            (item.id, [stems(words) for words in item.done_words], content(item.want)) for item in goal.items
        ]

    def read(self, text: str) -> Heard:
        """The acts of `text`, in order; none where nothing was recognised."""
        acts: dict[tuple[str, str], Act] = {}
        for sentence in sentences(text):
            for act in self._acts(sentence):
                acts.setdefault(act[:2], act)
        found = tuple(acts.values())
        if any(act.kind == "refuse" for act in found):  # "I can't do that. Is that okay?" proposes nothing
            found = tuple(act for act in found if act.kind != "claim" or act.about)
        return Heard(text, found)

    def items_in(self, words: tuple[str, ...], *, loose: bool = False) -> list[str]:
        """The items `words` speak of: by their ``done_words``, else, of those that declare none, by their own.

        Where the same words mean several items, those with more of their wish in common. With `loose`, any
        item's own words will do.
        """
        present = set(words)
        said = {item: {p for p in done if find(p, words) >= 0 or _prefixed(p, words)} for item, done, _ in self._items}
        shared = {item: len(want & present) for item, done, want in self._items if loose or not done}
        if any(said.values()):
            wish = {item: len(want & present) for item, _, want in self._items}
            return [
                item
                for item, phrases in said.items()
                if phrases and not any(phrases <= other and wish[item] < wish[name] for name, other in said.items())
            ]
        best = max(shared.values(), default=0)
        return [item for item, count in shared.items() if count == best] if best else []

    def names_in(self, words: tuple[str, ...]) -> list[str]:
        """Facts and unknown facts named in `words`, in order; a longer name hides a shorter one within it."""
        found: dict[str, None] = {}
        end = 0
        for at, word in enumerate(words):
            if at < end:
                continue
            for phrase, name in self._named.get(word, ()):
                if words[at : at + len(phrase)] == phrase:
                    found[name] = None
                    end = at + len(phrase)
                    break
        return list(found)

    def _acts(self, sentence: Sentence) -> Iterator[Act]:
        low, text = sentence.low, sentence.text
        before = 0
        for act in (*self._requests(sentence), *self._proposals(sentence), *self._reports(sentence)):
            before += 1
            yield act
        for kind, pattern in (("more", cues.MORE), ("bye", cues.BYE), ("wait", cues.WAIT)):
            if pattern.search(low):
                before += kind != "wait"
                yield Act(kind, "", text)
        if cues.HELP.search(low) and not cues.MORE.search(low) and not before:
            before += 1
            yield Act("help", "", text)
        if cues.GREET.search(low):
            yield Act("greet", "", text)
        if cues.SORRY.search(low):
            yield Act("apology", "", text)
        if cues.THANKS.search(low):
            yield Act("thanks", "", text)
        if before:
            return
        if not cues.WAIT.search(low) and _unsaid(sentence):
            yield from (Act("mention", name, text) for name in self.names_in(sentence.words))
        if sentence.question:  # about what the user does not know itself, or about nothing it made out
            unknown = next((name for name in self.names_in(sentence.words) if name in self._unknown), "")
            yield Act("question", unknown, text)

    def _requests(self, sentence: Sentence) -> Iterator[Act]:
        """Facts asked for, and deeds."""
        low = sentence.low
        if cues.NO_REQUEST.search(low):
            return
        doing = self._doing(sentence)
        yield from (Act("do", name, sentence.text) for name in doing)
        if doing:
            tell = cues.AND_TELL.search(low)  # "Check your inbox and tell me the code"
            told = self.names_in(stems(low[tell.end() :])) if tell else []
            yield from (Act("request", name, sentence.text) for name in told)
            return
        lead = sentence.lead.casefold()
        match = cues.REQUEST.search(low)
        listed = bool(lead) and (cues.REQUEST.search(lead) is not None) and not cues.CONFIRM.search(lead)
        if match is not None:
            scope = low[match.start() :]
            if match[0].endswith(("required", "needed", "missing")):
                scope = low
        elif listed or (sentence.question and len(sentence.words) <= 8 and not cues.CONFIRM.search(low)):
            scope = low
        else:
            yield from self._chosen(sentence)
            return
        cut = cues.PURPOSE.search(scope, min(len(scope), 8))
        names = self.names_in(stems(scope[: cut.start()] if cut else scope))
        if not names and cut:
            names = self.names_in(stems(scope))[: None if _BOTH.search(scope) else 1]
        if not names and match is not None and _THEM.search(scope):  # "By email and postcode - could you send both?"
            names = self.names_in(stems(low[: match.start()]))
        if names:
            yield from (Act("request", name, sentence.text) for name in names)
        else:
            yield from self._chosen(sentence)

    def _chosen(self, sentence: Sentence) -> Iterator[Act]:
        """Facts whose value is among the options of a question."""
        if sentence.question and " or " in sentence.low:
            for name, value in self._choices:
                if find(value, sentence.words) >= 0:
                    yield Act("request", name, sentence.text)

    def _doing(self, sentence: Sentence) -> list[str]:
        """Abilities of the user that a sentence asks for."""
        if not self._abilities:
            return []
        # "I can't change it, but you can remove it yourself": what is negated asks for nothing, the rest may.
        asking = " but ".join(part for part in cues.TURN.split(sentence.low) if not cues.NEGATION.search(part))
        asking = cues.TELL_ME.sub("", asking)  # "Could you tell me what your cart shows?" is no wish to fill it
        listed = bool(sentence.lead) and cues.DO.search(sentence.lead.casefold()) is not None
        if not asking or (not listed and cues.DO.search(asking) is None):
            return []
        words = stems(asking)
        found = {name: max((len(p) for p in asks if find(p, words) >= 0), default=0) for name, asks in self._abilities}
        best = max(found.values())
        return [name for name, size in found.items() if size == best] if best else []

    def _proposals(self, sentence: Sentence) -> Iterator[Act]:
        """What the user is asked to agree to."""
        low, text = sentence.low, sentence.text
        if not cues.CONFIRM.search(low) or cues.MORE.search(low) or cues.WHICH.search(low):
            return
        named = self.names_in(sentence.words)
        if named and not sentence.question and not any(values(text)) and "confirm" in low:
            return  # "Please confirm your email address." asks for it
        items = self.items_in(sentence.words)
        other = cues.OTHER.search(low)
        if (other and not set(stems(other["what"])) & self._words_of(items)) or (cues.EXTRA.search(low) and not items):
            yield Act("extra", "", text)
        elif sentence.question and "would you like" in low and cues.CHOICE.search(low):
            yield Act("choice", "", text)
        elif items:
            yield from (Act("confirm", item, text) for item in items)
        elif not named or any(values(text)) or not cues.REQUEST.search(low):
            yield Act("confirm", "", text)

    def _reports(self, sentence: Sentence) -> Iterator[Act]:
        """What an assertion reports: done, refused, failed, found out."""
        low, text = sentence.low, sentence.text
        if cues.CONDITION.search(low):
            return
        if cues.UNVERIFIED.search(low):
            yield Act("unverified", "", text)
            yield from (Act("not_found", name, text) for name in self.names_in(sentence.words))
        elif cues.NOT_FOUND.search(low):
            yield from (Act("not_found", name, text) for name in self.names_in(sentence.words) or [""])
        elif cues.TRANSFER.search(low) and not sentence.question:
            if not cues.NEGATION.search(low) and not _MAYBE.search(low):
                yield Act("transfer", "", text)
        elif cues.REFUSE.search(low) and not sentence.question:
            kind = "blocked" if cues.BLOCKED.search(low) else "refuse"
            vague = "" if cues.VAGUE.search(low) else "?"
            yield from (Act(kind, item, text) for item in self.items_in(sentence.words, loose=True) or [vague])
            return
        elif cues.FAILED.search(low):
            yield Act("failed", "", text)
        if cues.VERIFIED.search(low) and not cues.NEGATION.search(low):
            yield Act("verified", "", text)
        if sentence.question:
            return
        yield from self._claims(sentence)
        if self._unknown and not cues.NEGATION.search(low) and not cues.WAIT.search(low):
            for name in self.names_in(sentence.words):
                if name in self._unknown and _tells(sentence):
                    yield Act("inform", name, text)

    def _claims(self, sentence: Sentence) -> Iterator[Act]:
        if cues.HEDGE.search(sentence.lead.casefold()):
            return  # "Here is what I will do:" and a list of it
        for clause in _CLAUSE.split(sentence.low):
            match = cues.CLAIM.search(clause)
            if match is None:
                continue
            ahead = _SEEN.sub("", clause[: match.start()])
            if cues.HEDGE.search(ahead) or cues.NEGATION.search(ahead) or cues.NEGATION.search(match[0]):
                continue
            deed = next((group for group in match.groups() if group), "done").split()[0]
            items = self.items_in(stems(clause)) or self.items_in(sentence.words)
            closes = stem(deed) in self._words_of(items) or (
                deed in cues.SET_UP and items and not cues.ABOUT_IT.search(clause)
            )
            if deed in cues.NOT_DEEDS and not closes:
                continue
            nothing = "*" if cues.ALL.search(clause) else "" if deed in cues.GENERIC else "?"
            yield from (Act("claim", item, sentence.text) for item in items or [nothing])

    def _words_of(self, items: Iterable[str]) -> set[str]:
        """Stems that mean one of `items`."""
        own = [(done, want) for name, done, want in self._items if name in items]
        return {word for done, want in own for phrase in (done or [tuple(want)]) for word in phrase}


_BOTH = re.compile(r"\b(?:and|both)\b|&")
_THEM = re.compile(r"\b(?:both|them|these|those)\b")
_MAYBE = re.compile(r"\b(?:if|would you|shall|should|can|could|may|might|recommend|suggest)\b")
_SEEN = re.compile(r"\b(?:i|we) can (?:now )?see\b")
_CLAUSE = re.compile(r", (?:and|but|so|which)\b|,(?= (?:i|we|it|you|your|the)\b)|\bbut\b| - ")


def _tells(sentence: Sentence) -> bool:
    """Whether an assertion holds an answer: a value, or something that 'is'."""
    if any(values(sentence.text)):
        return True
    return re.search(r"(?:\b(?:is|are|will be|was|were|means)\b|'s\b|:) \w", sentence.low) is not None


def _unsaid(sentence: Sentence) -> bool:
    """Whether a sentence without a cue may ask for what it names: it wishes something, and reports nothing."""
    low = sentence.low
    if any(values(sentence.text)) or any(
        cue.search(low) for cue in (cues.NO_MENTION, cues.NO_REQUEST, cues.NEGATION, cues.REFUSE, cues.CLAIM)
    ):
        return False
    return sentence.question or cues.WISH.search(low) is not None


def _prefixed(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Whether a single stem of four letters or more begins one of `words`: refund, refundable."""
    return len(phrase) == 1 and len(phrase[0]) > 3 and any(word.startswith(phrase[0]) for word in words)


def _phrases(asks: dict[str, tuple[str, ...]]) -> Phrases:
    out: Phrases = []
    for name, words in asks.items():
        own = name.split("_")
        texts = [" ".join(own), *words]
        if len(own) == 2:
            texts.append(f"{own[1]} of your {own[0]}")
            texts.append(f"{own[1]} of the {own[0]}")
            if own[1] in ("number", "id"):
                texts += [f"{own[0]} {other}" for other in ("number", "id", "reference", "no", "code")]
        for part in (own[-1], own[0]) if len(own) == 1 or own[-1] in SYNONYMS else ():
            if part in SYNONYMS and (len(own) == 1 or part in ("email", "phone", "zip", "postcode", "birth")):
                texts += SYNONYMS[part]
        out += [(stems(text), name) for text in dict.fromkeys(texts) if stems(text)]
    return out


def _by_first(phrases: Phrases) -> dict[str, Phrases]:
    """Phrases by their first stem, the longest first."""
    out: dict[str, Phrases] = {}
    for phrase, name in sorted(phrases, key=lambda pair: -len(pair[0])):
        out.setdefault(phrase[0], []).append((phrase, name))
    return out
