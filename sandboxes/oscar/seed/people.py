"""Countries, staff, customers with their addresses, wishlists and messages, and the shop's own pages."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission

from envsim.rng import Rng

from .calendar import NOW, set_clock
from .names import COUNTRIES, NAMES, PAGES, PLACES, STAFF, STREETS
from .tables import make, make_all, model

PASSWORD = "twine-demo"  # noqa: S105 -- public on purpose: it protects nothing


def email_of(name: str) -> str:
    """Their address."""
    return f"{name.lower().replace(' ', '.').replace('’', '')}@example.com"


def customers() -> list[Any]:
    """Everybody who shops here, oldest account first."""
    return list(get_user_model().objects.filter(is_staff=False).order_by("pk"))


def fill() -> None:
    """Insert everybody."""
    site = model("sites.Site")
    site.objects.update(name="Thistle & Twine", domain="thistleandtwine.example")
    site.objects.clear_cache()
    for code, name in COUNTRIES.items():
        make(
            "address.Country",
            iso_3166_1_a2=code,
            iso_3166_1_a3="",
            iso_3166_1_numeric="",
            name=name,
            printable_name=name,
            display_order=int(code == "GB"),
            is_shipping_country=code != "US",
        )
    for name, role in STAFF:
        _user(name, Rng("oscar-seed", "user", name), is_staff=True, is_superuser=role == "manager")
    clerk = get_user_model().objects.get(email=email_of(STAFF[1][0]))
    # What the dashboard asks of somebody who sees one partner's goods only.
    clerk.user_permissions.add(Permission.objects.get(codename="dashboard_access", content_type__app_label="partner"))
    get_user_model().objects.filter(pk=clerk.pk).update(is_staff=False)
    for name in NAMES:
        rng = Rng("oscar-seed", "user", name)
        user = _user(name, rng)
        for turn in range(1 + rng.integer(3)):
            _address(user, rng, turn)
        _messages(user, rng)
    for url, title, text in PAGES:
        page = make("flatpages.FlatPage", url=url, title=title, content=text)
        page.sites.add(1)


def _user(name: str, rng: Rng, **flags: Any) -> Any:
    first, _, last = name.partition(" ")
    joined = NOW - timedelta(minutes=60 * 24 * 30 + rng.integer(60 * 24 * 500))
    # As long as Django's own salts, or the first login would hash the password anew.
    salt = hashlib.sha256(name.encode()).hexdigest()[:22]
    set_clock(joined)
    return make(
        "auth.User",
        username=email_of(name).partition("@")[0],
        email=email_of(name),
        first_name=first,
        last_name=last,
        password=make_password(PASSWORD, salt),
        date_joined=joined,
        **flags,
    )


def _address(user: Any, rng: Rng, turn: int) -> None:
    town, county, postcode, country = rng.choice(PLACES if turn else PLACES[:14])
    make(
        "address.UserAddress",
        user=user,
        first_name=user.first_name,
        last_name=user.last_name,
        line1=f"{1 + rng.integer(140)} {rng.choice(STREETS)}",
        line4=town,
        state=county,
        postcode=postcode,
        country_id=country,
        is_default_for_shipping=turn == 0,
        is_default_for_billing=turn == 0,
        phone_number="",
        notes=rng.choice(
            ("", "", "", "Leave with the neighbour at number 3.", "The bell does not work, please knock.")
        ),
    )


def _messages(user: Any, rng: Rng) -> None:
    """What the shop wrote to them on the site itself."""
    texts = (
        ("A new lot has arrived", "The lot of sock yarn you asked about is on the shelf."),
        ("Your engraving", "The letters on your shears are done; they left with today’s post."),
        ("Workshop on Saturday", "There is one place left in the lino workshop on Saturday at ten."),
        ("Thank you", "Thank you for your kind review. We have passed it on to the dyer."),
        ("Your swatch", "A snippet of the linen is on its way to you."),
    )
    rows = []
    for subject, body in rng.sample(texts, rng.integer(4)):
        rows.append({"recipient": user, "subject": subject, "body": f"<p>{body}</p>", "location": "Inbox"})
    set_clock(NOW - timedelta(minutes=60 * 24 + rng.integer(60 * 24 * 20)))
    make_all("communication.Notification", rows)
