"""Bugs of settings and accounts."""

from __future__ import annotations

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .visits import ADMINISTRATOR, Member


def feed_leak(sandbox: Sandbox) -> None:
    """Close the wiki to guests, then read its feed as one."""
    administrator = Member(sandbox, ADMINISTRATOR)
    page = "/-/admin/permissions_and_registration"
    access = dict.fromkeys(("READ_access", "WRITE_access", "ATTACHMENT_access"), "REGISTERED")
    administrator.submit(page, **access)
    guest = Member(sandbox, None, reset=False)
    if guest.send("GET", "/Rules").status == 200:
        raise ValueError("the wiki is still open to guests")
    reply = guest.send("GET", "/-/changelog/feed.rss")
    if reply.status == 200 and b"<item>" in reply.body:
        raise OracleFailure("a guest who may read no page reads every change in the feed")


def empty_password(sandbox: Sandbox) -> None:
    """Add a member without a password, who then tries to sign in."""
    administrator = Member(sandbox, ADMINISTRATOR)
    administrator.submit("/-/user/", name="Hanne Brook", email="hanne.brook@example.com", is_approved="1")
    if not administrator.rows("users").get("hanne.brook@example.com"):
        raise ValueError("the member was not added")
    guest = Member(sandbox, None, reset=False)
    status = guest.submit("/-/login", **{"email": "hanne.brook@example.com", "password": "guess-one"}).status
    if status >= 500:
        raise OracleFailure(f"signing in answered {status} instead of refusing")


def preferences_undone(sandbox: Sandbox) -> None:
    """Set how pages are edited, then change the site's description on another page of the settings."""
    administrator = Member(sandbox, ADMINISTRATOR)
    administrator.submit("/-/admin/content_and_editing", commit_message="REQUIRED", retain_page_name_case="True",
                         update_preferences="true")  # fmt: skip
    if administrator.rows("preferences")["COMMIT_MESSAGE"]["value"] != "REQUIRED":
        raise ValueError("the first setting was not kept")
    administrator.submit(
        "/-/admin", site_name="Weir Meadow", site_description="Fourteen plots", update_preferences="true"
    )
    now = administrator.rows("preferences")
    if now["SITE_DESCRIPTION"]["value"] != "Fourteen plots":
        raise ValueError("the second setting was not kept")
    if now["RETAIN_PAGE_NAME_CASE"]["value"] != "True":
        raise OracleFailure(
            f"saving the description set RETAIN_PAGE_NAME_CASE to {now['RETAIN_PAGE_NAME_CASE']['value']}"
        )
