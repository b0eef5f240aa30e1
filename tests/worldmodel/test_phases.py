"""The phases after the first: rollouts on own answers, and the policy gradient."""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from envsim.errors import ModelError
from envsim.rng import uniform
from envsim.state import apply
from envsim.types import Action
from worldmodel import dataset, optimise, phases, reinforce, render, rollouts, train
from worldmodel import decode as decoding
from worldmodel.decode import decode
from worldmodel.document import read_delta
from worldmodel.examples import Context, read_answer, write_answer
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.optimise import Example, Pace, collate
from worldmodel.optimise import update as step
from worldmodel.reinforce import Attempt, Problem, advantages, objective, problems, reward
from worldmodel.render import Vocabulary
from worldmodel.rollouts import Taught, leads_alike, roll_out
from worldmodel.session import Sample, Situation, tool_request

BUG = "bug:late"
PACE = Pace(epochs=1e9, steps=6, batch_tokens=1024, lr=4e-3, checkpoint_s=0.0)


@dataclass(frozen=True)
class Spy(Taught):
    """Notes what was asked."""

    asked: list[Sample] = field(default_factory=list)

    def context(self, sample: Sample) -> Context:
        self.asked.append(sample)
        return super().context(sample)


@dataclass(frozen=True)
class Lesson:
    """Recorded sessions of the tiny shop, encoded."""

    taught: Taught
    examples: list[Example]


