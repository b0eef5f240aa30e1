"""Damage to one page, as scripts, experiments and vendors do it to any app's.

Pages are rewritten as HTML before a driver sees them, so that a browser and the http driver show the same.
Each function edits the tree and says what it did; an empty sentence means that the page offers nothing for it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from selectolax.lexbor import LexborHTMLParser, LexborNode

from envsim.page.fetched import decode
from envsim.page.transport import Response
from envsim.rng import Rng
from envsim.sandbox.faults_body import kind_of, with_text

Rewrite = Callable[[LexborHTMLParser, Rng, str], str]

_COVER = (
    "position:fixed;inset:0;z-index:2147483647;width:100vw;height:100vh;max-width:none;max-height:none;margin:0;"
    "padding:20vh 20vw;border:0;background:#fff;color:#111"
)
_OFFERS = (
    ("We value your feedback", "Tell us how you like the new look."),
    ("Stay in touch", "Be the first to hear about news and offers."),
    ("Your privacy", "We use cookies to understand how this site is used."),
)
_PAGED = re.compile(r"[?&](?:page|p|pg)=(\d{1,6})(?:&|$)")
MIN_ITEMS = 3
"""Fewer equal siblings are not called a list."""


def apply(name: str, response: Response, rng: Rng, target: str) -> tuple[Response, str] | None:
    """The page of `response` with UI fault `name`, and what was done; None where it does not apply.

    Args:
        name: One of `REWRITES`.
        response: Any response.
        rng: For the fault's own decisions.
        target: Path and query of the page.
    """
    if response.status != 200 or kind_of(response) != "html":
        return None
    tree = LexborHTMLParser(decode(response), scripting=True)
    if tree.body is None:
        return None
    done = REWRITES[name](tree, rng, target)
    return (with_text(response, tree.html or ""), done) if done else None


def toast(response: Response, text: str) -> Response | None:
    """The page of `response` under a message; None where it is no page."""
    if kind_of(response) != "html":
        return None
    tree = LexborHTMLParser(decode(response), scripting=True)
    place = tree.css_first("main") or tree.body
    if place is None:
        return None
    place.inner_html = f'<div role="status">{html.escape(text)}</div>{place.inner_html or ""}'
    return with_text(response, tree.html or "")


def challenge_page(question: str, target: str, wrong: bool) -> str:
    """The page that asks whether someone is a person: HTML."""
    again = '<p role="alert">That was not right. Please try again.</p>' if wrong else ""
    return (
        "<!doctype html><html><head><title>One more step</title></head><body><main><h1>One more step</h1>"
        f"<p>Please show that you are a person to go on.</p>{again}"
        f'<form method="post" action="{html.escape(target)}"><label for="reply">{html.escape(question)}</label>'
        f'<input id="reply" name="{CHALLENGE_FIELD}" autocomplete="off"><button>Continue</button></form></main>'
        "</body></html>"
    )


CHALLENGE_FIELD = "challenge_reply"
"""Name of the field that a solved challenge is sent in."""


def _modal(tree: LexborHTMLParser, rng: Rng, target: str) -> str:
    del target
    if tree.css_first("dialog[open]") is not None:
        return ""
    title, text = rng.choice(_OFFERS)
    assert tree.body is not None
    # A dialog form closes its dialog without asking the app for anything, with scripts or without.
    tree.body.inner_html = (tree.body.inner_html or "") + (
        f'<dialog open aria-modal="true" aria-label="{title}" style="{_COVER}"><h2>{title}</h2><p>{text}</p>'
        '<form method="dialog"><button>Close</button></form></dialog>'
    )
    return f"dialog {title!r} over the page"


def _slow(tree: LexborHTMLParser, rng: Rng, target: str) -> str:
    del rng, target
    place = tree.css_first("main") or tree.body
    assert place is not None
    place.inner_html = '<p role="status">Loading…</p>'
    return "content left out"


def _dead_button(tree: LexborHTMLParser, rng: Rng, target: str) -> str:
    del target
    buttons = [
        node
        for node in tree.css("form button, form input[type=submit]")
        if (node.attrs.get("type") or "submit").lower() == "submit"
        and "disabled" not in node.attrs
        and "formmethod" not in node.attrs
        and not _in_dialog(node)
    ]
    if not buttons:
        return ""
    button = rng.choice(buttons)
    button.attrs["type"] = "button"
    label = " ".join((button.text() or button.attrs.get("value") or "").split())
    return f"button {label[:60]!r} does nothing"


def _in_dialog(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag == "dialog":
            return True
        parent = parent.parent
    return False


def _layout(tree: LexborHTMLParser, rng: Rng, target: str) -> str:
    del rng, target
    main = tree.css_first("main")
    body = tree.body
    if main is None or body is None:
        return ""
    before = [node for node in body.iter() if node.tag != "script"]
    block = main
    while block.parent is not None and block.parent.tag != "body":
        block = block.parent
    if len(before) < 2 or before[0].mem_id == block.mem_id:
        return ""
    markup = block.html or ""
    block.decompose()
    body.inner_html = markup + (body.inner_html or "")
    return "content before the header"


def _largest_list(tree: LexborHTMLParser) -> list[LexborNode]:
    """The longest run of equal siblings in the content: what a reader would call the list of the page."""
    place = tree.css_first("main") or tree.body
    assert place is not None
    best: list[LexborNode] = []
    for parent in place.css("ul, ol, tbody, div, section"):
        if parent.mem_id != place.mem_id and _inside(parent, "nav", place):
            continue
        items = list(parent.iter())
        tags = {item.tag for item in items}
        if (
            len(tags) == 1
            and tags <= {"li", "tr", "article", "a", "div"}
            and len(items) > max(len(best), MIN_ITEMS - 1)
        ):
            best = items
    return best


def _inside(node: LexborNode, tag: str, until: LexborNode) -> bool:
    current: LexborNode | None = node
    while current is not None and current.mem_id != until.mem_id:
        if current.tag == tag:
            return True
        current = current.parent
    return False


def _reordered(tree: LexborHTMLParser, rng: Rng, target: str) -> str:
    del target
    items = _largest_list(tree)
    if not items or items[0].parent is None:
        return ""
    before = [item.html or "" for item in items]
    after = rng.shuffled(before)
    if after == before:
        after = [*before[1:], before[0]]
    if after == before:
        return ""
    items[0].parent.inner_html = "\n".join(after)
    return f"{len(items)} items in another order"


def _skipped(tree: LexborHTMLParser, rng: Rng, target: str) -> str:
    del rng
    found = _PAGED.search(target)
    items = _largest_list(tree)
    if found is None or int(found[1]) < 2 or not items:
        return ""
    items[0].decompose()
    return f"first of {len(items)} items left out"


REWRITES: dict[str, Rewrite] = {
    "modal": _modal,
    "slow-render": _slow,
    "disabled-clickable": _dead_button,
    "layout-variant": _layout,
    "list-order": _reordered,
    "page-skip": _skipped,
}
"""UI faults that change a page on its way; captcha and lying toast change the exchange itself."""
