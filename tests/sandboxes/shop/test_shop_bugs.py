"""Every declared bug is there when it is on, gone when it is off, and says so when it fires."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import pytest

from envsim.content import load_entry
from envsim.page.transport import Request
from envsim.sandbox.oracle import HeldSandbox, OracleFailure, run_oracle
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import Bug, load_spec

SPEC = load_spec(Path(__file__).resolve().parents[3] / "sandboxes" / "shop" / "sandbox.toml")
each_bug = pytest.mark.parametrize("bug", SPEC.bugs, ids=[bug.id for bug in SPEC.bugs])


@each_bug
def test_oracle_fails_with_the_bug_and_passes_without(shop: Sandbox, bug: Bug) -> None:
    assert run_oracle(shop, bug) == {"id": bug.id, "buggy": True, "fixed": True}


@each_bug
def test_only_this_bug_is_reported_when_it_shows(shop: Sandbox, bug: Bug) -> None:
    oracle = load_entry(SPEC.root, bug.oracle)
    with pytest.raises(OracleFailure):
        oracle(HeldSandbox(shop, {bug.id: 1.0}))  # type: ignore[operator]
    assert {event["id"] for event in shop.control.changes()["events"]} == {bug.id}


@each_bug
def test_nothing_is_reported_with_all_bugs_off(shop: Sandbox, bug: Bug) -> None:
    load_entry(SPEC.root, bug.oracle)(HeldSandbox(shop, {}))  # type: ignore[operator]
    assert shop.control.changes()["events"] == []


def test_every_layer_has_two_bugs_and_production_has_random_ones() -> None:
    for layer in ("app", "wire", "ui"):
        assert sum(bug.layer == layer for bug in SPEC.bugs) >= 2
    assert sum(bug.rate < 1 for bug in SPEC.bugs if bug.id in SPEC.production) >= 2
    assert len({bug.bug_class for bug in SPEC.bugs}) == 23  # all but captcha


def test_a_random_bug_follows_its_rate_and_the_seed(shop: Sandbox) -> None:
    slug = min(row["product"] for row in shop.control.seed_view()["reviews"].values())

    def fired(seed: int) -> list[bool]:
        shop.control.reset(ResetRequest(seed=seed, bugs={"slow-reviews": 0.3}))
        with contextlib.closing(shop.transport()) as transport:
            return [b"still loading" in transport.send(Request("GET", f"/p/{slug}")).body for _ in range(60)]

    first = fired(5)
    assert first == fired(5)
    assert first != fired(6)
    assert 6 <= sum(first) <= 30


def test_a_stale_price_is_right_again_after_eight_views(shop: Sandbox) -> None:
    staff = load_entry(SPEC.root, "oracles.browsing:Session")(  # type: ignore[operator]
        HeldSandbox(shop, {"stale-price": 1.0}), "ruth.calloway@larkfield.example"
    )
    slug = next(iter(staff.rows("products", category="decor")))
    staff.post(f"/admin/products/{slug}/price", price="3.21")
    shown = [b"$3.21" in staff.send("GET", "/c/decor").body for _ in range(9)]
    assert shown == [False] * 8 + [True]
    assert "$3.21" in staff.get(f"/p/{slug}")


def test_the_overlay_goes_away_when_answered(shop: Sandbox) -> None:
    guest = load_entry(SPEC.root, "oracles.browsing:Session")(  # type: ignore[operator]
        HeldSandbox(shop, {"newsletter-modal": 1.0}), None
    )
    pages = [guest.lines("/") for _ in range(3)]
    assert [any(line.role == "dialog" for line in page) for page in pages] == [False, False, True]
    assert guest.post("/newsletter", choice="no", next="/c/decor").header("location") == "/c/decor"
    assert all(line.role != "dialog" for line in guest.lines("/"))


def test_a_retry_after_a_timeout_is_safe_without_the_double_submit_bug(shop: Sandbox) -> None:
    customer = load_entry(SPEC.root, "oracles.browsing:Session")(  # type: ignore[operator]
        HeldSandbox(shop, {"place-timeout": 1.0})
    )
    before = len(customer.rows("orders"))
    customer.fill_cart()
    customer.go_to_review()
    key = customer.order_key()
    statuses = [customer.post("/checkout/place", order_key=key).status for _ in range(3)]
    assert statuses == [504, 504, 504]
    assert len(customer.rows("orders")) == before + 1


def test_the_readme_names_every_bug() -> None:
    readme = (SPEC.root / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [bug.id for bug in SPEC.bugs]
    for bug, row in zip(SPEC.bugs, rows, strict=True):
        _, _, layer, kind, rate, production, symptom, _ = (cell.strip() for cell in row.split("|"))
        assert (layer, kind, float(rate), symptom) == (bug.layer, bug.bug_class, bug.rate, bug.symptom)
        assert (production == "yes") == (bug.id in SPEC.production)


@pytest.mark.parametrize(
    ("placed", "shown"),
    [
        # Clocks in Los Angeles go forward on 8 March 2026 at 10:00 UTC: from eight hours behind to seven.
        ("2026-03-08T07:30:00+00:00", "7 Mar 2026"),
        ("2026-03-09T06:30:00+00:00", "8 Mar 2026"),
        ("2026-03-09T07:30:00+00:00", "9 Mar 2026"),
        # And back on 1 November at 09:00 UTC.
        ("2026-11-01T07:30:00+00:00", "1 Nov 2026"),
        ("2026-11-02T07:30:00+00:00", "1 Nov 2026"),
    ],
)
def test_the_wrong_zone_of_an_order_has_summer_time(shop: Sandbox, placed: str, shown: str) -> None:
    right = f"{datetime.fromisoformat(placed):%-d %b %Y}"
    for bugs, expected in ({"order-date": 1.0}, shown), ({}, right):
        session = load_entry(SPEC.root, "oracles.browsing:Session")(HeldSandbox(shop, bugs), clock=placed)  # type: ignore[operator]
        session.fill_cart()
        session.go_to_review()
        session.place()
        page = session.get(f"/account/orders/{session.newest_order()}")
        assert f"Placed on {expected}" in page
