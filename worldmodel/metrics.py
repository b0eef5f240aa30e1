"""One-step metrics: one prediction against what really followed. Defined once, used everywhere.

A *step* here is one request to the app (a page load, a submitted form, a tool call): what a browser
does by itself is code and is counted apart (`Metrics.local`).

``exact``           page and URL, or tool result, equal to the real one. Results are compared as JSON.
``changed P/R/F1``  of changed elements, as in RLVR-World (Wu et al. 2025): lines added to and removed
                    from the page before, as multisets; predicted against real. Averaged over steps
                    where either set is not empty. Refs are left out: they follow from the lines.
``field F1``        of (path, value) leaves of the tool result, averaged over steps.
``delta``           the state view after the predicted delta equals the one after the real delta.
``outcome``         same class of answer: an error or not.
``changed``/``unchanged``  split by whether the real step changed the state view.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from envsim.state import StateView, apply, canonical
from envsim.types import Observation, Transition
from worldmodel.document import Lines, body, observation_lines


@dataclass(frozen=True)
class Score:
    """One step, scored."""

    exact: bool
    precision: float | None
    """Of changed elements; None where neither side changed anything (browser), or of fields (tools)."""
    recall: float | None
    delta: bool
    outcome: bool
    changed: bool
    answered: bool = True

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        if self.precision is None or self.recall is None:
            return None
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def score(
    interface: str, before: Lines, real: Transition, predicted: Transition | None, state: StateView | None = None
) -> Score:
    """Score one prediction.

    Args:
        interface: ``"browser"`` or ``"tools"``.
        before: Document lines of the page before the action; unused for tools.
        real: What followed.
        predicted: What was predicted; None for no answer, which is wrong.
        state: State view before the action, where known.
    """
    changed = bool(real.delta)
    if predicted is None:
        return Score(False, 0.0, 0.0, False, False, changed, answered=False)
    truth, guess = real.observation, predicted.observation
    if interface == "browser":
        exact = truth.page == guess.page and truth.url == guess.url
        precision, recall = changed_elements(before, truth, guess)
    else:
        exact = same_result(truth, guess)
        precision, recall = overlap(leaves(guess.result), leaves(truth.result))
    base = state or {}
    same_state = real.delta == predicted.delta or canonical(apply(base, real.delta)) == canonical(
        apply(base, predicted.delta)
    )
    outcome = outcome_class(truth) == outcome_class(guess)
    return Score(exact, precision, recall, same_state, outcome, changed)


def changed_elements(before: Lines, truth: Observation, guess: Observation) -> tuple[float | None, float | None]:
    """Precision and recall of changed elements; (None, None) if there are none on either side."""
    old = Counter(body(before))
    real, predicted = (changes(old, body(observation_lines(seen))) for seen in (truth, guess))
    if not real and not predicted:
        return None, None
    return overlap(predicted, real)


def changes(old: Counter[str], lines: Lines) -> Counter[str]:
    """Lines that came, marked ``+``, and that went, marked ``-``, with how often."""
    new = Counter(lines)
    found = Counter({f"+{line}": n for line, n in (new - old).items()})
    found.update({f"-{line}": n for line, n in (old - new).items()})
    return found


def overlap(predicted: Counter[str], real: Counter[str]) -> tuple[float, float]:
    """Precision and recall of one multiset against another; 1 where there is nothing to get wrong."""
    both = (predicted & real).total()
    precision = both / predicted.total() if predicted else float(not real)
    recall = both / real.total() if real else float(not predicted)
    return precision, recall


def leaves(result: str) -> Counter[str]:
    """The (path, value) leaves of a JSON text; list positions are part of the path."""
    try:
        value = json.loads(result)
    except ValueError:
        return Counter([canonical(result)]) if result else Counter()
    out: Counter[str] = Counter()
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        children = [(f"{path}/{key}", child) for key, child in items]
        stack += children
        if not children:
            out[f"{path} {canonical(node)}"] += 1
    return out


def same_result(a: Observation, b: Observation) -> bool:
    """Whether two tool results are the same JSON value (or text), and both or neither are errors."""
    if bool(a.error) != bool(b.error):
        return False
    try:
        return canonical(json.loads(a.result)) == canonical(json.loads(b.result))
    except ValueError:
        return a.result == b.result


def outcome_class(observation: Observation) -> str:
    """``"error"`` if the action failed: by its error, by what the tool result says, or by an alert on the page."""
    if observation.error or observation.result.lstrip('"').lower().startswith("error"):
        return "error"
    try:
        value = json.loads(observation.result) if observation.result else None
    except ValueError:
        value = None
    if isinstance(value, dict) and (value.get("error") or int_or_zero(value.get("status")) >= 400):
        return "error"
    if any(line.lstrip().startswith("alert") for line in observation.page.split("\n")):
        return "error"
    return "ok"


def int_or_zero(value: object) -> int:
    """`value` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


@dataclass
class Metrics:
    """Averages over steps, as defined at the top of this module."""

    interface: str
    scores: list[Score] = field(default_factory=list)
    local_right: int = 0
    local_total: int = 0
    """Steps the browser answers alone, and how many of them came out exactly as recorded."""

    def summary(self) -> dict[str, Any]:
        """All figures, for printing and for JSON: shares in [0, 1], None where nothing was measured."""
        scores = self.scores
        changed = [s for s in scores if s.changed]
        same = [s for s in scores if not s.changed]
        return {
            "interface": self.interface,
            "steps": len(scores),
            "answered": _mean(s.answered for s in scores),
            "exact": _mean(s.exact for s in scores),
            "exact_changed": _mean(s.exact for s in changed),
            "exact_unchanged": _mean(s.exact for s in same),
            "precision": _mean(s.precision for s in scores if s.precision is not None),
            "recall": _mean(s.recall for s in scores if s.recall is not None),
            "f1": _mean(s.f1 for s in scores if s.f1 is not None),
            "f1_changed": _mean(s.f1 for s in changed if s.f1 is not None),
            "f1_unchanged": _mean(s.f1 for s in same if s.f1 is not None),
            "delta": _mean(s.delta for s in scores),
            "delta_changed": _mean(s.delta for s in changed),
            "delta_unchanged": _mean(s.delta for s in same),
            "outcome": _mean(s.outcome for s in scores),
            "changed_steps": len(changed),
            "local": self.local_right / self.local_total if self.local_total else None,
        }


def _mean(values: Iterable[float | bool | None]) -> float | None:
    known: Sequence[float] = [float(v) for v in values if v is not None]
    return round(sum(known) / len(known), 4) if known else None
