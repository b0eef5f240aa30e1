"""Decoding with a static cache: as if every token had been computed anew, in few shapes where that is asked for."""

from __future__ import annotations

import contextlib
import copy
import gc
import types
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from tokenizers import Tokenizer, models

from worldmodel.decode import Answer, Grammar, decode
from worldmodel.examples import Context, Draft
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.render import Lexicon, Slots, Vocabulary
from worldmodel.stepper import COLUMNS, SWITCH, WARM_UP, Run, Stepper, bucket, cuda_graphs, stepper

ROOMS = [24, 1, 9, 24, 3, 24, 17]
LENGTHS = [40, 250, 246, 7, 120, 1, 251]
"""The longest ends where the first bucket does, or almost: its answers end in the next."""
KEYS = [None, (1, "x"), (2, "x"), None, (3, "x"), None, None]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    bpe = Tokenizer(models.BPE(vocab={f"w{i}": i for i in range(60)}, merges=[]))
    return Vocabulary(bpe, Lexicon(frozenset()), ["ok", "error", "bug:a"])


@pytest.fixture(params=[(4, 1), (4, 2), (2, 2)], ids=["one head shared by all", "two", "one each"])
def network(request: pytest.FixtureRequest, vocabulary: Vocabulary) -> WorldModel:
    torch.manual_seed(5)
    made = Transformer(Config(vocabulary.size, 32, 2, *request.param)).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


def contexts(vocabulary: Vocabulary, lengths: list[int], seed: int = 0) -> list[Context]:
    draw = torch.Generator().manual_seed(seed)
    draft = Draft(tuple(f"line {i}" for i in range(9)), "near")
    return [
        Context(torch.randint(1, vocabulary.size, (n,), generator=draw).tolist(), Slots(["a", "b"]), draft)
        for n in lengths
    ]


def alone(network: WorldModel, vocabulary: Vocabulary, context: Context, tokens: list[int]) -> Answer:
    """What `tokens` are worth, each computed from all before it, without cache, padding or batch."""
    grammar = Grammar(vocabulary, len(context.slots.texts), len(context.draft.lines), None)
    out = Answer()
    for at, token in enumerate(tokens):
        so_far = torch.tensor([[*context.tokens, *tokens[:at]]])
        with torch.inference_mode():
            hidden = network.hidden(so_far, torch.arange(so_far.shape[1])[None])[0, -1]
            logits = network.logits(hidden)
        allowed = torch.full_like(logits, float("-inf"))
        for start, end in grammar.allowed():
            allowed[start:end] = 0.0
        logprobs = (logits + allowed).log_softmax(-1)
        out.entropy = out.entropy if at else float(torch.special.entr(logprobs.exp()).sum())
        out.tokens.append(int(logprobs.argmax()))
        out.logprobs.append(float(logprobs[token]))
        grammar.take(token)
    return out


