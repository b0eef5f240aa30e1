"""One Chromium per process, on a thread of its own.

Playwright's synchronous API may only be used from the thread that started it. All drivers hand
their work to that one thread, so a driver itself can be used from any.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from envsim.errors import PrerequisiteError, SandboxLost, missing_extra

T = TypeVar("T")

ENV = "ENVSIM_CHROMIUM"
"""Environment variable with the path of the Chromium to use."""

CANDIDATES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Tried in this order; the headless shell takes half the memory of a full browser."""

ARGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # All pages are of one app and one thread drives them: a renderer each would only cost starts.
    "--renderer-process-limit=1",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    # Nothing is resolved but loopback, where the proxies are; contexts see the app through one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str:
    """Path of the browser to drive.

    Raises:
        PrerequisiteError: There is none; carries the command that installs one.
    """
    chosen = os.environ.get(ENV)
    if chosen:
        if shutil.which(chosen):
            return chosen
        raise PrerequisiteError(f"{ENV}={chosen} is not a program.", command=f"export {ENV}=/usr/bin/chromium")
    for name in CANDIDATES:
        path = shutil.which(name)
        if path:
            return path
    raise PrerequisiteError(
        f"The chromium driver found none of {', '.join(CANDIDATES)}; install one, or set {ENV} to its path.",
        command="apt-get install -y chromium",
    )


class Browser:
    """A Chromium and the thread that drives it. Get the process's one with `shared`."""

    def __init__(self) -> None:
        self._playwright_browser: Any = None
        self._executable = find_chromium()
        self._jobs: queue.SimpleQueue[tuple[Callable[[Any], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="chromium", daemon=True)
        self._thread.start()
        self._ready.result()

    @property
    def alive(self) -> bool:
        """Whether it still takes work."""
        return self._thread.is_alive()

    def call(self, work: Callable[[Any], T]) -> T:
        """The result of ``work(browser)``, done on the browser's thread; `browser` is Playwright's.

        Raises:
            SandboxLost: The browser is gone.
        """
        if threading.current_thread() is self._thread:
            return work(self._playwright_browser)
        if not self._thread.is_alive():
            raise SandboxLost("Chromium is gone. Close the environment and make it again.")
        done: Future[T] = Future()
        self._jobs.put((work, done))
        return done.result()

    def stop(self) -> None:
        """Close the browser; safe to call twice."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            # An optional extra, and heavy: loaded when a browser is first needed.
            from playwright.sync_api import sync_playwright  # noqa: PLC0415
        except ModuleNotFoundError:
            self._ready.set_exception(missing_extra("playwright", "browser"))
            return
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=self._executable, headless=True, chromium_sandbox=not root, args=list(ARGS)
                )
                self._playwright_browser = browser
                self._ready.set_result(None)
                self._serve(browser)
                with contextlib.suppress(Exception):
                    browser.close()
        except Exception as error:
            if not self._ready.done():
                reason = str(error).strip().splitlines()[0]
                self._ready.set_exception(
                    PrerequisiteError(
                        f"{self._executable} does not start: {reason}.", command=f"{self._executable} --version"
                    )
                )

    def _serve(self, browser: Any) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            try:
                done.set_result(work(browser))
            except BaseException as error:
                done.set_exception(error)


_shared: tuple[int, Browser] | None = None
_lock = threading.Lock()


def shared() -> Browser:
    """The browser of this process, started on first use and stopped when the process ends.

    Raises:
        PrerequisiteError: No Chromium, or no Playwright.
    """
    global _shared  # noqa: PLW0603 -- one browser a process is the point
    with _lock:
        # A forked child cannot use its parent's browser.
        if _shared is None or _shared[0] != os.getpid() or not _shared[1].alive:
            browser = Browser()
            atexit.register(browser.stop)
            _shared = (os.getpid(), browser)
        return _shared[1]
