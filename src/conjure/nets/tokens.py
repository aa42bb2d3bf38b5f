"""The two ends of a network over tokens: a sequence or a grid of them to a vector, a vector to logits at every place.

The writer writes all places at once: what hangs together in x must stand in the vector.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Dense, Tokens
from conjure.nets.columns import ColumnEmbedding
from conjure.nets.ends import Reader, Sizes, Writer
from conjure.nets.recurrent import Recurrence
from conjure.nets.transformer import Sizes as TrunkSizes
from conjure.nets.transformer import Transformer

FEW = 8  # numbers that stand for a token of a grid
HEAD = 32  # channels of an attention head


class TokenReader(nn.Module):
    """Tokens and their condition to a vector.

    Shapes: x (B, *shape), given codes (B, K) or None, result (B, outputs).
    """

    def __init__(self, space: Tokens, given: Columns | None, outputs: int, sizes: Sizes):
        super().__init__()
        self.space, self.grid = space, len(space.shape) > 1
        if self.grid:
            few = min(space.vocab, FEW)
            self.embed = nn.Embedding(space.vocab, few)
            colours, *sides = _picture(space)
            self.net = Reader(Dense((few * colours, *sides)), given, outputs, sizes)
            return
        self.context = ColumnEmbedding(given, sizes.width) if given else None
        self.embed = nn.Embedding(space.vocab, sizes.width)
        self.there, self.back = _trunk(space, sizes), _trunk(space, sizes)
        self.leave = nn.Linear(2 * sizes.width, outputs)

    def forward(self, x: Tensor, given: Tensor | None) -> Tensor:
        if self.grid:
            h = self.embed(x.reshape(len(x), *self.space.shape[:2], -1))  # (B, H, W, colours, few)
            return self.net(h.flatten(3).permute(0, 3, 1, 2), given)
        h = self.embed(_whole(x, self.space))
        if self.context is not None:
            h = h + self.context(given).unsqueeze(1)
        read = [_run(self.there, h)[:, -1], _run(self.back, h.flip(1))[:, -1]]
        return self.leave(torch.cat(read, 1))


class TokenWriter(nn.Module):
    """A vector and its condition to logits at every place.

    Shapes: z (B, inputs), given codes (B, K) or None, result (B, V, *shape).
    """

    def __init__(self, space: Tokens, given: Columns | None, inputs: int, sizes: Sizes):
        super().__init__()
        self.space, self.grid = space, len(space.shape) > 1
        if self.grid:
            self.net = Writer(Dense(_picture(space)), given, inputs, sizes, space.vocab)
            return
        self.context = ColumnEmbedding(given, sizes.width) if given else None
        self.enter = nn.Linear(inputs, sizes.width)
        self.embed_place = nn.Parameter(torch.randn(space.length, sizes.width))
        self.there, self.back = _trunk(space, sizes), _trunk(space, sizes)
        self.head = nn.Linear(2 * sizes.width, space.vocab)

    def forward(self, z: Tensor, given: Tensor | None) -> Tensor:
        if self.grid:
            written = self.net(z, given)  # (B, V, colours, H, W)
            return written.movedim(2, -1).flatten(4) if len(self.space.shape) > 2 else written.squeeze(2)
        h = self.enter(z)
        if self.context is not None:
            h = h + self.context(given)
        h = h.unsqueeze(1) + self.embed_place
        both = torch.cat([_run(self.there, h), _run(self.back, h.flip(1)).flip(1)], 2)
        return self.head(both).mT


def _picture(space: Tokens) -> tuple[int, int, int]:
    """A grid as (colours, H, W)."""
    height, width, *colours = space.shape
    return (colours[0] if colours else 1, height, width)


def _trunk(space: Tokens, sizes: Sizes) -> Recurrence | Transformer:
    kind: Literal["recurrent", "transformer"] = "transformer" if sizes.net == "transformer" else "recurrent"
    if kind == "recurrent":
        return Recurrence("gru", sizes.layers, sizes.width)
    heads = max(1, sizes.width // HEAD)
    return Transformer(TrunkSizes(sizes.layers, sizes.width, heads, heads, space.length))


def _run(trunk: Recurrence | Transformer, h: Tensor) -> Tensor:
    return trunk(h)[0] if isinstance(trunk, Recurrence) else trunk(h)


def _whole(x: Tensor, space: Tokens) -> Tensor:
    """Sequences (B, t) filled up to the space's length."""
    missing = space.length - x.shape[1]
    return nn.functional.pad(x, (0, missing), value=space.end or 0) if missing else x
