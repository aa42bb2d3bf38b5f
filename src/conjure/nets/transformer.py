"""The Transformer's trunk: pre-norm blocks of causal attention and a feed-forward part."""

from __future__ import annotations

from dataclasses import dataclass

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

    def __init__(self, attention: Attention, feed: FeedForward, dropout: float):
        super().__init__()
        self.attention, self.feed, self.dropout = attention, feed, dropout
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, x: Tensor, first: Tensor, memory: Memory | None = None) -> Tensor:
        mix = self.mix.to(x.dtype)
        x = x * mix[0] + first * mix[1]
        x = x + self._drop(self.attention(norm(x), memory))
        return x + self._drop(self.feed(norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


@dataclass(frozen=True)
class Sizes:
    """The measures of a trunk: `groups` heads of keys and values serve all `heads` of queries.

    `expansion` is the feed-forward part's width over the stream's; without `rotary` the input must carry places.
    """

    layers: int
    width: int
    heads: int
    groups: int
    length: int
    expansion: float = 4.0
    dropout: float = 0.0
    rotary: bool = True


class Transformer(nn.Module):
    """A stack of blocks over embedded tokens; shapes (B, T, D) in and out."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = s = sizes
        turn = Turn(s.width // s.heads, s.length) if s.rotary else None
        self.blocks = nn.ModuleList(
            Block(
                Attention(s.width, s.heads, s.groups, turn),
                FeedForward(s.width, int(s.expansion * s.width)),
                s.dropout,
            )
            for _ in range(s.layers)
        )

    def forward(self, x: Tensor, memories: list[Memory] | None = None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # the stream too in low precision: half the memory traffic
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = first = norm(x)
        for at, block in enumerate(self.blocks):
            x = block(x, first, memories[at] if memories else None)
        return norm(x)

    def memories(self, n: int, like: Tensor) -> list[Memory]:
        """Empty memories for n sequences of the longest length, on the device and in the type of `like`."""
        s = self.sizes
        return [Memory((n, s.groups, s.length, s.width // s.heads), like) for _ in self.blocks]
