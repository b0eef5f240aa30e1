"""Spirit as the control plane sees it: the forum's WSGI app, a way to sign in, and what it keeps in memory."""

from __future__ import annotations

import importlib
from pathlib import Path

from envsim.guest.hosted import HostedApp

from .forum import configure


def create(data: Path) -> HostedApp:
    """The forum whose state lies in `data`, on the version of Spirit that is installed."""
    configure(data)
    # What defines or uses models can be imported only now that Django is set up.
    site = importlib.import_module(f"{__package__}.site")
    return HostedApp(wsgi=site.open_app(), login=site.login, reset=site.reset, release=site.release)
