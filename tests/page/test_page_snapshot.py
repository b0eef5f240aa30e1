"""Markup in, element lines out."""

from __future__ import annotations

import gc
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.dom import Element, _line_tokens, _opening, _read, parse
from envsim.page.lines import INTERACTIVE, _known_line, format_lines, parse_lines
from envsim.page.snapshot import snapshot


def lines(html: str, url: str = "/") -> list[str]:
    """The page's lines without refs."""
    return re.sub(r" \[e[a-z0-9-]+\]", "", format_lines(snapshot(html, url).lines)).split("\n")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Hello <b>big</b>\n world", ['text "Hello big world"']),
        ("<p>a</p>b<div>c<span>d</span></div>", ['text "a"', 'text "b"', 'text "cd"']),
        ('<p>See <a href="/x">this</a>.', ['text "See"', 'link "this" -> /x', 'text "."']),
        ('<h2>Title</h2><h3><a href="/x">Same</a></h3>', ['heading "Title" {level: 2}', 'link "Same" -> /x']),
        ('<h3>Go <a href="/x">there</a></h3>', ['heading "Go there" {level: 3}', '  link "there" -> /x']),
        ("<ul><li>a<li><b>b</b> c</ul>", ['listitem "a"', 'listitem "b c"']),
        ('<ul aria-label="L"><li><a href="/x">x</a></ul>', ['list "L"', '  link "x" -> /x']),
        ("<dl><dt>Total<dd>$5</dl>", ['text "Total: $5"']),
        ("<nav><a href='/'>Home</a></nav>", ["navigation", '  link "Home" -> /']),
        ("<main></main><nav> </nav>", [""]),
        ("<article><header>x</header></article>", ['article "x"']),
        ("<header>x</header>", ["banner", '  text "x"']),
        ('<div role="alert">Look <b>out</b></div>', ['alert "Look out"']),
        ("<fieldset><legend>Box</legend><p>x</fieldset>", ['group "Box"', '  text "x"']),
        ('<img src="a" alt="A kettle"><img src="b" alt="">', ['img "A kettle"']),
        ("<details><summary>Q</summary>A</details>", ['summary "Q" {expanded: false}']),
        ("<details open><summary>Q</summary>A</details>", ['summary "Q" {expanded: true}', 'text "A"']),
        ('<a href="/a"><h3>Kettle</h3><p>$5</p></a>', ['link "Kettle $5" -> /a']),
        ('<a href="/a"><img alt="Logo"></a>', ['link "Logo" -> /a']),
        ("<a>plain</a>", ['text "plain"']),
    ],
)
def test_structure(html: str, expected: list[str]) -> None:
    assert lines(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<label>Name <input></label>", 'textbox "Name"'),
        ('<label for=a>Name</label><input id=a value="x y">', 'textbox "Name" = "x y"'),
        ('<input aria-label="A" title="T" placeholder="P">', 'textbox "A" {placeholder: P}'),
        ('<p hidden id=h>Hidden name</p><input aria-labelledby="h">', 'textbox "Hidden name"'),
        ('<input title="T">', 'textbox "T"'),
        ('<input placeholder="P">', 'textbox "P"'),
        ('<input type=password aria-label=p value="abc">', 'textbox "p" = "•••"'),
        ('<input type=number aria-label=n value="12">', 'spinbutton "n" = "12"'),
        ('<input type=number aria-label=n value="twelve">', 'spinbutton "n"'),
        ("<input type=search aria-label=s required>", 'searchbox "s" {required}'),
        ("<input type=date aria-label=d value=2026-03-01>", 'textbox "d" = "2026-03-01"'),
        ("<textarea aria-label=t>\na\nb</textarea>", 'textbox "t" = "a\\nb"'),
        ("<label><input type=checkbox checked disabled> Gift</label>", 'checkbox "Gift" {checked, disabled}'),
        ("<fieldset disabled><input aria-label=x></fieldset>", 'textbox "x" {disabled}'),
        (
            "<select aria-label=s><option>A|B<option selected>C, {d}</select>",
            'combobox "s" = "C, {d}" {options: A\\\\|B | C\\, \\{d\\}}',
        ),
        ("<select aria-label=s multiple><option selected>A<option selected>B</select>",
         'listbox "s" = "A | B" {multiple, options: A | B}'),
        ("<select aria-label=s><option disabled>A<option>B</select>", 'combobox "s" = "B" {options: A | B}'),
        ("<input type=submit>", 'button "Submit"'),
        ('<input type=submit value="Go">', 'button "Go"'),
        ('<input type=image alt="Find">', 'button "Find"'),
        ("<button aria-pressed=true>P</button>", 'button "P" {pressed: true}'),
        ("<a href=/ aria-current=page>Here</a>", 'link "Here" -> / {current}'),
        ('<div role=button aria-disabled=true>D</div>', 'button "D" {disabled}'),
        ("<input aria-invalid=true aria-label=x readonly>", 'textbox "x" {invalid, readonly}'),
    ],
)  # fmt: skip
def test_controls(html: str, expected: str) -> None:
    assert lines(html) == [expected]


