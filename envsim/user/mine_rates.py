"""Decision rates per user with their uncertainty, and groups of users that are alike.

Each rate is a count of chances and how often they were taken. A user is seen only a few times, so its rate is
shrunk towards everybody's: the posterior of a binomial under a Beta prior whose mean and strength are estimated
from all users by the method of moments (empirical Bayes: Kleinman 1973; Gelman et al., Bayesian Data Analysis, ch. 5).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envsim.rng import Rng
from envsim.user.mine_moves import Labels, announced_in, heard_labels
from envsim.user.progress import Progress, names_in, slot
from envsim.user.sessions import Exchange, Session, words

RATES = ("greet", "thank", "bye", "thorough", "volunteer", "combine", "mind_change", "push_back")
"""Decision points of `envsim.user.persona.Persona` that can be seen in transcripts with acts."""
STYLE = ("lower", "no_stop", "exclaim")
MOST_GROUPS = 6
_GRID = 2000
_HELLO = re.compile(r"\s*(hi|hello|hey|good (morning|afternoon|evening|day)|greetings)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Rate:
    """A probability: posterior mean, 95% credible interval, chances seen."""

    mean: float
    low: float
    high: float
    chances: int


@dataclass
class Tally:
    """What was counted of one user: (taken, chances) by rate, and histograms of facts told."""

    counts: dict[str, list[int]] = field(default_factory=lambda: {name: [0, 0] for name in (*RATES, *STYLE)})
    first: list[int] = field(default_factory=list)
    later: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)

    def add(self, name: str, taken: bool) -> None:
        """One chance."""
        self.counts[name][0] += taken
        self.counts[name][1] += 1


def tallies(sessions: Iterable[Session], labels: Labels = heard_labels) -> dict[str, Tally]:
    """The counts of every user, by name."""
    out: dict[str, Tally] = {}
    for session in sessions:
        _count(session, out.setdefault(session.user, Tally()), labels)
    return out


def _count(session: Session, tally: Tally, labels: Labels) -> None:
    progress = None if session.goal is None else Progress(session.goal)
    for index, turn in enumerate(session.turns):
        heard = tuple(sorted(set(labels(turn))))
        kinds = {act.partition(":")[0] for act in turn.acts}
        said = len(turn.facts())
        tally.words.append(len(words(turn.text)))
        _style(turn.text, tally)
        if index == 0:
            tally.add("greet", "greet" in kinds or bool(_HELLO.match(turn.text)))
        if index == len(session.turns) - 1:
            tally.add("bye", "bye" in kinds)
        if {"book", "offerbooked", "claim"} & set(heard):
            tally.add("thank", bool(kinds & {"thank", "thanks"}))
        if progress is None:
            (tally.later if index else tally.first).append(said)
            continue
        progress.hear(heard, names_in(turn.heard))
        untold = set(progress.goal.facts) - progress.told
        if untold:
            (tally.later if index else tally.first).append(said)
        _chances(turn, index, heard, progress, tally)
        progress.say(turn.acts, announced_in(turn, progress))


def _chances(turn: Exchange, index: int, heard: tuple[str, ...], progress: Progress, tally: Tally) -> None:
    """The decision points that only a known goal shows."""
    situation = progress.situation(heard)
    asked = {label.partition(":")[2] for label in heard if label.startswith("request:")}
    told = set(turn.facts())
    item = progress.items.get(progress.opened[-1]) if progress.opened else None
    if index == 0 and len(progress.items) > 1:
        tally.add("combine", len(progress.about(turn.acts)) > 1)
    if item is not None:
        wanted = {name for name in (*item.tells, *item.needs) if name not in progress.told and slot(name) in asked}
        if len(wanted) > 1:
            tally.add("thorough", wanted <= told)
        if spare := {n for n in item.tells if n not in progress.told and slot(n) not in asked}:
            tally.add("volunteer", bool(spare & told))
    if situation.second:
        tally.add("mind_change", bool(announced_in(turn, progress)))
    if any(label.partition(":")[0] in ("nooffer", "nobook", "refuse") for label in heard):
        tally.add("push_back", bool(told & progress.told) and not announced_in(turn, progress))


def _style(text: str, tally: Tally) -> None:
    letters = [char for char in text if char.isalpha()]
    if len(letters) > 3:
        tally.add("lower", not any(char.isupper() for char in letters))
        tally.add("no_stop", text[-1:].isalnum())
        tally.add("exclaim", "!" in text)


# -- rates -----------------------------------------------------------------------------------------


def prior(counts: Sequence[Sequence[int]]) -> tuple[float, float]:
    """The Beta prior (alpha, beta) of a rate from every user's (taken, chances), by the method of moments."""
    seen = np.asarray([pair for pair in counts if pair[1] > 0], np.float64).reshape(-1, 2)
    if not len(seen):
        return 1.0, 1.0
    taken, chances = seen[:, 0], seen[:, 1]
    mean = float((taken.sum() + 0.5) / (chances.sum() + 1))
    spread = float((chances * (taken / chances - mean) ** 2).sum() / chances.sum())
    noise = mean * (1 - mean)
    # Between-user variance left over once each user's own binomial noise is taken off.
    inverse = float(len(seen) / chances.sum())
    between = (spread - noise * inverse) / max(1 - inverse, 1e-9)
    strength = noise / between - 1 if between > 1e-9 else 1000.0
    strength = min(max(strength, 1.0), 1000.0)
    return mean * strength, (1 - mean) * strength


