"""Made customers for tau2's telecom, in the shape of its own four: each with lines, devices, plans and bills."""

from __future__ import annotations

from typing import Any

from envsim.integrations.tau2.data import database
from envsim.rng import Rng

FIRST = ("Ada", "Ben", "Chloe", "Dan", "Eva", "Finn", "Grace", "Hugo", "Iris", "Jonas", "Kira", "Leo", "Mia", "Noah",
         "Olga", "Paul", "Quinn", "Rosa", "Sam", "Tara", "Uma", "Vera", "Wes", "Yara", "Zoe")  # fmt: skip
LAST = ("Abbott", "Baker", "Clark", "Dunn", "Ellis", "Frost", "Green", "Hale", "Irwin", "Jones", "Kane", "Lopez",
        "Meyer", "Nolan", "Olsen", "Price", "Reed", "Stone", "Tran", "Usher", "Vance", "Wood", "Young")  # fmt: skip
CITIES = (("Anytown", "CA", "90210"), ("Springfield", "IL", "62701"), ("Denver", "CO", "80203"),
          ("Austin", "TX", "73301"))  # fmt: skip
STREETS = ("Main St", "Oak Ave", "Pine St", "River Rd", "Hill Ln")


def telecom_data(count: int, seed: int) -> dict[str, Any]:
    """`count` customers as tau2's `agent_data`, beside its plans; its own customers stay among them."""
    own = database("telecom", "db")
    out: dict[str, Any] = {name: list(own[name]) for name in ("customers", "lines", "devices", "bills")}
    for number in range(count):
        _add(out, number, own["plans"], Rng(seed, "customer", number))
    return out


def _add(out: dict[str, Any], number: int, plans: list[dict[str, Any]], rng: Rng) -> None:
    who = 2001 + number
    lines = [_line(who, each, plans, out["devices"], rng) for each in range(rng.integer(4) + (number % 9 > 0))]
    bills = [_bill(who, each, lines, rng) for each in range(rng.integer(4) if lines else 0)]
    out["lines"] += lines
    out["bills"] += bills
    out["customers"].append(_customer(who, lines, bills, rng))


def _customer(who: int, lines: list[Any], bills: list[Any], rng: Rng) -> dict[str, Any]:
    first, last = rng.choice(FIRST), rng.choice(LAST)
    city, state, zip_code = rng.choice(CITIES)
    kinds = ("Credit Card", "Debit Card", "PayPal")
    methods = [
        {
            "method_type": rng.choice(kinds),
            "account_number_last_4": _digits(rng, 4),
            "expiration_date": f"{1 + rng.integer(12):02d}/202{6 + rng.integer(3)}",
        }
        for _ in range(rng.integer(3))
    ]
    return {
        "customer_id": f"C{who}",
        "full_name": f"{first} {last}",
        "date_of_birth": f"19{50 + rng.integer(50)}-{1 + rng.integer(12):02d}-{1 + rng.integer(28):02d}",
        "email": f"{first.lower()}.{last.lower()}{who}@example.com",
        "phone_number": lines[0]["phone_number"] if lines else f"555-{who}-0000",
        "account_status": rng.choice(("Active", "Active", "Active", "Suspended", "Pending Verification")),
        "created_at": f"2024-{1 + rng.integer(12):02d}-{1 + rng.integer(28):02d}T{8 + rng.integer(10):02d}:15:00",
        "goodwill_credit_used_this_year": float(5 * rng.integer(11)),
        "line_ids": [line["line_id"] for line in lines],
        "bill_ids": [bill["bill_id"] for bill in bills],
        "payment_methods": methods,
        "address": {
            "street": f"{1 + rng.integer(900)} {rng.choice(STREETS)}",
            "city": city,
            "state": state,
            "zip_code": zip_code,
        },
    }


def _line(who: int, each: int, plans: list[dict[str, Any]], devices: list[Any], rng: Rng) -> dict[str, Any]:
    plan = rng.choice(plans)
    status = rng.choice(("Active", "Active", "Active", "Suspended", "Pending Activation", "Closed"))
    line: dict[str, Any] = {
        "line_id": f"L{who}{each}",
        "phone_number": f"555-{who}-{1000 + rng.integer(9000)}",
        "status": status,
        "plan_id": plan["plan_id"],
        "device_id": f"D{who}{each}",
        "data_used_gb": round(rng.uniform() * min(20.0, 1.3 * plan["data_limit_gb"]), 1),
        "data_refueling_gb": float(rng.integer(3)) if rng.chance(0.2) else 0.0,
        "roaming_enabled": rng.chance(0.4),
        "contract_end_date": f"202{6 + rng.integer(2)}-{1 + rng.integer(12):02d}-28",
        "last_plan_change_date": f"2024-{1 + rng.integer(12):02d}-10",
    }
    if status == "Suspended":
        line["suspension_start_date"] = f"2025-02-{1 + rng.integer(24):02d}"
    device = {
        "device_id": line["device_id"],
        "device_type": rng.choice(("phone", "phone", "tablet", "watch")),
        "model": rng.choice(("Smartphone X", "Smartphone Pro Max", "Tablet Ultra", "Watch 2")),
        "imei": _digits(rng, 15),
        "is_esim_capable": rng.chance(0.6),
        "activated": rng.chance(0.8),
        "activation_date": f"2024-{1 + rng.integer(12):02d}-20T14:30:00",
    }
    devices.append(device)
    return line


def _bill(who: int, each: int, lines: list[Any], rng: Rng) -> dict[str, Any]:
    items = [
        {"description": f"Plan charge - Line {line['phone_number']}", "amount": float(15 + 5 * rng.integer(15)),
         "date": f"2025-0{each + 1}-05", "item_type": "Plan Charge"}
        for line in lines
    ]  # fmt: skip
    return {
        "bill_id": f"B{who}{each}",
        "customer_id": f"C{who}",
        "period_start": f"2025-0{each + 1}-01",
        "period_end": f"2025-0{each + 1}-28",
        "issue_date": f"2025-0{each + 1}-05",
        "total_due": sum(item["amount"] for item in items),
        "due_date": f"2025-0{each + 1}-19",
        "status": rng.choice(("Paid", "Issued", "Overdue", "Draft", "Issued")),
        "line_items": items,
    }


def _digits(rng: Rng, count: int) -> str:
    return "".join(str(rng.integer(10)) for _ in range(count))
