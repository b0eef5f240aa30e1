"""Posts put together from the tables beside this file: by a stream of draws, so the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from envsim.rng import Rng

from .words import POLLS, SAY, rows


class Subject(NamedTuple):
    """One thing that breaks: a row of subjects.tsv. `cost` is in whole units of money."""

    category: str
    thing: str
    symptom: str
    cause: str
    fix: str
    part: str
    cost: str
    tip: str


class Thread(NamedTuple):
    """A topic to be: its category, title, first post, subject, number of answers, and its age where that matters."""

    category: str
    title: str
    opening: str
    subject: Subject | None
    buying: bool
    answers: int
    days_ago: int | None = None


def threads() -> list[Thread]:
    """Every topic of the forum, in no order that matters."""
    found = [_talk(Rng("spirit", "talk", at), *row) for at, row in enumerate(rows("talk.tsv"))]
    for at, row in enumerate(rows("subjects.tsv")):
        subject, rng = Subject(*row), Rng("spirit", "subject", at)
        found.append(_thread(rng, subject, buying=False))
        # What costs nothing is not asked for in shops.
        if subject.cost != "0" and rng.chance(0.72):
            found.append(_thread(rng, subject, buying=True))
    return found


def _thread(rng: Rng, subject: Subject, *, buying: bool) -> Thread:
    title = _fill(rng, rng.choice(SAY["buying_titles" if buying else "titles"]), subject, "")
    opening = _fill(rng, rng.choice(SAY["buying" if buying else "openings"]), subject, "")
    return Thread(
        subject.category, title, opening, subject, buying, 2 + rng.integer(4) if buying else 3 + rng.integer(8)
    )


def _talk(rng: Rng, category: str, title: str, opening: str, days_ago: str) -> Thread:
    if title in POLLS:
        poll, attributes, choices = POLLS[title]
        head = " ".join(filter(None, ("poll name=vote", attributes)))
        body = "".join(f"{number}. {choice}\n" for number, choice in enumerate(choices, 1))
        opening += f"\n\n[{head}]\n# {poll}\n{body}[/poll]"
    # One topic is long enough for two pages of answers.
    answers = 34 if title.startswith("What we repaired") else 4 + rng.integer(7)
    most = 2 * len(SAY[f"talk {category}"])
    return Thread(category, title, opening, None, False, min(answers, most), int(days_ago) if days_ago else None)


def answer(rng: Rng, thread: Thread, number: int, other: str, said: set[str]) -> str:
    """The `number`-th answer in `thread`, to somebody called `other`; adds its sentences to those `said` there."""
    parts = []
    for pool in _pools(rng, thread, number, said):
        fresh = [text for text in pool if text not in said] or list(pool)
        said.add(chosen := rng.choice(fresh))
        parts.append(_fill(rng, chosen, thread.subject, other))
    return " ".join(parts)


def _pools(rng: Rng, thread: Thread, number: int, said: set[str]) -> list[Sequence[str]]:
    """Where the sentences of an answer come from."""
    if thread.subject is None:
        return [[text for text in SAY[f"talk {thread.category}"] if text not in said] or SAY["thanks"]]
    if thread.buying:
        kind = rng.choice(("shops", "shops thanks", "parts asides", "shops asides")) if number > 1 else "shops parts"
    elif number == 1:
        kind = "causes fixes"
    elif number == thread.answers and rng.chance(0.6):
        kind = "reports"
    else:
        kind = rng.choice(
            ("fixes tip", "asides", "doubts asides", "parts", "thanks", "tip asides", "causes asides", "parts asides")
        )
    return [[thread.subject.tip] if name == "tip" else SAY[name] for name in kind.split()]


def _fill(rng: Rng, text: str, subject: Subject | None, other: str) -> str:
    if subject is None:
        return text.replace("{other}", other)
    article, _, noun = subject.part.partition(" ")
    years = rng.choice(("two", "three", "four", "five", "seven"))
    filled = text.format(
        thing=subject.thing,
        Thing=_capital(subject.thing),
        a_thing=f"an {subject.thing}" if subject.thing[0] in "aeiou" else f"a {subject.thing}",
        symptom=subject.symptom,
        cause=subject.cause,
        fix=subject.fix,
        Fix=_capital(subject.fix),
        part=noun if article in ("a", "an") else subject.part,
        a_part=subject.part,
        price=f"{int(subject.cost) + rng.integer(3)}.{rng.choice(('00', '50', '90'))}",
        years=years,
        Years=_capital(years),
        other=other,
        better=rng.choice(SAY["better"]),
    )
    return _capital(filled)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
