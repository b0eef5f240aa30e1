"""What the parts of `world_model.py` share: sizes, folders, and how long stages took."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from envsim.sandbox.seed import folder_hash
from envsim.state import state_hash

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """One run.

    Attributes:
        root: Folder of all stages.
        recorded: Training sessions per policy.
        episodes: Per policy, world and split.
        extra: Further episodes per policy in the model alone.
        training: Arguments of `worldmodel.train.Args`.
        steps: Steps of the batched environment that are timed.
        seed: Of training.
        held_out: Seed of held-out sessions. Raised whenever wrong answers to the last ones led to a change: those are
            development data from then on.
        workers: Processes.
    """

    recorded: dict[str, int]
    episodes: int
    extra: int
    training: dict[str, Any] = field(default_factory=dict)
    steps: int = 60
    root: Path = Path()
    seed: int = 0
    held_out: int = 2
    workers: int = 2

    def at(self, root: Path) -> Place:
        """The same below `root`."""
        return replace(self, root=root)

    @property
    def sessions(self) -> int:
        """Training sessions in all."""
        return sum(self.recorded.values())

    @property
    def traces(self) -> Path:
        """Where training sessions are recorded."""
        return self.root / "traces"

    @property
    def model(self) -> Path:
        """Where the model is left."""
        return self.root / "model"

    def renew(self, name: str, code: Sequence[Path], made: Sequence[Path]) -> None:
        """Remove `made` unless it was made by the code that is there: a stage knows its input, not its own sources."""
        marker, digest = self.root / f"{name}.code", state_hash([folder_hash(folder) for folder in code])
        if not marker.is_file() or marker.read_text(encoding="utf-8") != digest:
            for folder in made:
                shutil.rmtree(folder, ignore_errors=True)
            self.root.mkdir(parents=True, exist_ok=True)
            marker.write_text(digest, encoding="utf-8")

    def code(self, name: str) -> str:
        """Digest of the code that made stage `name`."""
        return (self.root / f"{name}.code").read_text(encoding="utf-8")

    def timed(self, stage: str, key: str, work: Callable[[], T]) -> tuple[T, float | None]:
        """The result of `work`, and the seconds it took; None if it was interrupted meanwhile.

        A stage that finds its result done takes no time: what it took at first is kept, under `key`.
        """
        path = self.root / f"{stage}.seconds.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        whole = known.get("key") != key  # a start without an end was interrupted
        if whole:
            self.root.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"key": key, "seconds": None}), encoding="utf-8")
        start = time.perf_counter()
        result = work()
        if whole:
            known = {"key": key, "seconds": time.perf_counter() - start}
            path.write_text(json.dumps(known), encoding="utf-8")
        return result, known["seconds"]


FULL = Place(
    {"explorer": 1400, "oracle": 300, "noisy": 300}, episodes=20, extra=10, training={"minutes": 6.0, "relearn": True}
)
QUICK = Place(
    {"explorer": 16, "oracle": 8, "noisy": 8}, episodes=1, extra=1,
    training={"steps": 4, "width": 32, "heads": 2, "layers": 1}, steps=5,
)  # fmt: skip
