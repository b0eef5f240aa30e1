"""The transformer: decoder-only, RoPE, RMSNorm, SwiGLU, few KV heads, tied embeddings.

Shapes: B batch, T new tokens, S columns attended to, H query heads, G key-value heads, D head size,
C model width, V vocabulary. After "nanochat" (Karpathy 2025); RoPE: Su et al. 2021; RMSNorm: Zhang &
Sennrich 2019; SwiGLU: Shazeer 2020; multi-query attention: Shazeer 2019; QK norm: Henry et al. 2020.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

if TYPE_CHECKING:
    from worldmodel.stepper import Stepper


@dataclass(frozen=True)
class Config:
    """Sizes of the network; everything needed to rebuild it."""

    vocab: int
    width: int = 224
    layers: int = 4
    heads: int = 7
    kv_heads: int = 1
    context: int = 1280
    """Longest sequence, prompt and answer together."""

    def __post_init__(self) -> None:
        if min(self.vocab, self.width, self.layers, self.heads, self.kv_heads) < 1:
            raise ValueError(f"{self}: a size is below 1")
        if self.width % self.heads or self.heads % self.kv_heads or (self.width // self.heads) % 2:
            raise ValueError(f"{self}: width must split into heads of even size, heads into kv_heads")


class Cache:
    """Keys and values of what was read so far, one pair (rows, G, columns, D) a layer, in memory that stays in place.

    Args:
        layers: Of the network.
        rows: The most rows of a batch.
        columns: The most tokens of a row.
    """

    def __init__(self, layers: int, rows: int, columns: int) -> None:
        self._size = (rows, columns)
        self._pairs: list[tuple[Tensor, Tensor] | None] = [None] * layers

    def at(self, columns: Tensor, shown: int) -> None:
        """Where the next pass writes its tokens, (T,); it then attends to the first `shown` columns."""
        self._columns, self._shown = columns, shown

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write new keys and values (B, G, T, D); return all of the first B rows, (B, G, S, D)."""
        pair = self._pairs[layer]
        if pair is None:
            # Zeros, as a masked key still counts 0 times its value, and 0 times NaN is NaN.
            pair = (self._empty(key), self._empty(value))
            self._pairs[layer] = pair
        keys, values = (whole[: len(key)] for whole in pair)
        keys.index_copy_(2, self._columns, key)
        values.index_copy_(2, self._columns, value)
        return keys[:, :, : self._shown], values[:, :, : self._shown]

    def move(self, to: Tensor, of: Tensor, shown: int) -> None:
        """Copy the first `shown` columns of rows `of` over those of rows `to`."""
        for whole in self._whole():
            whole[to, :, :shown] = whole[of, :, :shown]

    def clear(self) -> None:
        """Begin anew, in the same memory."""
        for whole in self._whole():
            whole.zero_()

    def _whole(self) -> list[Tensor]:
        return [whole for pair in self._pairs if pair is not None for whole in pair]

    def _empty(self, like: Tensor) -> Tensor:
        rows, columns = self._size
        return like.new_zeros(rows, like.shape[1], columns, like.shape[3])


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions: x (B, H, T, D), angles (B, 1, T, D/2)."""
    a, b = x.chunk(2, -1)  # (B, H, T, D/2) each
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Attention(nn.Module):
    """Causal self-attention with G <= H key-value heads."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.size = config.width // config.heads
        self.query = nn.Linear(config.width, config.heads * self.size, bias=False)
        self.key_value = nn.Linear(config.width, 2 * config.kv_heads * self.size, bias=False)
        self.out = nn.Linear(config.heads * self.size, config.width, bias=False)

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """X (B, T, C) -> (B, T, C). `mask` (B, 1, T, S) is true where attention is allowed; None: causal."""
        batch, time, _ = x.shape
        q = self.query(x).view(batch, time, self.heads, self.size).transpose(1, 2)  # (B, H, T, D)
        kv = self.key_value(x).view(batch, time, 2 * self.kv_heads, self.size).transpose(1, 2)
        k, v = kv.chunk(2, 1)  # (B, G, T, D) each
        q, k = F.rms_norm(q, (self.size,)), F.rms_norm(k, (self.size,))
        q, k = rotate(q, angles), rotate(k, angles)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # (B, G, S, D)
        if time == 1 and mask is not None:
            # Heads that share keys are like further queries of one token: nothing need be repeated.
            q = q.reshape(batch, self.kv_heads, -1, self.size)  # (B, G, H/G, D)
        elif self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, 1)
            v = v.repeat_interleave(self.heads // self.kv_heads, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)  # as q
        y = y.reshape(batch, self.heads, time, self.size)  # some kernels lay heads out after time: no view then
        out: Tensor = self.out(y.transpose(1, 2).reshape(batch, time, -1))
        return out


class Block(nn.Module):
    """Attention, then SwiGLU; both on normalised input, both added back."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        hidden = (config.width * 8 // 3 + 31) // 32 * 32
        self.width = config.width
        self.attention = Attention(config, layer)
        self.up = nn.Linear(config.width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, config.width, bias=False)

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """X (B, T, C) -> (B, T, C)."""
        x = x + self.attention(F.rms_norm(x, (self.width,)), angles, mask, cache)
        gate, value = self.up(F.rms_norm(x, (self.width,))).chunk(2, -1)  # (B, T, hidden) each
        out: Tensor = x + self.down(F.silu(gate) * value)
        return out


class WorldModel(nn.Module):
    """Tokens in, next-token logits out: what decoding, training and calibration need of a network."""

    config: Config
    embed: nn.Embedding
    """(V, C)."""
    stepper: Stepper | None = None
    """What decoding keeps between batches, on a GPU."""

    def hidden(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Final hidden states.

        Args:
            tokens: (B, T).
            positions: (B, T), of each token in its sequence.
            mask: (B, 1, T, S), true where attention is allowed; None: causal.
            cache: What was read before; the new tokens are written where `Cache.at` says.

        Returns:
            (B, T, C).
        """
        raise NotImplementedError

    def sizes(self) -> dict[str, Any]:
        """All that is needed to build it again but the weights, as JSON."""
        return asdict(self.config)

    def settle(self) -> None:
        """Fold into the weights what only training needs. Called once, after it."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden (..., C) -> logits (..., V), through the transposed embedding."""
        return F.linear(hidden, self.embed.weight)

    def loss(
        self, tokens: Tensor, answer: Tensor, read: float = 0.0, outcome: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy over answers, and that plus `read` times the one over contexts.

        Reading what is given as well as writing what is asked trains the embeddings and the copying
        heads on every token, not on the few that answers have.

        Args:
            tokens: (B, T), padded at the end with token 0.
            answer: (B, T) bool, true where a token is part of an answer.
            read: Weight of the context.
            outcome: (B,) weight of the first token of each row's answer, which says what happened; None: all are 1.
        """
        batch, time = tokens.shape
        positions = torch.arange(time, device=tokens.device).expand(batch, time)
        hidden = self.hidden(tokens, positions)[:, :-1]  # (B, T-1, C)
        following = tokens[:, 1:]
        wanted = answer[:, 1:]
        if outcome is None:
            written = F.cross_entropy(self.logits(hidden[wanted]).float(), following[wanted])
        else:
            first = wanted & ~F.pad(wanted[:, :-1], (1, 0))  # (B, T-1), one a row
            weight = torch.where(first, outcome[:, None], 1.0)[wanted]  # (N,)
            each = F.cross_entropy(self.logits(hidden[wanted]).float(), following[wanted], reduction="none")
            written = (weight * each).mean()
        if not read:
            return written, written
        given = (following != 0) & ~wanted
        return written, written + read * F.cross_entropy(self.logits(hidden[given]).float(), following[given])

    def parameters_count(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.parameters())


class Transformer(WorldModel):
    """The network that is trained from scratch."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        size = config.width // config.heads
        frequency = 10_000.0 ** (-torch.arange(0, size, 2).float() / size)  # (D/2,)
        self.register_buffer("frequency", frequency, persistent=False)
        self.apply(self._start)
        for block in self.blocks:
            # The residual stream starts as the embeddings alone.
            nn.init.zeros_(block.attention.out.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(block.down.weight)  # type: ignore[union-attr, arg-type]

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)

    def hidden(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """See `WorldModel.hidden`."""
        frequency = self.frequency
        assert isinstance(frequency, Tensor)
        angles = (positions[:, None, :, None] * frequency).float()  # (B, 1, T, D/2)
        x = F.rms_norm(self.embed(tokens), (self.config.width,))  # (B, T, C)
        for block in self.blocks:
            x = block(x, angles, mask, cache)
        return F.rms_norm(x, (self.config.width,))