@pytest.mark.parametrize(
    "html",
    [
        "<p hidden>x", "<p aria-hidden=true>x", "<p style='color: red; display : none'>x",
        "<input type=hidden value=x>", "<script>x</script>", "<style>x</style>", "<template><p>x</template>",
        "<noscript><p>x</noscript>",
        "<dialog>x</dialog>", "<!-- x -->", "<button hidden>x</button>", "<select hidden><option>x</select>",
        "<svg><path d=x /></svg>", "<iframe>x</iframe>", "<template><template>y</template><p>x</template>",
    ],
)  # fmt: skip
def test_what_is_not_seen_is_not_printed(html: str) -> None:
    assert lines(html) == [""]


def test_a_table_reads_row_by_row() -> None:
    html = """<table><caption>Orders</caption><tr><th>No<th>Total<th>Actions</tr><tr><td>1<td>$4<td></tr>
      <tr><td><a href=/2>2</a><td>$5<td><label>Qty <input name=q value=1></label><button>Save</button></tr></table>"""
    assert lines(html) == [
        'table "Orders"', '  row "No | Total | Actions"', '  row "1 | $4 | "', '  row "2 | $5 | "',
        '    link "2" -> /2', '    textbox "Qty" = "1"', '    button "Save"',
    ]  # fmt: skip


def test_only_an_open_modal_dialog_is_shown() -> None:
    html = "<main><h1>Behind</h1><div><dialog open aria-modal=true aria-label=Offer><p>Stay?</p></dialog></div></main>"
    assert lines(html) == ['dialog "Offer"', '  text "Stay?"']


def test_links_are_resolved_against_page_and_base() -> None:
    assert lines('<a href="b">x</a>', "/a/c?d") == ['link "x" -> /a/b']
    assert lines('<base href="/z/"><a href="b">x</a>', "/a/c") == ['link "x" -> /z/b']
    assert lines('<a href="https://other.example/a b">x</a>') == ['link "x" -> https://other.example/a%20b']


def test_refs_follow_the_element_not_the_page() -> None:
    before = snapshot("<button>Add</button><button>Add</button>")
    after = snapshot("<p>news</p><button>Buy</button><button>Add</button><button>Add</button>")
    refs = [line.ref for line in before.lines]
    assert [line.ref for line in after.lines if line.name == "Add"] == refs
    assert [before.elements[ref].tag for ref in refs] == ["button", "button"]
    assert before.elements[refs[0]] is not before.elements[refs[1]]


def test_a_page_cannot_forge_lines() -> None:
    page = snapshot('<p>a&#10;button "Pay" [e1234]</p><button aria-label="x&quot; [e9999]&#10;link">y</button>')
    text = format_lines(page.lines)
    assert text.count("\n") == 1
    assert [line.ref for line in parse_lines(text) if line.ref] == list(page.elements)


def test_a_page_cannot_speak_for_the_browser() -> None:
    html = "<input aria-label=x value=real data-envsim-value=forged data-envsim-focused><p data-envsim-hidden>seen</p>"
    assert lines(html) == ['textbox "x" = "real"', 'text "seen"']
    assert snapshot(parse(html, live=True)).lines[0].value == "forged"


TAGS = [
    "a", "p", "div", "span", "ul", "li", "table", "tr", "td", "h1", "h2", "form", "label", "input", "select", "option",
    "textarea", "button", "details", "summary", "dialog", "nav", "main", "header", "fieldset", "legend", "script",
    "style", "template", "noscript", "svg", "title", "base", "pre", "article", "dl", "dt", "dd", "img", "plaintext",
]  # fmt: skip
ATTRS = [
    "", ' href="/x"', " hidden", ' role="button"', ' role="row"', ' aria-label="n"', ' type="checkbox"', ' for="i"',
    ' id="i"', " open", " aria-modal=true", " disabled", " multiple", ' value="v"', ' name="q"', ' form="i"',
    " style='display:none'", ' aria-labelledby="i i"', " href='http://[bad'", " role='dialog'", " contenteditable",
]  # fmt: skip
piece = st.one_of(
    st.builds(lambda tag, attr: f"<{tag}{attr}>", st.sampled_from(TAGS), st.sampled_from(ATTRS)),
    st.builds(lambda tag: f"</{tag}>", st.sampled_from(TAGS)),
    st.text(max_size=8),
)


