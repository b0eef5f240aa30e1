"""Warm starts from pretrained models: any decoder behind our interface, our vocabulary in its rows, no code run."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest import mock

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from envsim.errors import ModelError, PrerequisiteError
from envsim.page.lines import parse_lines
from tests.worldmodel.conftest import record
from worldmodel import base, dataset, optimise, render, train
from worldmodel.base import BaseNetwork, warm_start
from worldmodel.checkpoint import Model, build, load_model
from worldmodel.decode import decode
from worldmodel.document import to_transition
from worldmodel.examples import Context, Draft, choose_draft, read_answer, write_context
from worldmodel.render import Slots, Vocabulary
from worldmodel.stepper import Stepper
from worldmodel.train import Args, learn_vocabulary
from worldmodel.update import mix_networks

REPO = Path(__file__).resolve().parents[2]
Cli = Callable[..., "CompletedProcess[str]"]
TINY: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "initializer_range": 0.3, "max_position_embeddings": 1024,
    "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", TINY),
    "tied": ("LlamaConfig", {**TINY, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", {**TINY, "head_dim": 16}),
    "mistral": ("MistralConfig", {**TINY, "sliding_window": 64}),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 1024, "initializer_range": 0.3}),
}


def pretrained(folder: Path, kind: str, **changed: Any) -> Path:
    """A random model of bytes, in the form every transformers model has on disk."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({char: number for number, char in enumerate(letters)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw).save_pretrained(folder)
    name, sizes = KINDS.get(kind, (kind, {}))
    config = getattr(transformers, name)(vocab_size=len(letters), **{**sizes, **changed})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("bases")
    return lambda kind: root / kind if (root / kind).exists() else pretrained(root / kind, kind)


@pytest.fixture(scope="module")
def learned(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Vocabulary, list[Context]]:
    data = dataset.build(tiny_traces, tmp_path_factory.mktemp("ds"))
    vocabulary, memory = learn_vocabulary(data)
    found = [s.situation for s in data.samples[:60:12]]
    return vocabulary, [write_context(vocabulary, s, choose_draft(s, memory), frozenset()) for s in found]


