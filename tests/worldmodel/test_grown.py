"""What a session's own rows add to lists and means that no rule tells, on pages of a made-up library."""

from __future__ import annotations

import re
from typing import Any

from worldmodel.document import dump
from worldmodel.pages.forms import shown
from worldmodel.pages.grown import Added, added_rows, grow_level, grow_shared, means, of_thing
from worldmodel.pages.levels import Example, Level, learn_level
from worldmodel.pages.names import open_names
from worldmodel.pages.nodes import Node
from worldmodel.pages.shape import symbol
from worldmodel.pages.texts import TextExample, learn_text
from worldmodel.pages.writer import Writer
from worldmodel.requests import Request
from worldmodel.rules.relations import Relations
from worldmodel.session import Situation

NONE = Relations({}, {}, {})
WORDS = (
    "Dull.",
    "A fine read, twice.",
    "Too long?",
    "I wept; then I laughed!",
    "Kept me up all night, and the next one too, and so on.",
)


def mask(text: str) -> str:
    return re.sub(r"\d+|book-\w+", "*", text)


def note(mark: int, text: str) -> Node:
    return Node("article", "", (Node("text", f"{mark} of 5"), Node("text", text)))


def others(book: int) -> list[tuple[int, str]]:
    return [(1 + (book + n) % 5, f"Words {chr(97 + (book * 3 + n) % 26)}.") for n in range(book % 4)]


def page(notes: list[tuple[int, str]]) -> tuple[Node, ...]:
    total = sum(mark for mark, _ in notes)
    said = f"Rated {total / len(notes):.1f} by {len(notes)}" if notes else "Rated by nobody"
    listed = tuple(note(*one) for one in notes)
    return (Node("text", said), Node("region", "Notes", (Node("heading", "Notes"), *listed)))


def answer(book: int, mark: int, text: str, last: bool = False) -> tuple[Example, Added, int]:
    """A book's page after the session noted something of it; and what it saw before, as its second answer."""
    state: dict[str, Any] = {"notes": {"90": {"book": f"book-{book}", "mark": mark, "text": text}}, "books": {}}
    values = {"url.0": "b", "url.1": f"book-{book}", "url": f"/b/book-{book}?new=1"}
    before, own = others(book), [(mark, text)]
    now = [*before, *own] if last else [*own, *before]
    example = Example(open_names(values, state, NONE), page(now), f"/b/book-{book}", page(before))
    return example, ((2, "notes", "90"),), 1


def learned(last: bool = False) -> Level:
    answers = [answer(n, 1 + n % 5, WORDS[n % 5], last) for n in range(1, 25)]
    return grow_level(learn_level([one for one, *_ in answers], mask, "book"), answers, mask)


def texts(nodes: Any) -> list[str]:
    return [text for node in nodes for text in (node.text, *texts(node.kids))]


def written(level: Level, one: tuple[Example, Added, int]) -> list[str]:
    example, added, since = one
    memory = Writer({}, mask, {}, added=added, since=since)
    return texts(memory.level(level, example.names, example.about, earlier=example.kept)[0])


def test_a_note_of_ones_own_is_first_among_those_seen_and_in_their_mean():
    level = learned()
    for book, mark, text in [
        (31, 2, "Never again."),
        (30, 5, "Better than the film, which is rare."),
        (33, 1, WORDS[4]),
    ]:
        one = answer(book, mark, text)
        assert written(level, one) == texts(one[0].kids)


def test_where_an_app_lists_the_latest_last_it_comes_last():
    one = answer(30, 4, "Good.", last=True)
    assert written(learned(last=True), one) == texts(one[0].kids)


def test_what_was_seen_after_the_row_was_added_has_it_already():
    example, added, _ = answer(30, 4, "Good.")
    again = Example(example.names, example.kids, example.about, kept=example.kids)
    assert written(learned(), (again, added, 2)) == texts(example.kids)


def test_rows_of_another_thing_add_nothing():
    example, _, since = answer(30, 4, "Good.")
    example.names.state["notes"]["90"]["book"] = "book-7"
    assert written(learned(), (example, ((2, "notes", "90"),), since)) == texts(example.kept)


def test_lists_of_shared_levels_grow_too():
    answers = [answer(n, 1 + n % 5, WORDS[n % 5]) for n in range(1, 25)]
    name = symbol(Node("region", "Notes"), mask)
    level = learn_level([Example(e.names, e.kids[1].kids, e.about) for e, *_ in answers], mask, "notes")
    grown = grow_shared({name: level}, answers, mask)[name]
    example, added, since = answer(31, 2, "Never again.")
    kids = Example(example.names, example.kids[1].kids, example.about, kept=example.kept[1].kids)
    assert written(grown, (kids, added, since)) == texts(kids.kids)


def test_which_rows_a_session_added_and_when():
    def change(path: str, row: Any = None) -> str:
        return f"! {dump(path)}" + (f" = {dump(row)}" if row is not None else "")

    past = (
        ("open", (change("notes/1", {"book": "x"}),)),
        ("post", (change("books/x/count", 2), change("notes/2", {"book": "x"}), '@url "/b/x"')),
        ("post", (change("notes/3", {"book": "x"}), change("notes/2"), "text")),
    )
    state = {"notes": {"1": {"book": "x"}, "3": {"book": "x"}}, "books": {}}
    situation = Situation("browser", Request(("click",)), past=past, state=state)
    after = {**state, "notes": {**state["notes"], "4": {"book": "x"}}}
    added = added_rows(situation, after)
    assert added == ((2, "notes", "3"), (3, "notes", "4")), (
        "what was there at the start, and what is gone, is not its own"
    )
    names = open_names({"url.1": "x"}, after, NONE)
    assert of_thing(added, -1, "notes", "book", names) == ["4", "3"]
    assert of_thing(added, 2, "notes", "book", names) == ["4"]
    assert not of_thing(added, 3, "notes", "book", names)


def test_a_rounded_mean_of_whole_numbers_goes_on_exactly():
    state: dict[str, Any] = {"notes": {"1": {"mark": 2, "late": None}, "2": {"mark": 5, "late": None}}}
    names = open_names({}, state, NONE)
    assert means("by X · 4.7 from 3 notes", "notes", ["1"], names) == {"number": 4, "mean mark": 4.0}
    assert means("by X · 4.7 from 3 notes", "notes", ["1", "2"], names) == {"number": 5, "mean mark": 4.2}
    assert means("by X", "notes", ["2"], names) == {"number": 1, "mean mark": 5.0}
    assert means(None, "notes", [], names) == {"number": 0}


def test_names_are_shown_with_an_initial_and_sentences_as_they_end():
    assert ("first word and initial", "Zoë M") in shown("Zoë Marchetti")
    rule = learn_text([
        TextExample(open_names({"each.said": said}, {}, NONE), f"{said}\x1f\x1f", said) for said in WORDS
    ])  # fmt: skip
    said = "What a long book; I would not have it otherwise, would you, or would anybody who reads as slowly as I do?"
    assert rule.render(open_names({"each.said": said}, {}, NONE), None, None) == (f"{said}\x1f\x1f", 1.0)