class Calls:
    """Stands for CUDA graphs where there is none: runs what it was given, as often as a capture would."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, run: Run) -> Run:
        self.captured += 1
        for _ in range(3):
            run()

        def replay() -> None:
            self.replayed += 1
            run()

        return replay


@pytest.mark.parametrize("in_buckets", [False, True])
def test_answers_are_those_of_computing_every_token_anew(
    network: WorldModel, vocabulary: Vocabulary, in_buckets: bool
) -> None:
    network.stepper = Stepper(network, Calls()) if in_buckets else None
    asked = contexts(vocabulary, LENGTHS)
    found = decode(network, vocabulary, asked, KEYS, ROOMS)
    assert len({len(answer.tokens) for answer in found}) > 2, "some end early"
    assert max(LENGTHS) + max(len(answer.tokens) for answer in found) > COLUMNS + 1, "they outgrow a bucket"
    for context, key, answer in zip(asked, KEYS, found, strict=True):
        wanted = alone(network, vocabulary, context, answer.tokens)
        assert answer.tokens[key is not None :] == wanted.tokens[key is not None :]
        assert answer.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
        assert answer.entropy == pytest.approx(wanted.entropy, abs=1e-4)


def test_buckets_change_no_answer_and_are_few(network: WorldModel, vocabulary: Vocabulary) -> None:
    asked = contexts(vocabulary, LENGTHS)
    plain = decode(network, vocabulary, asked, KEYS, ROOMS, every=True)
    calls = Calls()
    network.stepper = kept = Stepper(network, calls)
    for _ in range(2):
        found = decode(network, vocabulary, asked, KEYS, ROOMS, every=True)
        assert [answer.tokens for answer in found] == [answer.tokens for answer in plain]
        assert [a.logprobs for a in found] == [pytest.approx(a.logprobs, abs=1e-4) for a in plain]
    assert calls.captured == len(kept.graphs), "captured once, used again by the second batch"
    assert calls.replayed == 2 * (max(len(answer.tokens) for answer in plain) - 1)
    assert set(kept.graphs) <= {(rows, columns) for rows in (1, 2, 4, 8) for columns in (COLUMNS, 2 * COLUMNS)}
    assert len(kept.graphs) > 2


def test_attention_may_lay_its_answer_out_as_a_gpu_does(
    network: WorldModel, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory-efficient attention on CUDA leaves (B, T, H, D), transposed."""
    asked = contexts(vocabulary, LENGTHS)
    plain = decode(network, vocabulary, asked, KEYS, ROOMS)
    attend = F.scaled_dot_product_attention

    def transposed(*args: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return attend(*args, **kwargs).transpose(1, 2).contiguous().transpose(1, 2)

    monkeypatch.setattr(F, "scaled_dot_product_attention", transposed)
    found = decode(network, vocabulary, asked, KEYS, ROOMS)
    assert [answer.tokens for answer in found] == [answer.tokens for answer in plain]
    assert [a.logprobs for a in found] == [pytest.approx(a.logprobs, abs=1e-6) for a in plain]


def test_shapes_are_rounded_up() -> None:
    assert bucket(1, 1) == (1, COLUMNS)
    assert bucket(3, COLUMNS) == (4, COLUMNS)
    assert bucket(256, COLUMNS + 1) == (256, 2 * COLUMNS)


def test_a_batch_that_outgrows_the_buffers_gets_larger_ones(network: WorldModel, vocabulary: Vocabulary) -> None:
    """And smaller ones after it use these."""
    network.stepper = kept = Stepper(network, Calls())
    sizes = []
    for lengths in ([20], [300, 520, 20], [9, 30]):
        asked = contexts(vocabulary, lengths, seed=len(lengths))
        rooms = [6] * len(lengths)
        found = decode(network, vocabulary, asked, [None] * len(lengths), rooms)
        for context, answer in zip(asked, found, strict=True):
            wanted = alone(network, vocabulary, context, answer.tokens)
            assert answer.tokens == wanted.tokens
            assert answer.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
        sizes.append(tuple(kept.seen.shape))
    assert sizes == [(1, COLUMNS), (4, 3 * COLUMNS), (4, 3 * COLUMNS)]


def test_what_a_batch_held_does_not_reach_the_next(network: WorldModel, vocabulary: Vocabulary) -> None:
    """Not even what is no number: masked keys weigh nothing, but nothing times NaN is NaN."""
    asked = contexts(vocabulary, [30, 5])
    plain = decode(network, vocabulary, asked, [None] * 2, [5, 5])
    spoilt, other = contexts(vocabulary, [200, 210, 180], seed=1), network.embed.weight
    token = next(t for t in range(1, vocabulary.size) if all(t not in c.tokens for c in asked))
    for context in spoilt:
        context.tokens[3] = token
    network.stepper = Stepper(network, Calls())
    before = other[token].detach().clone()
    with torch.no_grad():
        other[token] = float("nan")
        decode(network, vocabulary, spoilt, [None] * 3, [5] * 3)
        other[token] = before
    found = decode(network, vocabulary, asked, [None] * 2, [5, 5])
    assert [answer.tokens for answer in found] == [answer.tokens for answer in plain]
    assert [a.logprobs for a in found] == [pytest.approx(a.logprobs, abs=1e-4) for a in plain]


def test_graphs_are_of_the_weights_that_were_there(network: WorldModel, vocabulary: Vocabulary) -> None:
    """Weights that change in place are read where they are; others need graphs of their own, and a copy its own."""
    calls = Calls()
    network.stepper = kept = Stepper(network, calls)
    asked = contexts(vocabulary, [30])
    decode(network, vocabulary, asked, [None], [3])
    with torch.no_grad():
        network.embed.weight += 0.1
    decode(network, vocabulary, asked, [None], [3])
    assert calls.captured == 1
    network.embed.weight.data = network.embed.weight.data.clone()
    decode(network, vocabulary, asked, [None], [3])
    assert calls.captured == 2
    assert copy.deepcopy(network).stepper is None
    assert network.stepper is kept


def test_a_capture_that_fails_is_told_and_done_without(network: WorldModel, vocabulary: Vocabulary) -> None:
    asked = contexts(vocabulary, LENGTHS)
    plain = decode(network, vocabulary, asked, KEYS, ROOMS)
    tried = []

    def fails(run: Run) -> Run:
        run()  # a warm-up, before it fails
        tried.append(run)
        raise RuntimeError("operation not permitted when stream is capturing")

    network.stepper = Stepper(network, fails)
    with pytest.warns(RuntimeWarning, match=r"without CUDA graphs.*not permitted"):
        first = decode(network, vocabulary, asked, KEYS, ROOMS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = decode(network, vocabulary, asked, KEYS, ROOMS)
    assert len(tried) == 1
    for found in (first, second):
        assert [answer.tokens for answer in found] == [answer.tokens for answer in plain]
        assert [a.logprobs for a in found] == [pytest.approx(a.logprobs, abs=1e-4) for a in plain]


def test_on_a_cpu_and_where_it_is_switched_off_shapes_are_as_they_come(
    network: WorldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stepper(network) as one, stepper(network) as other:
        assert one is not other
        assert one.capture is None
    assert network.stepper is None
    network.stepper = kept = Stepper(network, Calls())
    with stepper(network) as one:
        assert one is kept
        assert kept.lock.locked(), "two threads would write into the same buffers"
    assert not kept.lock.locked()
    monkeypatch.setenv(SWITCH, "0")
    with stepper(network) as one:
        assert one.capture is None
        assert not kept.lock.locked()


def test_a_network_that_was_moved_leaves_its_buffers_behind(network: WorldModel) -> None:
    elsewhere = copy.deepcopy(network).to("meta")
    network.stepper = Stepper(elsewhere, Calls())
    with stepper(network) as one:
        assert one.capture is None
    assert network.stepper is None


def test_rows_that_nobody_uses_are_asked_for_no_position_below_zero(
    network: WorldModel, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base with a table of positions would read outside it: on a GPU that is the end of the process's device."""
    network.stepper = Stepper(network, Calls())
    decode(network, vocabulary, contexts(vocabulary, [250, 240, 230, 3]), [None] * 4, [4] * 4)
    asked, hidden = [], network.hidden

    def watched(tokens: torch.Tensor, positions: torch.Tensor, *rest: Any) -> torch.Tensor:
        asked.append(int(positions.min()))
        return hidden(tokens, positions, *rest)

    monkeypatch.setattr(network, "hidden", watched)
    decode(network, vocabulary, contexts(vocabulary, [20, 10, 5]), [None] * 3, [4] * 3)
    assert len(asked) > 2
    assert min(asked) == 0


class Device:
    """Stands for `torch.cuda` as far as its rules on streams and pools go (torch.cuda.graphs, CUDACachingAllocator)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current, self.pools, self.fails = "main", weakref.WeakValueDictionary[int, object](), False
        self.ran: list[tuple[str, int | None]] = []
        """(stream, pool or None outside a capture) of each run."""
        self.capturing: int | None = None
        self.made = 0
        for name in ("Stream", "CUDAGraph", "graph", "stream", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, f"_{name}"))
        monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)

    def run(self) -> None:
        self.ran.append((self.current, self.capturing))
        if self.fails and self.capturing is not None:
            raise RuntimeError("operation not permitted when stream is capturing")

    def _Stream(self) -> Any:  # noqa: N802
        self.made += 1
        return types.SimpleNamespace(name=f"side{self.made}", wait_stream=lambda other: None)

    def _CUDAGraph(self) -> Any:  # noqa: N802
        class Graph:
            number: int

            def pool(self) -> int:
                return self.number

            def replay(self) -> None:
                return None

        return Graph()

    def _current_stream(self) -> Any:
        return types.SimpleNamespace(name=self.current, wait_stream=lambda other: None)

    @contextlib.contextmanager
    def _stream(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream.name
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def _graph(self, graph: Any, pool: int | None, stream: Any, capture_error_mode: str) -> Iterator[None]:
        assert pool is None or pool in self.pools, "use_count > 0 INTERNAL ASSERT FAILED"
        assert capture_error_mode == "thread_local"
        before, self.current = self.current, stream.name
        self.made += 1
        graph.number = self.capturing = pool or self.made
        self.pools[graph.number] = graph
        try:
            yield  # as in PyTorch, what fails leaves the stream that it captured on
        finally:
            self.capturing = None
        self.current = before


def test_captures_keep_the_rules_of_streams_and_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    capture = cuda_graphs(torch.device("cuda:1"))
    graphs = [capture(device.run), capture(device.run)]
    streams, pools = zip(*device.ran, strict=True)
    assert len(set(streams)) == 1, "warmed up and captured on one stream"
    assert streams[0] != "main"
    assert pools[:WARM_UP] == (None,) * WARM_UP
    assert pools[WARM_UP] is not None
    assert pools[-1] == pools[WARM_UP], "they share a pool"
    graphs.clear()
    gc.collect()
    graphs.append(capture(device.run))
    assert device.ran[-1][1] != pools[-1], "a pool without graphs is not asked for"
    device.fails = True
    with pytest.raises(RuntimeError, match="not permitted"):
        capture(device.run)
    assert device.current == "main"


@pytest.fixture
def on_gpu(network: WorldModel) -> Iterator[WorldModel]:
    yield copy.deepcopy(network).to("cuda")
    torch.cuda.empty_cache()


@pytest.mark.gpu
def test_on_a_gpu(
    network: WorldModel, on_gpu: WorldModel, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captured, and not captured, as on the CPU; twice, as the second time replays what the first has captured."""
    asked = contexts(vocabulary, LENGTHS)
    plain = decode(network, vocabulary, asked, KEYS, ROOMS)
    for switch in ("1", "1", "0"):
        monkeypatch.setenv(SWITCH, switch)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            decode(on_gpu, vocabulary, asked[:1], KEYS[:1], [3])  # the others outgrow its buffers
            found = decode(on_gpu, vocabulary, asked, KEYS, ROOMS)
        assert [answer.tokens for answer in found] == [answer.tokens for answer in plain]
        assert [a.logprobs for a in found] == [pytest.approx(a.logprobs, abs=1e-3) for a in plain]
    assert on_gpu.stepper is not None
    assert len(on_gpu.stepper.graphs) > 2
