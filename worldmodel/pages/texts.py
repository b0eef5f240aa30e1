"""How one text of a page follows from names: templates with holes, one of several by a choice, or what was remembered.

A text is covered with what is known, longest first; what remains is wording. Texts with the same wording are one
template, and a hole's name is the one that explains most examples (see `worldmodel.rules.search` for the same idea).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from worldmodel.pages.choices import Choice, grow
from worldmodel.pages.names import EACH, Names
from worldmodel.pages.nodes import SEP, STATE

_STARTS = re.compile(r"-?[$¢]?\d(?:[\d,]*\d)?(?:\.\d+)?|\w+")
_NUMBER = re.compile(r"-?[$¢]?\d(?:[\d,]*\d)?(?:\.\d+)?")
_MOST_WORDS = 14
MOST_WAYS = 8
MANY_THINGS = 4
"""Things spoken of, from which on a text of one of them is its own."""
MOST_VAIN = 32
"""Wordings that are tried in vain, the most frequent ones first: where all differ, none is anybody's template."""
MOST_HOLES = 14
LONG = 1500
"""Longer texts are remembered or constant, never taken apart."""
HOLDS = 0.97
NEARLY = 0.1
"""A text that was seen is believed rather than a rule that is right only so much more often."""
KEYS = 0.8
"""Share of a row's key in texts that must have a name, for it to be no wording."""
REMEMBERED, KEPT = -1, -2
PRESSED = ("button", "group")

Hole = tuple[str, str]
"""(name, form)."""


@dataclass(frozen=True)
class Template:
    """Wording with holes between: ``wording[0] holes[0] wording[1] ...``."""

    wording: tuple[str, ...]
    holes: tuple[Hole, ...] = ()

    def render(self, names: Names) -> str | None:
        """The text; None where a hole has no value."""
        out = [self.wording[0]]
        for (name, form), after in zip(self.holes, self.wording[1:], strict=True):
            text = names.show(name, form)
            if text is None:
                return None
            out += (text, after)
        return "".join(out)


@dataclass(frozen=True)
class TextRule:
    """How a text is made.

    Attributes:
        ways: Its templates.
        choice: Which: their number, or `REMEMBERED`, or `KEPT` (as on the page before).
        sure: Share of the examples that came out right.
        remember: Share of the examples that memory alone gets right where it has the thing; it is asked first
            where that is more.
    """

    ways: tuple[Template, ...]
    choice: Choice
    sure: float
    remember: float = 0.0
    late: int = 0
    """1 where it needs figures beside it, 2 where it needs those of the whole page."""

    def render(self, names: Names, memory: str | None, kept: str | None) -> tuple[str | None, float]:
        """The text and how sure it is; None where nothing tells.

        Args:
            names: What is known.
            memory: The text that was last seen at this place about this thing.
            kept: What stands there on the page before.
        """
        if memory is not None and self.sure < HOLDS and self.remember > self.sure - NEARLY:
            return memory, self.remember
        way, sure = self.choice.decide(names)[0], self.sure
        if way == KEPT and kept is not None:
            return kept, sure
        if way >= 0 and (text := self.ways[way].render(names)) is not None:
            return text, sure
        if memory is not None:
            return memory, self.remember
        return None, 0.0


@dataclass
class TextExample:
    """A text that was seen."""

    names: Names
    text: str
    about: str
    """What it is about: the key of a row, or an address."""
    kept: str | None = None


Covered = tuple[TextExample, tuple[str, ...], list[tuple[str, list[Hole]]]]
"""A text, its wording, and what may fill the holes of that (`cover`)."""


def learn_text(examples: Sequence[TextExample]) -> TextRule:
    """The rule behind these texts."""
    ways: list[Template] = []
    left = [(one, *cover(one.text, one.names)) for one in examples]
    things, vain = len({one.about for one in examples}), 0
    while left and len(ways) < MOST_WAYS and vain < MOST_VAIN:
        wording, template = _best_template(left)
        rest = [entry for entry in left if template.render(entry[0].names) != entry[0].text]
        if len(left) - len(rest) < min(2, len(examples)):
            # Nothing known explains this wording, however often it was seen; another may well follow from something.
            left = [entry for entry in left if entry[1] != wording]
            vain += 1
            continue
        alone = not template.holes and len({o.about for o, *_ in left if template.wording[0] == o.text}) == 1
        if not alone or things < MANY_THINGS:
            ways.append(template)
        # Else it is what one thing says of itself: that is for memory.
        left = rest
    remember = remembered(examples)
    labels = [_label(one, ways) for one in examples]
    choice, told = grow([(one.names, label) for one, label in zip(examples, labels, strict=True)])
    right = 0
    for one, label, way in zip(examples, labels, told, strict=True):
        right += label != REMEMBERED and (way == label or (way >= 0 and ways[way].render(one.names) == one.text))
    return TextRule(tuple(ways), choice, right / len(examples), remember)


def _label(one: TextExample, ways: Sequence[Template]) -> int:
    way = next((number for number, way in enumerate(ways) if way.render(one.names) == one.text), REMEMBERED)
    return KEPT if way == REMEMBERED and one.kept == one.text else way


def remembered(examples: Sequence[TextExample]) -> float:
    """Share of texts that another example about the same thing has too, of those where there is another."""
    about: dict[str, Counter[str]] = defaultdict(Counter)
    for one in examples:
        about[one.about][one.text] += 1
    again = [counts for counts in about.values() if counts.total() > 1]
    seen = sum(counts.total() for counts in again)
    right = sum(max(counts.values()) for counts in again)
    usual = max(sum(again, Counter()).values(), default=0)
    # What is nearly always the same is no knowledge about the thing.
    return (right + 1) / (seen + 2) * (0.5 if right <= 1.1 * usual else 1.0)


