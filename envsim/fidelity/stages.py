"""Stages of a comparison that are kept: a result is written down with what it was made from, and reused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.state import state_hash

VERSION = 1
"""Goes up when what a stage writes changes its form or its meaning."""


@dataclass(frozen=True)
class Stages:
    """Results below one folder, a JSON file each."""

    root: Path

    def keep(self, name: str, inputs: Any, make: Callable[[], Any]) -> Any:
        """The JSON value of stage `name`: as kept if it was made from the same `inputs`, else made now.

        Args:
            name: Of the stage; names the file.
            inputs: JSON value; all that the result depends on.
            make: Makes it.
        """
        path, key = self.root / f"{name}.json", state_hash([VERSION, inputs])
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            if known["key"] == key:
                return known["value"]
        except (OSError, ValueError, KeyError, TypeError):
            # Missing, torn by a kill, or somebody else's file: made again.
            pass
        value = make()
        self.root.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        scratch.write_text(json.dumps({"key": key, "value": value}, ensure_ascii=False), encoding="utf-8")
        scratch.replace(path)
        return value
