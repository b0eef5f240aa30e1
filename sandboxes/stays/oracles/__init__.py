"""One oracle per bug of sandbox.toml: raises `OracleFailure` when it meets the bug, returns otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .booking import (
    booking_503,
    booking_expiry,
    cancel_no_refund,
    dead_reserve,
    deadline_utc,
    double_booking,
    pay_timeout,
    tax_rounding,
    twice_booked,
)
from .browsing import GUEST, HOST, SECOND, Session

__all__ = [
    "booking_503",
    "booking_expiry",
    "cancel_no_refund",
    "dead_reserve",
    "deadline_utc",
    "double_booking",
    "pay_timeout",
    "tax_rounding",
    "twice_booked",
]

RESULTS = "/search?place=lisbon"


def _expect(held: bool, message: str) -> None:
    if not held:
        raise OracleFailure(message)


# -- app ---------------------------------------------------------------------------------------------


def stale_calendar(sandbox: Sandbox) -> None:
    """A new rate and blocked nights are seen at once."""
    session = Session(sandbox, HOST)
    slug = session.home(host=HOST)
    session.post(f"/host/homes/{slug}", nightly="123.45", weekend="150", cleaning="30")
    lines = session.lines(f"/search?place={session.rows('homes')[slug]['place']}&min=123.45&max=123.45")
    at = next((i for i, line in enumerate(lines) if line.url == f"/stay/{slug}"), None)
    _expect(at is not None, "a home whose rate is now $123.45 is not found by it")
    shown = next(line.name for line in lines[at or 0 :] if "a night" in line.name)
    _expect("$123.45" in shown, f"the results say {shown!r}, the rate is $123.45")
    start, _ = session.free(slug, 2)
    session.post(f"/host/homes/{slug}/calendar", action="block", start=start, end=start)
    night = next(
        n for n in session.tool("get_availability", slug=slug, month=start[:7])["nights"] if n["date"] == start
    )
    _expect(not night["available"], f"{start} is blocked and shown as free")


def calendar_overwrite(sandbox: Sandbox) -> None:
    """Both of two changes to a calendar stay."""
    session = Session(sandbox, HOST)
    slug = session.home(host=HOST)
    start, end = session.free(slug, 2)
    session.tool("host_block_nights", slug=slug, start=start, end=start, blocked=True)
    later = (datetime.fromisoformat(end) + timedelta(days=9)).date().isoformat()
    session.tool("host_set_night_rate", slug=slug, start=later, end=later, cents=23400)
    kept = {row["date"]: row for row in session.rows("calendar", home=slug).values()}
    _expect(kept.get(later, {}).get("cents") == 23400, f"the rate of {later} is {kept.get(later)}")
    _expect(bool(kept.get(start, {}).get("blocked")), f"{start} was blocked and is open again")


def dst_shift(sandbox: Sandbox) -> None:
    """A stay after the clocks go forward is shown on its dates."""
    session = Session(sandbox)
    stay = session.stay(place="hudson-valley")
    booked = session.tool("book_stay", **stay, card_id=session.card())
    _expect(booked["check_in"] == stay["check_in"], f"check-in {stay['check_in']} reads {booked['check_in']}")


def search_repeat(sandbox: Sandbox) -> None:
    """The pages of a search show every home once."""
    session = Session(sandbox, None)
    found = session.listed(RESULTS)
    wanted = session.rows("homes", place="lisbon").keys()
    _expect(sorted(found) == sorted(wanted), f"{len(found)} cards for {len(wanted)} homes, {len(set(found))} different")


def rating_ties(sandbox: Sandbox) -> None:
    """Sorted by rating, the results read the same twice."""
    session = Session(sandbox, None)
    first, second = (session.listed(f"{RESULTS}&sort=rating") for _ in range(2))
    _expect(first == second, "the order of equal ratings changed between two readings")


def escaped_messages(sandbox: Sandbox) -> None:
    """A message is kept as it was written."""
    session = Session(sandbox)
    text = "We'll be late, Ann & I."
    session.post(f"/stay/{session.home(place='kyoto')}/contact", body=text)
    bodies = {row["body"] for row in session.rows("messages", sender=GUEST).values()}
    _expect(text in bodies, f"kept: {sorted(body for body in bodies if 'late' in body)}")


def host_peek(sandbox: Sandbox) -> None:
    """A host cannot read another host's reservation."""
    session = Session(sandbox, HOST)
    number = next(n for n, row in sorted(session.rows("reservations").items()) if row["host"] != HOST)
    status = session.send("GET", f"/host/reservations/{number}").status
    _expect(status == 404, f"reservation {number} of another host answered with status {status}")


# -- wire --------------------------------------------------------------------------------------------


def api_drift(sandbox: Sandbox) -> None:
    """Totals are integers called total_cents, as documented."""
    session = Session(sandbox)
    answer = session.tool("quote_stay", **session.stay())
    _expect(isinstance(answer.get("total_cents"), int), f"the price has the keys {', '.join(sorted(answer))}")


def message_limit(sandbox: Sandbox) -> None:
    """Three messages in a row are taken."""
    session = Session(sandbox)
    thread = session.tool("list_threads")["threads"][0]["id"]
    answers = [session.tool("send_message", thread_id=thread, body=f"Message {n}") for n in range(3)]
    refused = [answer["error"]["code"] for answer in answers if "error" in answer]
    _expect(not refused, f"refused: {', '.join(refused)}")


# -- ui ----------------------------------------------------------------------------------------------


def search_challenge(sandbox: Sandbox) -> None:
    """A search shows results."""
    lines = Session(sandbox, None).lines(RESULTS)
    asked = next((line.name for line in lines if line.role == "textbox" and line.name == "Your answer"), "")
    _expect(not asked, "a question stands before the results")


def cookie_consent(sandbox: Sandbox) -> None:
    """Nothing covers the site."""
    session = Session(sandbox, SECOND)
    for _ in range(3):
        _expect(all(line.role != "dialog" for line in session.lines("/")), "a dialog covers the page")


def message_unsent(sandbox: Sandbox) -> None:
    """What is reported as sent is in the conversation."""
    session = Session(sandbox)
    thread = session.tool("list_threads")["threads"][0]["id"]
    reply = session.post(f"/messages/{thread}", body="Is there a bath as well?")
    said = "message-sent" in (reply.header("location") or "")
    held = any(row["body"] == "Is there a bath as well?" for row in session.rows("messages").values())
    _expect(said and held, f"reported as sent: {said}; in the conversation: {held}")


def layout_variant(sandbox: Sandbox) -> None:
    """A home's page has its usual words."""
    session = Session(sandbox)
    stay = session.stay()
    target = "/stay/{slug}?check_in={check_in}&check_out={check_out}&guests={guests}".format(**stay)
    names = {line.name for line in session.lines(target) if line.role == "button"}
    _expect({"Show price", "Reserve"} <= names, f"buttons: {', '.join(sorted(names))}")


def slow_calendar(sandbox: Sandbox) -> None:
    """A home's page shows its availability."""
    session = Session(sandbox)
    roles = {line.name for line in session.lines(f"/stay/{session.home()}") if line.role == "table"}
    _expect("March 2026" in roles, f"tables: {', '.join(sorted(roles)) or 'none'}")
