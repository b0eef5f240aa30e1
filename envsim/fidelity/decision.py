"""Decision fidelity: whether one would conclude the same about a policy from either world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envsim.fidelity.intervals import Estimate, rate
from envsim.rollout import Rollout


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
    """

    outcome_agreement: Estimate
    sim_pass_real_fail: Estimate
    sim_fail_real_pass: Estimate
    unscored: Estimate
    per_policy: tuple[PolicyRow, ...]


def compare_outcomes(reference: Sequence[Rollout], candidate: Sequence[Rollout]) -> Decision:
    """Compare two sets of rollouts of the same jobs.

    Episodes the *reference* could not score (infrastructure) say nothing and are left out.

    Raises:
        ValueError: The two sets are not of the same policies and seeds.
    """
    theirs = {_key(rollout): rollout for rollout in candidate}
    if {_key(rollout) for rollout in reference} != theirs.keys():
        raise ValueError("both worlds must be run on the same policies and seeds")
    pairs = [(real, theirs[_key(real)]) for real in reference if real.outcome.reward is not None]
    scored = [(real, sim) for real, sim in pairs if sim.outcome.reward is not None]
    verdicts = [(real.outcome.success, sim.outcome.success) for real, sim in scored]
    policies = sorted({real.policy for real, _ in pairs})
    return Decision(
        outcome_agreement=rate(sum(real == sim for real, sim in verdicts), len(pairs)),
        sim_pass_real_fail=rate(verdicts.count((False, True)), len(scored)),
        sim_fail_real_pass=rate(verdicts.count((True, False)), len(scored)),
        unscored=rate(len(pairs) - len(scored), len(pairs)),
        per_policy=tuple(_row(policy, scored) for policy in policies),
    )


def _row(policy: str, scored: list[tuple[Rollout, Rollout]]) -> PolicyRow:
    mine = [(real, sim) for real, sim in scored if real.policy == policy]
    return PolicyRow(
        policy,
        rate(sum(real.outcome.success for real, _ in mine), len(mine)),
        rate(sum(sim.outcome.success for _, sim in mine), len(mine)),
    )


def _key(rollout: Rollout) -> tuple[str, int]:
    # Not by task: the seed chooses it, and a world that could not start has none to name.
    return (rollout.policy, rollout.seed)
