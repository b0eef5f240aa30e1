"""Continuing from a model as production drifts: new traces in, the base kept for rollback, before and after told.

The network goes on from its weights on the new requests and as many old ones (rehearsal, Robins 1995), and is then
mixed with the base: weights between the two often keep what the base could do and most of what is new (Wortsman et al.
2022). Rules, memory and trust are learned again from all sessions. Wording and kinds of outcome stay the base's.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from envsim.cli.common import progress
from envsim.errors import ModelError
from envsim.rng import Rng
from worldmodel import dataset, train
from worldmodel.calibrate import calibrate
from worldmodel.checkpoint import ASIDE, SCRATCH, Model, load_model, save_model
from worldmodel.curves import LOG, PICTURE
from worldmodel.dataset import TRAIN, Dataset
from worldmodel.decode import Remote
from worldmodel.document import to_lines
from worldmodel.model import WorldModel
from worldmodel.optimise import Example, Pace, collate, optimise
from worldmodel.predict import ModelPredictor
from worldmodel.retrieval import Memory
from worldmodel.session import Sample
from worldmodel.support import Support, comparable, same_answer
from worldmodel.team import refuse

BASE = "base"
"""Where, in a model's directory, the model is kept that it was updated from."""
CURVE = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST = 120
"""Held-out requests of each side that before and after are measured on."""
_PARTS = ("config.json", "model.safetensors", "dataset", LOG, PICTURE, BASE)


@dataclass(frozen=True)
class Args:
    """What to update with, and how far to go."""

    model: Path
    traces: Path
    epochs: float = 2.0
    """Passes over the new samples and the old ones beside them."""
    steps: int = 0
    minutes: float = 0.0
    batch_tokens: int = 2048
    lr: float = 5e-4
    mix: float = 0.7
    """Weight of the updated network beside the base's, in [0, 1]."""
    held_out: float = 0.25
    """Share of the new tasks kept for measuring."""
    seed: int = 0
    device: str = "auto"


def update(args: Args) -> dict[str, Any]:
    """Update a model in its place; what was there is kept under ``base/``.

    Returns:
        ``sessions`` and ``samples`` that are new; ``curve``: held-out loss in nats per answer token by mix, old and
        new; ``before`` and ``after``: share of held-out requests answered right, old and new.

    Raises:
        ModelError: No such model, or a number that means nothing.
        TraceError: The traces cannot be used, are of another app, or hold nothing new.
    """
    refuse("worldmodel update")
    if not 0.0 <= args.mix <= 1.0:
        raise ModelError(f"--mix {args.mix} is no share. Give 0 (the base's weights) to 1 (the updated ones).")
    pace = Pace(args.epochs, args.steps, args.minutes, args.batch_tokens, args.lr, args.seed, checkpoint_s=1e9)
    dataset.check_share(args.held_out)
    settle(args.model)
    base = load_model(args.model, device=args.device)
    if isinstance(base.network, Remote):
        raise ModelError(
            f"{args.model} asks a served model, and an update trains a network. "
            "Train it again on all traces: worldmodel train TRACES -o MODEL --engine NAME"
        )
    scratch = args.model / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    data = dataset.extend(base.data, args.traces, scratch / "dataset", held_out=args.held_out, seed=args.seed)
    with progress("learning programs"):
        memory = train.learn_memory(data, base.vocabulary.lexicon, args.seed)
    again = bool(base.config["args"].get("relearn"))
    old, new = _sides(base, data, again)
    # Less the held-out sessions, which would find themselves.
    had, rates = base.memory.over(base.data.learned(again)), data.manifest["bugs"]
    before = _measured(replace(base, memory=had, support=Support(had, base.support.record, rates)), old, new)
    fresh = [s for s in data.part(TRAIN) if s.session not in base.data.manifest["split"]]
    sides = [train.encode(side, base.vocabulary, memory, base.stable)[0] for side in (old, new)]
    watched = [example for side in sides for example in side[: train.WATCHED // 2]]
    network, log, record = _continue(args, pace, base, fresh, memory, watched)
    curve = [_point(mix, base.network, network, *sides) for mix in sorted({*CURVE, args.mix})]
    mixed = mix_networks(base.network, network, args.mix)
    first = Support(memory, record, rates)
    support = train.relearned(data, first, args.seed) if again else first
    fitted = calibrate(
        mixed, base.vocabulary, support, base.stable, data.kept(again), rates, base.trust.alpha,
        data.learned(again), (first, data.taken(again)) if support is not first else None,
    )  # fmt: skip
    made = replace(
        base,
        network=mixed,
        memory=support.memory,
        support=support,
        accept=fitted.accept,
        trust=fitted.trust,
        temperature=fitted.temperature,
    )
    report = {
        "sessions": data.manifest["sessions"] - base.data.manifest["sessions"],
        "samples": data.manifest["samples"] - base.data.manifest["samples"],
        "mix": args.mix,
        "curve": curve,
        "before": before,
        "after": _measured(made, old, new),
    }
    kept = {k: v for k, v in base.config.items() if k not in ("worldmodel", "sizes", "vocabulary", "stable")}
    extra = {
        **kept, "key": data.manifest["key"], "data": data.manifest["key"],
        "interfaces": data.manifest["interfaces"], "training": log,
        "calibration": fitted.report, "trust": fitted.trust.to_json(), "record": support.record,
        **({"record_before": record} if again else {}),
        "accept": fitted.accept, "temperature": fitted.temperature, **support.memory.programs(),
        "update": {**report, "args": {k: str(v) for k, v in asdict(args).items()}},
    }  # fmt: skip
    save_model(scratch, mixed, base.vocabulary, base.stable, extra)
    swap(args.model, scratch)
    return report


def roll_back(model: Path) -> None:
    """Return to the model that this one was updated from.

    Raises:
        ModelError: It was not updated.
    """
    if settle(model):
        return
    base = model / BASE
    if not (base / "config.json").exists():
        raise ModelError(f"{model} was not updated from another model: there is no {base}.")
    if not _was_updated(model / "config.json"):
        raise ModelError(
            f"{model} was trained anew since it was updated: {base} is not what it was made from. "
            f"To use that one, give {base} in its place."
        )
    for name in (LOG, PICTURE):
        if not (base / name).exists():
            _remove(model / name)
    aside = model / ASIDE
    base.rename(aside)
    _move(aside, model)
    shutil.rmtree(aside)


def _was_updated(config: Path) -> bool:
    """Whether a model's configuration says so; one that cannot be read may be why somebody rolls back."""
    try:
        return "update" in dataset.read_json(config)
    except ModelError:
        return True


def mix_networks(base: WorldModel, updated: WorldModel, share: float) -> WorldModel:
    """A network with weights ``(1 - share) * base + share * updated``, in eval mode."""
    mixed = copy.deepcopy(base)
    theirs = updated.state_dict()
    with torch.no_grad():
        for name, tensor in mixed.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name].to(tensor), share)
    return mixed.eval()


