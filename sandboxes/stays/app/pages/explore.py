"""Home, search, a home's page, saving it, asking its host, the question before a search, and help."""

from __future__ import annotations

from urllib.parse import urlencode

from envsim.guest import challenge
from envsim.guest.service import Refusal, Row, missing
from envsim.guest.web import Response

from ..service import booking, listings, messages, wishlists
from ..service.search import CHALLENGE, WHY, Found, Query, featured, find_homes
from ..web import Page, Visit
from .faq import TOPICS

KEPT = ("place", "q", "check_in", "check_out", "guests", "min", "max", "kind", "amenity", "instant", "sort")


def home(v: Visit) -> Response:
    """The front page."""
    return v.render(
        "home.html", homes=featured(v.kit), places=listings.list_places(v.kit), today=v.kit.now().date().isoformat(),
        consent=v.wants_consent("cookie-consent"),
    )  # fmt: skip


def search(v: Visit) -> Response:
    """Search results with filters and pages."""
    challenge.guard(v.actor, CHALLENGE, WHY)
    found, refused = Found([], 0, 1, 1), None
    try:
        query = _query(v)
        found = find_homes(v.kit, query)
    except Refusal as refusal:
        refused = v.refusal = refusal
        query = Query(place=v.sent("place"), text=v.sent("q"))
    kept = [(name, text) for name, text in v.request.query_pairs if name in KEPT and text]
    places = listings.list_places(v.kit)
    place = next((row for row in places if row["slug"] == query.place), None)
    dates = urlencode([(n, t) for n, t in kept if n in ("check_in", "check_out", "guests")]) if not refused else ""
    return v.render(
        "search.html", query=query, found=found, place=place, places=places, dates=dates,
        consent=v.wants_consent("cookie-consent"),
        link=lambda page: f"/search?{urlencode([*kept, ('page', page)])}",
    )  # fmt: skip


def _query(v: Visit) -> Query:
    sent = v.query
    return Query(
        place=sent.get("place", ""), text=sent.get("q", ""), check_in=sent.get("check_in", ""),
        check_out=sent.get("check_out", ""), guests=v.whole("guests"), min_cents=v.cents("min"),
        max_cents=v.cents("max"), kind=sent.get("kind", ""),
        amenities=tuple(text for name, text in v.request.query_pairs if name == "amenity"),
        instant=bool(sent.get("instant")), sort=sent.get("sort", "featured"), page=max(1, v.whole("page", 1)),
    )  # fmt: skip


def show_home(v: Visit) -> Response:
    """A home, and what the stay would cost where dates are given."""
    listing = listings.get_listing(v.kit, v.part("slug"))
    asked = {name: v.sent(name) for name in ("check_in", "check_out", "guests")}
    price, problem, short = None, "", False
    if asked["check_in"] or asked["check_out"]:
        price, problem, short = _price(v, listing)
    return v.render(
        "home_page.html",
        listing=listing,
        calendar=listings.shown_calendar(v.kit, listing, v.query.get("month", "")),
        asked=asked,
        price=price,
        problem=problem,
        dead=short and v.kit.bug("dead-reserve", f"button of {listing['slug']}"),
        other_layout=v.kit.bug("layout-variant", "request this stay"),
        slow=not v.error and v.kit.bug("slow-calendar", listing["slug"]),
        lists=wishlists.list_wishlists(v.actor) if v.actor.account else [],
        own=bool(v.actor.account) and v.actor.member()["id"] == listing["host_id"],
        consent=v.wants_consent("cookie-consent"),
    )


def _price(v: Visit, listing: Row) -> tuple[Row | None, str, bool]:
    """What the asked stay costs, or why it cannot be had; and whether only because it is too short."""
    try:
        check_in, check_out = listings.read_dates(v.sent("check_in"), v.sent("check_out"))
        guests = v.whole("guests", 1)
        listings.check_stay(v.kit, listing, check_in, check_out, guests)
        price = listings.quote(v.kit, listing, check_in, check_out, guests)
    except Refusal as refusal:
        return None, refusal.message, False
    try:
        listings.check_length(listing, price["nights"])
    except Refusal as refusal:
        return price, refusal.message, True
    return price, "", False


def reserve(v: Visit) -> Response:
    """Begin to book."""
    slug = v.part("slug")
    booking.start_draft(v.actor, slug, v.sent("check_in"), v.sent("check_out"), v.whole("guests", 1))
    return v.redirect(f"/book/{slug}")


def save(v: Visit) -> Response:
    """Put the home on a list."""
    slug = v.part("slug")
    chosen = v.whole("wishlist") or None
    wishlists.save(v.actor, slug, chosen)
    return v.redirect(f"/stay/{slug}", "saved")


def contact(v: Visit) -> Response:
    """The form to write to a host."""
    return v.render("contact.html", listing=listings.get_listing(v.kit, v.part("slug")))


def send(v: Visit) -> Response:
    """Write to a host."""
    thread = messages.contact(v.actor, v.part("slug"), v.form.get("body", ""))
    return v.redirect(f"/messages/{thread}", "message-sent")


def help_index(v: Visit) -> Response:
    """All help topics."""
    return v.render("help.html", topics=TOPICS, topic=None)


def help_topic(v: Visit) -> Response:
    """One help topic."""
    if v.part("slug") not in TOPICS:
        raise missing("this help page")
    return v.render("help.html", topics=TOPICS, topic=TOPICS[v.part("slug")])


PAGES = [
    Page("/", get=home),
    Page("/search", get=search),
    Page("/stay/{slug}", get=show_home),
    Page("/stay/{slug}/reserve", post=reserve, again=show_home, role="member"),
    Page("/stay/{slug}/save", post=save, again=show_home, role="member"),
    Page("/stay/{slug}/contact", get=contact, post=send, again=contact, role="member"),
    Page("/help", get=help_index),
    Page("/help/{slug}", get=help_topic),
]
