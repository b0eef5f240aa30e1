"""Oracles of the bugs that staff meet in the dashboard."""

from __future__ import annotations

import csv
import io

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .person import MANAGER, Person, arrive


def expect(held: bool, message: str) -> None:
    if not held:
        raise OracleFailure(message)


def logout_refused(sandbox: Sandbox) -> None:
    """Staff can log out of the dashboard."""
    manager = arrive(sandbox, MANAGER)
    manager.go("/dashboard/")
    button = any(line.role == "button" and "Log out" in line.name for line in manager.lines)
    status = manager.click("button" if button else "link", "Log out")
    expect(status != 405, "logging out is answered with 405")
    manager.go("/dashboard/orders/")
    expect("login" in manager.url, "still logged in")


def offer_report_cut(sandbox: Sandbox) -> None:
    """The report on an offer lists every order it was used on."""
    manager = arrive(sandbox, MANAGER)
    key, offer = next((k, row) for k, row in manager.rows("offers").items() if row["applications"] > 20)
    manager.go(f"/dashboard/offers/{key}/")
    manager.click("link", "Export to CSV")
    rows = len(list(csv.reader(io.StringIO(manager.body)))) - 1
    expect(rows == offer["applications"], f"{rows} of {offer['applications']} orders are listed")


def voucher_sets_sort(sandbox: Sandbox) -> None:
    """The list of voucher sets can be sorted by any heading."""
    _sort_by_all(arrive(sandbox, MANAGER), "/dashboard/vouchers/sets/")


def products_sort(sandbox: Sandbox) -> None:
    """The list of products can be sorted by any heading that offers it."""
    _sort_by_all(arrive(sandbox, MANAGER), "/dashboard/catalogue/")


def _sort_by_all(manager: Person, page: str) -> None:
    manager.go(page)
    targets = sorted({line.url for line in manager.lines if line.role == "link" and "sort=" in line.url})
    if not targets:
        raise LookupError(f"no heading of {page} sorts")
    for target in targets:
        status = manager.go(target)
        expect(status == 200, f"{target} answers with {status}")


def incentive_without_range(sandbox: Sandbox) -> None:
    """An incentive without goods to apply to is refused with a sentence."""
    manager = arrive(sandbox, MANAGER)
    key = next(iter(manager.rows("offers", name="A shelf of books")))
    manager.go(f"/dashboard/offers/{key}/incentive/")
    manager.choose("combobox", "Range", "---------")
    status = manager.click("button", "Save changes")
    expect(status == 200, f"saving without a range answers with {status}")
    expect("require a product range" in manager.text, "nothing says what is missing")


def report_ignores_dates(sandbox: Sandbox) -> None:
    """A report for two days does not count the years before, or says that it cannot."""
    manager = arrive(sandbox, MANAGER)
    dated = "&date_from=2026-02-01&date_to=2026-02-02"
    answers = []
    for dates in ("", dated):
        manager.go(f"/dashboard/reports/?report_type=product_analytics{dates}&download=on")
        answers.append(manager.body)
    expect(answers[0] != answers[1], "the report for two days is the report for all time")
