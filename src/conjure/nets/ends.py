"""The two ends of a network over arrays and rows: `Reader` turns x into a vector, `Writer` a vector into
numbers for every element of x. Pictures get convolutions, all else a perceptron; tokens have a file of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Dense
from conjure.nets.columns import ColumnEmbedding, Layout
from conjure.nets.conv import ConvReader, ConvWriter
from conjure.nets.grids import GridReader, GridWriter, halvings
from conjure.nets.mlp import MLP, ResMLP
from conjure.nets.strided import StridedReader, StridedWriter

SMALLEST_PICTURE = 12  # below this side a perceptron sees the whole picture at less cost


@dataclass(frozen=True)
class Sizes:
    """Width and layers of the perceptrons, channels of the convolutions at full resolution; norm inside or not.

    net "dense" has perceptrons for pictures too, "plain" ones without residues, "strided" lighter convolutions;
    grid > 0 makes the vector a flattened picture with that shorter side.
    """

    width: int = 256
    layers: int = 2
    channels: int = 32
    norm: bool = True
    net: str = "auto"
    grid: int = 0


class Reader(nn.Module):
    """x and its condition to a vector.

    Shapes: x in the space (B, ...), given codes (B, K) or None, result (B, outputs).
    """

    def __init__(self, space: Dense | Columns, given: Columns | None, outputs: int, sizes: Sizes):
        super().__init__()
        width = sizes.width
        self.context = ColumnEmbedding(given, width) if given else None
        self.pictures = is_picture(space, sizes)
        if sizes.grid:
            cells = math.prod(halvings(*space.shape[1:], sizes.grid)[-1])  # type: ignore[union-attr]
            self.net = GridReader(space.shape, outputs // cells, sizes.grid, sizes.channels, width if given else 0)  # type: ignore[union-attr]
            return
        if self.pictures and sizes.net == "strided":
            self.net = StridedReader(space.shape, outputs, sizes.channels, width if given else 0)  # type: ignore[union-attr]
            return
        if self.pictures:
            self.net = ConvReader(space.shape, outputs, sizes.channels, width if given else 0, sizes.norm)  # type: ignore[union-attr]
            return
        self.embedding = ColumnEmbedding(space, width) if isinstance(space, Columns) else None
        inputs = width if isinstance(space, Columns) else math.prod(space.shape)
        self.net = perceptron(inputs + (width if given else 0), outputs, sizes)

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
        self.pictures = is_picture(space, sizes)
        if self.pictures:
            c, *sides = space.shape  # type: ignore[union-attr]
            self.shape = (depth, c)
            if sizes.grid:
                inputs //= math.prod(halvings(*sides, sizes.grid)[-1])
                shape = (depth * c, *sides)
                self.net = GridWriter(shape, inputs, sizes.grid, sizes.channels, width if given else 0)
                return
            if sizes.net == "strided":
                self.net = StridedWriter(inputs, tuple(sides), depth * c, sizes.channels, width if given else 0)
                return
            self.net = ConvWriter(inputs, tuple(sides), depth * c, sizes.channels, width if given else 0, sizes.norm)
            return
        self.shape = (Layout(space).wide,) if isinstance(space, Columns) else (depth, *space.shape)
        self.net = perceptron(inputs + (width if given else 0), math.prod(self.shape), sizes)

    def forward(self, z: Tensor, given: Tensor | None) -> Tensor:
        context = self.context(given) if self.context is not None else None
        if self.pictures:
            return self.net(z, context).unflatten(1, self.shape)
        return self.net(z if context is None else torch.cat([z, context], 1)).unflatten(1, self.shape)


def is_picture(space: Dense | Columns, sizes: Sizes = Sizes()) -> bool:
    """Whether x is a picture that gets convolutions: a large one, or any where the sizes ask for them."""
    if not isinstance(space, Dense) or len(space.shape) != 3 or sizes.net in ("dense", "plain"):
        return False
    return bool(sizes.grid) or sizes.net == "convolutional" or min(space.shape[1:]) >= SMALLEST_PICTURE


def perceptron(inputs: int, outputs: int, sizes: Sizes) -> nn.Module:
    """Residual, or the plain one of the founding papers."""
    if sizes.net == "plain":
        return MLP(inputs, outputs, sizes.width, sizes.layers)
    return ResMLP(inputs, outputs, sizes.width, sizes.layers, sizes.norm)
