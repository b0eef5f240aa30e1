"""Warm starts: the body of a pretrained causal language model as the network, its vocabulary replaced by ours.

Wording, documents, slots and line marks stay this project's (`worldmodel.render`), so that contexts are as short, every
answer parses, and nothing else needs to know which network writes. Only rows of the embedding change: a piece of our
BPE starts as the mean of what the base reads that text as (fast vocabulary transfer, Gee et al. 2022); marks that have
a name start as its words; slots and line numbers, which are told apart but mean nothing by themselves, are drawn from
the normal distribution of the base's own rows (Hewitt 2021). LoRA: Hu et al. 2022.

Loaded by name (`envsim.errors.load_optional`): transformers takes seconds to import and is needed here only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F  # noqa: N812
import transformers
from torch import Tensor, nn

from envsim.errors import ModelError, load_optional
from envsim.pretrained import load_pretrained
from worldmodel import render
from worldmodel.examples import MAX_ANSWER, MAX_CONTEXT
from worldmodel.model import Cache, Config, WorldModel
from worldmodel.render import Vocabulary

_LONGEST = MAX_CONTEXT + MAX_ANSWER
_ELSEWHERE = frozenset(
    {"auto_map", "quantization_config", "name_or_path", "_name_or_path", "transformers_version", "dtype",
     "torch_dtype", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
     "experts_implementation", "_experts_implementation", "_experts_implementation_internal"}
)  # fmt: skip
"""Keys of a configuration that are about where a model came from, or that name code to run it with."""


class BaseNetwork(WorldModel):
    """A decoder of the transformers library behind the interface of our own network.

    Args:
        causal: A causal language model; its decoder and its head are taken over.
        name: What to call the model that it came from, in errors and in `sizes`.
        rank: Of LoRA, while it has any; 0: none.
    """

    def __init__(self, causal: Any, name: str, rank: int = 0) -> None:
        super().__init__()
        self.name, self.rank = name, rank
        self.decoder: nn.Module = causal.base_model
        rows, out = causal.get_input_embeddings(), causal.get_output_embeddings()
        self.head: nn.Linear | None = None if out.weight is rows.weight else out
        if getattr(out, "bias", None) is not None:
            raise ValueError("its head has a bias")
        sizes = causal.config
        self.config = Config(
            rows.weight.shape[0], sizes.hidden_size, sizes.num_hidden_layers, sizes.num_attention_heads,
            getattr(sizes, "num_key_value_heads", None) or sizes.num_attention_heads,
        )  # fmt: skip

    @property
    def embed(self) -> nn.Embedding:  # type: ignore[override]
        """See `WorldModel.embed`; a property, or the weights would have two names."""
        found: nn.Embedding = self.decoder.get_input_embeddings()  # type: ignore[operator]
        return found

    def hidden(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """See `WorldModel.hidden`."""
        if mask is None:
            time = tokens.shape[1]
            mask = torch.ones(time, time, dtype=torch.bool, device=tokens.device).tril()[None, None]
        # A mask of four dimensions is taken as it is, by every decoder: no other part of theirs knows of our cache.
        found: Tensor = self.decoder(
            input_ids=tokens, position_ids=positions, attention_mask=mask.expand(len(tokens), -1, -1, -1),
            past_key_values=None if cache is None else _Past(cache), use_cache=cache is not None,
        ).last_hidden_state  # fmt: skip
        return found

    def logits(self, hidden: Tensor) -> Tensor:
        """See `WorldModel.logits`; through the base's own head where it has one."""
        return F.linear(hidden, self.embed.weight if self.head is None else self.head.weight)

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode: a base's dropout would draw from a state that no checkpoint holds."""
        return super().train(False)

    def sizes(self) -> dict[str, Any]:
        """See `WorldModel.sizes`."""
        known = json.loads(self.decoder.config.to_json_string(use_diff=False))  # type: ignore[union-attr, operator]
        return {"base": _clean(known), "name": self.name}

    def settle(self) -> None:
        """Merge the adapters of LoRA into the weights: loading the model needs neither them nor peft."""
        if not self.rank:
            return
        layer = load_optional("peft.tuners.tuners_utils:BaseTunerLayer", "base")
        adapted = [(name, module) for name, module in self.decoder.named_modules() if isinstance(module, layer)]
        for name, module in adapted:
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(self.decoder.get_submodule(parent), child, module.get_base_layer())
        self.requires_grad_(True)
        self.rank = 0


