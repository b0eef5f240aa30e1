"""The texts of the help pages: slug -> title and (question, answer) pairs."""

from __future__ import annotations

from typing import NamedTuple


class Article(NamedTuple):
    """One help page."""

    title: str
    lead: str
    questions: tuple[tuple[str, str], ...]


TOPICS: dict[str, Article] = {
    "delivery": Article(
        "Delivery",
        "How long it takes and what it costs.",
        (
            ("What does delivery cost?", "Standard delivery is $4.95, and free when your order comes to $75.00 or"
             " more after discounts. Express delivery is $12.95. Collecting from our Portland store is free."),
            ("How long does it take?", "Standard delivery takes 3 to 5 working days, express the next working day."),
            ("Can I change the address later?", "Not once the order is placed. You can cancel the order while it is"
             " still processing and place it again."),
        ),
    ),
    "returns": Article(
        "Returns and refunds",
        "Thirty days to change your mind.",
        (
            ("How do I return something?", "Open the delivered order in your account, choose Return items, pick the"
             " article, the quantity and a reason. We then decide about the refund."),
            ("How much do I get back?", "What you paid for the article, after any coupon. Delivery is not refunded."),
            ("Can I cancel an order?", "Yes, while it is processing. Once it has shipped, please return it instead."),
        ),
    ),
    "coupons": Article(
        "Coupons",
        "One per order.",
        (
            ("How do I use a coupon?", "Enter the code in the cart. Some coupons need a minimum order."),
            ("Why is my coupon not valid?", "It may have expired, been disabled, or need a larger order."),
            ("Can I combine coupons?", "No. A second code replaces the first."),
        ),
    ),
    "payment": Article(
        "Payment",
        "Card or invoice.",
        (
            ("How can I pay?", "With a credit or debit card, or by invoice within 14 days."),
            ("Do you keep my card number?", "No. Only the last four digits are written on your order."),
        ),
    ),
    "care": Article(
        "Care and repair",
        "Made to be kept.",
        (
            ("How do I season cast iron?", "Rub it with a little oil and bake it upside down at 220 °C for an hour."),
            ("Do you repair things?", "Yes. Write to us with a photo, and our workshop will tell you what it costs."),
            ("How do I wash linen?", "At 40 °C with a mild soap, and dry it on a line. Ironing is optional."),
        ),
    ),
}  # fmt: skip
