"""Model directories and training checkpoints: safetensors and JSON, never pickle.

A model directory is ``config.json`` (sizes, vocabulary, learned programs, calibration), ``model.safetensors``, and
``dataset/`` with the training transitions that drafts are retrieved from.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from envsim.errors import ModelError, load_optional
from envsim.state import canonical
from worldmodel import dataset
from worldmodel.dataset import Dataset, read_json, write_json
from worldmodel.engine import Engine, at
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.pages.pages import Pages
from worldmodel.pages.worth import Worth
from worldmodel.render import KINDS, Lexicon, Vocabulary
from worldmodel.results.programs import Results
from worldmodel.retrieval import Memory
from worldmodel.rules.programs import Programs
from worldmodel.support import Support
from worldmodel.temperature import LIMITS
from worldmodel.trust import Trust

VERSION = 12
SCRATCH, ASIDE = ".update", ".rollback"
"""Where, in a model's directory, an update makes the next model, and a rollback sets aside the one it returns to."""


@dataclass
class Model:
    """A trained model, ready to answer."""

    root: Path
    config: dict[str, Any]
    network: WorldModel
    vocabulary: Vocabulary
    memory: Memory
    stable: frozenset[str]
    support: Support
    """What the recorded traffic says for or against an answer."""
    trust: Trust
    accept: dict[str, float]
    """By kind of draft, the least log-probability of beginning an edit at which it is taken over into the answer."""
    temperature: float
    """Of outcomes that the network tells: see `worldmodel.temperature`."""
    data: Dataset

    @property
    def app(self) -> str:
        """The app it was trained on."""
        return str(self.config["app"])


