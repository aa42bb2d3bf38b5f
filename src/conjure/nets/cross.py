"""Cross-attention: a causal trunk whose blocks also look at what an encoder made of the given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.attention import Attention, Memory, Turn
from conjure.nets.dropping import drop
from conjure.nets.encoder import attend_fully, hidden_from
from conjure.nets.lora import stacked
from conjure.nets.transformer import FeedForward, Sizes, norm


@dataclass
class Sources:
    """What is looked at: each block's keys and values (B, heads, S, D) of it, made once, and what is hidden."""

    keys: list[Tensor]
    values: list[Tensor]
    unseen: Tensor | None

    def rows(self, where: Tensor) -> Sources:
        """Those of some of the examples."""
        unseen = None if self.unseen is None else self.unseen[where]
        return Sources([k[where] for k in self.keys], [v[where] for v in self.values], unseen)


class CrossAttention(nn.Module):
    """softmax(Q K^T / sqrt(d_k)) V with queries from one sequence, keys and values from another.

    Several sequences may look at one source: x has r rows for each of its B rows, and the r are taken as
    further queries, so that nothing of the source is copied. The output matrix starts at zero.
    """

    def __init__(self, width: int, heads: int, groups: int):
        super().__init__()
        self.heads, self.groups, self.channels = heads, groups, width // heads
        self.query = nn.Linear(width, heads * self.channels, bias=False)
        self.key = nn.Linear(width, groups * self.channels, bias=False)
        self.value = nn.Linear(width, groups * self.channels, bias=False)
        self.out = nn.Linear(heads * self.channels, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def look(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, groups, S, D) of what is looked at (B, S, width)."""
        packed = stacked(self.key, self.value)
        k, v = F.linear(source, packed).unflatten(-1, (-1, self.channels)).chunk(2, -2)
        return F.layer_norm(k, (self.channels,)).transpose(1, 2), v.transpose(1, 2)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, unseen: Tensor | None) -> Tensor:
        """x (B r, T, D), unseen (B, 1, 1, S) or None; result (B r, T, D)."""
        q = F.layer_norm(self.query(x).unflatten(-1, (self.heads, self.channels)), (self.channels,))
        q = q.reshape(len(keys), -1, self.heads, self.channels).transpose(1, 2)  # (B, heads, r T, D)
        y = attend_fully(q, keys, values, Attention.SHARPNESS / self.channels**0.5, unseen)
        return self.out(y.transpose(1, 2).reshape(*x.shape[:2], -1))


class CrossBlock(nn.Module):
    """x + attention(norm x), + cross-attention(norm x), + feed-forward(norm x): a decoder's block, pre-norm."""

    def __init__(self, sizes: Sizes, turn: Turn | None):
        super().__init__()
        s = sizes
        self.attention = Attention(s.width, s.heads, s.groups, turn)
        self.cross = CrossAttention(s.width, s.heads, s.groups)
        self.feed, self.dropout = FeedForward(s.width, int(s.expansion * s.width)), s.dropout
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(
        self, x: Tensor, first: Tensor, source: tuple[Tensor, Tensor, Tensor | None], memory: Memory | None = None
    ) -> Tensor:
        mix = self.mix.to(x.dtype)
        x = x * mix[0] + first * mix[1]
        x = x + self._drop(self.attention(norm(x), memory))
        x = x + self._drop(self.cross(norm(x), *source))
        return x + self._drop(self.feed(norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout) if self.dropout and self.training else x


class CrossTransformer(nn.Module):
    """A stack of such blocks over embedded tokens; shapes (B r, T, D) in and out, of B sources."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = s = sizes
        turn = Turn(s.width // s.heads, s.length) if s.rotary else None
        self.blocks = nn.ModuleList(CrossBlock(s, turn) for _ in range(s.layers))

    def look(self, source: Tensor, counts: Tensor | None = None) -> Sources:
        """Every block's keys and values of a source (B, S, D) whose places count where `counts` (B, S) says so."""
        pairs = [block.cross.look(source) for block in self.blocks]
        unseen = None if counts is None or bool(counts.all()) else hidden_from(counts, source.dtype)
        return Sources([k for k, _ in pairs], [v for _, v in pairs], unseen)

    def forward(self, x: Tensor, sources: Sources, memories: list[Memory] | None = None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # as in the plain trunk
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = first = norm(x)
        for at, block in enumerate(self.blocks):
            source = (sources.keys[at], sources.values[at], sources.unseen)
            x = block(x, first, source, memories[at] if memories else None)
        return norm(x)

    def memories(self, n: int, like: Tensor) -> list[Memory]:
        """Empty memories for n sequences of the longest length, on the device and in the type of `like`."""
        s = self.sizes
        return [Memory((n, s.groups, s.length, s.width // s.heads), like) for _ in self.blocks]
