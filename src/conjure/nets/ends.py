"""The two ends of a network over any of our spaces: `Reader` turns x into a vector, `Writer` a vector into
numbers for every element of x. Pictures get convolutions, all else a residual perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Dense
from conjure.nets.columns import ColumnEmbedding, Layout
from conjure.nets.conv import ConvReader, ConvWriter
from conjure.nets.mlp import ResMLP

SMALLEST_PICTURE = 12  # below this side a perceptron sees the whole picture at less cost


@dataclass(frozen=True)
class Sizes:
    """Width and layers of the perceptrons, channels of the convolutions at full resolution; norm inside or not."""

    width: int = 256
    layers: int = 2
    channels: int = 32
    norm: bool = True


class Reader(nn.Module):
    """x and its condition to a vector.

    Shapes: x in the space (B, ...), given codes (B, K) or None, result (B, outputs).
    """

    def __init__(self, space: Dense | Columns, given: Columns | None, outputs: int, sizes: Sizes):
        super().__init__()
        width = sizes.width
        self.context = ColumnEmbedding(given, width) if given else None
        self.pictures = is_picture(space)
        if self.pictures:
            self.net = ConvReader(space.shape, outputs, sizes.channels, width if given else 0, sizes.norm)  # type: ignore[union-attr]
            return
        self.embedding = ColumnEmbedding(space, width) if isinstance(space, Columns) else None
        inputs = width if isinstance(space, Columns) else math.prod(space.shape)
        self.net = ResMLP(inputs + (width if given else 0), outputs, width, sizes.layers, sizes.norm)

    def forward(self, x: Tensor, given: Tensor | None) -> Tensor:
        context = self.context(given) if self.context is not None else None
        if self.pictures:
            return self.net(x, context)
        h = self.embedding(x) if self.embedding is not None else x.flatten(1)
        return self.net(h if context is None else torch.cat([h, context], 1))


class Writer(nn.Module):
    """A vector and its condition to `depth` numbers for every element of x (columns: their wide form).

    Shapes: z (B, inputs), given codes (B, K) or None, result (B, depth, *shape) or (B, W).
    """

    def __init__(self, space: Dense | Columns, given: Columns | None, inputs: int, sizes: Sizes, depth: int = 1):
        super().__init__()
        width = sizes.width
        self.context = ColumnEmbedding(given, width) if given else None
        self.pictures = is_picture(space)
        if self.pictures:
            c, *sides = space.shape  # type: ignore[union-attr]
            self.shape = (depth, c)
            self.net = ConvWriter(inputs, tuple(sides), depth * c, sizes.channels, width if given else 0, sizes.norm)
            return
        self.shape = (Layout(space).wide,) if isinstance(space, Columns) else (depth, *space.shape)
        self.net = ResMLP(inputs + (width if given else 0), math.prod(self.shape), width, sizes.layers, sizes.norm)

    def forward(self, z: Tensor, given: Tensor | None) -> Tensor:
        context = self.context(given) if self.context is not None else None
        if self.pictures:
            return self.net(z, context).unflatten(1, self.shape)
        return self.net(z if context is None else torch.cat([z, context], 1)).unflatten(1, self.shape)


def is_picture(space: Dense | Columns) -> bool:
    """Whether x is a picture large enough for convolutions."""
    return isinstance(space, Dense) and len(space.shape) == 3 and min(space.shape[1:]) >= SMALLEST_PICTURE
