"""Every declared bug is there when it is on, gone when it is off, and says so when it fires."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.visitor import Visitor
from tests.sandboxes import kits

GUEST = "maya.okonkwo@example.com"


held = partial(kits.held, login=GUEST)


class TestBugs(kits.SwitchedBugs):
    # All classes but csrf-rotation and truncated-body.
    app = "stays"
    served = ("search-challenge", "double-booking", "pay-timeout", "dst-shift")
    known = ("search-challenge", "pay-timeout", "twice-booked", "calendar-overwrite")
    random = 7


# -- captcha -----------------------------------------------------------------------------------------


def test_a_right_answer_opens_the_search_for_a_while_and_a_wrong_one_asks_anew(stays: Sandbox) -> None:
    visitor = held(stays, "search-challenge", login=None)
    question = visitor.tool("search_stays", place="kyoto")["error"]["message"]
    assert visitor.tool("answer_challenge", answer="no idea")["error"]["code"] == "challenge_required"
    again = visitor.tool("search_stays", place="kyoto")["error"]["message"]
    assert again != question
    assert visitor.tool("answer_challenge", answer=f" {_solve(again)}. ") == {"ok": True}
    found = [visitor.tool("search_stays", place="kyoto") for _ in range(31)]
    assert all(answer.get("total") == 13 for answer in found[:29])
    assert found[-1]["error"]["code"] == "challenge_required"


def test_the_page_asks_and_leads_back_to_the_search(stays: Sandbox) -> None:
    visitor = held(stays, "search-challenge", login=None)
    refused = visitor.send("GET", "/search?place=kyoto&guests=2")
    assert refused.status == 403
    question = next(line.name for line in visitor.lines("/search?place=kyoto&guests=2") if line.name.endswith("?"))
    hidden = visitor.hidden("/search?place=kyoto&guests=2")
    reply = visitor.post("/challenge", answer=_solve(question), next=hidden["next"].replace("&amp;", "&"))
    assert reply.header("location") == "/search?place=kyoto&guests=2"
    assert visitor.send("GET", reply.header("location")).status == 200


def _solve(question: str) -> str:
    if "last word" in question:
        return question.split("”", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    a, b = (int(word.strip("?")) for word in question.split() if word.strip("?").isdigit())
    return str(a + b)


# -- bugs that meet ----------------------------------------------------------------------------------


def test_trying_again_after_a_timeout_books_twice_only_where_both_bugs_are(stays: Sandbox) -> None:
    made = {}
    for bugs in (("pay-timeout",), ("pay-timeout", "twice-booked")):
        visitor = held(stays, *bugs)
        before, stay = len(visitor.mine()), visitor.stay()
        visitor.go_to_review(stay)
        key = visitor.hidden(f"/book/{stay['slug']}/review")["key"]
        statuses = [visitor.post(f"/book/{stay['slug']}/confirm", key=key).status for _ in range(2)]
        assert statuses == [504, 504]
        made[bugs] = len(visitor.mine()) - before
        charges = visitor.rows("payments", kind="charge").values()
        newest = sorted(charges, key=lambda row: row["reservation"])[-made[bugs] :]
        assert len({row["amount_cents"] for row in newest}) == 1
    assert list(made.values()) == [1, 2]


def test_a_deadline_in_utc_makes_the_missing_refund_too_small_as_well(stays: Sandbox) -> None:
    due = {}
    for bugs in ((), ("deadline-utc",), ("deadline-utc", "cancel-no-refund")):
        visitor = held(stays, *bugs)
        slug = visitor.home(place="portland", policy="flexible", instant=1)
        check_in, check_out = visitor.free(slug, 3)
        # An hour before the deadline on the wall there, which is seven hours behind UTC in summer.
        hour = visitor.rows("homes")[slug]["check_in_hour"]
        clock = datetime.fromisoformat(f"{check_in}T00:00:00+00:00") + timedelta(hours=hour - 24 - 1 + 7)
        visitor = held(stays, *bugs, clock=clock.isoformat())
        trip = visitor.tool("book_stay", slug=slug, check_in=check_in, check_out=check_out, guests=1,
                            card_id=visitor.card())  # fmt: skip
        cancelled = visitor.tool("cancel_trip", number=trip["number"])
        due[bugs] = (cancelled["refund_due_cents"], cancelled["refunded_cents"])
        if bugs == ("deadline-utc", "cancel-no-refund"):
            asked = visitor.tool("request_refund", number=trip["number"])
            assert asked == {"refunded_cents": cancelled["refund_due_cents"]}
            assert visitor.tool("request_refund", number=trip["number"])["error"]["code"] == "nothing_due"
    right, late, both = due.values()
    assert right[0] == right[1] > late[0] == late[1] == both[0]
    assert both[1] == 0


def test_a_calendar_edit_survives_when_enough_happens_between(stays: Sandbox) -> None:
    host = held(stays, "calendar-overwrite", login="tomas.ferreira@example.com")
    slug = host.home(host=host.login)
    host.tool("host_block_nights", slug=slug, start="2026-10-05", end="2026-10-06", blocked=True)
    for _ in range(3):
        host.tool("host_list_homes")
    host.tool("host_block_nights", slug=slug, start="2026-10-08", end="2026-10-08", blocked=True)
    kept = {row["date"] for row in host.rows("calendar", home=slug, blocked=1).values()}
    assert {"2026-10-05", "2026-10-06", "2026-10-08"} <= kept


def test_stale_rates_are_right_again_after_six_views(stays: Sandbox) -> None:
    host = held(stays, "stale-calendar", login="tomas.ferreira@example.com")
    slug = host.home(host=host.login)
    host.tool("host_set_rates", slug=slug, nightly_cents=12345)
    shown = []
    for _ in range(7):
        homes = host.tool("search_stays", place="lisbon", min_cents=12345, max_cents=12345)["stays"]
        shown.append(next(home["nightly_cents"] for home in homes if home["slug"] == slug) == 12345)
    assert shown == [False] * 6 + [True]


def test_a_session_that_ran_out_is_continued_where_it_stopped(stays: Sandbox) -> None:
    visitor = held(stays, "booking-expiry")
    stay = visitor.stay()
    visitor.go_to_review(stay)
    assert visitor.send("GET", "/trips").header("location") == "/login?next=/trips"
    page = visitor.get("/login")
    assert "Continue as Maya Okonkwo" in page
    assert visitor.post("/resume", next=f"/book/{stay['slug']}/payment").status == 303
    assert "Pay with this card" in visitor.get(f"/book/{stay['slug']}/payment")


def test_resets_leave_nothing_behind_whatever_happened(stays: Sandbox) -> None:
    def use(visitor: Visitor) -> None:
        visitor.tool("search_stays", place="kyoto", sort="rating", page=2)
        visitor.tool("contact_host", slug=min(visitor.rows("homes")), body="We'll come by boat.")
        visitor.tool("cancel_trip", number=int(min(visitor.rows("reservations", guest=GUEST, status="requested"))))

    kits.resets_leave_nothing(stays, GUEST, 25, use)
