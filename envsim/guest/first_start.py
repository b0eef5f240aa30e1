"""For seeds of apps that make their own database: start one once, let it, stop it.

Needs h11 for where it listens, as `envsim.guest.relay` does; runs inside images.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from envsim.guest.command_child import Child
from envsim.guest.relay import Address
from envsim.guest.visit import Visit


def start_once(
    command: Sequence[str], address: Address, pages: Sequence[str] = ("/",), folder: Path | None = None
) -> None:
    """Run an app until it has answered for `pages`, as a first visitor would find it.

    Args:
        command: Program and arguments.
        address: The port or unix socket it listens on.
        pages: Paths to open, in order.
        folder: Where it is started; by default where we are.

    Raises:
        SandboxError: It ended, or did not listen in time.
        ValueError: A page answered with an error.
    """
    child = Child(command, folder or Path.cwd(), address, {"PYTHONPATH": os.environ.get("PYTHONPATH", "")})
    try:
        child.start()
        asyncio.run(child.ready())
        visit = Visit(address)
        for page in pages:
            visit.get(page)
    finally:
        child.stop()
