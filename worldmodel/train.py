"""Training: traces -> dataset -> tokenizer, programs -> network -> calibration -> model directory.

`Args` is the command line. The order of the data is a function of seed and epoch alone and a
checkpoint holds the optimiser too, so a run that was killed ends in the same bytes as one that was not.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from envsim.cli.common import progress
from envsim.errors import ModelError, load_optional
from envsim.rng import Rng
from envsim.state import state_hash
from worldmodel import dataset, phases, render
from worldmodel.calibrate import calibrate
from worldmodel.checkpoint import load_model, pick_device, read_vocabulary, save_model
from worldmodel.dataset import HELD_OUT, TRAIN, Dataset
from worldmodel.engine import Engine
from worldmodel.examples import choose_draft, is_of, outcome_of, survival, write_answer, write_context
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.optimise import Example, Pace, optimise
from worldmodel.pages.pages import Pages
from worldmodel.render import Lexicon, Vocabulary
from worldmodel.results.programs import Results
from worldmodel.retrieval import Memory
from worldmodel.rollouts import Taught
from worldmodel.rules.programs import Programs
from worldmodel.session import Sample
from worldmodel.support import Record, Support, track_record
from worldmodel.team import Team, join
from worldmodel.trust import ALPHA
from worldmodel.weigh import weigh

BPE_SIZE = 2048
WATCHED = 48
"""Held-out samples that are measured on while a network learns."""
PEAKS = {(False, False): 2e-3, (True, False): 2e-4, (True, True): 1e-3}
"""Peak learning rate by (from a base, with LoRA)."""


@dataclass(frozen=True)
class Args:
    """How to train. Defaults suit a few hundred sessions on two CPU cores."""

    traces: Path
    out: Path
    epochs: float = 6.0
    """Passes over the training samples; `steps` and `minutes` end a run earlier."""
    steps: int = 0
    """Most optimiser steps; 0: no such limit."""
    minutes: float = 0.0
    """Most minutes of optimisation; 0: no limit. With one, the result depends on the machine's speed."""
    batch_tokens: int = 2048
    lr: float = 0.0
    """Peak learning rate; 0: 2e-3, 2e-4 from a base, 1e-3 for LoRA."""
    width: int = 160
    layers: int = 4
    heads: int = 5
    kv_heads: int = 1
    base: Path | None = None
    """A pretrained causal language model to start from, which then gives the sizes; see `worldmodel.base`."""
    lora: int = 0
    """Rank of low-rank adapters on the base; 0 trains all of its weights."""
    engine: str = ""
    """Name of a served model to ask instead of training a network; see `worldmodel.engine`."""
    held_out: float = 0.1
    alpha: float = ALPHA
    """Share of wrong answers that the trust region may hold."""
    balance: float = 0.0
    """How far examples are drawn evenly by size of change, 0 (as recorded) to 1 (as many of each size)."""
    relearn: bool = False
    """Learn programs again in the end, from half of the held-out tasks too; trust is fitted on the other half."""
    seed: int = 0
    device: str = "auto"
    checkpoint_s: float = 60.0
    """Seconds between checkpoints."""
    rollouts: int = 0
    """Training sessions that are run again on the model's own answers, and learned from; 0: no such phase."""
    reinforce: int = 0
    """Policy-gradient steps on the F1 of changed elements; 0: no such phase."""

    def pace(self) -> Pace:
        """The part that is about optimising."""
        given = {field.name: getattr(self, field.name) for field in fields(Pace)}
        return Pace(**given | {"lr": self.lr or PEAKS[self.base is not None, self.lora > 0]})


@dataclass(frozen=True)
class Prepared:
    """All that one process makes of the traces, before any network learns."""

    data: Dataset
    vocabulary: Vocabulary
    memory: Memory
    examples: list[Example]
    watched: list[Example]
    """Of held-out samples, to measure on meanwhile."""
    stable: frozenset[str]
    record: dict[str, list[int]]