@pytest.fixture(scope="module")
def model(tiny_traces: Path, bases: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained with LoRA from a base that is gone by now."""
    root = tmp_path_factory.mktemp("warm")
    gone = shutil.copytree(bases("tied"), root / "gone")
    made = train.train(Args(tiny_traces, root / "model", steps=3, base=gone, lora=4, held_out=0.0, device="cpu"))
    shutil.rmtree(gone)
    return made


def here(model: Model, contexts: list[list[int]]) -> list[list[Any]]:
    """The first tokens of answers, and how probable they were."""
    given = [Context(tokens, Slots(["a"]), Draft(("x", "y"), "near")) for tokens in contexts]
    with mock.patch("worldmodel.decode.MAX_ANSWER", 16):
        found = decode(model.network, model.vocabulary, given, [(3, number) for number in range(len(given))])
    return [[answer.tokens, answer.logprobs] for answer in found]


def elsewhere(model: Path, contexts: list[list[int]]) -> list[list[Any]]:
    """What `here` gives, in a new process."""
    code = (
        "import json, pathlib, sys; from tests.worldmodel.test_base import here, load_model\n"
        "model = load_model(pathlib.Path(sys.argv[1]), device='cpu')\n"
        "print(json.dumps(here(model, json.loads(sys.stdin.read()))))"
    )
    command = [sys.executable, "-c", code, str(model)]
    done = subprocess.run(command, input=json.dumps(contexts), capture_output=True, text=True, check=True, cwd=REPO)
    found: list[list[Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_any_decoder_writes_documents_alone_or_in_a_batch(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]], kind: str
) -> None:
    vocabulary, contexts = learned
    network = warm_start(bases(kind), vocabulary).eval()
    assert len({len(context.tokens) for context in contexts}) > 1, "padding is tried too"
    keys = [(1, i) for i in range(len(contexts))]
    answers = decode(network, vocabulary, contexts, keys)
    for context, answer in zip(contexts, answers, strict=True):
        outcome, lines = read_answer(vocabulary, context, answer.tokens)
        assert outcome in vocabulary.outcomes
        parse_lines(to_transition(lines, "browser").observation.page)
    alone = [decode(network, vocabulary, [context], [key])[0] for context, key in zip(contexts, keys, strict=True)]
    assert [answer.tokens for answer in alone] == [answer.tokens for answer in answers]
    network.stepper = Stepper(network, lambda run: run)
    in_buckets = decode(network, vocabulary, contexts, keys)
    assert network.stepper.graphs
    assert [answer.tokens for answer in in_buckets] == [answer.tokens for answer in answers]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_built_again_from_json_and_tensors(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]], kind: str
) -> None:
    vocabulary, contexts = learned
    network = warm_start(bases(kind), vocabulary).eval()
    again = build(json.loads(json.dumps(network.sizes())), network.state_dict()).eval()
    again.load_state_dict(network.state_dict())
    assert (type(again), again.config) == (BaseNetwork, network.config)
    places = [tensor.data_ptr() for tensor in network.state_dict().values()]
    assert len(set(places)) == len(places), "a weight of two names would be mixed twice"
    tokens, positions = torch.tensor([contexts[0].tokens]), torch.arange(len(contexts[0].tokens))[None]
    assert torch.equal(again.hidden(tokens, positions), network.hidden(tokens, positions))
    for wrong in ({"num_hidden_layers": 10**9}, {"n_layer": 10**9}, {"vocab_size": 10**9}):
        with pytest.raises(ValueError, match="weights"):
            build({**network.sizes(), "base": network.sizes()["base"] | wrong}, network.state_dict())


@pytest.mark.parametrize("kind", ["llama", "tied"])
def test_rows_are_what_the_base_reads_their_text_as(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]], kind: str
) -> None:
    vocabulary, _ = learned
    theirs = transformers.AutoModelForCausalLM.from_pretrained(bases(kind))
    letters = transformers.AutoTokenizer.from_pretrained(bases(kind)).get_vocab()
    network = warm_start(bases(kind), vocabulary)
    sides = [(theirs.get_input_embeddings().weight.detach(), network.embed.weight.detach())]
    if network.head is not None:
        sides.append((theirs.get_output_embeddings().weight.detach(), network.head.weight.detach()))
    assert len(sides) == (1 if kind == "tied" else 2)
    piece = vocabulary.bpe.encode("button").ids[0]
    text = vocabulary.bpe.decode([piece])
    assert len(text) > 1
    for old, new in sides:
        assert torch.allclose(new[vocabulary.number0 + 42], (old[letters["4"]] + old[letters["2"]]) / 2)
        assert torch.allclose(new[vocabulary.text0 + piece], old[[letters[char] for char in text]].mean(0))
        assert torch.equal(new[render.NL], old[letters["Ċ"]])
        marks = new[vocabulary.slot0 : vocabulary.text0]
        assert torch.pdist(marks).min() > 0.5 * torch.pdist(old).min(), "told apart from the start"
        assert torch.allclose(marks.mean(0), old.mean(0), atol=0.2)
        assert marks.std() == pytest.approx(float(old.std()), rel=0.1)
    assert torch.equal(network.embed.weight, warm_start(bases(kind), vocabulary).embed.weight)
    assert not torch.equal(network.embed.weight, warm_start(bases(kind), vocabulary, seed=1).embed.weight)


def test_adapters_are_all_that_is_trained_and_merging_them_changes_nothing(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]]
) -> None:
    vocabulary, _ = learned
    torch.manual_seed(0)
    network = warm_start(bases("llama"), vocabulary, rank=2)
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert {name for name in trained if "lora_" not in name} == {"decoder.embed_tokens.weight", "head.weight"}
    assert sum("lora_A" in name for name in trained) == 2 * 7, "every linear layer of both blocks"
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    tokens, positions = torch.arange(12)[None] * 9, torch.arange(12)[None]
    before = network.hidden(tokens, positions)
    plain = warm_start(bases("llama"), vocabulary)
    assert not torch.allclose(before, plain.hidden(tokens, positions), atol=1e-2), "they do something"
    network.settle()
    assert torch.allclose(before, network.hidden(tokens, positions), atol=1e-4)
    assert network.state_dict().keys() == plain.state_dict().keys()
    assert all(weight.requires_grad for weight in network.parameters()), "an update trains all of it"


def test_a_model_needs_its_base_no_more_and_answers_alike_in_a_new_process(
    model: Path, learned: tuple[Vocabulary, list[Context]]
) -> None:
    loaded = load_model(model, device="cpu")
    assert loaded.config["sizes"]["name"] == "gone"
    assert str(model.parent) not in json.dumps(loaded.config["sizes"])
    contexts = [context.tokens for context in learned[1]]
    assert elsewhere(model, contexts) == here(loaded, contexts)


def test_what_is_on_disk_cannot_execute(model: Path) -> None:
    made = {"config.json", "model.safetensors", "log.jsonl", "curves.svg", "dataset"}
    assert {path.name for path in model.iterdir()} == made
    config = json.loads((model / "config.json").read_text())
    assert not set(config["sizes"]["base"]) & {"auto_map", "_attn_implementation", "_name_or_path"}
    # And were somebody to write it there, it would not be read.
    for key in ("attn_implementation", "_attn_implementation"):
        sizes = copy.deepcopy(config["sizes"])
        sizes["base"] |= {key: "evil/kernels", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
        network = build(sizes)
        assert isinstance(network, BaseNetwork)
        assert network.decoder.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "damage",
    [
        lambda sizes: sizes["base"].update(model_type="no-such"),
        lambda sizes: sizes["base"].pop("model_type"),
        lambda sizes: sizes["base"].update(hidden_size="wide"),
        lambda sizes: sizes["base"].update(hidden_size=48),
        lambda sizes: sizes.update(base=7),
        lambda sizes: sizes.pop("name"),
    ],
)
def test_a_damaged_configuration_is_refused_in_a_sentence(
    model: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    broken = shutil.copytree(model, tmp_path / "model")
    config = json.loads((broken / "config.json").read_text())
    damage(config["sizes"])
    (broken / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="damaged"):
        load_model(broken)


class KilledError(Exception):
    """Stands for a kill between two steps."""


@pytest.mark.parametrize("lora", [0, 2])
def test_a_killed_run_resumes_to_the_same_bytes(
    tiny_traces: Path, bases: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: int
) -> None:
    """Also from a base that was pretrained with dropout, and where gains have gradients that nobody uses."""
    args = Args(
        tiny_traces, tmp_path / "whole", steps=4, base=bases("gpt2"), lora=lora, held_out=0.0, device="cpu",
        checkpoint_s=0.0,
    )  # fmt: skip
    weights = train.train(args) / "model.safetensors"
    real, count = optimise.update, 0

    def dying(*given: Any) -> float:
        nonlocal count
        count += 1
        if count == 3:
            raise KilledError
        return real(*given)

    monkeypatch.setattr(optimise, "update", dying)
    killed = replace(args, out=tmp_path / "killed", base=shutil.copytree(bases("gpt2"), tmp_path / "gpt2"))
    with pytest.raises(KilledError):
        train.train(killed)
    monkeypatch.setattr(optimise, "update", real)
    assert (train.train(killed) / "model.safetensors").read_bytes() == weights.read_bytes()
    stamp = (tmp_path / "killed/model.safetensors").stat().st_mtime_ns
    train.train(killed)
    assert (tmp_path / "killed/model.safetensors").stat().st_mtime_ns == stamp, "done already"
    assert base.digest(killed.base or tmp_path) != base.digest(bases("tied"))


def test_the_whole_base_is_trained_without_adapters(
    tiny_traces: Path, bases: Callable[[str], Path], tmp_path: Path
) -> None:
    args = Args(tiny_traces, tmp_path / "model", steps=3, base=bases("llama"), device="cpu")
    made = load_model(train.train(args), device="cpu")
    assert made.config["args"]["lr"] == 2e-4
    before = warm_start(bases("llama"), made.vocabulary).state_dict()
    after = made.network.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert all("norm" in name for name in still), "all but gains"
    mixed = mix_networks(made.network, made.network, 0.7)
    assert torch.allclose(mixed.embed.weight, made.network.embed.weight)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda folder: folder / "nothing", "no model at"),
        (lambda folder: pretrained(folder / "short", "llama", max_position_embeddings=256), "reads 256 tokens"),
        (lambda folder: pretrained(folder / "state", "MambaConfig", hidden_size=32, num_hidden_layers=1), "'mamba'"),
        (lambda folder: pretrained(folder / "phi", "PhiConfig", **TINY), "'phi'"),
    ],
)
def test_bases_that_cannot_serve_are_refused_in_a_sentence(
    learned: tuple[Vocabulary, list[Context]], tmp_path: Path, made: Callable[[Path], Path], says: str
) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        warm_start(made(tmp_path), learned[0])
    assert "Give" in str(caught.value)


def test_code_and_pickles_of_a_base_are_never_run(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]], tmp_path: Path
) -> None:
    folder = shutil.copytree(bases("llama"), tmp_path / "base")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="Cannot load"):
        warm_start(folder, learned[0])
    shutil.copy(bases("llama") / "config.json", folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="Cannot load"):
        warm_start(folder, learned[0])
    (folder / "pytorch_model.bin").unlink()
    (folder / "model.safetensors").write_bytes(b"\x80\x04 no tensors")
    with pytest.raises(ModelError, match="Cannot load"):
        warm_start(folder, learned[0])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_experts_implementation_internal"])
@pytest.mark.parametrize("inner", [False, True])
def test_a_base_does_not_choose_the_code_it_is_computed_with(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]], tmp_path: Path, key: str, inner: bool
) -> None:
    folder = shutil.copytree(bases("llama"), tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: "eager"}))
    warm_start(folder, learned[0])
    evil: dict[str, Any] = {key: "evil/kernels"}
    (folder / "config.json").write_text(json.dumps(config | ({"text_config": evil} if inner else evil)))
    with pytest.raises(ModelError, match="names kernels"):
        warm_start(folder, learned[0])


def test_a_base_with_an_adapter_beside_it_is_refused(
    bases: Callable[[str], Path], learned: tuple[Vocabulary, list[Context]], tmp_path: Path
) -> None:
    folder = shutil.copytree(bases("llama"), tmp_path / "base")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds an adapter"):
        warm_start(folder, learned[0])


def test_a_base_with_another_tokenizer_is_another(bases: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(bases("llama"), tmp_path / "base")
    before = base.digest(folder)
    (folder / "tokenizer.model").write_bytes(b"other")
    assert base.digest(folder) != before


def test_without_peft_the_command_that_adds_it_is_told(
    tiny_traces: Path, bases: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    args = Args(tiny_traces, tmp_path / "model", steps=1, base=bases("llama"), lora=2)
    with pytest.raises(PrerequisiteError, match=r"pip install 'envsim\[base\]'"):
        train.train(args)
    assert not args.out.exists(), "said before the work begins"


def test_the_command(cli: Cli, tiny_traces: Path, tmp_path: Path) -> None:
    done = cli("worldmodel", "train", tiny_traces, "-o", tmp_path / "m", "--lora", "4", timeout_s=180)
    assert (done.returncode, "--base PATH" in done.stderr) == (2, True), done.stderr
    done = cli("worldmodel", "train", tiny_traces, "-o", tmp_path / "m", "--base", tmp_path / "none", timeout_s=180)
    assert (done.returncode, "There is no model at" in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("smollm2")
def test_a_real_small_model_is_warm_started(smollm2: Path, tmp_path: Path) -> None:
    """SmolLM2-135M: our documents are less strange to it than with rows that mean nothing; then as any other model."""
    traces = record(tmp_path / "traces", 8)
    args = Args(traces, tmp_path / "model", steps=2, batch_tokens=256, base=smollm2, lora=4, held_out=0.0, device="cpu")
    loaded = load_model(train.train(args), device="cpu")
    assert loaded.config["parameters"] > 100_000_000
    drafts = [(s.situation, choose_draft(s.situation, loaded.memory)) for s in loaded.data.samples[:40:20]]
    contexts = [write_context(loaded.vocabulary, *pair, loaded.stable).tokens for pair in drafts]
    answers = here(loaded, contexts)
    assert answers == elsewhere(args.out, contexts)
    batch = optimise.collate([optimise.Example(tokens, [render.END]) for tokens in contexts], "cpu")
    with torch.inference_mode():
        surprise = float(loaded.network.loss(*batch, 1.0)[1])
        loaded.network.embed.weight.normal_(std=float(loaded.network.embed.weight.std()))
        assert surprise < 0.6 * float(loaded.network.loss(*batch, 1.0)[1])
