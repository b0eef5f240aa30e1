"""How the app is put together and signed in to; `ledger` itself is as somebody else might have written it."""

import secrets
from pathlib import Path

from envsim.guest.hosted import HostedApp

from .ledger import Ledger


def create(data: Path) -> HostedApp:
    ledger = Ledger(data)

    def login(email: str) -> dict[str, str]:
        if ledger.rows("SELECT 1 FROM account WHERE email = ?", email) == []:
            raise LookupError(email)
        token = secrets.token_hex(8)
        ledger.rows("INSERT INTO session VALUES (?, ?)", token, email)
        return {"sid": token}

    return HostedApp(ledger, login, reset=ledger.seen.clear, release=ledger.hang_up)
