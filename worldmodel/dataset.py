"""Traces -> dataset: samples with a leak-free split. A stage: ``f(dir) -> dir``, reused while its input is the same.

A dataset directory holds ``manifest.json``, ``samples.json`` (all lines once, documents as line numbers),
``resets.json`` (how sessions began) and ``blobs/`` (state views).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from envsim.errors import ModelError, TraceError
from envsim.rng import uniform
from envsim.state import StateView, apply, diff, state_hash
from envsim.trace import Trace, TraceReader, read_blob, write_blob
from envsim.types import JsonValue
from worldmodel.document import Lines, delta_lines, dump, read_delta
from worldmodel.requests import Request
from worldmodel.session import Sample, Situation, samples, start_of

VERSION = 3
TRAIN, HELD_OUT = "train", "held_out"
MAX_VIEWS = 64
"""State views that are kept in memory."""


def check_share(held_out: float) -> None:
    """Of tasks that are kept from training.

    Raises:
        ModelError: It leaves nothing to learn from.
    """
    if not 0.0 <= held_out < 1.0:
        raise ModelError(f"--held-out {held_out:g} leaves nothing to learn from. Give a share from 0 to below 1.")


@dataclass(frozen=True)
class Reset:
    """How a recorded session began."""

    session: str
    interface: str
    start: dict[str, JsonValue]
    bugs: dict[str, float]
    state: str
    """Blob with the state view; "" when it was not recorded."""


@dataclass(frozen=True)
class Dataset:
    """A dataset directory in memory."""

    root: Path
    manifest: dict[str, Any]
    samples: list[Sample]
    resets: list[Reset]
    _views: dict[str, StateView] = field(default_factory=dict, init=False, compare=False, repr=False)

    def part(self, name: str) -> list[Sample]:
        """The samples of ``"train"`` or ``"held_out"`` sessions."""
        split = self.manifest["split"]
        return [sample for sample in self.samples if split[sample.session] == name]

    def learned(self, again: bool = False) -> list[Sample]:
        """What programs are learned from: the training part; `again`, with half of the tasks held out beside it.

        Which half is a function of a task's name, so that more sessions change no task's side. Where that would be all
        of them it is none, until a task of the other half is held out.
        """
        more = self._again if again else frozenset()
        return [s for s in self.samples if self.manifest["split"][s.session] == TRAIN or s.group in more]

    def kept(self, again: bool = False) -> list[Sample]:
        """Held-out samples that `learned` has not: what they prove of programs was never learned from."""
        more = self._again if again else frozenset()
        return [sample for sample in self.part(HELD_OUT) if sample.group not in more]

    def taken(self, again: bool = False) -> list[Sample]:
        """Held-out samples that `learned` has: only programs learned without them can be tried on these."""
        more = self._again if again else frozenset()
        return [sample for sample in self.part(HELD_OUT) if sample.group in more]

    @cached_property
    def _again(self) -> frozenset[str]:
        groups = {sample.group for sample in self.part(HELD_OUT)}
        half = frozenset(group for group in groups if uniform("learned again", group) < 0.5)
        return half if half < groups else frozenset()

    def view(self, digest: str) -> StateView:
        """A state view by hash; empty for "". Not to be edited: whoever asks again gets the same one.

        Tables that it has in common with the view most sessions began with are that view's own, so that what was found
        of them (`worldmodel.index`) need not be found again.
        """
        if not digest:
            return {}
        if digest not in self._views:
            view, usual = read_blob(self.root, digest), self.manifest["seed_view"]
            if digest != usual:
                base = self.view(usual)
                # By their text, which tells 1 from 1.0 and rows in another order.
                same = {name for name, rows in view.items() if name in base and dump(base[name]) == dump(rows)}
                view = {name: base[name] if name in same else rows for name, rows in view.items()}
                while len(self._views) >= MAX_VIEWS:
                    del self._views[next(name for name in self._views if name != usual)]
            self._views[digest] = view
        return self._views[digest]


def build(traces: Path, out: Path, *, held_out: float = 0.1, seed: int = 0) -> Dataset:
    """Make or reuse the dataset of a trace directory.

    Args:
        traces: Directory of traces, all of one app.
        out: Dataset directory; made again unless its manifest names the same input and settings.
        held_out: Share of sessions kept for calibration and the held-out table, in [0, 1).
        seed: Chooses which.

    Raises:
        TraceError: No traces, damaged ones, traces of several apps, or none that asks the app anything.
    """
    key = state_hash([VERSION, hash_traces(traces), held_out, seed])
    if (out / "manifest.json").exists():
        try:
            known = load(out)
        except ModelError:
            known = None
        if known is not None and known.manifest["key"] == key:
            return known
    reader = TraceReader(traces)
    sessions = list(reader)
    if not sessions:
        raise TraceError(f"{traces} holds no session that can be read. Record some with: envsim rollout")
    apps = sorted({trace.header.app for trace in sessions})
    if len(apps) > 1:
        raise TraceError(f"{traces} mixes traces of {', '.join(apps)}. Train one model per app, from a directory each.")
    resets = [_reset(trace, out) for trace in sessions]
    seed_view = _seed_view(resets)
    base = read_blob(out, seed_view) if seed_view else {}
    found = [sample for trace in sessions for sample in _samples(trace, base)]
    if not found:
        raise TraceError(f"{traces} holds no step that asks {apps[0]} anything. Record longer sessions.")
    manifest = {
        "worldmodel_dataset": VERSION,
        "key": key,
        "app": apps[0],
        "interfaces": sorted({trace.header.interface for trace in sessions}),
        "sessions": len(sessions),
        "samples": len(found),
        "split": split(sessions, held_out, seed),
        "seed_view": seed_view,
        "tools": _tools(sessions),
        "bugs": _bugs(sessions),
        "warnings": reader.warnings,
    }
    save(out, manifest, found, resets)
    return Dataset(out, manifest, found, resets)


def extend(base: Dataset, traces: Path, out: Path, *, held_out: float = 0.1, seed: int = 0) -> Dataset:
    """The dataset `base` with the sessions of another trace directory that it does not have yet.

    Sessions of task templates that `base` held out are held out here too; of the others, `held_out` as in `build`.

    Raises:
        TraceError: No new sessions, damaged ones, or of another app.
    """
    reader = TraceReader(traces)
    known = {reset.session for reset in base.resets}
    sessions = [trace for trace in reader if trace.header.session not in known]
    if not sessions:
        raise TraceError(f"{traces} holds no session that the model does not have. Record new ones: envsim rollout")
    if other := sorted({trace.header.app for trace in sessions} - {base.manifest["app"]}):
        raise TraceError(f"{traces} holds traces of {other[0]!r}; the model is of {base.manifest['app']!r}.")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(base.root / "blobs", out / "blobs", dirs_exist_ok=True)
    resets = [*base.resets, *(_reset(trace, out) for trace in sessions)]
    view = base.view(base.manifest["seed_view"])
    found = [*base.samples, *(sample for trace in sessions for sample in _samples(trace, view))]
    old = base.manifest
    away = {s.group.partition("@")[0] for s in base.part(HELD_OUT)} - {
        s.group.partition("@")[0] for s in base.part(TRAIN)
    }
    kept = [trace for trace in sessions if _template(trace) not in away]
    parts = {trace.header.session: HELD_OUT for trace in sessions} | (split(kept, held_out, seed) if kept else {})
    tools = {str(tool["name"]): tool for tool in (*old["tools"], *_tools(sessions))}
    manifest = {
        **old,
        "key": state_hash([VERSION, old["key"], hash_traces(traces), held_out, seed]),
        "interfaces": sorted({*old["interfaces"], *(trace.header.interface for trace in sessions)}),
        "sessions": old["sessions"] + len(sessions),
        "samples": len(found),
        "split": {**old["split"], **parts},
        "tools": [tools[name] for name in sorted(tools)],
        "bugs": dict(sorted({**old["bugs"], **_bugs(sessions)}.items())),
        "warnings": [*old["warnings"], *reader.warnings],
    }
    save(out, manifest, found, resets)
    return Dataset(out, manifest, found, resets)


def hash_traces(traces: Path) -> str:
    """SHA-256 over the names and bytes of all sessions."""
    digest = hashlib.sha256()
    for path in sorted(traces.glob("*.jsonl")) if traces.is_dir() else [traces]:
        digest.update(path.name.encode() + b"\0")
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def split(sessions: Sequence[Trace], held_out: float, seed: int) -> dict[str, str]:
    """Session -> part. Whole groups are held out, so that no task is on both sides.

    Groups are task templates where there are at least eight, else task instances, else sessions.
    """
    for level in (_template, _task, _session):
        groups = sorted({level(trace) for trace in sessions})
        if len(groups) >= 8 or level is _session:
            break
    ranked = sorted(groups, key=lambda group: uniform(seed, "held-out", group))
    count = min(len(groups) - 1, max(1, round(held_out * len(groups)))) if held_out > 0 else 0
    chosen = set(ranked[:count])
    return {trace.header.session: HELD_OUT if level(trace) in chosen else TRAIN for trace in sessions}


def _template(trace: Trace) -> str:
    return trace.header.task.partition("@")[0]


def _task(trace: Trace) -> str:
    return trace.header.task


def _session(trace: Trace) -> str:
    return trace.header.session


def _reset(trace: Trace, out: Path) -> Reset:
    header = trace.header
    digest = write_blob(out, trace.state) if trace.state is not None else ""
    return Reset(header.session, header.interface, start_of(trace).model_dump(mode="json"), header.bugs, digest)


def _seed_view(resets: Sequence[Reset]) -> str:
    """The state view most sessions without set-up began with."""
    plain = [r.state for r in resets if r.state and not r.start.get("setup")] or [r.state for r in resets if r.state]
    return Counter(plain).most_common(1)[0][0] if plain else ""


def _samples(trace: Trace, base: StateView) -> Iterable[Sample]:
    for sample in samples(trace):
        if sample.index == 0 and trace.state is not None:
            # What the set-up changed is part of what a reset has to predict.
            delta = tuple(tuple(change) for change in diff(base, trace.state))
            rest = (line for line in sample.target if line[:1] != "!")
            yield replace(sample, target=(*delta_lines(delta), *rest))
        else:
            yield sample


def _bugs(sessions: Sequence[Trace]) -> dict[str, float]:
    return dict(sorted({k: v for trace in sessions for k, v in trace.header.bugs.items()}.items()))


def _tools(sessions: Sequence[Trace]) -> list[dict[str, Any]]:
    """Function schemas as recorded, or as far as the recorded calls show them."""
    recorded: dict[str, dict[str, Any]] = {}
    called: dict[str, dict[str, str]] = {}
    for trace in sessions:
        if trace.header.interface != "tools":
            continue
        for tool in trace.header.tools:
            recorded[str(tool.get("name"))] = dict(tool)
        for step in trace.steps:
            # Where a trace lists its tools, a call of another is an agent's mistake.
            if not trace.header.tools and step.action is not None and step.action.kind == "call":
                known = called.setdefault(step.action.name, {})
                known.update({key: _json_type(value) for key, value in step.action.arguments.items()})
    for name, types in called.items():
        properties = {key: {"type": kind} for key, kind in sorted(types.items())}
        parameters = {"type": "object", "properties": properties}
        recorded.setdefault(name, {"name": name, "description": "", "parameters": parameters})
    return [recorded[name] for name in sorted(recorded)]


def _json_type(value: JsonValue) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


# -- on disk -------------------------------------------------------------------------------------------


def save(root: Path, manifest: dict[str, Any], found: Sequence[Sample], resets: Sequence[Reset]) -> None:
    """Write a dataset; the manifest last, so that a torn write is not taken for a dataset."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.json").unlink(missing_ok=True)
    numbers: dict[str, int] = {}

    def refer(lines: Lines) -> list[int]:
        return [numbers.setdefault(line, len(numbers)) for line in lines]

    rows = [
        [s.session, s.group, s.index, s.situation.interface, list(s.situation.request.lines),
         refer(s.situation.current), refer(s.situation.facts), refer(s.situation.restored), refer(s.target)]
        for s in found
    ]  # fmt: skip
    write_json(root / "samples.json", {"lines": list(numbers), "samples": rows})
    write_json(root / "resets.json", [vars(reset) for reset in resets])
    write_json(root / "manifest.json", manifest)