def train(args: Args) -> Path:
    """Train a model; returns its directory. Reuses a finished model of the same input and arguments.

    Of several processes (`worldmodel.team`) the first prepares, calibrates and saves, the others help to optimise.

    Raises:
        TraceError: The traces cannot be used.
        ModelError: `args` do not describe a network.
    """
    team = join(args.device)
    try:
        (_lead if team.main else _help)(args, team)
    finally:
        team.leave()
    return args.out


def _lead(args: Args, team: Team) -> None:
    message = b"null"
    try:
        key = run_key(args)
        if finished(args.out, key):
            return
        if args.engine:
            Engine(args.engine).connect()  # now: it is asked once all else was learned
        found = prepare(args)
        network = start(args, found.vocabulary, team.device)
        message = _message(key, found) if team.count > 1 else message
    finally:
        # Whatever comes between, nobody is left waiting.
        if team.count > 1:
            team.send(message)
    log = {"steps": 0} if args.engine else _learn(args, key, found, network, team)
    network.settle()
    network.eval()
    finish(args, key, found, network, log)


def _learn(args: Args, key: str, found: Prepared, network: WorldModel, team: Team) -> dict[str, Any]:
    """All phases of training, and their log."""
    log = optimise(network, found.examples, args.pace(), args.out, key, found.watched, team)
    taught = Taught(
        found.vocabulary, found.memory, found.stable, found.data.part(TRAIN), found.data.manifest["bugs"], args.seed
    )  # fmt: skip
    return log | phases.later(
        network, found.examples, taught, args.pace(), args.out, key, log["steps"], args.rollouts, args.reinforce
    )  # fmt: skip


def _help(args: Args, team: Team) -> None:
    told = json.loads(team.receive())
    if told is None or args.engine:
        return
    network = start(args, read_vocabulary(told["vocabulary"]), team.device)
    examples = [Example(*fields) for fields in told["examples"]]
    optimise(network, examples, args.pace(), args.out, told["key"], team=team)


def _message(key: str, found: Prepared) -> bytes:
    """What helpers need to know; null in its place means that there is nothing to do."""
    examples = [[e.context, e.answer, e.changes, e.settled] for e in found.examples]
    return json.dumps({"key": key, "vocabulary": found.vocabulary.state(), "examples": examples}).encode()


def prepare(args: Args) -> Prepared:
    """Traces to examples, with all that is learned on the way."""
    data = dataset.build(args.traces, args.out / "dataset", held_out=args.held_out, seed=args.seed)
    with progress("preparing") as tell:
        vocabulary, memory = learn_vocabulary(data, args.seed)
        tell(description="choosing drafts")
        examples, stable, record = encode(data.part(TRAIN), vocabulary, memory)
        watched = encode(watched_of(data), vocabulary, memory, stable)[0]
    return Prepared(data, vocabulary, memory, examples, watched, stable, record)


def watched_of(data: Dataset) -> list[Sample]:
    """`WATCHED` held-out samples, the same every time."""
    found = data.part(HELD_OUT)
    return [found[i] for i in sorted(Rng(0, "watched").sample(range(len(found)), WATCHED))]


