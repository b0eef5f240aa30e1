"""Sentence banks for descriptions and reviews, and the people in the shop."""

from __future__ import annotations

OPENINGS: tuple[str, ...] = (
    "A {noun} made the slow way, in {material}, for people who mean to keep it.",
    "The {line} is the {noun} we reach for first.",
    "Plain {material}, good joins and nothing to go wrong: a {noun} for daily use.",
    "{brand} have made this {noun} for over a decade and changed very little.",
    "An honest {noun} in {material}, drawn by {brand} for small homes.",
    "We tested eleven of these; the {line} was the one nobody gave back.",
)

CARE: tuple[str, ...] = (
    "Wipe clean with a damp cloth.",
    "It ages well and likes to be used.",
    "Every part can be repaired or replaced by our workshop.",
    "Packed in card, without plastic.",
    "Comes with a five-year guarantee.",
    "Made in small batches, so tones vary a little.",
    "Ships flat and needs no tools.",
    "Finished by hand and checked before it leaves us.",
)

# Rating -> (title, sentence) pairs; "{noun}" is the product's own noun, lower case.
REVIEWS: dict[int, tuple[tuple[str, str], ...]] = {
    5: (
        ("Exactly right", "I have bought three of these now, two as presents."),
        ("Worth the wait", "It arrived a day late and I forgave it within the hour."),
        ("Better than the photo", "The {noun} is heavier and nicer than I expected."),
        ("My favourite purchase this year", "Used every day since October and it still looks new."),
        ("Could not be happier", "My sister saw mine and ordered the same {noun} on her phone."),
    ),
    4: (
        ("Very good", "A proper {noun}; one star off because the box was enormous."),
        ("Nearly perfect", "Lovely to use, a little smaller than I had in mind."),
        ("Solid", "Does what it says and feels as if it will last."),
        ("Happy with it", "The colour is a touch darker than on my screen."),
    ),
    3: (
        ("Fine", "It is a decent {noun}, though not as special as the price suggests."),
        ("Good but not great", "Works well once you get used to it."),
        ("As described", "No complaints, no compliments either."),
    ),
    2: (
        ("Not for me", "Came with a scratch; support were kind about it."),
        ("Expected more", "The finish wore off within a month."),
    ),
    1: (("Sent it back", "Mine was faulty. The refund was quick, at least."),),
}

REVIEWERS: tuple[str, ...] = (
    "Agnes P.", "Bilal K.", "Carmen D.", "Dov S.", "Eleni V.", "Farah N.", "Gareth L.", "Hanne B.", "Ines C.",
    "Jakub W.", "Keiko T.", "Lorcan M.", "Mina R.", "Nils A.", "Odette F.", "Priya S.", "Quentin H.", "Rosa G.",
    "Sanjay I.", "Tove E.",
)  # fmt: skip

# name, e-mail, phone, staff
PEOPLE: tuple[tuple[str, str, str, bool], ...] = (
    ("Maya Thornton", "maya.thornton@example.com", "555-0101", False),
    ("Daniel Okafor", "daniel.okafor@example.com", "555-0102", False),
    ("Zoë Marchetti", "zoe.marchetti@example.com", "555-0103", False),
    ("José Ferreira", "jose.ferreira@example.com", "555-0104", False),
    ("Hannah Lindqvist", "hannah.lindqvist@example.com", "555-0105", False),
    ("Wei Zhang", "wei.zhang@example.com", "555-0106", False),
    ("Aoife Brennan", "aoife.brennan@example.com", "555-0107", False),
    ("Samuel Adeyemi", "samuel.adeyemi@example.com", "555-0108", False),
    ("Ingrid Sørensen", "ingrid.sorensen@example.com", "555-0109", False),
    ("Theo Papadakis", "theo.papadakis@example.com", "555-0110", False),
    ("Ruth Calloway", "ruth.calloway@larkfield.example", "555-0190", True),
    ("Marcus Webb", "marcus.webb@larkfield.example", "555-0191", True),
)

STREETS: tuple[str, ...] = (
    "Mill Lane", "Orchard Road", "Station Street", "Harbour View", "Chapel Hill", "Maple Avenue", "Quarry Road",
    "Bridge Street", "Elm Court", "Meadow Close", "Foundry Lane", "Rue des Érables",
)  # fmt: skip

# city, region, postcode
PLACES: tuple[tuple[str, str, str], ...] = (
    ("Portland", "OR", "97205"), ("Burlington", "VT", "05401"), ("Asheville", "NC", "28801"),
    ("Madison", "WI", "53703"), ("Santa Fe", "NM", "87501"), ("Ann Arbor", "MI", "48104"),
    ("Bellingham", "WA", "98225"), ("Savannah", "GA", "31401"), ("Providence", "RI", "02903"),
    ("Boulder", "CO", "80302"), ("Ithaca", "NY", "14850"), ("Duluth", "MN", "55802"),
)  # fmt: skip

# code, kind, value (percent or cents), minimum cents, expires, active, description
COUPONS: tuple[tuple[str, str, int, int, str, int, str], ...] = (
    ("WELCOME10", "percent", 10, 0, "2026-12-31", 1, "10% off your order"),
    ("SPRING15", "percent", 15, 8000, "2026-05-31", 1, "15% off orders from $80.00"),
    ("GARDEN20", "fixed", 2000, 12000, "2026-06-30", 1, "$20.00 off orders from $120.00"),
    ("THANKS5", "fixed", 500, 2500, "2026-12-31", 1, "$5.00 off orders from $25.00"),
    ("WINTER25", "percent", 25, 0, "2026-01-31", 1, "25% off, winter sale"),
    ("FRIENDS30", "percent", 30, 0, "2026-12-31", 0, "30% off, friends and family"),
)

RETURN_REASONS: tuple[str, ...] = ("damaged", "wrong_item", "not_as_described", "changed_mind")
