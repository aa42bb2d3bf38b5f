"""The Transformer's trunk: pre-norm blocks of causal attention and a feed-forward part."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.attention import Attention, Memory, Turn


def norm(x: Tensor) -> Tensor:
    """Layer normalisation over channels without weights, which the next matrix would absorb."""
    return F.layer_norm(x, x.shape[-1:])


class FeedForward(nn.Module):
    """Two matrices with a squared ReLU between them (So et al. 2021); the second starts at zero."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x)).square())


class Block(nn.Module):
    """x + attention(norm x), then x + feed-forward(norm x) (pre-norm: Xiong et al. 2020, fig. 1b).

    The block reads a learned mix of the stream and of the trunk's first input.
    """

    def __init__(self, attention: Attention, forth: FeedForward, dropout: float):
        super().__init__()
        self.attention, self.forth, self.dropout = attention, forth, dropout
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, x: Tensor, first: Tensor, memory: Memory | None = None) -> Tensor:
        mix = self.mix.to(x.dtype)
        x = x * mix[0] + first * mix[1]
        x = x + self._drop(self.attention(norm(x), memory))
        return x + self._drop(self.forth(norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Transformer(nn.Module):
    """A stack of blocks over embedded tokens; shapes (B, T, D) in and out.

    `rotary` gives queries and keys their places; without it the input must carry them.
    """

    def __init__(self, layers: int, width: int, heads: tuple[int, int], length: int, **options: float):
        super().__init__()
        self.width, self.heads, self.length = width, heads, length
        turn = Turn(width // heads[0], length) if options.get("rotary", True) else None
        hidden = int(options.get("expansion", 4.0) * width)
        self.blocks = nn.ModuleList(
            Block(Attention(width, *heads, turn), FeedForward(width, hidden), options.get("dropout", 0.0))
            for _ in range(layers)
        )

    def forward(self, x: Tensor, memories: list[Memory] | None = None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # the stream too in low precision: half the memory traffic
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = first = norm(x)
        for at, block in enumerate(self.blocks):
            x = block(x, first, memories[at] if memories else None)
        return norm(x)

    def memories(self, n: int, like: Tensor) -> list[Memory]:
        """Empty memories for n sequences of the longest length."""
        heads, groups = self.heads
        return [Memory((n, groups, self.length, self.width // heads), like) for _ in self.blocks]
