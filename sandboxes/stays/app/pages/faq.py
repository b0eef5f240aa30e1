"""Help topics: title and questions with their answers, true of this site."""

from __future__ import annotations

from ..service.pricing import HOST_FEE_BPS, POLICIES, SERVICE_BPS

Topic = tuple[str, tuple[tuple[str, str], ...]]

TOPICS: dict[str, Topic] = {
    "prices": ("What a stay costs", (
        ("What is the price made of?", "The nights at the host's rates, less a discount for long stays where the host"
         f" gives one; a cleaning fee; a service fee of {SERVICE_BPS // 100}% of the nights; and the place's taxes."),
        ("Which nights are weekend nights?", "Friday and Saturday nights."),
        ("From how many nights is there a discount?", "Many hosts take something off from 7 nights, and more from 28."),
        ("How do taxes work?", "Each place sets a share of the nights and the cleaning fee, and some a fixed amount"
         " for every guest and night. Taxes are rounded once, on the whole stay."),
    )),
    "booking": ("Booking", (
        ("When is my card charged?", "At once for homes with instant booking. Otherwise when the host accepts."),
        ("How far ahead can I book?", "Up to 365 days, for at most 90 nights."),
        ("Can I use a coupon?", "Yes, one for each stay. It takes money off the nights, not off fees and taxes."),
        ("I got an error and do not know whether I have booked.", "Look at your trips before you try again."),
    )),
    "cancelling": ("Cancelling", (
        *((f"What does “{name}” mean?", text) for name, text in POLICIES.items()),
        ("Whose clock counts?", "The one on the wall of the home: every deadline is local time there."),
        ("The trip is cancelled but no refund has come.", "Open the trip and press Request refund."),
    )),
    "hosting": ("Hosting", (
        ("What do I pay as a host?", f"{HOST_FEE_BPS // 100}% of the nights and the cleaning fee."),
        ("When am I paid?", "The day after your guests check in."),
        ("How do I close my calendar?", "Open the home's calendar and block the nights; they can be opened again."),
    )),
}  # fmt: skip
