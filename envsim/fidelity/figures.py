"""Every figure of a fidelity report by name: what it is, which way is better, and what it is for a world."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from envsim.fidelity import one_step
from envsim.fidelity.decision import Decision
from envsim.fidelity.episodes import extra_replays, sandbox_share
from envsim.fidelity.free_running import FreeRunning
from envsim.fidelity.intervals import Estimate
from envsim.fidelity.one_step import StepScore
from envsim.fidelity.reliability import COVERAGE, Reliability, reliability
from envsim.trace import Trace

CERTAIN = "_certain"
"""Behind the name of a figure: of what chance did not part from the recording."""


@dataclass(frozen=True)
class Figure:
    """What a name stands for.

    Attributes:
        title: In words.
        better: Which way.
        drifts: Whether a change of it between two reports is a change of the world, not of the machine.
        undefined_at_best: A world that gets everything right has none.
    """

    title: str
    better: Literal["higher", "lower"] = "higher"
    drifts: bool = True
    undefined_at_best: bool = False


def _one_step() -> dict[str, Figure]:
    return {
        name + suffix: Figure(f"{title}, {words}" if suffix else title)
        for name, (title, _) in one_step.MEASURES.items()
        for suffix, (words, _) in one_step.SIZES.items()
    }


CATALOGUE: dict[str, Figure] = {
    **_one_step(),
    "parse_rate": Figure("answers that parse"),
    "answered": Figure("steps that got an answer"),
    "median_steps": Figure("median steps to first divergence"),
    "median_steps_certain": Figure("median steps to first divergence, chance left out"),
    "whole_sessions": Figure("sessions that never diverge"),
    "outcome_agreement": Figure("task-outcome agreement"),
    "sim_pass_real_fail": Figure("passes here, fails in the sandbox", "lower"),
    "sim_fail_real_pass": Figure("fails here, passes in the sandbox", "lower"),
    "unscored": Figure("episodes left unscored", "lower"),
    "success_gap": Figure("mean distance of success rates", "lower"),
    "rank_correlation": Figure("rank correlation of policies (Spearman)"),
    "mmrv": Figure("mean maximum rank violation", "lower"),
    "ppi_gain": Figure("effective sandbox episodes per episode run"),
    "bugs_inside": Figure("bugs: rate inside its 95% interval"),
    "bugs_reproduced": Figure("bugs shown to have the sandbox's rate, of those of which something is shown"),
    "bugs_rate_off": Figure("bugs shown to have another rate", "lower"),
    "bugs_too_few": Figure("bugs with too few opportunities to say", "lower", drifts=False),
    "bugs_missed": Figure("bugs missed", "lower"),
    "bugs_invented": Figure("bugs invented", "lower"),
    "bug_trigger_precision": Figure("bug triggers, precision"),
    "bug_trigger_recall": Figure("bug triggers, recall"),
    "trust_auroc": Figure("AUROC of trust", undefined_at_best=True),
    "trust_accuracy_80": Figure(f"steps right among the {COVERAGE:.0%} most trusted"),
    "trust_calibration_error": Figure("calibration error of trust", "lower"),
    "trust_auroc_certain": Figure("AUROC of trust, chance left out", undefined_at_best=True),
    "trust_accuracy_80_certain": Figure(f"steps right among the {COVERAGE:.0%} most trusted, chance left out"),
    "trust_calibration_error_certain": Figure("calibration error of trust, chance left out", "lower"),
    "page_exact_certain": Figure("page exact match, chance left out"),
    "changed_f1_certain": Figure("changed-element F1, chance left out"),
    "sandbox_share": Figure("steps left to the sandbox", "lower"),
    "extra_replays": Figure("sandboxes asked once more with other chance, per episode", "lower"),
    "steps_per_s": Figure("steps/s", drifts=False),
    "speedup": Figure("speed, in sandboxes", drifts=False),
}
"""Name, as in ``--require``, -> figure."""


def of_free_running(result: FreeRunning) -> dict[str, Estimate]:
    """Its figures by name."""
    return {
        "median_steps": result.median,
        "median_steps_certain": result.certain_median,
        "whole_sessions": result.whole,
    }


def of_fallbacks(traces: Sequence[Trace], *, seed: int = 0) -> dict[str, Estimate]:
    """What a hybrid world's episodes cost in sandboxes."""
    return {"sandbox_share": sandbox_share(traces, seed=seed), "extra_replays": extra_replays(traces, seed=seed)}


def of_decision(result: Decision) -> dict[str, Estimate]:
    """Its figures by name."""
    names = ("outcome_agreement", "sim_pass_real_fail", "sim_fail_real_pass", "unscored", "success_gap",
             "rank_correlation", "mmrv")  # fmt: skip
    return {name: getattr(result, name) for name in names}


def of_trust(result: Reliability, suffix: str = "") -> dict[str, Estimate]:
    """Its figures by name."""
    return {
        f"trust_auroc{suffix}": result.auroc,
        f"trust_accuracy_80{suffix}": result.accuracy,
        f"trust_calibration_error{suffix}": result.calibration_error,
    }


def of_steps(
    steps: Sequence[StepScore], by_chance: Collection[str], *, trusted: bool, seed: int
) -> dict[str, Estimate]:
    """Figures of one-step predictions, and of those that chance did not part from the recording (``..._certain``).

    With `trusted`, what the predictor says of itself is measured, too.
    """
    sure = one_step.certain(steps, by_chance)
    more = one_step.figures(sure, seed=seed)
    out = one_step.figures(steps, seed=seed)
    out |= {f"{name}{CERTAIN}": more[name] for name in ("page_exact", "changed_f1")}
    if trusted:
        out |= of_trust(reliability(steps, seed=seed))
        out |= of_trust(reliability(sure, chance=False, seed=seed), CERTAIN)
    return out


def exact(value: float, n: int = 1) -> Estimate:
    """A value that is counted or timed, not sampled."""
    return Estimate(value, value, value, n)