def posterior(taken: int, chances: int, before: tuple[float, float]) -> Rate:
    """The rate of one user or group, given the prior.

    The prior is taken as known, as in all empirical Bayes, so intervals of few users are a little narrow.
    """
    alpha, beta = before[0] + taken, before[1] + chances - taken
    low, high = _interval(alpha, beta)
    return Rate(alpha / (alpha + beta), low, high, chances)


def _interval(alpha: float, beta: float) -> tuple[float, float]:
    """Central 95% of a Beta distribution, on a grid of the logit scale."""
    x = 1 / (1 + np.exp(-np.linspace(-16, 16, _GRID)))
    # On the logit scale the density is x^alpha (1-x)^beta: smooth also where the Beta itself is not.
    logs = alpha * np.log(x) + beta * np.log1p(-x)
    mass = np.cumsum(np.exp(logs - logs.max()))
    low, high = np.searchsorted(mass / mass[-1], (0.025, 0.975))
    return float(x[low]), float(x[min(high, _GRID - 1)])


def rates(per_user: Mapping[str, Tally]) -> dict[str, dict[str, Rate]]:
    """User -> rate -> its posterior, partially pooled over all users."""
    priors = priors_of(per_user)
    return {
        user: {name: posterior(tally.counts[name][0], tally.counts[name][1], priors[name]) for name in priors}
        for user, tally in per_user.items()
    }


def priors_of(per_user: Mapping[str, Tally]) -> dict[str, tuple[float, float]]:
    """The prior of every rate that anybody had a chance to show."""
    return {
        name: prior([tally.counts[name] for tally in per_user.values()])
        for name in (*RATES, *STYLE)
        if any(tally.counts[name][1] for tally in per_user.values())
    }


# -- groups ----------------------------------------------------------------------------------------


def clusters(table: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.int64]:
    """A cluster for each row (N x D): k-means on standardised columns, at least ten rows a cluster on average.

    Their number is that of the lowest BIC, as in X-means (Pelleg and Moore 2000): spherical Gaussians of one
    common variance.
    """
    spread = table.std(axis=0)
    table = (table - table.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    best, lowest = np.zeros(len(table), np.int64), math.inf
    for k in range(1, min(MOST_GROUPS, len(table) // 10 or 1) + 1):
        assigned, error = _k_means(table, k, seed)
        score = _bic(table, assigned, error, k)
        if score < lowest:
            best, lowest = assigned, score
    return best


def groups(per_user: Mapping[str, Tally], *, seed: int = 0) -> dict[str, int]:
    """Group of each user, 0 the largest: `clusters` of rates (logit), words and facts a turn."""
    names = sorted(per_user)
    estimated = rates(per_user)
    table = np.asarray(
        [
            [
                *(math.log(rate.mean / (1 - rate.mean)) for rate in estimated[name].values()),
                math.log1p(float(np.mean(per_user[name].words or [0]))),
                float(np.mean(per_user[name].first or [0])),
                float(np.mean(per_user[name].later or [0])),
            ]
            for name in names
        ]
    )
    best = clusters(table, seed=seed)
    order = sorted(set(best.tolist()), key=lambda g: (-int((best == g).sum()), int(np.argmax(best == g))))
    return {name: order.index(int(group)) for name, group in zip(names, best, strict=True)}


def _k_means(table: NDArray[np.float64], k: int, seed: int) -> tuple[NDArray[np.int64], float]:
    """Assignment and summed squared error, best of eight starts (k-means++, Arthur and Vassilvitskii 2007)."""
    best, lowest = np.zeros(len(table), np.int64), math.inf
    for start in range(8):
        rng = Rng("k-means", seed, k, start)
        centres = [table[rng.integer(len(table))]]
        while len(centres) < k:
            near = np.min([((table - c) ** 2).sum(axis=1) for c in centres], axis=0)
            centres.append(table[int(np.searchsorted(np.cumsum(near), rng.uniform() * near.sum()))])
        middle = np.asarray(centres)
        for _ in range(50):
            apart = ((table[:, None, :] - middle[None]) ** 2).sum(axis=2)
            assigned = apart.argmin(axis=1)
            moved = np.asarray(
                [table[assigned == g].mean(axis=0) if (assigned == g).any() else middle[g] for g in range(k)]
            )
            if np.allclose(moved, middle):
                break
            middle = moved
        error = float(apart.min(axis=1).sum())
        if error < lowest:
            best, lowest = assigned.astype(np.int64), error
    return best, lowest


def _bic(table: NDArray[np.float64], assigned: NDArray[np.int64], error: float, k: int) -> float:
    n, d = table.shape
    variance = max(error / max(d * (n - k), 1), 1e-9)
    sizes = np.bincount(assigned, minlength=k)
    mixture = float((sizes[sizes > 0] * np.log(sizes[sizes > 0] / n)).sum())
    likelihood = mixture - n * d / 2 * math.log(2 * math.pi * variance) - error / (2 * variance)
    return float(-2 * likelihood + (k * (d + 1)) * math.log(n))