@pytest.fixture(scope="module")
def lesson(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    data = dataset.build(tiny_traces, tmp_path_factory.mktemp("phases") / "dataset")
    vocabulary, memory = train.learn_vocabulary(data)
    # The shop has no bugs: what fires now and then is added by the tests that need it.
    vocabulary = Vocabulary(vocabulary.bpe, vocabulary.lexicon, ["ok", BUG])
    examples, stable, _ = train.encode(data.part(dataset.TRAIN), vocabulary, memory)
    return Lesson(Taught(vocabulary, memory, stable, data.part(dataset.TRAIN), {}), examples)


def network_for(lesson: Lesson, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    network = Transformer(Config(lesson.taught.vocabulary.size, width=32, layers=1, heads=2, kv_heads=1))
    for block in network.blocks:
        torch.nn.init.normal_(block.down.weight, std=0.2)  # type: ignore[union-attr, arg-type]
    return network.eval()


def spied(lesson: Lesson, **change: object) -> Spy:
    taught = lesson.taught
    spy = Spy(taught.vocabulary, taught.memory, taught.stable, taught.samples, taught.rates)
    return replace(spy, **change)  # type: ignore[arg-type]


# -- rollouts --------------------------------------------------------------------------------------------


def test_right_answers_stray_nowhere(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "leads_alike", lambda lines, sample: False)  # all answers are replaced
    examples, counts = roll_out(network_for(lesson), lesson.taught, 12)
    assert examples == []
    assert counts["strayed"] == counts["chance"] == 0
    assert counts["replaced"] == counts["requests"] > 40


def test_own_situations_differ_in_what_was_shown_and_in_nothing_else(lesson: Lesson) -> None:
    spy = spied(lesson)
    examples, counts = roll_out(network_for(lesson), spy, 12)
    recorded = {(s.session, s.index): s for s in lesson.taught.samples}
    strayed = 0
    for ours in spy.asked:
        theirs = recorded[ours.session, ours.index]
        assert ours.target == theirs.target
        assert ours.situation.request == theirs.situation.request
        assert ours.situation.facts == theirs.situation.facts
        assert [key for key, _ in ours.situation.past] == [key for key, _ in theirs.situation.past]
        state = lesson.taught.samples[0].situation.state
        for _, lines in ours.situation.past[1:]:
            state = apply(state, read_delta(lines))
        assert state == theirs.situation.state, "our own answers led to the state that was recorded"
        strayed += ours.situation != theirs.situation
    assert strayed == counts["strayed"] > 5
    assert len(examples) == counts["examples"] <= strayed
    assert counts["replaced"] > 0


def test_an_answer_that_leads_elsewhere_is_not_gone_on_from(lesson: Lesson) -> None:
    sample = next(s for s in lesson.taught.samples if s.index and read_delta(s.target))
    page = [line for line in sample.target if line[:1] != "!"]
    changes = [line for line in sample.target if line[:1] == "!"]
    assert leads_alike((*reversed(changes), *page[:-1]), sample), "a wrong page changes no state"
    assert not leads_alike((*changes[1:], *page), sample)
    assert not leads_alike((*changes, '! "carts/me/rug" = 9', *page), sample)


def test_results_are_all_that_is_believed_where_there_is_no_state_view() -> None:
    result = ("- {", '  "order_id": "W1"', '  "status": "sent"')
    asked = Situation("tools", tool_request(Action.call("get_order", order_id="W1")))
    sample = Sample("s", "t", 1, asked, result)
    assert leads_alike(result, sample)
    assert not leads_alike((*result[:-1], '  "status": "open"'), sample)
    assert leads_alike(
        (*result[:-1], '  "status": "open"'), replace(sample, situation=replace(asked, state={"orders": {}}))
    )


def test_what_the_browser_did_stays_done_on_our_page(lesson: Lesson) -> None:
    page = ('@url "/p/1"', "main", '  textbox "Name"', '  text "10 left"')
    typed = ('@url "/p/1"', "main", '  textbox "Name" value="Ann"', '  text "10 left"')
    wrong = ('@url "/p/1"', "main", '  textbox "Name"', '  text "9 left"')
    recorded = replace(lesson.taught.samples[1].situation, current=typed, past=(("get /p/1", page),))
    ours = rollouts._ours(recorded, (("get /p/1", wrong),))
    assert ours.current == ('@url "/p/1"', "main", '  textbox "Name" value="Ann"', '  text "9 left"')
    assert rollouts._ours(recorded, recorded.past) is recorded


@pytest.mark.parametrize(("rate", "ends"), [(0.1, 1), (1.0, 0)])
def test_a_session_ends_where_chance_parts_it(lesson: Lesson, rate: float, ends: int) -> None:
    session = next(s.session for s in lesson.taught.samples if s.index == 3)
    alone = [s for s in lesson.taught.samples if s.session == session]
    told = [replace(s, target=('@event "bug:other"', *s.target)) if s.index == alone[2].index else s for s in alone]
    _, counts = roll_out(network_for(lesson), spied(lesson, samples=told, rates={"other": rate}), 1)
    assert counts["chance"] == ends
    assert (counts["requests"] == len(alone) - 1) is not bool(ends)


# -- policy gradient -------------------------------------------------------------------------------------


def test_reward_is_f1_of_changes_and_one_more_for_all_of_it(lesson: Lesson) -> None:
    sample = next(
        s for s in lesson.taught.samples if s.index and read_delta(s.target) and s.target != s.situation.current
    )
    without_state = tuple(line for line in sample.target if line[:1] != "!")
    assert reward(sample.target, sample) == 2.0
    assert reward(without_state, sample) == 1.0, "the page is right, the state is not"
    assert 0.0 < reward(without_state[:-2], sample) < 1.0
    assert reward(sample.situation.current, sample) == 0.0, "nothing changed where something did"


def test_advantages_are_within_the_group() -> None:
    assert advantages([1.0, 1.0, 1.0]) == [0.0, 0.0, 0.0]
    found = advantages([2.0, 0.5, 1.0, 0.5])
    assert sum(found) == pytest.approx(0.0)
    assert found[0] > found[2] > found[1] == found[3]
    assert max(advantages([1.0, 1.0 + 1e-6])) < 1e-4, "next to equal rewards are no lesson"


def test_answers_are_drawn_as_likely_as_the_network_finds_them(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_ANSWER", 4)
    network, vocabulary = network_for(lesson), lesson.taught.vocabulary
    problem = problems(lesson.taught, 1)[0]
    count = 300
    drawn = decode(
        network, vocabulary, [problem.context] * count, [("draw", i) for i in range(count)], outcomes=["ok"] * count,
        every=True,
    )  # fmt: skip
    assert {answer.tokens[0] for answer in drawn} == {vocabulary.outcome0}
    for token in {answer.tokens[1] for answer in drawn}:
        hits = [answer.tokens[1] == token for answer in drawn]
        p = torch.tensor(next(a.logprobs[1] for a in drawn if a.tokens[1] == token)).exp().item()
        assert abs(sum(hits) / count - p) < 4.0 * (p * (1.0 - p) / count) ** 0.5
    assert len({tuple(answer.tokens) for answer in drawn}) > 3
    for answer in drawn:
        read_answer(vocabulary, problem.context, answer.tokens)
    again = decode(network, vocabulary, [problem.context], [("draw", 7)], outcomes=["ok"], every=True)
    assert again[0].tokens == drawn[7].tokens


def test_outcomes_get_no_policy_gradient(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    network, vocabulary = network_for(lesson), lesson.taught.vocabulary
    problem = problems(lesson.taught, 1)[0]
    pair = [replace(problem, outcome=name) for name in ("ok", BUG)]
    answers = decode(network, vocabulary, [problem.context] * 2, [("x", 0), ("x", 1)], outcomes=["ok", BUG], every=True)
    drawn = [Attempt(p, a.tokens, sign) for p, a, sign in zip(pair, answers, (1.0, -1.0), strict=True)]
    real, seen = reinforce._logits, []

    def leaf(of: WorldModel, tokens: Tensor, answer: Tensor) -> Tensor:
        seen.append(real(of, tokens, answer).detach().requires_grad_())
        return seen[-1]

    monkeypatch.setattr(reinforce, "_logits", leaf)
    objective(network, copy.deepcopy(network), vocabulary, drawn).backward()  # type: ignore[no-untyped-call]
    gradient = seen[0].grad
    assert gradient is not None
    first = [0, len(drawn[0].tokens)]
    # As far from the network before as it is now, which is not at all, the divergences pull nowhere.
    assert float(gradient[first].abs().max()) < 1e-6
    assert float(gradient[1].abs().max()) > 1e-4


def test_the_distribution_over_outcomes_is_held(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    network, before = network_for(lesson), network_for(lesson, seed=1)
    vocabulary, asked = lesson.taught.vocabulary, problems(lesson.taught, 3)
    drawn = [Attempt(problem, [vocabulary.outcome0, render.END], 0.0) for problem in asked]
    monkeypatch.setattr(reinforce, "NEAR", 0.0)
    told = [[_rate(side, vocabulary, [problem]) for side in (before, network)] for problem in asked]
    divergence = [p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)) for p, q in told]
    assert max(divergence) > 1e-3
    assert float(objective(network, before, vocabulary, drawn).detach()) == pytest.approx(sum(divergence) / 3, rel=1e-3)


def test_rates_of_random_outcomes_stay(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug fires in 3 of 10 answers, and every answer in which it does scores worse than every other."""
    network, vocabulary = network_for(lesson), lesson.taught.vocabulary
    asked = []
    for sample in lesson.taught.samples:
        fires = uniform("fires", sample.session, sample.index) < 0.3
        asked.append(replace(sample, target=(f'@event "{BUG}"', *sample.target)) if fires else sample)
    found = problems(spied(lesson, samples=asked), 32)
    _imitate(network, vocabulary, found, 8)
    before = _rate(network, vocabulary, found)
    assert 0.15 < before < 0.45

    def scored(tokens: Sequence[int], sample: Sample) -> float:
        """Wording is bad, and so is the bug."""
        shares.append(sum(token >= vocabulary.text0 for token in tokens) / len(tokens))
        return 2.0 * (tokens[0] == vocabulary.outcome0) - shares[-1]

    shares: list[float] = []
    monkeypatch.setattr(decoding, "MAX_ANSWER", 12)
    monkeypatch.setattr(reinforce, "LR", 3e-3)
    monkeypatch.setattr(reinforce, "read_answer", lambda vocabulary, context, tokens: ("", tokens))
    monkeypatch.setattr(reinforce, "reward", scored)
    monkeypatch.setattr(reinforce, "problems", lambda taught, most: found)
    reinforce.reinforce(network, lesson.taught, 16, Path(), "key", checkpoint_s=1e9)
    assert sum(shares[-48:]) < 0.6 * sum(shares[:48]), "it learned"
    assert abs(_rate(network, vocabulary, found) - before) < 0.03


def _imitate(network: WorldModel, vocabulary: Vocabulary, found: Sequence[Problem], steps: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for number in range(steps):
        part = [found[(8 * number + i) % len(found)] for i in range(8)]
        step(network, optimizer, collate([_written(vocabulary, problem) for problem in part], "cpu"), 3e-3)


def _written(vocabulary: Vocabulary, problem: Problem) -> Example:
    answer = write_answer(vocabulary, problem.context, problem.sample.target, known_only=True)
    assert answer is not None
    return Example(problem.context.tokens, answer)


def _rate(network: WorldModel, vocabulary: Vocabulary, found: Sequence[Problem]) -> float:
    """How often the network would say that the bug fires."""
    outcomes = slice(vocabulary.outcome0, vocabulary.outcome0 + 2)
    total = 0.0
    with torch.inference_mode():
        for problem in found:
            tokens = torch.tensor([problem.context.tokens])
            hidden = network.hidden(tokens, torch.arange(tokens.shape[1])[None])[0, -1]
            total += float(network.logits(hidden)[outcomes].softmax(-1)[1])
    return total / len(found)


# -- the phases of a run ---------------------------------------------------------------------------------


class KilledError(Exception):
    """Stands for a kill between two steps."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that has hardly learned writes without end."""
    monkeypatch.setattr(decoding, "MAX_ANSWER", 16)


def trained(lesson: Lesson, out: Path, **change: int) -> tuple[dict[str, bytes], dict[str, object]]:
    out.mkdir(exist_ok=True)
    network = network_for(lesson)
    log = optimise.optimise(network, lesson.examples, PACE, out, "key")
    asked = {"rollouts": 6, **change}
    log |= phases.later(network, lesson.examples, lesson.taught, PACE, out, "key", PACE.steps, **asked)
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}, log


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("module", "name", "at"), [("optimise", "update", 8), ("reinforce", "attempts", 3)])
def test_a_run_killed_in_a_later_phase_ends_in_the_same_bytes(
    lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, at: int
) -> None:
    whole, log = trained(lesson, tmp_path / "whole", policy_steps=4)
    home = {"optimise": optimise, "reinforce": reinforce}[module]
    real, count = getattr(home, name), 0

    def dying(*given: object) -> object:
        nonlocal count
        count += 1
        if count == at:
            raise KilledError
        return real(*given)

    monkeypatch.setattr(home, name, dying)
    with pytest.raises(KilledError):
        trained(lesson, tmp_path / "killed", policy_steps=4)
    monkeypatch.setattr(home, name, real)
    monkeypatch.setattr(rollouts, "roll_out", None)  # what was rolled out before the kill is not again
    killed, again = trained(lesson, tmp_path / "killed", policy_steps=4)
    assert killed == whole
    assert _timeless(again["reinforce"]) == _timeless(log["reinforce"])
    assert log["rollouts"]["examples"] > 0  # type: ignore[index]


def _timeless(log: object) -> object:
    assert isinstance(log, dict)
    return {key: value for key, value in log.items() if key != "seconds"}


@pytest.mark.usefixtures("hasty")
def test_phases_that_are_off_leave_no_trace(lesson: Lesson, tmp_path: Path) -> None:
    plain, log = trained(lesson, tmp_path / "plain", rollouts=0)
    more, _ = trained(lesson, tmp_path / "more")
    assert "rollouts" not in log
    assert not list((tmp_path / "plain").glob("phase-*"))
    assert plain != more


@pytest.mark.parametrize(("given", "says"), [({"rollouts": -1}, "0 for none"), ({"balance": float("nan")}, "no share")])
def test_numbers_that_mean_nothing_are_refused_before_any_work(
    tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        train.train(train.Args(tmp_path / "traces", tmp_path / "model", **given))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_another_process_trains_the_same_bytes(tiny_traces: Path, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    shutil.copytree(tiny_traces, traces)
    for path in sorted(traces.glob("*.jsonl"))[10:]:
        path.unlink()
    here, there = tmp_path / "here", tmp_path / "there"
    train.train(
        train.Args(traces, here, steps=6, width=32, heads=2, layers=1, device="cpu", rollouts=4, reinforce=2)
    )  # fmt: skip
    command = f"""train {traces} -o {there} --steps 6 --width 32 --heads 2 --layers 1 --device cpu
        --rollouts 4 --reinforce 2 --json""".split()
    code = "from worldmodel.cli import main; main()"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True, env=environment
    )
    log = json.loads(done.stdout)["training"]
    assert log["rollouts"]["episodes"] == 4
    assert log["reinforce"]["steps"] == 2
    assert not list(there.glob("phase-*"))
    assert (here / "model.safetensors").read_bytes() == (there / "model.safetensors").read_bytes()
