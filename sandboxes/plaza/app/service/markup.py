"""Members' text as HTML: paragraphs, lists, quotes, emphasis, code and links; nothing else gets through."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\((https?://[^\s()<>\"']{1,300}|/(?!/)[^\s()<>\"'\\]{0,200})\)")
_SPANS = (
    (re.compile(r"`([^`\n]+)`"), "code"),
    (re.compile(r"\*\*([^\s*<](?:[^*\n<]*[^\s*<])?)\*\*"), "strong"),
    (re.compile(r"(?<![*\w])\*([^\s*<](?:[^*\n<]*[^\s*<])?)\*(?![*\w])"), "em"),
)
_NAMED = re.compile(r"(?<![\w/])(u|f)/([A-Za-z0-9_-]{2,30})\b")


def to_html(text: str) -> Markup:
    """`text` as blocks of HTML."""
    return Markup("\n".join(_blocks(text)))  # noqa: S704 -- _blocks escapes what members wrote


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        if lines and all(line.startswith(("- ", "* ")) for line in lines):
            yield "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
        elif lines and all(line.startswith(">") for line in lines):
            yield f"<blockquote><p>{_inline(' '.join(line[1:].strip() for line in lines))}</p></blockquote>"
        elif lines:
            yield f"<p>{'<br>'.join(_inline(line) for line in lines)}</p>"


def _inline(text: str) -> str:
    out, at = [], 0
    for link in _LINK.finditer(text):
        out += [_spans(text[at : link.start()]), f'<a href="{escape(link[2])}" rel="nofollow">{escape(link[1])}</a>']
        at = link.end()
    return "".join([*out, _spans(text[at:])])


def _spans(text: str) -> str:
    html = str(escape(text))
    for pattern, tag in _SPANS:
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    return _NAMED.sub(r'<a href="/\1/\2">\1/\2</a>', html)
