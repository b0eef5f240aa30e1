"""Outcomes that the network tells are drawn as often as held-out requests show them."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models

from envsim.errors import ModelError
from worldmodel import calibrate as calibration
from worldmodel.checkpoint import load_model
from worldmodel.dataset import HELD_OUT
from worldmodel.decode import decode
from worldmodel.examples import Context, Draft
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.render import Lexicon, Slots, Vocabulary
from worldmodel.requests import Request
from worldmodel.retrieval import Memory
from worldmodel.rules.programs import Outcome
from worldmodel.session import Sample, Situation
from worldmodel.support import Support
from worldmodel.temperature import LEAST, LIMITS, fit_temperature, likeliest, open_to, outcome_logits
from worldmodel.trust import fits

OUTCOMES = ["ok", "error", "shop:late"]


def drawn(logits: torch.Tensor, temperature: float, seed: int) -> torch.Tensor:
    """What follows if the logits, divided by `temperature`, tell its odds."""
    torch.manual_seed(seed)
    return torch.multinomial((logits / temperature).softmax(-1), 1)[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5, 5.0])
def test_the_temperature_that_odds_were_made_with_is_found(temperature: float) -> None:
    logits = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(1)) * 4
    assert likeliest(logits, drawn(logits, temperature, 2)) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_is_likelier() -> None:
    logits = torch.randn(300, 3, generator=torch.Generator().manual_seed(3)) * 3
    truth = drawn(logits, 1.7, 4)

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / temperature, truth))

    found = likeliest(logits, truth)
    assert all(loss(found) <= loss(found * factor) for factor in (0.5, 0.8, 0.95, 1.05, 1.25, 2.0))


def test_always_right_and_never_right_stay_within_limits() -> None:
    logits = torch.randn(50, 3, generator=torch.Generator().manual_seed(5))
    assert likeliest(logits, logits.argmax(-1)) == pytest.approx(LIMITS[0], rel=1e-3)
    assert likeliest(logits, logits.argmin(-1)) == pytest.approx(LIMITS[1], rel=1e-3)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    bpe = Tokenizer(models.BPE(vocab={f"w{i}": i for i in range(60)}, merges=[]))
    return Vocabulary(bpe, Lexicon(frozenset()), OUTCOMES)


@pytest.fixture(scope="module")
def network(vocabulary: Vocabulary) -> WorldModel:
    torch.manual_seed(7)
    made = Transformer(Config(vocabulary.size, 32, 2, 2, 1)).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


def asked(vocabulary: Vocabulary, n: int, length: int = 12) -> list[Context]:
    draw = torch.Generator().manual_seed(length)
    draft = Draft(("line",), "near")
    return [
        Context(torch.randint(1, vocabulary.size, (length,), generator=draw).tolist(), Slots(), draft) for _ in range(n)
    ]


def seen(name: str, at: int) -> Sample:
    target = {"ok": (), "error": ('@error "down"',), "shop:late": ("@event shop:late",)}[name]
    return Sample(f"s{at}", "g", at, Situation("browser", Request((f"GET /{at}",))), target)


def test_a_network_that_is_too_sure_is_found_out(network: WorldModel, vocabulary: Vocabulary) -> None:
    contexts = asked(vocabulary, 400)
    truth = drawn(outcome_logits(network, vocabulary, contexts), 3.0, 8).tolist()
    found = [
        (seen(OUTCOMES[kind], at), context) for at, (kind, context) in enumerate(zip(truth, contexts, strict=True))
    ]
    assert all(open_to(vocabulary, *pair) for pair in found)
    assert fit_temperature(network, vocabulary, found) == pytest.approx(3.0, rel=0.35)
    assert fit_temperature(network, vocabulary, found[: LEAST - 1]) == 1.0


def test_what_rules_have_settled_and_what_no_token_names_is_not_asked(vocabulary: Vocabulary) -> None:
    (context,) = asked(vocabulary, 1)
    settled = Context(context.tokens, context.slots, Draft(("line",), "rules", outcome=Outcome("ok", None, 1.0)))
    assert not open_to(vocabulary, seen("ok", 0), settled)
    assert open_to(vocabulary, seen("ok", 0), context)
    other = Sample("s", "g", 0, Situation("browser", Request(("GET /",))), ("@event shop:new",))
    assert not open_to(vocabulary, other, context)


def test_outcomes_are_drawn_at_their_temperature_and_edits_are_not(network: WorldModel, vocabulary: Vocabulary) -> None:
    context, temperature, draws = asked(vocabulary, 1)[0], 3.0, 600
    odds = (outcome_logits(network, vocabulary, [context]) / temperature).softmax(-1)[0]
    keys = [(9, at) for at in range(draws)]
    answers = decode(network, vocabulary, [context] * draws, keys, [1] * draws, temperature=temperature)
    counts = Counter(answer.tokens[0] - vocabulary.outcome0 for answer in answers)
    for kind, p in enumerate(odds.tolist()):
        assert abs(counts[kind] / draws - p) < 4 * math.sqrt(p * (1 - p) / draws) + 1e-9
    (cool,), (warm,) = (decode(network, vocabulary, [context], [None], temperature=t) for t in (1.0, temperature))
    assert cool.tokens == warm.tokens
    assert cool.logprobs[1:] == warm.logprobs[1:]
    assert warm.entropy > cool.entropy


def test_a_model_keeps_its_temperature(tiny_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"temperature": 2.0}))
    assert load_model(copy).temperature == 2.0
    for odd in (0.0, -1, "warm", None, float("nan")):
        (copy / "config.json").write_text(json.dumps(config | {"temperature": odd}))
        with pytest.raises(ModelError, match="damaged"):
            load_model(copy)


@pytest.mark.parametrize("temperature", [None, 3.0])
def test_calibration_says_what_it_found(
    tiny_model: Path, temperature: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(tiny_model)
    if temperature is not None:
        monkeypatch.setattr(calibration, "fit_temperature", lambda *_: temperature)
    fitted = calibration.calibrate(
        model.network, model.vocabulary, model.support, model.stable, model.data.part(HELD_OUT),
        model.data.manifest["bugs"],
    )  # fmt: skip
    assert fitted.report["temperature"] == fitted.temperature
    assert LIMITS[0] <= fitted.temperature <= LIMITS[1]
    assert temperature in (None, fitted.temperature)


def test_calibration_scales_what_is_open_and_nothing_else(
    network: WorldModel, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is fitted on half of the sessions, and what trust then sees of all is as open as the answers will be."""
    monkeypatch.setattr(calibration, "decode", lambda *given, **more: decode(*given, [1] * len(given[2]), **more))
    contexts = asked(vocabulary, 200)
    truth = drawn(outcome_logits(network, vocabulary, contexts), 3.0, 8).tolist()
    settled = replace(contexts[0], draft=Draft(("line",), "rules", outcome=Outcome("ok", None, 1.0)))
    cool = decode(network, vocabulary, [*contexts, settled], [None] * 201, [1] * 201)
    samples = [seen(OUTCOMES[kind], at) for at, kind in enumerate([*truth, 0])]
    before = list(zip(samples, [*contexts, settled], cool, strict=True))
    parts = calibration._Parts(network, vocabulary, Support(Memory([], Lexicon(frozenset())), {}), frozenset())
    parts, after, opened = calibration._scaled(parts, before)
    own = [pair[:2] for pair in before[:200] if fits(pair[0].session)]
    assert parts.temperature == fit_temperature(network, vocabulary, own) != 1.0
    assert opened == 200
    warm = decode(network, vocabulary, contexts, [None] * 200, [1] * 200, temperature=parts.temperature)
    assert [answer.entropy for *_, answer in after[:200]] == pytest.approx([answer.entropy for answer in warm])
    assert all(new.entropy > old.entropy for (*_, old), (*_, new) in zip(before[:200], after[:200], strict=True))
    assert after[200] == before[200]
