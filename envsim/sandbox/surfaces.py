"""What an agent touches of a sandbox: its pages, or its tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envsim.errors import ContentError
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.page.lines import format_lines
from envsim.page.transport import Transport
from envsim.sandbox.tools import ToolClient
from envsim.types import Action, JsonValue, Observation

DRIVERS = ("http", "chromium")


class PageSurface:
    """What an agent touches through pages."""

    def __init__(self, driver: PageDriver) -> None:
        self._driver = driver

    def open(self, target: str, cookies: Mapping[str, str]) -> Observation:
        """Start a browsing session at `target`."""
        self._driver.open(target, cookies)
        return self._observe("")

    def act(self, action: Action) -> tuple[Observation, bool]:
        """The observation after `action`, and whether the app was asked anything."""
        before = self._driver.requests
        error = self._driver.act(action)
        return self._observe(error), self._driver.requests != before

    def tools(self) -> list[dict[str, JsonValue]]:
        """The page primitives."""
        return self._driver.tools()

    def save(self) -> object:
        """The session, for `load`."""
        return self._driver.save()

    def load(self, token: Any) -> None:
        """Return to a saved session."""
        self._driver.load(token)

    def screenshot(self) -> bytes | None:
        """The page as PNG, or None."""
        return self._driver.screenshot()

    def close(self) -> None:
        """Release the driver."""
        self._driver.close()

    def _observe(self, error: str) -> Observation:
        page = self._driver.observe()
        return Observation(url=page.url, title=page.title, page=format_lines(page.lines), error=error)


class ToolSurface:
    """What an agent touches through the app's own operations."""

    def __init__(self, client: ToolClient) -> None:
        self._client = client

    def open(self, target: str, cookies: Mapping[str, str]) -> Observation:
        """Start a session; `target` has no meaning without pages."""
        self._client.cookies = dict(cookies)
        return Observation()

    def act(self, action: Action) -> tuple[Observation, bool]:
        """The observation after `action`, and whether the app was asked anything."""
        if action.kind != "call":
            return Observation(), False
        reply = self._client.call(action.name, action.arguments)
        return Observation(result=reply.result, error=reply.error), not reply.error

    def tools(self) -> list[dict[str, JsonValue]]:
        """The app's operations."""
        return self._client.tools()

    def save(self) -> object:
        """The session, for `load`."""
        return self._client.save()

    def load(self, token: object) -> None:
        """Return to a saved session."""
        self._client.load(token)

    def screenshot(self) -> None:
        """Tools have no looks."""
        return

    def close(self) -> None:
        """Release the connection."""
        self._client.close()


def check_driver(name: str) -> None:
    """Refuse what is none of `DRIVERS`.

    Raises:
        ContentError: There is none of that name.
    """
    if name not in DRIVERS:
        raise ContentError(f"There is no page driver {name!r}. Use one of: {', '.join(DRIVERS)}.")


def open_driver(name: str, transport: Transport) -> PageDriver:
    """The page driver called `name`, one of `DRIVERS`, over `transport`, which it closes.

    Raises:
        ContentError: There is none of that name.
    """
    check_driver(name)
    if name == "http":
        return HttpDriver(transport)
    # Playwright is an extra: the module that needs it is loaded only when asked for.
    from envsim.page.chromium import ChromiumDriver  # noqa: PLC0415

    return ChromiumDriver(transport)
