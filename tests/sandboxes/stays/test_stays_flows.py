"""What guests and hosts do through pages, and all that the site must refuse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from envsim.sandbox.runtime import Sandbox

GUEST = "maya.okonkwo@example.com"
HOST = "tomas.ferreira@example.com"
Session = Any
Open = Callable[..., Session]

SECOND = "jonas.lindqvist@example.com"


def text(visitor: Session, target: str) -> str:
    return "\n".join(line.name for line in visitor.lines(target))


def money(cents: int) -> str:
    return f"${cents / 100:,.2f}"


# -- booking -----------------------------------------------------------------------------------------


def test_a_guest_finds_signs_in_and_books_with_a_coupon_and_a_new_card(session: Open) -> None:
    visitor = session(None)
    stay = session(GUEST).stay(place="lisbon")
    visitor = session(None)
    dates = f"check_in={stay['check_in']}&check_out={stay['check_out']}&guests=2"
    stay["guests"] = 2
    assert stay["slug"] in {url.partition("?")[0] for url in visitor.listed(f"/search?place=lisbon&{dates}")}
    target = f"/stay/{stay['slug']}?{dates}"
    reply = visitor.post(f"/stay/{stay['slug']}/reserve", **{**stay, "back": target})
    assert reply.header("location").startswith("/login?next=/stay/")
    visitor.login = GUEST
    visitor.post("/login", email=GUEST.upper(), password="dovecote-demo", next="/trips")
    assert visitor.post(f"/stay/{stay['slug']}/reserve", **stay).header("location") == f"/book/{stay['slug']}"
    assert visitor.post(f"/book/{stay['slug']}/coupon", code="hello10").status == 303
    assert "Coupon HELLO10" in text(visitor, f"/book/{stay['slug']}")
    visitor.post(f"/book/{stay['slug']}", note="See you soon.")
    card = {"card": "new", "number": "5105 1051 0510 5100", "expires": "09/28"}
    assert visitor.post(f"/book/{stay['slug']}/payment", **card).header("location").endswith("/review")
    before = set(visitor.mine())
    location = visitor.confirm(stay).header("location")
    (number,) = set(visitor.mine()) - before
    assert location == f"/trips/{number}/booked"

    made, home = visitor.mine()[number], visitor.rows("homes")[stay["slug"]]
    assert made["payment"] == "Mastercard ending 5100"
    assert "5105" not in str(visitor.rows("cards"))
    assert (made["status"], made["coupon"], made["note"]) == ("confirmed", "HELLO10", "See you soon.")
    lodging = made["nights_cents"] - made["long_stay_cents"]
    assert made["coupon_cents"] == (lodging + 5) // 10
    assert made["service_cents"] == (lodging * 14 + 50) // 100
    place = visitor.rows("places")["lisbon"]
    tax = (lodging + home["cleaning_cents"]) * place["tax_bps"] / 10_000 + 2 * made["nights"] * place["tourist_cents"]
    assert abs(made["tax_cents"] - tax) <= 0.5
    assert (
        made["total_cents"]
        == lodging - made["coupon_cents"] + home["cleaning_cents"] + made["service_cents"] + made["tax_cents"]
    )
    assert [p["amount_cents"] for p in visitor.rows("payments", reservation=int(number)).values()] == [
        made["total_cents"]
    ]
    earned = lodging + home["cleaning_cents"]
    assert visitor.rows("payouts")[number]["amount_cents"] == earned - (earned * 3 + 50) // 100
    assert "See you soon." in {row["body"] for row in visitor.rows("messages", home=stay["slug"]).values()}
    assert f"charged {money(made['total_cents'])}" in text(visitor, location)


def test_weekends_and_special_nights_cost_what_their_host_says(host: Session) -> None:
    slug = next(s for s, row in host.rows("homes", host=HOST).items() if row["weekend_cents"] > row["nightly_cents"])
    home = host.rows("homes")[slug]
    # Thursday to Sunday; the Saturday is a festival.
    host.tool("host_set_night_rate", slug=slug, start="2026-10-10", end="2026-10-10", cents=50_000)
    price = host.tool("quote_stay", slug=slug, check_in="2026-10-08", check_out="2026-10-11", guests=1)
    assert price["nights_cents"] == home["nightly_cents"] + home["weekend_cents"] + 50_000
    host.tool("host_set_night_rate", slug=slug, start="2026-10-10", end="2026-10-10", cents=0)
    price = host.tool("quote_stay", slug=slug, check_in="2026-10-08", check_out="2026-10-11", guests=1)
    assert price["nights_cents"] == home["nightly_cents"] + 2 * home["weekend_cents"]
    assert host.rows("calendar", home=slug, date="2026-10-10") == {}


def test_long_stays_are_cheaper(guest: Session) -> None:
    slug = next(s for s, row in guest.rows("homes").items() if row["weekly_percent"] and row["min_nights"] < 7)
    home = guest.rows("homes")[slug]
    percents = []
    for check_out in ("2026-10-11", "2026-10-12", "2026-11-02"):  # 6, 7 and 28 nights
        price = guest.tool("quote_stay", slug=slug, check_in="2026-10-05", check_out=check_out, guests=1)
        percents.append(round(100 * price["long_stay_cents"] / price["nights_cents"]))
    assert percents == [0, home["weekly_percent"], home["monthly_percent"]]


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("in the past", {"check_in": "2026-02-20", "check_out": "2026-02-24"}, 422),
    ("backwards", {"check_in": "2026-05-09", "check_out": "2026-05-05"}, 422),
    ("too long", {"check_in": "2026-05-01", "check_out": "2026-09-01"}, 422),
    ("too far ahead", {"check_in": "2027-05-01", "check_out": "2027-05-04"}, 422),
    ("no dates", {"check_in": "soon", "check_out": "later"}, 422),
    ("a crowd", {"guests": 17}, 422),
    ("nobody", {"guests": 0}, 422),
]


@pytest.mark.parametrize(("what", "change", "status"), REFUSED, ids=[row[0] for row in REFUSED])
def test_stays_that_cannot_be_had(guest: Session, what: str, change: dict[str, Any], status: int) -> None:
    stay = guest.stay() | change
    before = guest.sandbox.control.state()
    assert guest.post(f"/stay/{stay['slug']}/reserve", **stay).status == status
    target = f"/stay/{stay['slug']}?check_in={stay['check_in']}&check_out={stay['check_out']}&guests={stay['guests']}"
    if stay["guests"]:
        assert any(line.role == "alert" for line in guest.lines(target))
    assert guest.sandbox.control.state() == before


def test_nobody_gets_a_night_that_is_taken_or_kept_or_their_own(session: Open) -> None:
    guest = session()
    number, row = next((n, r) for n, r in guest.rows("reservations", status="confirmed").items()
                       if r["check_in"] > "2026-03-10" and GUEST not in (r["guest"], r["host"]))  # fmt: skip
    dates = {"check_in": row["check_in"], "check_out": row["check_out"], "guests": 1}
    refused = guest.tool("book_stay", slug=row["home"], **dates, card_id=guest.card())
    assert refused["error"]["code"] == "not_available"
    assert row["home"] not in {home["slug"] for home in guest.tool("search_stays", text=row["home"], **dates)["stays"]}
    kept = next(r for r in guest.rows("calendar", blocked=1).values())
    month = guest.tool("get_availability", slug=kept["home"], month=kept["date"][:7])["nights"]
    assert {night["date"]: night["available"] for night in month}[kept["date"]] is False
    host = session(HOST)
    slug = host.home(host=HOST, instant=1)
    check_in, check_out = host.free(slug, 3)
    own = host.tool("book_stay", slug=slug, check_in=check_in, check_out=check_out, guests=1, card_id=host.card())
    assert own["error"]["code"] == "own_home"
    assert number in guest.rows("reservations")


def test_booking_steps_cannot_be_skipped(guest: Session) -> None:
    stay = guest.stay()
    slug = stay["slug"]
    assert guest.send("GET", f"/book/{slug}").header("location") == f"/stay/{slug}"
    guest.post(f"/stay/{slug}/reserve", **stay)
    assert guest.send("GET", f"/book/{slug}/review").header("location") == f"/book/{slug}/payment"
    before = len(guest.mine())
    assert guest.post(f"/book/{slug}/confirm", key="guessed").status == 409
    assert guest.post(f"/book/{slug}/payment", card=99999).status == 404
    assert guest.post(f"/book/{slug}/payment", card="new", number="12", expires="09/28").status == 422
    assert guest.post(f"/book/{slug}/payment", card="new", number="4242424242424242", expires="01/20").status == 422
    assert len(guest.mine()) == before


@pytest.mark.parametrize(("code", "why"), [("AUTUMN15", "expired"), ("CREW20", "not valid"), ("NOPE", "not valid"),
                                          ("LINGER8", "at least $600.00"), ("", "Enter a coupon")])  # fmt: skip
def test_coupons_that_do_not_apply_say_why(guest: Session, code: str, why: str) -> None:
    slug = min(guest.rows("homes", instant=1, kind="studio").items(), key=lambda item: item[1]["nightly_cents"])[0]
    check_in, check_out = guest.free(slug, 3)
    guest.post(f"/stay/{slug}/reserve", check_in=check_in, check_out=check_out, guests=1)
    reply = guest.post(f"/book/{slug}/coupon", code=code)
    assert reply.status == 422
    assert why in reply.body.decode()


# -- requests ----------------------------------------------------------------------------------------


def test_a_request_is_charged_when_the_host_accepts_it_and_only_once(session: Open) -> None:
    guest = session()
    slug = guest.home(instant=0, min_nights=1)
    host_login = guest.rows("homes")[slug]["host"]
    check_in, check_out = guest.free(slug, 2)
    trip = guest.tool("book_stay", slug=slug, check_in=check_in, check_out=check_out, guests=1, card_id=guest.card())
    assert (trip["status"], trip["payments"]) == ("requested", [])
    host = guest.second(host_login)
    number = trip["number"]
    assert f"Request {number}" in text(host, "/host") or str(number) in text(
        host, "/host/reservations?status=requested"
    )
    assert host.post(f"/host/reservations/{number}", decision="maybe").status == 422
    assert host.post(f"/host/reservations/{number}", decision="accepted").status == 303
    assert host.post(f"/host/reservations/{number}", decision="declined").status == 409
    assert guest.tool("get_trip", number=number)["payments"][0]["amount_cents"] == trip["total_cents"]
    assert guest.rows("payouts")[str(number)]["host"] == host_login


def test_two_requests_for_one_night_cannot_both_be_accepted(session: Open) -> None:
    guest = session()
    slug = guest.home(instant=0, min_nights=1)
    check_in, check_out = guest.free(slug, 2)
    stay = {"slug": slug, "check_in": check_in, "check_out": check_out, "guests": 1}
    first = guest.tool("book_stay", **stay, card_id=guest.card())["number"]
    other = guest.second(SECOND)
    second = other.tool("book_stay", **stay, card_id=int(min(other.rows("cards", member=SECOND))))["number"]
    host = guest.second(guest.rows("homes")[slug]["host"])
    assert host.tool("host_decide_request", number=second, decision="accepted") == {"ok": True}
    refused = host.tool("host_decide_request", number=first, decision="accepted")
    assert refused["error"]["code"] == "not_available"
    assert host.tool("host_decide_request", number=first, decision="declined") == {"ok": True}


# -- cancelling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "days", "part"),
    [("flexible", 3, 1.0), ("flexible", 0.5, None), ("moderate", 6, 1.0), ("moderate", 3, 0.5), ("strict", 20, 1.0),
     ("strict", 10, 0.5), ("strict", 3, 0.0)],
)  # fmt: skip
def test_a_cancellation_gives_back_what_the_policy_says(
    session: Open, policy: str, days: float, part: float | None
) -> None:
    looked = session()
    slug = next(
        s for s, h in looked.rows("homes", policy=policy, instant=1, place="oaxaca").items() if h["min_nights"] < 4
    )
    check_in, check_out = looked.free(slug, 4)
    hour = looked.rows("homes")[slug]["check_in_hour"]
    arrival = f"{check_in}T{hour + 6:02d}:00:00+00:00"  # Oaxaca is six hours behind UTC all year
    from_arrival = datetime.fromisoformat(arrival) - timedelta(days=days)
    guest = session(clock=from_arrival.isoformat())
    trip = guest.tool("book_stay", slug=slug, check_in=check_in, check_out=check_out, guests=1, card_id=guest.card())
    total, kept = trip["total_cents"], trip["service_cents"] + trip["cleaning_cents"]
    rest = total - kept
    right = total if part == 1.0 else round(rest * (0.75 if part is None else part) + 1e-9) + trip["cleaning_cents"]
    shown = text(guest, f"/trips/{trip['number']}/cancel")
    assert f"you get back {money(right)}" in shown
    done = guest.tool("cancel_trip", number=trip["number"])
    assert (done["status"], done["refund_due_cents"], done["refunded_cents"]) == ("cancelled", right, right)
    assert guest.tool("get_availability", slug=slug, month=check_in[:7])["nights"][-1]["available"]
    assert guest.tool("cancel_trip", number=trip["number"])["error"]["code"] == "cannot_cancel"


def test_a_stay_that_has_begun_cannot_be_cancelled(session: Open) -> None:
    looked = session()
    number, row = next((n, r) for n, r in looked.mine(status="confirmed").items() if r["check_in"] > "2026-03-02")
    guest = session(clock=f"{row['check_in']}T23:59:00+00:00")
    slug = row["home"]
    if guest.rows("homes")[slug]["place"] in ("oaxaca", "santa-fe", "portland", "hudson-valley", "savannah"):
        guest = session(clock=f"{row['check_out']}T02:00:00+00:00")
    assert guest.post(f"/trips/{number}/cancel").status == 409
    assert "no longer be cancelled" in text(guest, f"/trips/{number}/cancel")


# -- reviews, messages, lists, cards -----------------------------------------------------------------


def test_a_stay_is_reviewed_once_and_only_after_it(guest: Session, session: Open) -> None:
    reviewed = {row["reservation"] for row in guest.rows("reviews").values()}
    over = [n for n, r in guest.rows("reservations", status="confirmed").items()
            if r["check_out"] < "2026-03-01" and int(n) not in reviewed]  # fmt: skip
    number = over[0]
    row = guest.rows("reservations")[number]
    author = session(row["guest"])
    before = author.rows("homes")[row["home"]]["rating_count"]
    assert author.post(f"/trips/{number}/review", rating=6, body="Far too many stars.").status == 422
    assert author.post(f"/trips/{number}/review", rating=4, body="Short").status == 422
    assert author.post(f"/trips/{number}/review", rating=4, body="The stairs creak, charmingly.").status == 303
    assert author.post(f"/trips/{number}/review", rating=1, body="On second thoughts, no.").status == 409
    assert author.rows("homes")[row["home"]]["rating_count"] == before + 1
    assert "The stairs creak, charmingly." in text(author, f"/stay/{row['home']}")
    coming = next(n for n, r in author.mine(status="confirmed").items() if r["check_in"] > "2026-03-02")
    assert author.post(f"/trips/{coming}/review", rating=5, body="I am sure it will be lovely.").status == 409
    host = author.second(row["host"])
    review = max(author.rows("reviews"), key=int)
    assert host.post(f"/host/homes/{row['home']}/reply", review=review, text="Thank you!").status == 303
    assert host.post(f"/host/homes/{row['home']}/reply", review=review, text="Again!").status == 409


def test_only_those_in_a_conversation_read_and_write_it(session: Open) -> None:
    guest = session()
    slug = guest.home(place="kyoto")
    thread = guest.post(f"/stay/{slug}/contact", body="Is there a tea house nearby?").header("location").split("?")[0]
    host = guest.second(guest.rows("homes")[slug]["host"])
    assert "Is there a tea house nearby?" in text(host, thread)
    assert host.post(thread, body="Two, and a quiet third.").status == 303
    assert "Two, and a quiet third." in text(guest, thread)
    other = guest.second(SECOND)
    assert other.send("GET", thread).status == 404
    assert other.post(thread, body="Hello?").status == 404
    assert guest.post(thread, body="   ").status == 422


def test_lists_keep_homes_until_they_are_removed(guest: Session) -> None:
    location = guest.post("/saved", name="For June").header("location").split("?")[0]
    assert guest.post("/saved", name="for june").status == 409
    number, slug = int(location.rsplit("/", 1)[1]), guest.home()
    for _ in range(2):
        guest.post(f"/stay/{slug}/save", wishlist=number)
    assert [row["home"] for row in guest.rows("saved", wishlist=number).values()] == [slug]
    assert guest.post(f"{location}/remove", slug=slug).status == 303
    assert guest.post(f"{location}/remove", slug=slug).status == 404
    other = guest.second(SECOND)
    assert other.send("GET", location).status == 404
    assert guest.post(f"{location}/delete").status == 303
    assert guest.rows("wishlists", name="For June") == {}


def test_cards_have_one_default(guest: Session) -> None:
    guest.post("/account/cards", number="4111 1111 1111 1111", expires="11/29", default=1)
    assert [c["last4"] for c in guest.rows("cards", member=GUEST, is_default=1).values()] == ["1111"]
    newest = max(guest.rows("cards", member=GUEST), key=int)
    guest.post(f"/account/cards/{newest}/delete")
    assert len(guest.rows("cards", member=GUEST, is_default=1)) == 1
    foreign = min(guest.rows("cards", member=SECOND))
    assert guest.post(f"/account/cards/{foreign}/delete").status == 404


# -- hosting -----------------------------------------------------------------------------------------


def test_hosts_keep_nights_but_not_those_that_are_booked(session: Open, stays: Sandbox) -> None:
    looked = session()
    number, row = next((n, r) for n, r in looked.rows("reservations", status="confirmed").items()
                       if r["check_in"] > "2026-03-05")  # fmt: skip
    host = session(row["host"])
    target = f"/host/homes/{row['home']}/calendar"
    refused = host.post(target, action="block", start=row["check_in"], end=row["check_in"])
    assert refused.status == 409
    assert "is booked" in refused.body.decode()
    before = stays.control.state()["calendar"]
    assert host.post(target, action="block", start="2026-10-05", end="2026-10-07").status == 303
    assert host.post(target, action="rate", start="2026-10-07", end="2026-10-08", rate="99.50").status == 303
    assert host.post(target, action="open", start="2026-10-05", end="2026-10-07").status == 303
    assert host.post(target, action="rate", start="2026-10-07", end="2026-10-08", rate="0").status == 303
    assert stays.control.state()["calendar"] == before
    for wrong in ({"start": "x", "end": "y"}, {"start": "2026-10-07", "end": "2026-10-05"}, {"start": "", "end": ""}):
        assert host.post(target, action="block", **wrong).status == 422
    assert number in stays.control.state()["reservations"]


def test_no_host_touches_anothers_home(host: Session) -> None:
    slug = next(s for s, row in host.rows("homes").items() if row["host"] != HOST)
    before = host.sandbox.control.state()
    assert host.send("GET", f"/host/homes/{slug}").status == 404
    assert host.post(f"/host/homes/{slug}", nightly="1", weekend="1", cleaning="0").status == 404
    assert host.post(f"/host/homes/{slug}/calendar", action="block", start="2026-10-05", end="2026-10-05").status == 404
    request = next(n for n, r in host.rows("reservations", status="requested").items() if r["host"] != HOST)
    assert host.post(f"/host/reservations/{request}", decision="accepted").status == 404
    assert host.sandbox.control.state() == before


# -- time --------------------------------------------------------------------------------------------


def test_today_is_what_the_calendar_at_the_home_says(session: Open) -> None:
    # At 13:30 UTC on 2 March it is past midnight in New Zealand, and still the second in Lisbon.
    guest = session(clock="2026-03-02T13:30:00+00:00")
    answers = {}
    for place in ("queenstown", "lisbon"):
        slug = guest.home(place=place, instant=1, min_nights=1)
        quoted = guest.tool("quote_stay", slug=slug, check_in="2026-03-02", check_out="2026-03-04", guests=1)
        answers[place] = quoted.get("error", {}).get("code")
    assert answers["queenstown"] == "in_the_past"
    assert answers["lisbon"] in (None, "not_available")


def test_a_deadline_is_the_same_wall_clock_time_across_a_change_of_the_clocks(session: Open) -> None:
    looked = session()
    slug = next(s for s, h in looked.rows("homes", policy="flexible", instant=1).items()
                if h["place"] in ("lisbon", "barcelona", "florence", "edinburgh") and h["min_nights"] <= 2)  # fmt: skip
    ahead = 0 if looked.rows("homes")[slug]["place"] in ("lisbon", "edinburgh") else 1
    hour = looked.rows("homes")[slug]["check_in_hour"]
    # The clocks go forward in the night to Sunday 29 March: 24 hours on the wall are 23 by the sun.
    seen = []
    for minutes in (-5, 5):
        when = datetime(2026, 3, 28, hour - ahead, 0) + timedelta(minutes=minutes)
        guest = session(clock=f"{when.isoformat()}+00:00")
        trip = guest.tool("book_stay", slug=slug, check_in="2026-03-29", check_out="2026-03-31", guests=1,
                          card_id=guest.card())  # fmt: skip
        seen.append(guest.tool("preview_cancellation", number=trip["number"])["full"])
        assert trip["free_until"] == f"2026-03-28T{hour:02d}:00"
    assert seen == [True, False]
