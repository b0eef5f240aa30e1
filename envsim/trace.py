"""Traces: one recorded session as JSON lines, appended step by step.

A trace directory holds ``<session>.jsonl`` files and ``blobs/<sha256>`` for values that are
large and shared (the state view at reset). A file is one ``header`` line, a ``step`` line per
action (step 0 is the reset and has none) and one ``end`` line. A writer that is killed loses at
most the step in flight: the reader drops a torn last line and says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

from pydantic import Field, ValidationError

from envsim.errors import TraceError
from envsim.state import StateView, canonical
from envsim.types import Action, Event, Frozen, JsonValue, Observation, Outcome, StateDelta, UserTurn

VERSION = 1
T = TypeVar("T", bound=Frozen)
_SESSION = r"^[A-Za-z0-9][A-Za-z0-9._@=+-]{0,150}$"
"""A session names its file: no separators, no leading dot. Anchored, because pydantic searches."""


class Header(Frozen):
    """What a session is about."""

    type: Literal["header"] = "header"
    envsim_trace: int = VERSION
    session: str = Field(pattern=_SESSION)
    app: str
    source: str = Field(description="what recorded it: 'rollout', 'chat', 'har', ...")
    world: str = Field(default="", description="kind of world; empty for production")
    interface: Literal["browser", "tools"]
    goal: str = ""
    task: str = Field(default="", description="task instance id; groups sessions for leak-free splits")
    seed: int = 0
    policy: str = ""
    bugs: dict[str, float] = {}
    state: str = Field(default="", description="sha256 of the blob with the state view at reset; empty: not known")
    tools: tuple[dict[str, JsonValue], ...] = ()
    meta: dict[str, JsonValue] = {}


class Step(Frozen):
    """One action and all that followed from it; `index` 0 is the reset and has no action."""

    type: Literal["step"] = "step"
    index: int = Field(ge=0)
    action: Action | None = None
    raw: str = Field(default="", description="what the policy sent, where it could not be parsed")
    observation: Observation
    delta: StateDelta = ()
    events: tuple[Event, ...] = ()
    trust: float = Field(default=1.0, ge=0, le=1, description="the world's own P(this step is right)")
    user: UserTurn | None = Field(default=None, description="the simulated user's turn in full, hidden parts included")


class End(Frozen):
    """How the session ended."""

    type: Literal["end"] = "end"
    outcome: Outcome | None = Field(default=None, description="None where production recorded none")
    steps: int = Field(ge=0)


@dataclass(frozen=True)
class Trace:
    """One whole session in memory."""

    header: Header
    steps: tuple[Step, ...]
    end: End | None
    """None for a session whose recording was cut off."""
    state: StateView | None = None
    """The state view at reset, where it was recorded."""


class TraceWriter:
    """Appends one session to a directory.

    Each line reaches the operating system before `write` returns, so a killed process loses
    nothing that was written; `durable` also flushes each line to the disk.

    Raises:
        TraceError: The session already has a file there, or `root` cannot be a directory.
    """

    def __init__(self, root: Path, header: Header, *, state: StateView | None = None, durable: bool = False) -> None:
        self.path = root / f"{header.session}.jsonl"
        self._durable = durable
        self.steps = 0
        """Written so far, the reset included."""
        _make_folder(root)
        if state is not None:
            header = header.model_copy(update={"state": write_blob(root, state)})
        try:
            self._file: TextIO = self.path.open("x", encoding="utf-8")
        except FileExistsError:
            raise TraceError(f"{self.path} exists. Choose another directory, or remove it to record again.") from None
        self._line(header)

    def write(self, step: Step) -> None:
        """Append one step."""
        self._line(step)
        self.steps += 1

    def finish(self, outcome: Outcome | None) -> None:
        """Write the end line and close."""
        self._line(End(outcome=outcome, steps=self.steps))
        self.close()

    def fork(self, session: str, meta: dict[str, JsonValue]) -> TraceWriter:
        """A writer of a second session, beside this one, that begins with all that was written here.

        Args:
            session: Its name, which must be free.
            meta: Added to the header's.

        Raises:
            TraceError: The session already has a file, or this one's cannot be read.
        """
        try:
            first, *steps = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        except (OSError, ValueError) as error:
            raise TraceError(f"{self.path} cannot be read: {error}. Record to another directory.") from None
        header = _parse_header(first.encode(), self.path)
        header = header.model_copy(update={"session": session, "meta": header.meta | meta})
        twin = TraceWriter(self.path.parent, header, durable=self._durable)
        twin._file.writelines(steps)
        twin._file.flush()
        twin.steps = self.steps
        return twin

    def close(self) -> None:
        """Close without an end line, as a crash would; safe to call twice."""
        self._file.close()

    def _line(self, value: Frozen) -> None:
        self._file.write(value.model_dump_json(exclude_defaults=False) + "\n")
        self._file.flush()
        if self._durable:
            os.fsync(self._file.fileno())


class TraceReader:
    """Reads the sessions of a directory (or one file), in name order.

    Attributes:
        warnings: One sentence for each thing that was skipped so far, naming file and line.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            self._files = sorted(path.glob("*.jsonl"))
            self._root = path
        elif path.is_file():
            self._files = [path]
            self._root = path.parent
        else:
            raise TraceError(f"{path} does not exist. Give a trace directory or one .jsonl file.")
        if not self._files:
            raise TraceError(f"{path} holds no .jsonl traces. Record some with: envsim rollout --app shop -o {path}")
        self.warnings: list[str] = []
        self._blobs: dict[str, StateView] = {}

    def __len__(self) -> int:
        """How many sessions there are to read."""
        return len(self._files)

    def __iter__(self) -> Iterator[Trace]:
        for file in self._files:
            if _holds_a_line(file):
                yield self.read(file)
            else:
                self.warnings.append(f"{file.name}: its writer was stopped before the header; it was skipped")

    def read(self, file: Path) -> Trace:
        """One session.

        Raises:
            TraceError: Not a trace, another version, or damaged anywhere but its last line.
        """
        try:
            lines = file.read_bytes().split(b"\n")
        except OSError as error:
            raise TraceError(f"Cannot read {file}: {error}. Check the path and its permissions.") from None
        torn = lines.pop()
        if not lines:
            raise TraceError(f"{file} has no header line. Remove it: nothing was recorded.")
        header = _parse_header(lines[0], file)
        steps: list[Step] = []
        end: End | None = None
        for number, line in enumerate(lines[1:], start=2):
            if end is not None:
                raise _damaged(file, number, "there is a line after the end line")
            if line.startswith(b'{"type":"end"'):
                end = _parse(End, line, file, number)
                if end.steps != len(steps):
                    raise _damaged(file, number, f"{end.steps} steps were written and {len(steps)} are here")
                continue
            step = _parse(Step, line, file, number)
            if step.index != len(steps):
                raise _damaged(file, number, f"step {step.index} follows {len(steps)} steps")
            steps.append(step)
        if torn:
            self.warnings.append(f"{file.name}, line {len(lines) + 1}: torn; it was skipped")
        if end is None:
            self.warnings.append(f"{file.name}: the session was cut off after {len(steps)} steps")
        return Trace(header, tuple(steps), end, self._state(header.state))

    def _state(self, digest: str) -> StateView | None:
        if not digest:
            return None
        if digest not in self._blobs:
            self._blobs[digest] = read_blob(self._root, digest)
        return self._blobs[digest]