def finish(args: Args, key: str, found: Prepared, network: WorldModel, log: dict[str, Any]) -> None:
    """Fit what is fitted on held-out tasks, and save the model."""
    args = replace(args, lr=args.pace().lr)
    data, manifest = found.data, found.data.manifest
    before = Support(found.memory, found.record, manifest["bugs"])
    support = relearned(data, before, args.seed) if args.relearn else before
    fitted = calibrate(
        network, found.vocabulary, support, found.stable, data.kept(args.relearn), manifest["bugs"], args.alpha,
        data.learned(args.relearn), (before, data.taken(args.relearn)) if support is not before else None,
    )  # fmt: skip
    extra = {
        "key": key,
        "data": manifest["key"],
        "app": manifest["app"],
        "interfaces": manifest["interfaces"],
        "args": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(args).items()},
        "parameters": network.parameters_count(),
        "examples": len(found.examples),
        "training": log,
        "calibration": fitted.report,
        "trust": fitted.trust.to_json(),
        "record": support.record,
        **({"record_before": before.record} if args.relearn else {}),
        "accept": fitted.accept,
        "temperature": fitted.temperature,
        **support.memory.programs(),
    }
    save_model(args.out, network, found.vocabulary, found.stable, extra)
    mine = [path.parent for path in args.out.glob("checkpoint-*/state.json")]
    for path in (*mine, *(args.out / f"phase-{name}" for name in phases.NAMES)):
        shutil.rmtree(path, ignore_errors=True)


def fit(traces: Path, model: Path, *, minutes: float = 0.0, seed: int = 0) -> Path:
    """`train` with default sizes and a time limit; what a program calls."""
    return train(Args(traces, model, minutes=minutes, seed=seed))


def start(args: Args, vocabulary: Vocabulary, device: str | None = None) -> WorldModel:
    """A network that has not been trained on anything, or not on traces; equal in every process.

    Raises:
        ModelError: `args` do not describe one, or the base cannot be used.
        PrerequisiteError: Packages that a base needs are not installed.
    """
    device = device or pick_device(args.device)
    torch.manual_seed(args.seed)
    if args.engine:
        return Engine(args.engine)
    if args.base is not None:
        load = load_optional("worldmodel.base:warm_start", "base")
        warm: WorldModel = load(args.base, vocabulary, rank=args.lora, seed=args.seed)
        return warm.to(device)
    return Transformer(_config(args, vocabulary.size)).to(device)


def _config(args: Args, vocabulary: int) -> Config:
    try:
        return Config(vocabulary, args.width, args.layers, args.heads, args.kv_heads)
    except ValueError as error:
        raise ModelError(f"{error}. Choose other sizes.") from None


def run_key(args: Args) -> str:
    """What a result depends on: the traces, the base, and every argument but paths and how often to save.

    Raises:
        ModelError: There is no base where there should be one, a rank without one, no such device, or a number that
            means nothing.
    """
    _config(args, 1)
    pick_device(args.device)
    dataset.check_share(args.held_out)
    if not 0.0 < args.alpha < 1.0:
        raise ModelError(
            f"--alpha {args.alpha:g} is no share of wrong answers. Give one between 0 and 1, such as 0.05."
        )
    if min(args.rollouts, args.reinforce) < 0:
        raise ModelError("Fewer than 0 rollouts or policy-gradient steps cannot be made. Give 0 for none.")
    if args.lora < 0 or (args.lora and args.base is None):
        raise ModelError("--lora RANK adapts a pretrained model: give one with --base PATH, and a rank above 0.")
    args.pace()
    if args.engine and (args.base is not None or args.rollouts or args.reinforce):
        raise ModelError(
            "--engine asks a model served elsewhere; --base, --rollouts and --reinforce train one here. "
            "Give one or the others."
        )
    settings = {k: v for k, v in asdict(args).items() if k not in ("traces", "out", "checkpoint_s")}
    if args.base is not None:
        settings["base"] = load_optional("worldmodel.base:digest", "base")(args.base, args.lora)
    return state_hash([settings, dataset.hash_traces(args.traces)])


def finished(out: Path, key: str) -> bool:
    """Whether `out` already holds the model that a run with this key would make."""
    try:
        return bool(load_model(out).config["key"] == key)
    except ModelError:
        return False