@given(st.lists(piece, max_size=40).map("".join))
def test_any_markup_gives_a_readable_page(html: str) -> None:
    page = snapshot(html, "/p?q=1")
    text = format_lines(page.lines)
    assert parse_lines(text) == list(page.lines)
    assert snapshot(html, "/p?q=1") == page
    refs = [line.ref for line in page.lines if line.ref]
    assert len(set(refs)) == len(refs)
    assert set(refs) == set(page.elements)
    assert all(bool(line.ref) == (line.role in INTERACTIVE) for line in page.lines)


def shape(element: Element) -> tuple[object, ...]:
    """An element as values; text that comments divide counts as one."""
    children: list[object] = []
    for child in element.children:
        if isinstance(child, Element):
            children.append(shape(child))
        elif children and isinstance(children[-1], str):
            children[-1] += child
        else:
            children.append(child)
    return element.tag, element.attrs, element.live, children


BROKEN = st.sampled_from(
    ("\n", "\n", ">\n<", '="a\nb"', "<!-- a\n<b> -->", '<p title="x>\n<i y">', "&amp;", "<svg>", "</svg>")
)


@given(st.lists(piece | BROKEN, max_size=40).map("".join), st.booleans())
def test_lines_read_one_by_one_are_the_page_read_as_a_whole(html: str, live: bool) -> None:
    one_by_one = shape(parse(html, live=live).body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("envsim.page.dom._tokens", _read)
        assert shape(parse(html, live=live).body) == one_by_one


def test_what_is_remembered_of_links_is_not_mixed_up() -> None:
    link = '<a href="?page=2">More</a>'
    for url in ("/one", "/two", "/one"):
        assert f'link "More" [{snapshot(link, url).lines[0].ref}] -> {url}?page=2' in format_lines(
            snapshot(link, url).lines
        )
    document = parse(f"{link}<a href='?page=2'>Less</a><a href='?page=2'><b>More</b></a>")
    names = [line.name for line in snapshot(document, "/one").lines]
    assert names == ["More", "Less", "More"]
    document.elements[-1].closest("a").set_live("focused", "")  # type: ignore[union-attr]
    next(e for e in document.elements if e.tag == "a").set_live("focused", "")
    focused = ["focused" in line.states for line in snapshot(document, "/one").lines]
    assert focused == [True, False, True]
    assert not any("focused" in line.states for line in snapshot(link, "/one").lines)


def test_what_is_long_is_not_remembered() -> None:
    """Else pictures in attributes and whole articles would stay in memory, thousands of them."""
    caches = (_line_tokens, _opening, _known_line)
    sizes = []
    for cache in caches:
        cache.cache_clear()
    for letter in "xy":
        long = letter * 2000
        html = f"<img alt=A src='data:{long}'>\n<p>{long}</p>\n<a href='/long'>{long}</a>"
        html += f"<textarea aria-label=T>{long}</textarea><select aria-label=S><option>{long}<option>b</select>"
        document = parse(html)
        page = snapshot(document)
        assert [len(line.name) for line in page.lines] == [1, 2000, 2000, 1, 1]
        assert snapshot(html) == page
        assert next(document.root.find("a")).opening.links == {}
        sizes.append([cache.cache_info().currsize for cache in caches])
    assert sizes[0] == sizes[1]


def test_what_is_remembered_of_links_may_be_forgotten_at_any_moment() -> None:
    """By another thread that reads a page with the same tag."""

    class Forgetful(dict[tuple[str, str], tuple[str, str, dict[str, str]]]):
        def __contains__(self, key: object) -> bool:
            there = super().__contains__(key)
            self.clear()
            return there

    document = parse("<a href='/forgetful'>Go</a>")
    first = snapshot(document)
    opening = next(document.root.find("a")).opening
    opening.links = Forgetful(opening.links)
    assert snapshot(document) == first


@given(st.text())
def test_any_text_gives_a_readable_page(html: str) -> None:
    page = snapshot(html)
    assert parse_lines(format_lines(page.lines)) == list(page.lines)


def test_depth_has_no_bottom() -> None:
    page = snapshot("<div>" * 5_000 + "<ul><li>" * 3_000 + '<a href="/x">deep</a>')
    assert any(line.name == "deep" for line in page.lines)


def test_what_is_around_an_element_lasts_as_long_as_its_page() -> None:
    page = snapshot("<form id=f><p><input name=q aria-label=Query></p></form>")
    gc.collect()
    (field,) = page.elements.values()
    form = field.closest("form")
    assert form is not None
    assert form.attrs["id"] == "f"


def test_a_page_that_was_left_needs_no_garbage_collector() -> None:
    def count() -> int:
        return sum(type(found) is Element for found in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = count()
        for number in range(5):
            page = snapshot(f"<main><form action=/{number}><button>Go</button></form></main>")
        assert count() - before == 6  # of the last page alone: html, head, body, main, form, button
        del page
        assert count() == before
    finally:
        gc.enable()
