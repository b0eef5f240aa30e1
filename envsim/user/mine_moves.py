"""Observed user turns -> moves and ways of writing values: what is kept of the words people used.

Privacy. Whatever a fact of the goal says is taken out of the text and leaves a place for the value. What
remains of a text seen once is kept only if no number, address or code is left in it and every capitalised word and
every word ever used as a value is one that at least `ENOUGH` users have used. A value stays in
a text (then as a condition, see `Move.given`) or in a table only if that many users have used it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from envsim.user.behaviour import SLOT, Move, by_name, merged
from envsim.user.progress import Progress, label, names_in, slot
from envsim.user.sessions import Exchange, Session, words
from envsim.user.words import values

ENOUGH = 3
"""Users who must share a value or a name before it may stay in the clear (k-anonymity, Sweeney 2002)."""

_NUMBERS = dict(
    zip(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
        map(str, range(1, 11)),
        strict=True,
    )
)
Labels = Callable[[Exchange], Iterable[str]]


def heard_labels(turn: Exchange) -> tuple[str, ...]:
    """Labels of the agent's annotated acts."""
    return tuple(sorted({label(act) for act in turn.heard_acts}))


@dataclass
class Account:
    """What became of the turns of a mining run."""

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    texts: dict[str, frozenset[str]] = field(default_factory=dict)
    """Texts that each session gave, by its name."""


def mine_moves(
    sessions: Sequence[Session], groups: dict[str, int], account: Account, labels: Labels = heard_labels
) -> tuple[Move, ...]:
    """The moves of all users whose goal is known.

    Args:
        sessions: Conversations.
        groups: Group of each user, by name.
        account: Counts what is kept and what is dropped, and why.
        labels: What the agent did before a turn, as labels without items.
    """
    shared = Shared(sessions)
    found: list[tuple[Move, bool]] = []
    for session in sessions:
        if session.goal is not None:
            own = list(_session_moves(session, groups.get(session.user, 0), shared, account, labels))
            account.texts[session.name] = frozenset(move.text for move, _ in own)
            found += own
    texts = Counter(move.text for move, _ in found)
    kept = []
    for move, clean in found:
        if clean or texts[move.text] >= ENOUGH:
            kept.append(move)
        else:
            account.dropped["rare, with names or numbers left"] += 1
    account.kept = len(kept)
    return merged(kept)


def _session_moves(
    session: Session, group: int, shared: Shared, account: Account, labels: Labels
) -> Iterable[tuple[Move, bool]]:
    assert session.goal is not None
    progress = Progress(session.goal)
    for index, turn in enumerate(session.turns):
        heard = tuple(sorted(set(labels(turn))))
        progress.hear(heard, names_in(turn.heard))
        before = progress.situation(heard)
        opens = tuple(item for item in progress.about(turn.acts) if item not in progress.opened)
        taken = _delexicalised(turn, progress, shared)
        announced = tuple(sorted(taken.announced)) if taken else ()
        if taken is None:
            account.dropped["a value that is neither in the goal nor was heard"] += 1
        elif any(progress.item_of(name) is None for name in _names(turn.acts)):
            account.dropped["about what is no item of the goal"] += 1
        else:
            again = sum(
                name in progress.told and name not in announced for name in (*turn.facts(), *turn.facts("dontcare"))
            ) + sum(name in progress.asked or name in progress.learned for name in turn.facts("request"))
            about = {*opens, *progress.about(turn.acts)}
            move = Move(
                acts=turn.acts,
                text=taken.text,
                heard=heard,
                situation=tuple(before),
                given=by_name(taken.given),
                same=tuple(taken.same),
                announced=announced,
                opens=opens,
                mentions=tuple(i for i in progress.items if i not in about and i in words(taken.text)),
                again=again,
                odd=progress.odd(turn.acts),
                rank=progress.rank(opens),
                last=index == len(session.turns) - 1,
                group=group,
            )
            yield move, shared.clean(taken.text)
        progress.say(turn.acts, announced)


def _names(acts: Iterable[str]) -> list[str]:
    return [name for act in acts if (name := act.partition(":")[2])]


# -- taking values out -----------------------------------------------------------------------------


@dataclass
class _Taken:
    text: str
    given: dict[str, str]
    announced: frozenset[str]
    same: list[str]


def announced_in(turn: Exchange, progress: Progress) -> frozenset[str]:
    """Facts that a turn gives the second value of the goal, after the first was told."""
    said = dict(turn.said)
    return frozenset(
        name
        for name in turn.facts()
        if (second := progress.changes.get(name)) is not None
        and name in progress.told
        and means_value(said.get(name) or second, second)
        and _says(turn.text, second)
    )


