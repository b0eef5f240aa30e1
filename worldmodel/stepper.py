"""Reading contexts, then going on one token at a time: with shapes as they come, or with few, kept as CUDA graphs.

A step of a small network is shorter on a GPU than launching its kernels one by one. A CUDA graph launches them
together, and in return wants the same shapes at the same addresses every time. So rows and columns are rounded up to
buckets, what they have too many is masked, all that a step reads and writes lies in buffers that stay where they are,
and the step of each bucket is captured when it first occurs (as in the notes on CUDA semantics of PyTorch's
documentation). ``ENVSIM_CUDA_GRAPHS=0`` turns that off. On a CPU, which gains nothing by it, shapes are as they come.

**Capture was never run: there was no GPU.** Buckets, buffers and the very step that is captured are tested on a CPU,
where to capture is to call; `cuda_graphs` itself only by a test that is skipped where there is no CUDA.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from worldmodel import render
from worldmodel.model import Cache, WorldModel

SWITCH = "ENVSIM_CUDA_GRAPHS"
COLUMNS = 256
"""Columns are counted in these."""
WARM_UP = 3
"""Runs before a capture: libraries choose kernels and take their workspace in them."""

Run = Callable[[], None]
Capture = Callable[[Run], Run]
"""Given what to run, gives what does the same again."""


def bucket(rows: int, columns: int) -> tuple[int, int]:
    """The shape that stands for one: a power of two, and a multiple of `COLUMNS`."""
    return 1 << (rows - 1).bit_length(), -(-columns // COLUMNS) * COLUMNS


class Stepper:
    """A batch that is read and then written on, one token a row at a time.

    Shapes: B rows in use, S columns in use (contexts are padded at the left, so all rows end in the same one), V
    vocabulary. Columns hold what was read; a row's first are padding.

    Args:
        network: In eval mode.
        capture: Makes a graph of a step; then rows and columns are rounded up to buckets. None: shapes as they come.
    """

    cache: Cache
    tokens: Tensor
    """(rows, 1), of the token that is written."""
    at: Tensor
    """(1,), its column."""
    pads: Tensor
    """(rows,), columns of padding."""
    seen: Tensor
    """(rows, columns) bool: those that hold a token of their row."""
    out: Tensor
    """(rows, V), where a graph leaves its logits."""

    def __init__(self, network: WorldModel, capture: Capture | None = None) -> None:
        self.network, self.capture = network, capture
        self.device = network.embed.weight.device
        self.rows = self.columns = 0
        self.lock = threading.Lock()
        self.graphs: dict[tuple[int, int], Run] = {}
        """By bucket."""
        self._made_for: tuple[int, ...] = ()
        self._size = (0, 0)

    def __deepcopy__(self, memo: object) -> None:
        """A copied network has none yet: buffers and graphs are of the weights they were made for."""

    def read(self, contexts: Sequence[Sequence[int]], room: int) -> Tensor:
        """Begin anew with these contexts.

        Args:
            contexts: Tokens of each row.
            room: How often `write` may follow.

        Returns:
            Logits (B, V) of what comes next, float32.
        """
        lengths = [len(context) for context in contexts]
        rows, width = len(lengths), max(lengths)
        self._prepare(rows, width + room)
        device = self.device
        tokens = torch.full((rows, width), render.PAD)
        for row, context in enumerate(contexts):
            tokens[row, width - lengths[row] :] = torch.tensor(context)
        pads = torch.tensor([width - n for n in lengths], device=device)
        where = torch.arange(width, device=device)
        seen = where >= pads[:, None]  # (B, S)
        self.pads[:rows], self.seen[:rows, :width] = pads, seen
        mask = None
        if min(lengths) < width:
            causal = torch.ones(width, width, dtype=torch.bool, device=device).tril()
            # A padded query attends to itself: a row without any allowed key would be NaN.
            mask = causal & (seen[:, None, None] | torch.eye(width, dtype=torch.bool, device=device))
        self.cache.at(where, width)
        hidden = self.network.hidden(tokens.to(device), (where - pads[:, None]).clamp(min=0), mask, self.cache)[:, -1]
        self.rows, self.columns = rows, width
        return self.network.logits(hidden).float()

    def write(self, tokens: Sequence[int]) -> Tensor:
        """Append a token to each row; logits (B, V) of what comes next, valid until the next call."""
        self.tokens[: self.rows, 0] = torch.tensor(tokens)
        self.at.fill_(self.columns)
        self.columns += 1
        if self.capture is not None:
            graph = self._graph(self.capture)
            if graph is not None:
                graph()
                return self.out[: self.rows]
        return self._step(self.rows, self.columns)

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Go on with these rows alone (finished answers need no more work): the last of them fill the gaps.

        Returns:
            Which row each of the remaining was.
        """
        count, kept = len(rows), set(rows)
        gaps, last = [r for r in range(count) if r not in kept], [r for r in rows if r >= count]
        if gaps:
            to, of = (torch.tensor(numbers, device=self.device) for numbers in (gaps, last))
            self.seen[to], self.pads[to] = self.seen[of], self.pads[of]
            self.cache.move(to, of, self.columns)
        self.rows = count
        filled = dict(zip(gaps, last, strict=True))
        return [filled.get(row, row) for row in range(count)]

    def _prepare(self, rows: int, columns: int) -> None:
        """Buffers with nothing in them. Those that are there stay where graphs know them, if they are large enough."""
        network, size = self.network, (rows, columns)
        if self.capture is not None:
            size = bucket(rows, columns)
            # Weights that were replaced, or moved: graphs read them where they were.
            made_for = tuple(part.data_ptr() for part in (*network.parameters(), *network.buffers()))
            if made_for != self._made_for:
                self._made_for, self._size = made_for, (0, 0)
        if size[0] <= self._size[0] and size[1] <= self._size[1]:
            self.cache.clear()
            self.seen.zero_()
            # A row that nobody uses counts its positions from the first column: from an old batch's padding they
            # could be negative, which a table of learned positions cannot be asked for.
            self.pads.zero_()
            return
        self.graphs.clear()
        self._size = size = (max(size[0], self._size[0]), max(size[1], self._size[1]))
        device, vocabulary = self.device, len(network.embed.weight)
        self.cache = Cache(network.config.layers, *size)
        self.tokens = torch.full((size[0], 1), render.PAD, device=device)
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        self.pads = torch.zeros(size[0], dtype=torch.long, device=device)
        self.seen = torch.zeros(size, dtype=torch.bool, device=device)
        # Logits are copied out, so nothing lives in memory that graphs share, whatever order they are run in.
        self.out = torch.zeros(size[0] if self.capture is not None else 0, vocabulary, device=device)

    def _graph(self, capture: Capture) -> Run | None:
        shape = bucket(self.rows, self.columns)
        if shape not in self.graphs:
            try:
                self.graphs[shape] = capture(lambda: self._fill(*shape))
            except RuntimeError as error:
                warnings.warn(f"Steps go on without CUDA graphs, which failed: {error}", RuntimeWarning, stacklevel=4)
                self.capture = None
                self.graphs.clear()
                return None
        return self.graphs[shape]

    def _fill(self, rows: int, columns: int) -> None:
        self.out[:rows].copy_(self._step(rows, columns))

    def _step(self, rows: int, columns: int) -> Tensor:
        """Logits (rows, V) after one more token. Run again, it does the same: a capture is run more than once.

        Nothing here may depend on what tensors hold, or wait for them: that is what can be captured.
        """
        seen = self.seen[:rows, :columns]
        seen.index_fill_(1, self.at, True)
        self.cache.at(self.at, columns)
        where = (self.at - self.pads[:rows])[:, None]
        hidden = self.network.hidden(self.tokens[:rows], where, seen[:, None, None], self.cache)[:, -1]
        return self.network.logits(hidden).float()


