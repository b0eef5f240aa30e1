"""Otter Wiki as the control plane sees it: its WSGI app, a way to sign in, and what it keeps in memory."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from envsim.guest.hosted import HostedApp

from . import wiki


def create(data: Path) -> HostedApp:
    """The wiki whose state lies in `data`, on the version that is installed."""
    wiki.load(data)
    # The wiki is configured by being imported, so what imports it comes after.
    site = importlib.import_module(f"{__package__}.site").Site(data)
    return HostedApp(wsgi=_watched(site.wsgi, site.publish), login=site.login, reset=site.reset, release=site.release)


def _watched(app: Callable[..., Iterable[bytes]], changed: Callable[[], None]) -> Callable[..., list[bytes]]:
    """`app`, with `changed` called after each request that may have changed a file."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        # Its pages name themselves by their host: one name, as behind a proxy, whatever port a client came by.
        body = app({**environ, "HTTP_HOST": wiki.HOST}, start_response)
        try:
            chunks = list(body)
        finally:
            if hasattr(body, "close"):
                body.close()
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            changed()
        return chunks

    return serve