def _delexicalised(turn: Exchange, progress: Progress, shared: Shared) -> _Taken | None:
    """The text with places for values; None if it tells a value that nobody following the goal could know."""
    said = dict(turn.said)
    out = _Taken(turn.text, {}, announced_in(turn, progress), [])
    for name in turn.facts():
        words_used = said.get(name, "")
        first = progress.changes[name] if name in out.announced else progress.values.get(name)
        if first is None:
            # Not in the goal: a name that the agent brought up, or an item called by its kind ("the hotel").
            if words_used and set(words(words_used)) & progress.items.keys():
                continue
            own = progress.value(name)
            if own is None or not words_used or words_used.lower() not in own.lower():
                return None
            out.text = _replace(out.text, words_used, name) or out.text
            continue
        place = _found(out.text, (words_used,), first)
        if place is not None:
            out.text = _replace(out.text, place, name) or out.text
        elif "same" in words(words_used or turn.text) and progress.twins(name):
            out.same.append(name)
        elif shared.common(name, first) and name not in out.announced:
            out.given[name] = first
        else:
            return None
    for name, value in sorted(progress.values.items()):
        if (
            len(value) > 3
            and name not in out.given
            and name not in out.same
            and (text := _replace(out.text, value, name)) is not None
        ):
            out.text = text
    return out


def _says(text: str, value: str) -> bool:
    """Whether a text names a value, in any of the forms `means_value` knows."""
    low = text.lower()
    return value.lower() in low or any(means_value(word, value) for word in words(text))


def _found(text: str, candidates: Iterable[str], value: str) -> str | None:
    """How `value` is written in `text`: as it is, or one of `candidates` that means it."""
    for form in (value, *(c for c in candidates if same_value(c, value))):
        if match := re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.IGNORECASE):
            return match[0]
    return None


def _replace(text: str, form: str, name: str) -> str | None:
    match = re.search(rf"(?<![\w{{]){re.escape(form)}(?![\w}}])", text, re.IGNORECASE)
    if match is None:
        return None
    written = match[0]
    style = ":t" if written[:1].isupper() else ""
    return f"{text[: match.start()]}{{{name}{style}}}{text[match.end() :]}"


def same_value(written: str, value: str) -> bool:
    """Whether `written` is `value` in another case or with its number in words."""
    low = written.lower().strip()
    return _NUMBERS.get(low, low) == value.lower()


def means_value(written: str, value: str) -> bool:
    """Whether `written` may be a form of `value`: it begins alike, as "moderately" for "moderate"."""
    a, b = written.lower().strip(), value.lower()
    return same_value(a, b) or (len(b) > 3 and len(a) > 3 and (a[:4] == b[:4] or a in b))


class Shared:
    """What enough users have in common to be nobody's own."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        used: dict[str, set[str]] = defaultdict(set)
        told: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._words_of_values: set[str] = set()
        for session in sessions:
            for turn in session.turns:
                for word in words(turn.text):
                    used[word].add(session.user)
                for _, text in turn.said:
                    self._words_of_values.update(words(text))
            if session.goal is not None:
                for name, fact in session.goal.facts.items():
                    told[slot(name), str(fact.value)].add(session.user)
                    self._words_of_values.update(words(str(fact.value)))
        self._anagrams = {"".join(sorted(word)) for word in self._words_of_values if len(word) > 4}
        self._words = {word for word, users in used.items() if len(users) >= ENOUGH}
        self._values = {key for key, users in told.items() if len(users) >= ENOUGH}

    def common(self, name: str, value: str) -> bool:
        """Whether enough users have this value for this kind of fact."""
        return (slot(name), value) in self._values

    def _misspelt(self, word: str) -> bool:
        """Whether a rare word has the letters of a value in another order: "teusday"."""
        return word not in self._words and word not in self._words_of_values and "".join(sorted(word)) in self._anagrams

    def clean(self, text: str) -> bool:
        """Whether nothing is left in a text that may be somebody's own."""
        bare = SLOT.sub(" ", text)
        left: set[str] = set()
        for kind, value in values(bare):
            if kind != "name":
                return False
            left.update(words(value))
        left |= self._words_of_values & set(words(bare))
        if any(self._misspelt(word) for word in words(bare)):
            return False
        return left <= self._words and not any(char.isdigit() for char in bare)


def mine_surfaces(sessions: Sequence[Session]) -> dict[str, dict[str, dict[str, int]]]:
    """How people wrote each value that enough of them have: kind of fact -> value -> words in lower case -> count."""
    seen: dict[str, dict[str, dict[str, set[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for session in sessions:
        if session.goal is None:
            continue
        wanted = {name: {str(fact.value)} for name, fact in session.goal.facts.items()}
        for change in session.goal.changes:
            wanted[change.fact].add(str(change.value))
        for turn in session.turns:
            for name, written in turn.said:
                for value in wanted.get(name, ()):
                    if same_value(written, value):
                        seen[slot(name)][value][written.lower()].add(session.user)
    return {
        kind: table
        for kind in sorted(seen)
        if (
            table := {
                value: {text: len(users) for text, users in sorted(forms.items()) if len(users) >= ENOUGH}
                for value, forms in sorted(seen[kind].items())
                if any(len(users) >= ENOUGH for users in forms.values())
            }
        )
    }