@contextlib.contextmanager
def stepper(network: WorldModel) -> Iterator[Stepper]:
    """A stepper of `network`, for the one who asks alone until it is given back; with CUDA graphs on a GPU."""
    device = network.embed.weight.device
    # Read once: another thread may put one there, or take it away, meanwhile. Each of two that were made has a lock.
    kept = network.stepper
    if kept is not None and kept.device != device:
        kept = network.stepper = None  # the network was moved since
    wanted = os.environ.get(SWITCH) != "0"
    if wanted and kept is None and device.type == "cuda":
        kept = network.stepper = Stepper(network, cuda_graphs(device))
    if kept is None or not wanted:
        yield Stepper(network)
        return
    with kept.lock:
        yield kept


def cuda_graphs(device: torch.device) -> Capture:
    """Captures steps on a GPU, in memory that they share. Never run, see above.

    Warm-ups and captures are made on one stream: what libraries keep per stream is then there before a capture, and not
    in its memory. That memory is named by a graph that is still there, as the allocator takes no pool of which all
    graphs are gone (vllm-project/vllm#28426).
    """
    with torch.cuda.device(device):
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    living: weakref.WeakSet[torch.cuda.CUDAGraph] = weakref.WeakSet()

    def capture(run: Run) -> Run:
        # The outer stream is put back whatever happens: torch.cuda.graph leaves its own where a capture fails.
        with torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream()):
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    run()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            pool = next((other.pool() for other in living), None)
            # Other threads may go on with work of their own meanwhile.
            with torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode="thread_local"):
                run()
        living.add(graph)
        return graph.replay

    return capture
