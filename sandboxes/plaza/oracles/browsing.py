"""People at the site, as the oracles and tests need them: a visitor who finds posts to write under."""

from __future__ import annotations

from typing import Any

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.visitor import Visitor

MEMBER = "marisol.vega@example.com"
SECOND = "tomasz.zielak@example.com"


def expect(held: bool, message: str) -> None:
    """What an oracle says when it meets its bug.

    Raises:
        OracleFailure: `held` is false.
    """
    if not held:
        raise OracleFailure(message)


class Session(Visitor):
    """One person right after a reset of `sandbox`."""

    def __init__(self, sandbox: Sandbox, login: str | None = MEMBER, clock: str | None = None) -> None:
        super().__init__(sandbox, sandbox.control.reset(ResetRequest(login=login, clock=clock)), login)
        self.name = str(self.rows("members")[login]["name"]) if login else ""

    def second(self, login: str = SECOND) -> Visitor:
        """Somebody else at the same site, now."""
        return Visitor(self.sandbox, self.sandbox.control.sign_in(login), login)

    def moderated(self) -> str:
        """A forum that this member moderates."""
        return min(row["forum"] for row in self.rows("moderators", member=self.name).values())

    def open_post(self, forum: str = "", **having: object) -> int:
        """An old post of somebody else's that can be commented on by this member."""
        banned = {row["forum"] for row in self.rows("bans", member=self.name).values()}
        wanted = {"status": "live", "locked": 0, "pinned": 0, **having, **({"forum": forum} if forum else {})}
        return min(
            int(key)
            for key, row in self.rows("posts", **wanted).items()
            if row["author"] != self.name and row["forum"] not in banned and row["comments"] > 2
        )

    def my_comments(self, body: str) -> dict[str, dict[str, Any]]:
        """This member's comments with exactly this text."""
        return self.rows("comments", author=self.name, body=body)

    def listed(self, target: str) -> list[int]:
        """Numbers of the posts on this page of a list and all pages after it."""
        out: list[int] = []
        while target:
            lines = self.lines(target)
            heads = [line.url for line in lines if line.role == "link" and line.url.startswith("/p/")]
            out += [int(url.removeprefix("/p/")) for url in heads if "#" not in url]
            target = next((line.url for line in lines if line.name == "Next page"), "")
        return out