def save_model(
    root: Path, network: WorldModel, vocabulary: Vocabulary, stable: frozenset[str], extra: dict[str, Any]
) -> None:
    """Write a model directory; `config.json` last, so that a torn write is not taken for a model."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.json").unlink(missing_ok=True)
    _save_tensors(root / "model.safetensors", network.state_dict())
    config = {
        "worldmodel": VERSION,
        "sizes": network.sizes(),
        "vocabulary": vocabulary.state(),
        "stable": sorted(stable),
        **extra,
    }
    write_json(root / "config.json", config)


def pick_device(name: str) -> str:
    """``"auto"`` is CUDA where there is one.

    Raises:
        ModelError: There is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number.isdecimal() if ":" in name else True):
        raise ModelError(f"There is no device {name!r}. Use auto, cpu, cuda, or cuda:0 and so on.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ModelError(f"There is no CUDA device {number} on this machine. Use --device cpu.".replace("  ", " "))
    return name


def load_model(root: Path, *, app: str | None = None, device: str = "auto", engine: str | None = None) -> Model:
    """Read a model directory.

    Args:
        root: The directory.
        app: Refuse a model of another app.
        device: As `pick_device` reads it.
        engine: Address of the endpoint that serves it, where it is served; default: ``$OPENAI_BASE_URL``.

    Raises:
        ModelError: Missing, damaged, of another version, or trained for another app than `app`.
    """
    if not root.is_dir():
        raise ModelError(f"There is no model at {root}. Train one with: worldmodel train TRACES -o {root}")
    if not (root / "config.json").exists() and ((root / SCRATCH / "config.json").exists() or (root / ASIDE).exists()):
        raise ModelError(f"{root} was left between two models by a kill. Try: worldmodel update {root} --rollback")
    config = read_json(root / "config.json")
    if not isinstance(config, dict) or config.get("worldmodel") != VERSION:
        raise ModelError(
            f"{root} is not a world model of this version. Train it again: worldmodel train TRACES -o {root}"
        )
    if app is not None and config.get("app") != app:
        raise ModelError(
            f"{root} is a model of {config.get('app')!r}, not of {app!r}. "
            f"Give a model trained on {app}, or train one with: worldmodel train TRACES -o MODEL"
        )
    data = dataset.load(root / "dataset")
    if config.get("data", data.manifest["key"]) != data.manifest["key"]:
        raise ModelError(
            f"{root} holds the network of one run and the dataset of another that was not finished. "
            f"Run that worldmodel train again, or train into another directory."
        )
    try:
        vocabulary = read_vocabulary(config["vocabulary"])
        weights = _load_tensors(root / "model.safetensors")
        network = build(config["sizes"], weights)
        network.load_state_dict(weights)
        trust = Trust.from_json(config["trust"])
        record = _read_record(config["record"])
        _read_record(config.get("record_before", {}))  # for updates alone
        learned = data.learned(bool(config["args"].get("relearn")))
        rules = Programs.empty(data.view(data.manifest["seed_view"]), learned)
        rules.read(config["rules"])
        pages = Pages(rules.relations, rules.known)
        pages.read(config["pages"])
        worth = Worth.from_json(config["worth"])
        results = Results.empty(data.samples, data.manifest["tools"])
        results.read(config["results"])
        stable, accept = frozenset(config["stable"]), {kind: float(config["accept"][kind]) for kind in KINDS}
        temperature = float(config["temperature"])
        if not LIMITS[0] <= temperature <= LIMITS[1]:
            raise ValueError(f"temperature {temperature}")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise ModelError(f"{root} is damaged ({reason}). Train the model again.") from None
    if engine is not None:
        network = at(network, engine)
    network.to(pick_device(device)).eval()
    # Sessions held out for calibration taught no network, but are as good to retrieve from as any.
    memory = Memory(data.samples, vocabulary.lexicon, rules, results, pages, worth)
    support = Support(memory, record, data.manifest["bugs"])
    return Model(root, config, network, vocabulary, memory, stable, support, trust, accept, temperature, data)


def _read_record(state: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {str(key): (int(right), int(total)) for key, (right, total) in state.items()}


def build(sizes: dict[str, Any], weights: Mapping[str, Tensor] | None = None) -> WorldModel:
    """The network that `WorldModel.sizes` told of, its weights not yet read.

    Args:
        sizes: As a model directory says them.
        weights: What will be read: sizes that are not theirs are refused before memory is taken for them.

    Raises:
        KeyError, TypeError, ValueError: They tell of none.
        PrerequisiteError: It was warm-started, and the packages for that are not installed.
    """
    if "engine" in sizes:
        return Engine(str(sizes["engine"]))
    if "base" not in sizes:
        config = Config(**sizes)
        if weights is not None and not _fits(config, weights):
            raise ValueError("its sizes are not those of its weights")
        return Transformer(config)
    network: WorldModel = load_optional("worldmodel.base:rebuild", "base")(sizes, weights)
    return network


def _fits(config: Config, weights: Mapping[str, Tensor]) -> bool:
    embed = weights.get("embed.weight")
    return embed is not None and embed.shape == (config.vocab, config.width) and config.layers <= len(weights)


def read_vocabulary(state: dict[str, Any]) -> Vocabulary:
    """A vocabulary from its JSON."""
    try:
        bpe = Tokenizer.from_str(canonical(state["bpe"]))
    except Exception as error:  # tokenizers raises bare Exception
        raise ValueError(f"tokenizer: {error}") from None
    return Vocabulary(bpe, Lexicon(frozenset(state["literals"])), state["outcomes"])


def save_checkpoint(
    root: Path,
    step: int,
    told: Mapping[str, float],
    network: WorldModel,
    optimizer: torch.optim.Optimizer,
    key: str,
) -> None:
    """Write ``checkpoint-<step>`` under `root` whole or not at all, with what is `told` of the run; remove others."""
    scratch = root / ".checkpoint"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    _save_tensors(scratch / "model.safetensors", network.state_dict())
    moments = {
        f"{index}.{name}": value
        for index, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
        if isinstance(value, Tensor)
    }
    _save_tensors(scratch / "optimizer.safetensors", moments)
    write_json(scratch / "state.json", {**told, "step": step, "key": key})
    target = root / f"checkpoint-{step:07d}"
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
    # Of another run, which may have come further, too: nobody else goes on here any more.
    for old in set(root.glob("checkpoint-*")) - {target}:
        shutil.rmtree(old)


def load_checkpoint(
    root: Path, network: WorldModel, optimizer: torch.optim.Optimizer, key: str
) -> tuple[int, dict[str, float]]:
    """Restore the newest checkpoint made under the same `key`.

    Returns:
        The step to go on from and what was told of the run so far; 0 and nothing without a checkpoint.
    """
    for path in sorted(root.glob("checkpoint-*"), reverse=True):
        state = read_json(path / "state.json")
        if state["key"] != key:
            continue
        network.load_state_dict(_load_tensors(path / "model.safetensors"))
        known = optimizer.state_dict()
        entries: dict[int, dict[str, Tensor]] = {}
        for name, value in _load_tensors(path / "optimizer.safetensors").items():
            index, _, field = name.partition(".")
            entries.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": entries, "param_groups": known["param_groups"]})
        return int(state["step"]), {name: state[name] for name in state.keys() - {"step", "key"}}
    return 0, {}


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing. Train the model again.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({type(error).__name__}). Train the model again.") from None
