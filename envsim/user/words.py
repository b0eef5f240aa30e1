"""Words, sentences and values of free text: what reading an agent and checking a user both need.

Nothing here knows a goal. Every function takes any text, raises nothing, and looks at no more
than `MAX_CHARS` characters of it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

MAX_CHARS = 8_000
"""What is read of one message; an agent that says more has its rest ignored, and no turn takes long."""

_FOLD = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " ", "…": "."})
_MARKS = re.compile(r"(?<!\w)[*_`#>|]+(?=\S)|(?<=\S)[*_`|]+(?!\w)")
_BULLET = re.compile(r"^\s*(?:[-+*•]|\(?\d{1,2}[.)]|\(?[a-h][.)])\s+")
_END = re.compile(r"(?<=[.!?])[\"')]*\s+|;\s+")
_TOKEN = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_MONEY = re.compile(
    r"[-+]?[$€£] ?\d[\d,]*(?:\.\d+)?|(?<![\w.])\d[\d,]*(?:\.\d+)? ?(?:dollars?|euros?|pounds?|usd|eur|gbp)\b",
    re.I,
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    rf"\b(?:\d{{4}}-\d\d-\d\d|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?|"
    rf"\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}\.?(?:,? \d{{4}})?|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}})\b",
    re.I,
)
_CODE = re.compile(r"#?(?=[\w-]*\d)[^\W_](?:[\w]|[-/.](?=\w))*")
_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'-]+(?: [A-ZÀ-ÖØ-Þ][\w'-]+)*")
_QUOTED = re.compile(r"\"([^\"\n]{1,120})\"|(?<!\w)'([^'\n]{2,120})'(?!\w)")
_PATTERNS = (("email", _EMAIL), ("money", _MONEY), ("date", _DATE), ("code", _CODE))
_DIGIT = re.compile(r"\d")


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, as a set."""
    return frozenset(text.split())


STOP = word_set(
    "a an the this that these those my your our their his her its i you we they he she it me us them and or but "
    "if so of to for from in on at by with about as is are was were be been being am do does did done have has "
    "had will would can could should shall may might must not no yes please kindly just also any some all both "
    "each want wants wanted like need needs would get got give gave make made there here what which when where "
    "who how why than then now know let lets other another else one ones only up out into over under again more "
    "most own same too very"
)
"""Words that say nothing about what a sentence is about."""


class Sentence(NamedTuple):
    """One sentence or list line."""

    text: str
    low: str
    words: tuple[str, ...]
    question: bool
    lead: str
    """The line a list hangs on: 'To verify you, please provide:'. Empty outside of lists."""


def fold(text: str) -> str:
    """`text` cut to `MAX_CHARS`, in one unicode form, with plain quotes, dashes and no mark-up."""
    return unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_FOLD)


@functools.lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A crude English stem, the same for the forms a reader must equate: cancel, cancelled, cancellation."""
    if len(word) > 4:
        for suffix in ("ations", "ation", "ments", "ment", "ings", "ing", "ies", "ied", "ed", "es", "s", "y", "e"):
            if word.endswith(suffix) and len(word) - len(suffix) >= 3:
                word = word[: -len(suffix)]
                break
    elif len(word) in (3, 4) and word.endswith(("s", "e")[: len(word) - 2]) and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and not word[-1].isdigit() else word


def tokens(text: str) -> tuple[str, ...]:
    """The words of `text` as they are, in lower case."""
    return tuple(_TOKEN.findall(fold(text).casefold()))


def stems(text: str) -> tuple[str, ...]:
    """The words of `text`, stemmed, in order. ``e-mail`` is ``email``."""
    return tuple(stem(word) for word in _WORD.findall(text.casefold().replace("e-mail", "email")))


def content(text: str) -> frozenset[str]:
    """Stems of the words of `text` that say what it is about."""
    return frozenset(stem(word) for word in _WORD.findall(text.casefold()) if word not in STOP and len(word) > 2)


def find(phrase: tuple[str, ...], words: tuple[str, ...]) -> int:
    """Where `phrase` stands in `words` as a run, or -1."""
    at, size = -1, len(phrase)
    try:
        while True:
            at = words.index(phrase[0], at + 1)
            if words[at : at + size] == phrase:
                return at
    except (ValueError, IndexError):
        return -1


def sentences(text: str) -> list[Sentence]:
    """`text` parted at full stops, question and exclamation marks, semicolons and lines."""
    out: list[Sentence] = []
    lead = ""
    for line in _MARKS.sub("", fold(text)).splitlines():
        bullet = _BULLET.match(line)
        if not line.strip():
            continue
        body = line[bullet.end() :] if bullet else line
        parts = [part.strip() for part in _END.split(body) if part.strip()]
        for part in parts:
            low = part.casefold()
            out.append(Sentence(part, low, stems(part), part.rstrip("\"') ").endswith("?"), lead if bullet else ""))
        if not bullet:
            lead = parts[-1] if parts and parts[-1].endswith(":") else ""
    return out


def values(text: str) -> Iterator[tuple[str, str]]:
    """Everything in `text` that carries information of its own, as (kind, text).

    Kinds: ``email``, ``money``, ``date``, ``code`` (numbers, order numbers, anything with a digit),
    ``quoted``, ``name`` (capitalised within a sentence). A span is given once, in this order, but for what is quoted.
    """
    text = fold(text)
    for match in _QUOTED.finditer(text):
        yield "quoted", match[1] or match[2]
    for kind, pattern in _PATTERNS if _DIGIT.search(text) else _PATTERNS[:1] if "@" in text else ():
        found = pattern.findall(text)
        yield from ((kind, value) for value in found)
        if found:
            text = pattern.sub(" . ", text)
    for match in _NAME.finditer(text):
        before = text[: match.start()].rstrip(" \"'(")
        words = match[0].split(" ")
        if not before or before[-1] in ".!?:\n":
            words = words[1:]  # the first word of a sentence is capitalised whatever it is
        words = [word for word in words if not {word.split("'")[0].casefold(), word.casefold()} & (_CAPITALISED | STOP)]
        if words:
            yield "name", " ".join(words)


_CAPITALISED = word_set(
    "i i'm i'll i've i'd ok okay monday tuesday wednesday thursday friday saturday sunday january february march "
    "april may june july august september october november december hi hello hey thanks thank yes no dear sir "
    "madam christmas english uk us usa eu atm pin id sms pdf faq"
)
