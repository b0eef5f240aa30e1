"""Distances between two sets of conversations, and figures of one: what `envsim fidelity users` compares.

Divergences are in bits, lengths in words (punctuation marks count as words), curves in shares of [0, 1].
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np

from envsim.rng import Rng
from envsim.user.sessions import Session

CURVE = 12
"""Turns over which disclosure is compared."""

SELF_BLEU_TURNS = 300
"""Turns that self-BLEU is taken over, drawn by seed; it depends on how many there are."""

_START, _END = "<start>", "<end>"


def act_unigrams(sessions: Iterable[Session]) -> Counter[Hashable]:
    """How often each dialogue act was made."""
    return Counter(act for session in sessions for turn in session.turns for act in turn.acts)


def act_bigrams(sessions: Iterable[Session]) -> Counter[Hashable]:
    """How often each act followed each other one; acts of one turn in the order of their names, ends marked."""
    counts: Counter[Hashable] = Counter()
    for session in sessions:
        row = [_START, *(act for turn in session.turns for act in turn.acts), _END]
        counts.update(itertools.pairwise(row))
    return counts


def jensen_shannon(a: Mapping[Hashable, int], b: Mapping[Hashable, int]) -> float:
    """Jensen-Shannon divergence of two samples' frequencies in bits: 0 for equal, 1 for disjoint (Lin 1991).

    Of finite samples it is biased upward, the more so the smaller they are: compare it with a floor of equal sizes.
    """
    total_a, total_b = sum(a.values()), sum(b.values())
    if not total_a or not total_b:
        return math.nan
    out = 0.0
    for key in a.keys() | b.keys():
        p, q = a.get(key, 0) / total_a, b.get(key, 0) / total_b
        middle = (p + q) / 2
        out += sum(0.5 * x * math.log2(x / middle) for x in (p, q) if x)
    return max(0.0, out)


def wasserstein(a: Sequence[float], b: Sequence[float]) -> float:
    """Wasserstein-1 distance of two samples: the area between their distribution functions (Vallender 1974)."""
    if not len(a) or not len(b):
        return math.nan
    x, y = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))
    both = np.sort(np.concatenate([x, y]))
    below = [np.searchsorted(sample, both[:-1], side="right") / len(sample) for sample in (x, y)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(both)))


def turn_lengths(sessions: Iterable[Session]) -> list[float]:
    """Words of each turn."""
    return [float(len(words)) for session in sessions for words in session.words()]


def turns(sessions: Iterable[Session]) -> list[float]:
    """Turns of each session."""
    return [float(len(session.turns)) for session in sessions]


def disclosure(sessions: Iterable[Session]) -> list[list[float]]:
    """Share of the goal's facts told by turn 1, 2, ..., `CURVE` of each session that has a goal with facts."""
    out = []
    for session in sessions:
        facts = session.goal.facts.keys() if session.goal else frozenset()
        if facts:
            shares = [len(told & facts) / len(facts) for told in session.told()]
            out.append([shares[min(t, len(shares) - 1)] for t in range(CURVE)])
    return out


def disclosure_distance(a: Sequence[Session], b: Sequence[Session]) -> float:
    """Wasserstein-1 distance between the shares told by each turn, mean over turns."""
    first, second = disclosure(a), disclosure(b)
    if not first or not second:
        return math.nan
    pairs = zip(zip(*first, strict=True), zip(*second, strict=True), strict=True)
    return float(np.mean([wasserstein(x, y) for x, y in pairs]))


def entropy(sessions: Iterable[Session]) -> float:
    """Shannon entropy of the words, in bits per word."""
    counts = np.asarray(list(_ngrams(sessions, 1).values()), np.float64)
    if not len(counts):
        return math.nan
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


def distinct(sessions: Iterable[Session], n: int) -> float:
    """Distinct n-grams per n-gram (Li et al. 2016); falls with the size of the sample."""
    counts = _ngrams(sessions, n)
    return len(counts) / counts.total() if counts else math.nan


def _ngrams(sessions: Iterable[Session], n: int) -> Counter[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for session in sessions:
        for words in session.words():
            counts.update(words[i : i + n] for i in range(len(words) - n + 1))
    return counts


def self_bleu(sessions: Iterable[Session], *, seed: int = 0, longest: int = 4) -> float:
    """Mean BLEU of each turn against all others of a sample: how alike they are (Zhu et al. 2018, Texygen).

    Turns without an n-gram count half a match of that length (smoothing 1 of Chen and Cherry 2014, with 0.5).
    """
    said = [words for session in sessions for words in session.words() if words]
    sample = Rng("self-bleu", seed).sample(said, SELF_BLEU_TURNS)
    if len(sample) < 2:
        return math.nan
    logs = np.zeros(len(sample))
    for n in range(1, longest + 1):
        grams = [Counter(words[i : i + n] for i in range(len(words) - n + 1)) for words in sample]
        best = _two_best(grams)
        for index, counts in enumerate(grams):
            hits = sum(min(c, next((m for m, owner in best[g] if owner != index), 0)) for g, c in counts.items())
            logs[index] += math.log(max(hits, 0.5) / max(counts.total(), 1)) / longest
    lengths = np.asarray([len(words) for words in sample])
    penalty = np.zeros(len(sample))
    for index, length in enumerate(lengths):
        others = np.delete(lengths, index)
        closest = others[np.argmin(np.abs(others - length))]
        penalty[index] = min(0.0, 1 - closest / length)
    return float(np.exp(np.minimum(logs, 0.0) + penalty).mean())


def _two_best(grams: Sequence[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], list[tuple[int, int]]]:
    """N-gram -> its two highest counts with the turns that have them, so that a turn can be left out."""
    best: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for index, counts in enumerate(grams):
        for gram, count in counts.items():
            best[gram] = sorted([*best.get(gram, ()), (count, index)], reverse=True)[:2]
    return best


Distance = Callable[[Sequence[Session], Sequence[Session]], float]
Figure = Callable[[Sequence[Session]], float]

DISTANCES: dict[str, tuple[str, Distance]] = {
    "act_unigrams": (
        "dialogue acts, JS divergence (bits)",
        lambda a, b: jensen_shannon(act_unigrams(a), act_unigrams(b)),
    ),
    "act_bigrams": (
        "act bigrams, JS divergence (bits)",
        lambda a, b: jensen_shannon(act_bigrams(a), act_bigrams(b)),
    ),
    "turn_length": ("turn length, Wasserstein (words)", lambda a, b: wasserstein(turn_lengths(a), turn_lengths(b))),
    "turns": ("turns per session, Wasserstein", lambda a, b: wasserstein(turns(a), turns(b))),
    "disclosure": ("disclosure curve, Wasserstein (share)", disclosure_distance),
}
"""Distances between two samples: key, title and function."""

FIGURES: dict[str, tuple[str, Figure]] = {
    "entropy": ("word entropy (bits), difference", entropy),
    "distinct_1": ("distinct-1, difference", lambda s: distinct(s, 1)),
    "distinct_2": ("distinct-2, difference", lambda s: distinct(s, 2)),
    "self_bleu": ("self-BLEU, difference", self_bleu),
}
"""Figures of one sample, compared by their absolute difference."""
