"""Every page of the discussion site, in both drivers, for each kind of person; and a discussion through trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from envsim.page.conformance import compare, perform, walk
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import load_spec
from envsim.types import Action
from tests.sandboxes.sites import both, told

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

SPEC = load_spec(Path(__file__).resolve().parents[3] / "sandboxes" / "plaza" / "sandbox.toml")
MEMBER, MODERATOR = "zeynep.aydin@example.com", "marisol.vega@example.com"
LISTS = ("/search", "/u/", "/c/")


@pytest.mark.parametrize(
    ("login", "bugs", "limit", "avoid"),
    [
        (None, "none", 30, ()),
        (MEMBER, "none", 25, (*LISTS, "/all", "/f/", "/help")),
        (MODERATOR, "none", 35, (*LISTS, "/all", "/help")),
        # Every bug but the overlay, which keeps a walk from everything else, pages that break off, and those that
        # differ when loaded again: what a browser puts back into the fields of such a page is its own affair.
        (MODERATOR, "loose", 25, ()),
    ],
    ids=["nobody", "member", "moderator", "bugs"],
)
def test_both_drivers_read_every_page_alike(login: str | None, bugs: str, limit: int, avoid: tuple[str, ...]) -> None:
    left_out = ("join-overlay", "slow-comments", "cut-thread")
    chosen = [bug.id for bug in SPEC.bugs if bug.id not in left_out] if bugs == "loose" else bugs
    with both(SPEC, ResetRequest(seed=5, login=login, bugs=SPEC.select_bugs(chosen))) as (first, second):
        differences, opened = walk(first, second, SPEC.pages, limit=limit, avoid=avoid)
        assert not differences, told(differences)
        assert len(opened) >= min(limit, 20)


def test_both_drivers_discuss_alike_through_every_trouble_on_the_way() -> None:
    bugs = SPEC.select_bugs(["join-overlay", "compose-expiry", "comment-timeout", "form-rotation", "slow-comments"])
    rates = {"comment-timeout": 1.0, "compose-expiry": 0.5, "form-rotation": 0.5}
    with both(SPEC, ResetRequest(seed=5, login=MEMBER, bugs=bugs | rates)) as pair:
        differences = compare(*pair, "/", "open")

        def do(name: str, **arguments: str) -> None:
            where = pair[0].observe().url
            differences.extend(perform(*pair, Action.call(name, **arguments), where))

        def ref(name: str) -> str:
            return next(line.ref for line in pair[0].observe().lines if line.ref and line.name.startswith(name))

        def shown(name: str) -> bool:
            return any(line.name.startswith(name) for line in pair[0].observe().lines)

        do("goto", url="/f/chess?sort=top")
        while shown("Plaza in your pocket"):
            do("click", bid=ref("Stay on the site"))
        do("click", bid=ref("Upvote “Lost to a nine year old"))
        do("click", bid=ref("Lost to a nine year old"))
        text = "We'll bring a juice box & a clock."
        for _ in range(12):
            if shown("Continue as"):
                do("click", bid=ref("Continue as"))
            do("fill", bid=ref("Your comment"), value=text)
            do("click", bid=ref("Comment"))
            if shown("The server took too long"):
                break
        assert shown("The server took too long")
        do("goto", url="/u/zeynep_aydin/comments" if shown("u/zeynep_aydin") else "/all")
        do("goto", url="/messages/marisol_vega")
        do("fill", bid=ref("Your message"), value="Was **that** you?")
        do("click", bid=ref("Send message"))
        assert not differences, told(differences)
