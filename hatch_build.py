"""Ships sandboxes/ and tasks/ inside the wheel as envsim/_content/; editable installs are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ContentHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the content trees to standard wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds a target."""
        if version == "editable":
            return
        for tree in ("sandboxes", "tasks"):
            build_data["force_include"][str(Path(self.root) / tree)] = f"envsim/_content/{tree}"
