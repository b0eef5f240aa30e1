"""How open it is what kind of answer follows: the network's odds of the outcome token, scaled on held-out requests.

Rates of bugs are learned by rules where rules know the request. Where they do not, the network's first token says what
happened, and is drawn. A network trained to be right is surer than it should be (Guo et al., On Calibration of Modern
Neural Networks, 2017): one number, by which its logits are divided, makes what it draws as frequent as what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worldmodel.decode import Remote
from worldmodel.examples import Context, outcome_of
from worldmodel.model import WorldModel
from worldmodel.render import Vocabulary
from worldmodel.session import Sample
from worldmodel.stepper import stepper

LEAST = 20
"""Requests it takes; of fewer, the network's own odds stand."""
LIMITS = (0.25, 8.0)
"""No answer is made surer or more open than this, however few speak for it."""
_BATCH = 16
_HALVINGS = 40


def open_to(vocabulary: Vocabulary, sample: Sample, context: Context) -> bool:
    """Whether the network says what happened here, and could have said what did."""
    return context.draft.outcome is None and outcome_of(sample.target) in vocabulary.outcomes


def fit_temperature(network: WorldModel, vocabulary: Vocabulary, found: Sequence[tuple[Sample, Context]]) -> float:
    """What the logits of an outcome are divided by; 1.0 for a served network, which gives none.

    Args:
        network: In eval mode.
        vocabulary: The network's.
        found: Held-out requests that are `open_to` the network, and what it is asked of them.
    """
    if len(found) < LEAST or isinstance(network, Remote):
        return 1.0
    names = list(vocabulary.outcomes)
    truth = torch.tensor([names.index(outcome_of(sample.target)) for sample, _ in found])
    return likeliest(outcome_logits(network, vocabulary, [context for _, context in found]), truth)


@torch.inference_mode()
def outcome_logits(network: WorldModel, vocabulary: Vocabulary, contexts: Sequence[Context]) -> Tensor:
    """Logits (N, outcomes) of the first token, float32, on the CPU."""
    rows = []
    first = vocabulary.outcome0
    for start in range(0, len(contexts), _BATCH):
        with stepper(network) as batch:
            logits = batch.read([context.tokens for context in contexts[start : start + _BATCH]], 1)
            rows.append(logits[:, first : first + len(vocabulary.outcomes)].cpu())
    return torch.cat(rows)


def likeliest(logits: Tensor, truth: Tensor) -> float:
    """The temperature within `LIMITS` at which what was seen is most probable.

    The log-likelihood is concave in the inverse temperature, so its slope changes sign at most once.

    Args:
        logits: (N, K).
        truth: (N,), the class that was seen.
    """
    logits = logits.double()
    seen = logits.gather(1, truth[:, None])[:, 0]
    low, high = 1 / LIMITS[1], 1 / LIMITS[0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = ((middle * logits).softmax(-1) * logits).sum(-1)
        if float((seen - expected).sum()) > 0:
            low = middle
        else:
            high = middle
    return round(2 / (low + high), 4)