def learn_vocabulary(data: Dataset, seed: int = 0) -> tuple[Vocabulary, Memory]:
    """Lexicon, BPE and outcomes, and the programs, from the training part alone."""
    found = data.part(TRAIN)
    documents = [
        (s.session, (*s.situation.request.lines, *s.target, *s.situation.facts)) for s in found
    ]  # fmt: skip
    lexicon = Lexicon.build(documents, render.entities_of(data.view(data.manifest["seed_view"])))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_SIZE,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        max_token_length=64,
    )
    # Wording as often as it occurs, so that whole phrases become tokens; each value once, as most are slots.
    pieces = [piece for _, lines in documents for line in dict.fromkeys(lines) for piece in lexicon.pieces(line)]
    corpus = [text for is_value, text in pieces if not is_value]
    corpus = [part for text in corpus for part in re.split(r"\d+", text) if part]
    corpus += sorted({text for is_value, text in pieces if is_value})
    bpe.train_from_iterator(corpus, trainer)
    outcomes = Counter(outcome_of(sample.target) for sample in found)
    names = ["ok", *(name for name, _ in sorted(outcomes.items(), key=lambda kv: (-kv[1], kv[0])) if name != "ok")]
    return Vocabulary(bpe, lexicon, names), learn_memory(data, lexicon, seed)


def relearned(data: Dataset, support: Support, seed: int) -> Support:
    """Programs of half of the held-out tasks too (`Dataset.learned`), and how they did on these.

    A template that is held out as a whole would be unknown to a model. The other half stays apart: acceptance, trust
    and its region are fitted on it, for the programs that are saved. `support` knows none of both.
    """
    held = data.taken(True)
    if not held:
        return support
    with progress("learning from held-out tasks too"):
        memory = learn_memory(data, support.memory.lexicon, seed, again=True)
        record = track_record(((choose_draft(s.situation, memory, without=s.group), s) for s in held), memory)
    return Support(memory, added(support.record, record), support.rates)


def added(one: Record, other: Record) -> dict[str, list[int]]:
    """Two track records as one."""
    counts = {key: (*one.get(key, (0, 0)), *other.get(key, (0, 0))) for key in sorted({*one, *other})}
    return {key: [a + c, b + d] for key, (a, b, c, d) in counts.items()}


def learn_memory(data: Dataset, lexicon: Lexicon, seed: int = 0, *, again: bool = False) -> Memory:
    """What programs are learned from (`Dataset.learned`), and they."""
    found = data.learned(again)
    rules = Programs.learn(data.view(data.manifest["seed_view"]), found, seed)
    pages = Pages(rules.relations, rules.known)
    pages.learn(found, {number: rules.branch(sample) for number, sample in enumerate(found)}, seed)
    results = Results.learn(found, data.manifest["tools"], seed)
    memory = Memory(found, lexicon, rules, results, pages)
    memory.worth = weigh(found, memory)
    return memory


def encode(
    found: Sequence[Sample], vocabulary: Vocabulary, memory: Memory, stable: frozenset[str] | None = None
) -> tuple[list[Example], frozenset[str], dict[str, list[int]]]:
    """Training examples, each with the draft for what happened that it would have had without its own task's records.

    `stable` are the lines a network was trained without; None finds them.

    Returns:
        The examples, the lines that always survive, and how the most probable drafts did
        (`worldmodel.support.track_record`).
    """
    usual = [choose_draft(s.situation, memory, without=s.group) for s in found]
    drafts = [
        draft
        if is_of(draft, sample, memory)
        else choose_draft(sample.situation, memory, without=sample.group, told=sample)
        for draft, sample in zip(usual, found, strict=True)
    ]
    if stable is None:
        stable = survival(zip(drafts, found, strict=True))
    out = []
    for sample, draft in zip(found, drafts, strict=True):
        context = write_context(vocabulary, sample.situation, draft, stable)
        answer = write_answer(vocabulary, context, sample.target, known_only=True)
        if answer is not None:
            settled = draft.label in vocabulary.outcomes
            out.append(Example(context.tokens, answer, answer.count(render.EDIT), settled))
    return out, stable, track_record(zip(usual, found, strict=True), memory)