def write_blob(root: Path, value: Any) -> str:
    """Store a JSON value beside the traces once; its sha256.

    Raises:
        TraceError: `root` cannot be a directory.
    """
    data = canonical(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    target = root / "blobs" / digest
    if not target.exists():
        _make_folder(target.parent)
        # Parallel writers write the same bytes; the rename makes whichever is last harmless.
        scratch = target.with_name(f".{digest}.{os.getpid()}.{threading.get_ident()}")
        scratch.write_bytes(data)
        scratch.replace(target)
    return digest


def read_blob(root: Path, digest: str) -> Any:
    """A value stored by `write_blob`.

    Raises:
        TraceError: Missing, or its bytes no longer have that hash.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise TraceError(f"{digest[:80]!r} is not a blob name. The trace header is damaged; record it again.")
    path = root / "blobs" / digest
    try:
        data = path.read_bytes()
    except OSError:
        raise TraceError(f"{path} is missing. Copy the blobs/ folder along with the traces.") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise TraceError(f"{path} is damaged: its hash differs from its name. Copy it again from the source.")
    return json.loads(data)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TraceError(f"Cannot make the folder {path}: {error.strerror}. Choose another with -o.") from None


def _holds_a_line(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.readline().endswith(b"\n")


def _parse_header(line: bytes, file: Path) -> Header:
    # The version first: a header of another version need not fit this one's fields.
    try:
        version = json.loads(line).get("envsim_trace", VERSION)
    except (ValueError, AttributeError, RecursionError):
        version = VERSION
    if version != VERSION:
        raise TraceError(
            f"{file} has trace version {version!r}; this envsim reads version {VERSION}. "
            "Install the envsim that wrote it, or record it again."
        )
    return _parse(Header, line, file, 1)


def _parse(model: type[T], line: bytes, file: Path, number: int) -> T:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        # Set apart, because a redactor reads this: a number between dots is not seen as a telephone's.
        key = " / ".join(str(part) for part in first["loc"]) or "line"
        raise _damaged(file, number, f"{key}: {first['msg']}") from None


def _damaged(file: Path, number: int, what: str) -> TraceError:
    return TraceError(
        f"{file}, line {number}: {what}. The file is damaged or not an envsim trace; "
        "convert other formats with: envsim ingest"
    )