def _continue(
    args: Args, pace: Pace, base: Model, fresh: Sequence[Sample], memory: Memory, watched: Sequence[Example]
) -> tuple[WorldModel, dict[str, Any], dict[str, list[int]]]:
    """The network after the new requests and as many old ones, its log, and the track record of drafts."""
    old = base.data.part(TRAIN)
    beside = [old[i] for i in sorted(Rng(args.seed, "rehearsal").sample(range(len(old)), len(fresh)))]
    with progress("choosing drafts"):
        examples, _, record = train.encode(fresh, base.vocabulary, memory, base.stable)
        examples += train.encode(beside, base.vocabulary, memory, base.stable)[0]
    network = copy.deepcopy(base.network)
    log = optimise(network, examples, pace, args.model / SCRATCH, "update", watched)
    # Less how programs did that were learned again: `calibrate` asks those before them about the same requests.
    # Models that were made before this was kept apart have all in one.
    return network.eval(), log, train.added(base.config.get("record_before", base.support.record), record)


# -- measuring -------------------------------------------------------------------------------------------


def _sides(base: Model, data: Dataset, again: bool) -> tuple[list[Sample], list[Sample]]:
    """Requests that no programs were learned from, of sessions the base had and of new ones, `MOST` of each."""
    found = [sample for sample in data.kept(again) if sample.index > 0]
    sides = []
    for is_new in (False, True):
        side = [s for s in found if (s.session not in base.data.manifest["split"]) == is_new]
        sides.append([side[i] for i in sorted(Rng("update", int(is_new)).sample(range(len(side)), MOST))])
    return sides[0], sides[1]


def _measured(model: Model, old: Sequence[Sample], new: Sequence[Sample]) -> dict[str, float | None]:
    rates = model.data.manifest["bugs"]
    out: dict[str, float | None] = {}
    for name, side in (("old", old), ("new", new)):
        answers = ModelPredictor(model).answer([s.situation for s in side])
        pairs = [(to_lines(a), s.target) for a, s in zip(answers, side, strict=True) if a is not None]
        scored = [same_answer(a, b) for a, b in pairs if comparable(a, b, rates)]
        out[name] = round(sum(scored) / len(scored), 4) if scored else None
    return out


def _point(
    mix: float, base: WorldModel, updated: WorldModel, old: Sequence[Example], new: Sequence[Example]
) -> dict[str, float | None]:
    """Held-out loss of a mix, in nats per answer token."""
    network = mix_networks(base, updated, mix)
    device = network.embed.weight.device
    point: dict[str, float | None] = {"mix": mix}
    for name, side in (("old", old), ("new", new)):
        losses: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(side), 8):
                written, _ = network.loss(*collate(side[start : start + 8], device))
                losses.append(float(written))
        point[name] = round(sum(losses) / len(losses), 4) if losses else None
    return point


# -- on disk ---------------------------------------------------------------------------------------------


def swap(model: Path, made: Path) -> None:
    """Put what was made in the model's place, the model under ``base/``. `config.json` goes first and comes last."""
    kept = made / BASE
    kept.mkdir()
    for name in _PARTS:
        if (model / name).exists():
            (model / name).rename(kept / name)
    _move(made, model)
    shutil.rmtree(made)


def _move(source: Path, model: Path) -> None:
    """All parts of a model, begun before or not. The other's `config.json` goes first, and its own comes last."""
    if (source / "config.json").exists():
        _remove(model / "config.json")
    for name in reversed(_PARTS):
        if (source / name).exists():
            _remove(model / name)
            (source / name).rename(model / name)


def settle(model: Path) -> bool:
    """Finish or undo what a kill left between two models: an update while it put its model in place, or a rollback.

    A model that was trained there since stays.

    Returns:
        Whether the model is the one before its last update now: a rollback was finished, or an update undone.
    """
    made, aside, config = model / SCRATCH, model / ASIDE, model / "config.json"
    if aside.exists():
        if config.exists() and (aside / "config.json").exists() and not _was_updated(config):
            if (model / BASE).exists():  # it was moved first
                (model / BASE).rename(aside / BASE)
            aside.rename(model / BASE)
            return False
        _move(aside, model)
        shutil.rmtree(aside)
        return True
    if config.exists():
        return False
    if (made / BASE / "config.json").exists():
        _move(made / BASE, model)
        return True
    if (made / "config.json").exists() and (model / BASE / "config.json").exists():
        _move(made, model)
    return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
