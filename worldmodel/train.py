"""Training: traces -> dataset -> tokenizer -> network -> calibration -> model directory.

`Args` is the command line. The order of the data is a function of seed and epoch alone and a
checkpoint holds the optimiser too, so a run that was killed ends in the same bytes as one that was not.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from envsim.cli.common import progress
from envsim.errors import ModelError, load_optional
from envsim.state import state_hash
from worldmodel import dataset, phases, render
from worldmodel.calibrate import calibrate
from worldmodel.checkpoint import load_model, pick_device, save_model
from worldmodel.dataset import HELD_OUT, TRAIN, Dataset
from worldmodel.examples import choose_draft, is_of, outcome_of, survival, write_answer, write_context
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.optimise import Example, Pace
from worldmodel.pages.pages import Pages
from worldmodel.render import Lexicon, Vocabulary
from worldmodel.results.programs import Results
from worldmodel.retrieval import Memory
from worldmodel.rollouts import Taught
from worldmodel.rules.programs import Programs
from worldmodel.session import Sample
from worldmodel.support import Support, track_record
from worldmodel.trust import ALPHA

BPE_SIZE = 2048
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
    held_out: float = 0.1
    alpha: float = ALPHA
    """Share of wrong answers that the trust region may hold."""
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
        return Pace(**{field.name: getattr(self, field.name) for field in fields(Pace)})


def train(args: Args) -> Path:
    """Train a model; returns its directory. Reuses a finished model of the same input and arguments.

    Raises:
        TraceError: The traces cannot be used.
        ModelError: `args` do not describe a network.
    """
    key = run_key(args)
    if finished(args.out, key):
        return args.out
    args = replace(args, lr=args.lr or PEAKS[args.base is not None, args.lora > 0])
    data = dataset.build(args.traces, args.out / "dataset", held_out=args.held_out, seed=args.seed)
    torch.manual_seed(args.seed)
    device = pick_device(args.device)
    with progress("preparing") as tell:
        vocabulary, memory = learn_vocabulary(data, args.seed)
        tell(description="choosing drafts")
        examples, stable, record = encode(data.part(TRAIN), vocabulary, memory)
    network = start(args, vocabulary).to(device)
    bugs = data.manifest["bugs"]
    taught = Taught(vocabulary, memory, stable, data.part(TRAIN), bugs, args.seed)
    log = phases.run(network, examples, taught, args.pace(), args.out, key, args.rollouts, args.reinforce)
    network.settle()
    network.eval()
    support = Support(memory, record)
    fitted = calibrate(network, vocabulary, support, stable, data.part(HELD_OUT), bugs, args.alpha)
    extra = {
        "key": key,
        "app": data.manifest["app"],
        "interfaces": data.manifest["interfaces"],
        "args": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(args).items()},
        "parameters": network.parameters_count(),
        "examples": len(examples),
        "training": log,
        "calibration": fitted.report,
        "trust": fitted.trust.to_json(),
        "record": record,
        "accept": fitted.accept,
        **memory.programs(),
    }
    save_model(args.out, network, vocabulary, stable, extra)
    for path in (*args.out.glob("checkpoint-*"), *args.out.glob("phase-*")):
        shutil.rmtree(path)
    return args.out


def fit(traces: Path, model: Path, *, minutes: float = 0.0, seed: int = 0) -> Path:
    """`train` with default sizes and a time limit; what a program calls."""
    return train(Args(traces, model, minutes=minutes, seed=seed))


def start(args: Args, vocabulary: Vocabulary) -> WorldModel:
    """A network that has not been trained on anything, or not on traces.

    Raises:
        ModelError: `args` do not describe one, or the base cannot be used.
        PrerequisiteError: Packages that a base needs are not installed.
    """
    if args.base is not None:
        load = load_optional("worldmodel.base:warm_start", "base")
        warm: WorldModel = load(args.base, vocabulary, rank=args.lora, seed=args.seed)
        return warm
    try:
        return Transformer(Config(vocabulary.size, args.width, args.layers, args.heads, args.kv_heads))
    except ValueError as error:
        raise ModelError(f"{error}. Choose other sizes.") from None


def run_key(args: Args) -> str:
    """What a result depends on: the traces, the base, and every argument but paths and pace.

    Raises:
        ModelError: There is no base where there should be one, or a rank without one.
    """
    if args.lora < 0 or (args.lora and args.base is None):
        raise ModelError("--lora RANK adapts a pretrained model: give one with --base PATH, and a rank above 0.")
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
    """Lexicon, BPE, outcomes and rules from the training part alone."""
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


def learn_memory(data: Dataset, lexicon: Lexicon, seed: int = 0) -> Memory:
    """The training part, and the programs learned from it."""
    found = data.part(TRAIN)
    rules = Programs.learn(data.view(data.manifest["seed_view"]), found, seed)
    pages = Pages(rules.relations, rules.known)
    pages.learn(found, {number: rules.branch(sample) for number, sample in enumerate(found)}, seed)
    results = Results.learn(found, data.manifest["tools"], seed)
    return Memory(found, lexicon, rules, results, pages)


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
            out.append(Example(context.tokens, answer))
    return out, stable, track_record(zip(usual, found, strict=True), memory)
