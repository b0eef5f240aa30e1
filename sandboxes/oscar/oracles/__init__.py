"""One oracle per bug of sandbox.toml: raises `OracleFailure` when it meets the bug, returns otherwise."""

from __future__ import annotations

from .backoffice import (
    incentive_without_range,
    logout_refused,
    offer_report_cut,
    products_sort,
    report_ignores_dates,
    voucher_sets_sort,
)
from .storefront import (
    child_of_hidden,
    discount_short,
    email_change_link,
    guest_order_open,
    mail_subject_escaped,
    offer_shows_hidden,
    options_oversell,
    reorder_500,
    sort_500,
    thanks_for_anothers,
    total_off_by_a_penny,
)

__all__ = [
    "child_of_hidden",
    "discount_short",
    "email_change_link",
    "guest_order_open",
    "incentive_without_range",
    "logout_refused",
    "mail_subject_escaped",
    "offer_report_cut",
    "offer_shows_hidden",
    "options_oversell",
    "products_sort",
    "reorder_500",
    "report_ignores_dates",
    "sort_500",
    "thanks_for_anothers",
    "total_off_by_a_penny",
    "voucher_sets_sort",
]
