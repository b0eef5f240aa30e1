"""Who the members are: names and the time zones they live in."""

from __future__ import annotations

from pathlib import Path

PEOPLE = Path(__file__).with_name("names.txt").read_text(encoding="utf-8").splitlines()

HANDLES = (
    "slow_proof", "quietkettle", "third_gear", "northwindow", "tin_of_buttons", "offbeat_otter", "lastbus",
    "paperboat",
    "mossgreen", "two_left_feet", "hedgehog_hotel", "spare_key", "cold_toast", "halfpastnine", "redshed",
    "umbrella_man",
    "seven_spoons", "plumtree", "atticlight", "moonmilk", "backgarden", "fogbell", "teaspoon", "wet_gloves",
)  # fmt: skip
"""Every fifth member has one of these for a name."""

ZONES = (
    "Europe/Lisbon", "Europe/Berlin", "America/New_York", "Europe/London", "Asia/Tokyo", "America/Chicago",
    "Europe/Madrid", "Asia/Kolkata", "America/Los_Angeles", "Africa/Lagos", "Europe/Rome", "America/Sao_Paulo",
)  # fmt: skip
