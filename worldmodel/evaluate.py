"""One-step evaluation as `envsim.fidelity` asks for it: figures per world and the worst steps."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envsim.page.lines import parse_lines
from envsim.trace import Trace
from envsim.types import Observation, Transition
from worldmodel.checkpoint import load_model
from worldmodel.metrics import Metrics, Score
from worldmodel.predict import Predictor, Scored, evaluate, predictors

_FIGURES = re.compile(r"(?<=\[)\w+(?=\])|\d+")
WORST = 5
_MAX_LINES = 400

Example = tuple[str, int, str, str, str]
"""Session, step, action, real page or result, predicted one."""


@dataclass(frozen=True)
class OneStep:
    """What one predictor got right on real sessions."""

    figures: dict[str, Any]
    """`page_exact`, `changed_f1`, `delta_exact`, and all of `Metrics.summary` under their own names."""
    worst: tuple[Example, ...] = field(default=())
    steps: tuple[dict[str, Any], ...] = field(default=())
    """Every step, with the fields of `envsim.fidelity.one_step.StepScore`."""


NAMES = ("model", "draft", "nearest-neighbour", "copy-previous", "replay")
"""What is measured, in this order."""


def one_step(model: Path, recordings: Sequence[Trace], names: Collection[str] = NAMES) -> Iterator[tuple[str, OneStep]]:
    """Measure the model, then every baseline, teacher-forced on `recordings`.

    Args:
        model: Model directory; it holds all that baselines need of the training traces.
        recordings: Real sessions it was not trained on, of one interface.
        names: Which of them.

    Raises:
        ModelError: The model cannot be read.
    """
    for name, predictor in predictors(load_model(model)).items():
        if name in names:
            yield name, measure(predictor, recordings)


def fingerprint(model: Path) -> str:
    """Hash of all that a model's answers depend on: its files but logs, and this package's code."""
    digest = hashlib.sha256()
    files = [path for path in sorted(model.rglob("*")) if path.is_file() and path.suffix in (".json", ".safetensors")]
    code = Path(__file__).parent
    for root, path in [(model, path) for path in files] + [(code, path) for path in sorted(code.rglob("*.py"))]:
        if "checkpoint-" not in path.as_posix():
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def measure(predictor: Predictor, recordings: Iterable[Trace]) -> OneStep:
    """Figures of one predictor over all interfaces, and its worst steps."""
    kept: list[Scored] = []
    by_interface = evaluate(predictor, recordings, keep=kept.append)
    pooled = Metrics("browser" if "browser" in by_interface else "tools")
    for metrics in by_interface.values():
        pooled.scores += metrics.scores
        pooled.local_right += metrics.local_right
        pooled.local_total += metrics.local_total
    summary = pooled.summary()
    figures = {
        **summary,
        "page_exact": summary["exact"] or 0.0,
        "changed_f1": summary["f1"] or 0.0,
        "delta_exact": summary["delta"] or 0.0,
    }
    ranked = sorted((item for item in kept if not item.score.exact), key=lambda item: _quality(item.score))
    return OneStep(figures, worst_of(ranked), tuple(map(_record, kept)))


def worst_of(ranked: Iterable[Scored]) -> tuple[Example, ...]:
    """The first `WORST` examples, each mistake once: policies that meet the same page get the same lines wrong.

    One that differs in figures and refs alone is the same, or a wrong total would be all that a reader sees.
    """
    out: dict[str, Example] = {}
    for item in ranked:
        example = _example(item)
        real, guess = (Counter(_FIGURES.sub("#", text).split("\n")) for text in example[3:])
        out.setdefault(json.dumps([sorted((real - guess).items()), sorted((guess - real).items())]), example)
        if len(out) == WORST:
            break
    return tuple(out.values())


def _record(item: Scored) -> dict[str, Any]:
    guess = item.predicted
    return {
        "session": item.session,
        "step": item.index,
        "exact": item.score.exact,
        "f1": item.score.f1,
        "delta": item.score.delta,
        "outcome": item.score.outcome,
        "changes": len(item.real.delta),
        "answered": guess is not None,
        "parsed": guess is not None and parses(guess.observation),
        "trust": guess.trust if guess is not None else 0.0,
        "odds": item.odds,
        "real": [event.id for event in item.real.events if event.kind == "bug"],
        "predicted": [event.id for event in guess.events if event.kind == "bug"] if guess is not None else [],
    }


def parses(observation: Observation) -> bool:
    """Whether an answer is well formed: a page in the element grammar at some URL, or a result that is JSON."""
    try:
        if observation.page:
            return bool(parse_lines(observation.page)) and observation.url.startswith("/")
        if observation.result:
            json.loads(observation.result)
    except (ValueError, RecursionError):
        return False
    return True


def _quality(score: Score) -> tuple[float, bool]:
    return (score.f1 or 0.0, score.delta)


def _example(item: Scored) -> Example:
    guess = _text(item.predicted) if item.predicted is not None else "(no answer)"
    return (item.session, item.index, item.action, _text(item.real), guess)


def _text(transition: Transition) -> str:
    observation = transition.observation
    lines = (observation.page or observation.result).split("\n")
    head = [part for part in (observation.url, observation.error) if part]
    more = [f"... {len(lines) - _MAX_LINES} more lines"] if len(lines) > _MAX_LINES else []
    return "\n".join([*head, *lines[:_MAX_LINES], *more])
