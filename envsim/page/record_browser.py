"""The browser a session is recorded in: one of its own, with a window or without."""

from __future__ import annotations

import os
import shutil
from typing import Any

from envsim.errors import PrerequisiteError, missing_extra
from envsim.page.browser import CANDIDATES, ENV, find_chromium
from envsim.page.chromium_tab import first_line

HEADED = tuple(name for name in CANDIDATES if "headless" not in name)


def launch(headless: bool) -> tuple[Any, Any]:
    """Playwright and a browser of it.

    Raises:
        PrerequisiteError: No Chromium, no Playwright, or no screen for a window.
    """
    try:
        # An optional extra, and heavy: loaded when a browser is first needed.
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ModuleNotFoundError:
        raise missing_extra("playwright", "browser") from None
    program = find_chromium() if headless else _with_window()
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    playwright = sync_playwright().start()
    try:
        # Interrupts are ours: a browser that ended by itself would take the last page with it.
        browser = playwright.chromium.launch(
            executable_path=program, headless=headless, chromium_sandbox=not root, handle_sigint=False,
            handle_sigterm=False, handle_sighup=False,
        )  # fmt: skip
    except Exception as error:
        playwright.stop()
        raise PrerequisiteError(f"{program} does not start: {first_line(error)}.", command=f"{program}") from None
    return playwright, browser


def _with_window() -> str:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise PrerequisiteError(
            "There is no screen to show a window on; record with a script and --headless, or over a virtual screen.",
            command="xvfb-run sandbox record ...",
        )
    chosen = os.environ.get(ENV)
    names = [chosen] if chosen and "headless" not in chosen else [*HEADED]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise PrerequisiteError(
            f"A window needs one of {', '.join(HEADED)}; install one, or set {ENV} to its path.",
            command="apt-get install -y chromium",
        )
    return found
