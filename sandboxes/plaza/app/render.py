"""Templates, compiled once, and how they print numbers, times and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from envsim.guest.text import RowsFirst, day, initials, moment, plural
from envsim.guest.zones import ZONES

from .service.markup import to_html
from .service.moderation import LOG_WORDS, REASONS
from .service.ranking import COMMENT_SORTS, PERIODS, SORTS

NOTICES = {
    "signed-in": "Welcome back.",
    "signed-out": "You are signed out.",
    "registered": "Welcome to Plaza. Join some forums, and they make up your front page.",
    "resumed": "Welcome back. You can go on where you were.",
    "settings-saved": "Settings saved.",
    "joined": "You have joined this forum.",
    "left": "You have left this forum.",
    "posted": "Your post is published.",
    "held": "Your post waits for the moderators: it has a word of this forum's list.",
    "post-edited": "Your changes are saved.",
    "post-deleted": "Your post is deleted.",
    "flair-set": "The flair is set.",
    "commented": "Your comment is published.",
    "comment-edited": "Your changes are saved.",
    "comment-deleted": "Your comment is deleted.",
    "saved": "Saved for later.",
    "unsaved": "No longer saved.",
    "reported": "Thank you. The moderators of this forum will look at it.",
    "crossposted": "Your crosspost is published.",
    "draft-saved": "Draft saved.",
    "draft-deleted": "Draft deleted.",
    "message-sent": "Message sent.",
    "all-read": "All notifications are marked as read.",
    "removed": "Removed.",
    "approved": "Approved.",
    "locked": "Locked. Nobody but moderators can comment now.",
    "unlocked": "Unlocked.",
    "pinned": "Pinned to the top of the forum.",
    "unpinned": "No longer pinned.",
    "dismissed": "The reports are dismissed.",
    "banned": "The member is banned from this forum.",
    "unbanned": "The member may write in this forum again.",
    "word-added": "The word is on the list.",
    "word-removed": "The word is off the list.",
    "rule-added": "Rule added.",
    "rule-removed": "Rule removed.",
}


def points(score: int | None) -> str:
    """A score in words; that of a new post is not told."""
    return "score hidden" if score is None else plural(score, "point") if abs(score) != 1 else f"{score} point"


def snippet(text: str, length: int = 140) -> str:
    """The beginning of a member's text on one line, cut between words."""
    line = " ".join(text.replace("**", "").replace("`", "").split())
    return line if len(line) <= length else line[:length].rsplit(" ", 1)[0].rstrip(",.;:") + "…"


class _Environment(RowsFirst, Environment):
    """Rows are dictionaries."""


def _compile() -> Environment:
    found = _Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False, cache_size=-1,
    )  # fmt: skip
    for function in (day, initials, moment, plural, points, snippet, to_html):
        found.filters[function.__name__] = function
    found.globals.update(
        log_words=LOG_WORDS,
        reasons=REASONS,
        sorts=SORTS,
        periods=PERIODS,
        comment_sorts=COMMENT_SORTS,
        zones=sorted(ZONES),
    )
    return found


# Code, not state: the same for every clone in this process.
_TEMPLATES = _compile()


def page(template: str, **values: Any) -> str:
    """The HTML of one template."""
    return _TEMPLATES.get_template(template).render(values)