def load(root: Path) -> Dataset:
    """Read a dataset directory.

    Raises:
        ModelError: Missing or damaged.
    """
    manifest = read_json(root / "manifest.json")
    try:
        if manifest["worldmodel_dataset"] != VERSION:
            raise ModelError(
                f"{root} has dataset version {manifest['worldmodel_dataset']}; train again to make a new one."
            )
        resets = [Reset(**row) for row in read_json(root / "resets.json")]
        # One object per state: sessions that begin alike share its tables, and what is looked up in them.
        blobs = {digest: read_blob(root, digest) for digest in sorted({reset.state for reset in resets}) if digest}
        views = {reset.session: blobs.get(reset.state, {}) for reset in resets}
        base = read_blob(root, manifest["seed_view"]) if manifest["seed_view"] else {}
        return Dataset(root, manifest, _read_samples(root / "samples.json", views, base), resets)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{root} is damaged ({error!r}). Remove it and train again.") from None


def _read_samples(path: Path, views: Mapping[str, StateView], base: StateView) -> list[Sample]:
    """The samples, each with the state before it: sessions are followed from how they began."""
    data = read_json(path)
    lines: list[str] = data["lines"]
    out: list[Sample] = []
    session = ""
    past: tuple[tuple[str, Lines], ...] = ()
    state: StateView = {}
    for name, group, index, interface, request, current, facts, restored, target in data["samples"]:
        if name != session:
            session, past, state = name, (), views.get(name, {})
        situation = Situation(
            interface,
            Request(tuple(request)),
            tuple(lines[i] for i in current),
            past,
            tuple(lines[i] for i in facts),
            # A reset starts from the app's own data; what is recorded of it is the state it led to.
            state if index else base,
            restored=tuple(lines[i] for i in restored),
        )
        answer = tuple(lines[i] for i in target)
        if index:
            state = apply(state, read_delta(answer))
        out.append(Sample(name, group, index, situation, answer))
        past = (*past, (situation.request.key, answer))
    return out


def read_json(path: Path) -> Any:
    """A JSON file of a dataset or model.

    Raises:
        ModelError: Missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing. Train a model with: worldmodel train TRACES -o {path.parent}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({type(error).__name__}). Train the model again.") from None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    scratch.replace(path)
