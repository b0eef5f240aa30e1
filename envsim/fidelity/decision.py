"""Decision fidelity: whether one would conclude the same about a policy from either world."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from envsim.fidelity.intervals import EMPTY, Estimate, percentiles, rate, share, weights
from envsim.fidelity.ppi import Powered, prediction_powered
from envsim.fidelity.ranks import compare_ranks
from envsim.rollout import Rollout

Pair = tuple[Rollout, Rollout]
"""One episode in the reference and in the other world."""
ALL = "all policies"


@dataclass(frozen=True)
class PolicyRow:
    """One policy's success in both worlds, over the episodes both could score."""

    policy: str
    reference: Estimate
    candidate: Estimate


@dataclass(frozen=True)
class Decision:
    """Outcomes of the same policies on the same tasks and seeds in two worlds.

    Attributes:
        outcome_agreement: Share of episodes with the same success in both. An episode the
            candidate could not score counts as disagreement: it gave no answer to agree with.
        sim_pass_real_fail: Share of scored episodes that pass in the candidate and fail in the
            reference: the error that lets a bad policy through.
        sim_fail_real_pass: The reverse.
        unscored: Share of episodes the candidate left unscored.
        per_policy: Success of each policy in both worlds.
        rank_correlation: Spearman's, of the policies' success rates.
        mmrv: Mean maximum rank violation of them.
        success_gap: Mean distance between a policy's success rates in the two worlds.
    """

    outcome_agreement: Estimate
    sim_pass_real_fail: Estimate
    sim_fail_real_pass: Estimate
    unscored: Estimate
    per_policy: tuple[PolicyRow, ...]
    rank_correlation: Estimate = EMPTY
    mmrv: Estimate = EMPTY
    success_gap: Estimate = EMPTY


def compare_outcomes(reference: Sequence[Rollout], candidate: Sequence[Rollout], *, seed: int = 0) -> Decision:
    """Compare two sets of rollouts of the same jobs.

    Episodes the *reference* could not score (infrastructure) say nothing and are left out. Intervals are bootstraps
    over episode seeds, of which all policies have the same: episodes of one seed have one task.

    Raises:
        ValueError: The two sets are not of the same policies and seeds.
    """
    theirs = {_key(rollout): rollout for rollout in candidate}
    if {_key(rollout) for rollout in reference} != theirs.keys():
        raise ValueError("both worlds must be run on the same policies and seeds")
    pairs = [(real, theirs[_key(real)]) for real in reference if real.outcome.reward is not None]
    scored = [(real, sim) for real, sim in pairs if sim.outcome.reward is not None]
    policies = sorted({real.policy for real, _ in pairs})
    correlation, violation = compare_ranks(*_matrices(pairs, policies), seed=seed)

    def part(among: Sequence[Pair], holds: Callable[[Rollout, Rollout], bool]) -> Estimate:
        seeds = sorted({real.seed for real, _ in among})
        hits = [sum(holds(*pair) for pair in among if pair[0].seed == own) for own in seeds]
        return share(hits, [sum(pair[0].seed == own for pair in among) for own in seeds], seed=seed)

    return Decision(
        outcome_agreement=part(
            pairs, lambda real, sim: sim.outcome.reward is not None and real.outcome.success == sim.outcome.success
        ),
        sim_pass_real_fail=part(scored, lambda real, sim: sim.outcome.success and not real.outcome.success),
        sim_fail_real_pass=part(scored, lambda real, sim: real.outcome.success and not sim.outcome.success),
        unscored=part(pairs, lambda _, sim: sim.outcome.reward is None),
        per_policy=tuple(_row(policy, scored) for policy in policies),
        rank_correlation=correlation,
        mmrv=violation,
        success_gap=_gap(scored, policies, seed),
    )


def powered(
    reference: Sequence[Rollout], candidate: Sequence[Rollout], extra: Sequence[Rollout] = (), *, seed: int = 0
) -> tuple[Powered, ...]:
    """What both worlds together say of each policy's real success, and of all policies' mean success.

    Args:
        reference: Episodes in the reference.
        candidate: The same episodes in the other world.
        extra: Further episodes in the other world only.
        seed: Of the resampling.
    """
    theirs = {_key(rollout): rollout for rollout in candidate}
    pairs = [(real, theirs[_key(real)]) for real in reference if _key(real) in theirs]
    pairs = [pair for pair in pairs if all(rollout.outcome.reward is not None for rollout in pair)]
    more = [rollout for rollout in extra if rollout.outcome.reward is not None]

    policies = sorted({real.policy for real, _ in pairs})
    rows = [_powered(policy, pairs, more, (policy,), seed) for policy in policies]
    return (*rows, _powered(ALL, pairs, more, policies, seed))


def _powered(
    name: str, pairs: Sequence[Pair], more: Sequence[Rollout], policies: Collection[str], seed: int
) -> Powered:
    """Over episode seeds: of several policies, whose episodes of a seed share their task, its mean is one value."""
    mine = [pair for pair in pairs if pair[0].policy in policies]
    real, sim = _by_seed([pair[0] for pair in mine]), _by_seed([pair[1] for pair in mine])
    extra = _by_seed([rollout for rollout in more if rollout.policy in policies])
    return prediction_powered(list(real.values()), [sim[key] for key in real], list(extra.values()), name, seed=seed)


def _by_seed(rollouts: Sequence[Rollout]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for rollout in rollouts:
        found.setdefault(rollout.seed, []).append(float(rollout.outcome.success))
    return {seed: sum(values) / len(values) for seed, values in sorted(found.items())}


def _matrices(pairs: Sequence[Pair], policies: Sequence[str]) -> tuple[list[list[float]], list[list[float]]]:
    """Success by policy and seed in both worlds, NaN where it is not known."""
    seeds = sorted({real.seed for real, _ in pairs})
    at = {_key(real): pair for pair in pairs for real in pair[:1]}

    def success(policy: str, seed: int, side: int) -> float:
        pair = at.get((policy, seed))
        return math.nan if pair is None or pair[side].outcome.reward is None else float(pair[side].outcome.success)

    first, second = ([[success(policy, seed, side) for seed in seeds] for policy in policies] for side in (0, 1))
    return first, second


def _gap(scored: Sequence[Pair], policies: Sequence[str], seed: int) -> Estimate:
    """Mean over policies of |success here - success there|, over episodes both scored."""
    real, sim = (np.asarray(side) for side in _matrices(scored, policies))
    if not real.size:
        return EMPTY
    drawn = np.concatenate([np.ones((1, real.shape[1])), weights(real.shape[1], seed=seed)])
    known = np.isfinite(real)
    counts = drawn @ known.T.astype(float)
    gaps = np.abs(drawn @ np.where(known, sim - real, 0.0).T) / np.where(counts > 0, counts, np.nan)
    present = np.isfinite(gaps)
    means = np.where(present, gaps, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return percentiles(float(means[0]), means[1:], len(scored))


def _row(policy: str, scored: Sequence[Pair]) -> PolicyRow:
    mine = [(real, sim) for real, sim in scored if real.policy == policy]
    return PolicyRow(
        policy,
        rate(sum(real.outcome.success for real, _ in mine), len(mine)),
        rate(sum(sim.outcome.success for _, sim in mine), len(mine)),
    )


def _key(rollout: Rollout) -> tuple[str, int]:
    # Not by task: the seed chooses it, and a world that could not start has none to name.
    return (rollout.policy, rollout.seed)