class _Past(transformers.Cache):
    """Our cache, as decoders of the transformers library ask for one."""

    def __init__(self, cache: Cache) -> None:
        super().__init__(layers=[])
        self._cache = cache

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """See `Cache.extend`."""
        return self._cache.extend(layer_idx, key_states, value_states)


# -- from a base to a model ------------------------------------------------------------------------------


def warm_start(path: Path, vocabulary: Vocabulary, *, rank: int = 0, seed: int = 0) -> BaseNetwork:
    """The model at `path` with rows for `vocabulary`, ready to be trained.

    Args:
        path: As `envsim.pretrained.load_pretrained` reads it.
        vocabulary: What it shall read and write.
        rank: Of LoRA on every linear layer, embeddings being trained whole; 0 trains all weights.
        seed: Of the rows that are drawn.

    Raises:
        ModelError: There is no usable model at `path`, or its context or architecture does not serve.
        PrerequisiteError: Packages that it needs, or peft, are not installed.
    """
    tokenizer, causal = load_pretrained(path)
    longest = getattr(causal.config, "max_position_embeddings", None) or _LONGEST
    if longest < _LONGEST:
        raise ModelError(f"{path} reads {longest} tokens, and a world model needs {_LONGEST}. Give another base.")
    try:
        causal.set_attn_implementation("sdpa")
        network = BaseNetwork(causal, path.name, rank)
        same = _same(causal, network)
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise _strange(path, causal, f"{type(error).__name__}: {error}") from None
    if not same:
        raise _strange(path, causal, "its logits are not its head's, or depend on how it is cached")
    for weight in network.parameters():
        # Out of the file's pages: how memory is aligned can change the last bits of what is computed in it.
        weight.data = weight.detach().clone()
    _transplant(network, tokenizer, vocabulary, seed)
    if rank:
        _adapt(network, rank)
    return network


_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
"""What configurations call the number of layers."""


def rebuild(sizes: dict[str, Any], weights: Mapping[str, Tensor] | None = None) -> BaseNetwork:
    """The network that `BaseNetwork.sizes` told of, with weights that mean nothing yet.

    Args:
        sizes: As a model directory says them.
        weights: What will be read: sizes that are not theirs are refused before memory is taken for them.

    Raises:
        KeyError, TypeError, ValueError: `sizes` tell of none that this release of transformers knows.
    """
    try:
        known = _clean(sizes["base"])
        kind = known.pop("model_type")
        # Before it is read: a configuration lists what each of its layers is.
        if weights is not None and max(known.get(name) or 0 for name in _LAYERS) > len(weights):
            raise ValueError("it has more layers than weights")
        config = transformers.AutoConfig.for_model(kind, **known)
        auto: Any = transformers.AutoModelForCausalLM
        if weights is not None:
            with torch.device("meta"):
                empty = BaseNetwork(auto.from_config(config, trust_remote_code=False, dtype=torch.float32), "")
            if {name: part.shape for name, part in empty.state_dict().items()} != {
                name: part.shape for name, part in weights.items()
            }:
                raise ValueError("its sizes are not those of its weights")
        causal = auto.from_config(config, trust_remote_code=False, attn_implementation="sdpa", dtype=torch.float32)
        return BaseNetwork(causal, str(sizes["name"]))
    except Exception as error:  # whatever a configuration that is none makes the library raise
        raise ValueError(f"base: {error}") from None


_UNREAD = (".bin", ".pt", ".md")
"""Endings of files that lie in model directories and are never read."""


def digest(path: Path, rank: int = 0) -> str:
    """SHA-256 over names and bytes of what `warm_start` would read at `path`.

    Raises:
        ModelError: There is nothing to read.
        PrerequisiteError: LoRA is asked for, and peft is not installed.
    """
    if rank:
        load_optional("peft", "base")
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file() and p.suffix not in _UNREAD)
    if not files:
        raise ModelError(f"There is no model at {path}. Give a directory with config.json, or a .gguf file, to --base.")
    found = hashlib.sha256(path.name.encode())
    for file in files:
        found.update(file.name.encode())
        with file.open("rb") as stream:
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()