def _best_template(examples: Sequence[Covered]) -> tuple[tuple[str, ...], Template]:
    """The most frequent wording, and its template, whose holes are those that most of its texts have."""
    groups: dict[tuple[str, ...], list[tuple[TextExample, list[tuple[str, list[Hole]]]]]] = defaultdict(list)
    for one, wording, holes in examples:
        groups[wording].append((one, holes))
    wording = max(groups, key=lambda key: (len(groups[key]), -len(key), key))
    members = groups[wording]
    chosen: list[Hole | str] = []
    for number in range(len(wording) - 1):
        best = _best_hole([holes[number] for _, holes in members], members[0][0].names)
        chosen.append(best)
        members = [member for member in members if _fits(best, member[1][number])]
    return wording, _fold(wording, chosen)


def _best_hole(seen: Sequence[tuple[str, list[Hole]]], names: Names) -> Hole | str:
    """A name and form, or a constant, for one hole."""
    tally: Counter[Hole | str] = Counter()
    for text, holes in seen:
        tally[text] += 1
        tally.update(list(dict.fromkeys(holes)))
    if sum(bool(holes) for _, holes in seen) >= KEYS * len(seen):
        # A row's key that has a name is no wording, though all examples were about the same row.
        own = tally[EACH + "@", "as is"] == len(seen)
        tally = Counter({
            one: n for one, n in tally.items() if not isinstance(one, str) or not (own or _is_key(one, names))
        })  # fmt: skip
    most = max(tally.values())
    # A little less often right, but by a much plainer name.
    fitting = [one for one, count in tally.items() if count >= max(1, 0.999 * most)]
    return min(fitting, key=lambda one: (_far(one, len(seen)), repr(one)))


def _is_key(text: str, names: Names) -> bool:
    """Whether the state has a row of this key; small numbers are many things."""
    return not text.isdigit() and len(text) > 2 and any(text in t for t in names.state.values() if isinstance(t, dict))


def _fits(best: Hole | str, seen: tuple[str, list[Hole]]) -> bool:
    return best == seen[0] if isinstance(best, str) else best in seen[1]


def _far(one: Hole | str, often: int) -> float:
    """How far-fetched an explanation is. A constant grows likely the more often it was the same."""
    if isinstance(one, str):
        return max(0.2, 3.0 - 0.12 * often)
    name, form = one
    own = name.startswith(EACH)
    plain = form in ("as is", "number", "amount", "cents", "null", "truth")
    return (
        1.0 + 0.25 * name.count(">") * (not name.startswith("list ")) + 0.05 * name.count(".") - 0.2 * own
        + 0.2 * (not plain)
        + 0.8 * name.startswith("sum ") + 0.4 * name.count(" * ") + 0.4 * name.count(" + ")
        + 0.3 * name.startswith(("near ", "line "))
        + 0.3 * name.startswith("asked.") + 0.6 * name.startswith("field.") * (not own) + 0.002 * len(name)
        + 2.0 * (name in PRESSED)  # what a control was called there is wording that happens to be the same here
    )  # fmt: skip


def _fold(wording: Sequence[str], chosen: Sequence[Hole | str]) -> Template:
    """Constants become wording."""
    out = [wording[0]]
    holes: list[Hole] = []
    for one, after in zip(chosen, wording[1:], strict=True):
        if isinstance(one, str):
            out[-1] += one + after
        else:
            holes.append(one)
            out.append(after)
    return Template(tuple(out), tuple(holes))


def cover(text: str, names: Names) -> tuple[tuple[str, ...], list[tuple[str, list[Hole]]]]:
    """(wording, (text, holes) between its parts): known texts and all numbers are holes."""
    if len(text) > LONG:
        return (text,), []
    whole = names.named(text) if text else []
    if whole:
        return ("", ""), [(text, whole)]
    matches = list(_STARTS.finditer(text))
    ends = [match.end() for match in matches]
    wording, at = [""], 0
    holes: list[tuple[str, list[Hole]]] = []
    for match in matches:
        start = match.start()
        if start < at or text[start - 1 : start] == STATE:
            continue
        found = _whole(text, start, names) or _longest(text, start, ends, names)
        if found is None and _NUMBER.fullmatch(match[0]):
            found = (match.end(), [])
        if found is not None and len(holes) < MOST_HOLES:
            wording[-1] += text[at:start]
            holes.append((text[start : found[0]], found[1]))
            wording.append("")
            at = found[0]
    wording[-1] += text[at:]
    return tuple(wording), holes


def _whole(text: str, start: int, names: Names) -> tuple[int, list[Hole]] | None:
    """All that an element is called, however long and whatever it ends with."""
    end = text.find(SEP, start)
    named = names.named(text[start:end]) if end - start > 1 and text[start - 1 : start] in ("", SEP) else []
    return (end, named) if named else None


def _longest(text: str, start: int, ends: Sequence[int], names: Names) -> tuple[int, list[Hole]] | None:
    first = bisect_right(ends, start)
    for end in reversed(ends[first : first + _MOST_WORDS]):
        if end - start > 1 or text[start:end].isdigit():
            found = names.named(text[start:end])
            if found:
                return end, found
    return None
