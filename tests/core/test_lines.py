"""The element-line grammar: every page that can be printed reads back as it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.lines import (
    INTERACTIVE,
    Line,
    assign_refs,
    format_lines,
    join_options,
    parse_line,
    parse_lines,
    split_options,
)

NASTY = st.text() | st.sampled_from(
    ['"', "\\", "[e1]", "] [e2] -> /x", '= "v"', "{checked}", "\n", "\r", "\u2028", " ", "é"]
)
STATE_KEYS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
LINES = st.builds(
    Line,
    role=st.sampled_from([*sorted(INTERACTIVE), "text", "heading", "main", "form"]),
    name=NASTY,
    depth=st.integers(0, 6),
    ref=st.just("") | st.from_regex(r"e[a-z0-9]{4}(-[2-9])?", fullmatch=True),
    url=st.just("") | st.from_regex(r"/[!-~]{0,20}", fullmatch=True),
    value=st.none() | NASTY,
    states=st.dictionaries(STATE_KEYS, NASTY, max_size=3),
)


@given(LINES)
def test_a_line_reads_back(line: Line) -> None:
    text = line.format()
    assert parse_line(text) == line


@given(st.lists(LINES, max_size=6))
def test_a_page_reads_back(lines: list[Line]) -> None:
    text = format_lines(lines)
    assert parse_lines(text) == lines
    assert len(text.split("\n")) == max(len(lines), 1)


@given(st.lists(LINES, max_size=6))
def test_printing_is_a_fixed_point(lines: list[Line]) -> None:
    text = format_lines(lines)
    assert format_lines(parse_lines(text)) == text


@given(st.text())
def test_any_text_is_a_page_or_a_value_error(text: str) -> None:
    try:
        lines = parse_lines(text)
    except ValueError:
        return
    assert parse_lines(format_lines(lines)) == lines


# One empty label reads as no labels: a field with one empty option offers no choice.
LABELS = st.lists(NASTY, max_size=5).filter(lambda labels: labels != [""])


@given(LABELS)
def test_options_read_back(labels: list[str]) -> None:
    assert split_options(join_options(labels)) == labels


@given(LABELS.filter(bool))
def test_options_survive_a_line(labels: list[str]) -> None:
    line = Line("combobox", "Size", states={"options": join_options(labels)})
    assert split_options(parse_line(line.format()).states["options"]) == labels


@given(st.lists(LINES, max_size=8))
def test_refs_are_unique_and_only_on_what_can_be_acted_on(lines: list[Line]) -> None:
    out = assign_refs(lines)
    refs = [line.ref for line in out if line.ref]
    assert len(set(refs)) == len(refs)
    assert all(bool(line.ref) == (line.role in INTERACTIVE) for line in out)
    assert all(re.fullmatch(r"e[a-z2-9]{4}(-\d+)?", ref) for ref in refs)
    assert assign_refs(out) == out


@given(st.lists(LINES, max_size=5), st.lists(LINES, max_size=5))
def test_what_follows_does_not_change_a_ref(first: list[Line], later: list[Line]) -> None:
    assert assign_refs([*first, *later])[: len(first)] == assign_refs(first)


def test_a_ref_ignores_depth_value_and_states() -> None:
    a = Line("textbox", "Name", depth=1)
    b = Line("textbox", "Name", depth=3, value="Ada", states={"focused": ""})
    assert assign_refs([a])[0].ref == assign_refs([b])[0].ref


def test_different_elements_whose_refs_collide_get_different_refs() -> None:
    """The ref space is small on purpose (short to read and to write): collisions must not make two alike."""
    lines = [Line("button", f"Button {i}") for i in range(3000)]
    assert len({line.ref for line in assign_refs(lines)}) == len(lines)


def test_the_example_of_the_module_reads_back() -> None:
    page = (
        'main\n  heading "Kettles" {level: 1}\n  link "Copper kettle" [e4kq2] -> /p/copper-kettle\n'
        '  form "Add to cart"\n    combobox "Size" [eh2mb] = "M" {options: S | M | L}\n  text "$49.00"'
    )
    lines = parse_lines(page)
    assert format_lines(lines) == page
    assert lines[2] == Line("link", "Copper kettle", 1, "e4kq2", "/p/copper-kettle")
    assert split_options(lines[4].states["options"]) == ["S", "M", "L"]


@pytest.mark.parametrize("text", [" main", "Main", 'link "a', "link [x]", "main extra", 'text "\\x"'])
def test_what_is_not_a_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_line(text)