def _clean(known: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if key not in _ELSEWHERE}


def _strange(path: Path, causal: Any, why: str) -> ModelError:
    kind = getattr(causal.config, "model_type", "unknown")
    return ModelError(f"{path}: an architecture like {kind!r} cannot be warm-started from ({why[:200]}). Give another.")


@torch.no_grad()
def _same(causal: Any, network: BaseNetwork) -> bool:
    """Whether decoder, head and our cache give what the whole model gives."""
    tokens = torch.arange(8)[None] * 7 % network.config.vocab
    positions = torch.arange(8)[None]
    wanted = causal(input_ids=tokens).logits
    cache = Cache(network.config.layers, 1, 8)
    cache.at(positions[0, :5], 5)
    parts = [network.hidden(tokens[:, :5], positions[:, :5], None, cache)]
    for at in range(5, 8):
        mask = torch.ones(1, 1, 1, at + 1, dtype=torch.bool)
        cache.at(positions[0, at : at + 1], at + 1)
        parts.append(network.hidden(tokens[:, at : at + 1], positions[:, at : at + 1], mask, cache))
    at_once = network.logits(network.hidden(tokens, positions))
    by_step = network.logits(torch.cat(parts, 1))
    return all(torch.allclose(wanted, found, rtol=1e-3, atol=1e-3) for found in (at_once, by_step))


def _adapt(network: BaseNetwork, rank: int) -> None:
    """Freeze all but the embeddings, and put low-rank adapters on every linear layer of the decoder."""
    peft = load_optional("peft", "base")
    # GPT-2 keeps its weights the other way round, in a class that the library has for it alone.
    turned = any(isinstance(module, transformers.pytorch_utils.Conv1D) for module in network.decoder.modules())
    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", bias="none", fan_in_fan_out=turned
    )  # fmt: skip
    peft.inject_adapter_in_model(config, network.decoder)
    network.embed.requires_grad_(True)
    if network.head is not None:
        network.head.requires_grad_(True)


# -- vocabulary ------------------------------------------------------------------------------------------


@torch.no_grad()
def _transplant(network: BaseNetwork, tokenizer: Any, vocabulary: Vocabulary, seed: int) -> None:
    """Replace the rows of embedding and head by rows for `vocabulary`."""
    readings = {token: _read(tokenizer, text) for token, text in _texts(vocabulary)}
    used = len(tokenizer)  # matrices are often padded beyond it, with rows that were never trained
    for layer in (network.embed, network.head):
        if layer is None:
            continue
        old = layer.weight[:used].float()
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(vocabulary.size, old.shape[1], generator=generator) * old.std(0) + old.mean(0)
        for token, ids in readings.items():
            if ids:
                rows[token] = old[ids].mean(0)
        layer.weight = nn.Parameter(rows)
    network.embed.num_embeddings, network.embed.padding_idx = vocabulary.size, None
    network.config = Config(**{**WorldModel.sizes(network), "vocab": vocabulary.size})
    config: Any = network.decoder.config
    config.vocab_size = vocabulary.size
    config.pad_token_id = config.bos_token_id = config.eos_token_id = None


def _read(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return found


def _texts(vocabulary: Vocabulary) -> Iterator[tuple[int, str]]:
    """Tokens that stand for a text, each with it."""
    for number, name in enumerate(render.SPECIALS):
        if number != render.PAD:
            yield number, "\n" if number == render.NL else f" {name.strip('<>')}"
    for number, name in enumerate(render.KINDS):
        yield vocabulary.kind0 + number, f" {name}"
    for number, name in enumerate(vocabulary.outcomes):
        yield vocabulary.outcome0 + number, f" {name}"
    for number in range(render.MAX_NUMBER):
        yield vocabulary.number0 + number, str(number)
    for number in range(vocabulary.bpe.get_vocab_size()):
        text = vocabulary.bpe.decode([number])
        if text and "�" not in text:  # else a part of a letter, which no text is
            yield vocabulary.text0 + number, text
