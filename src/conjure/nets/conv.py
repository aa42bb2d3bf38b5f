"""Small convolutional networks between a picture (C, H, W) and a vector, by halving and doubling its sides."""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 4  # sides at which a picture becomes a vector
WIDEST = 4  # channels grow with every halving, up to this many times the first


def scales(height: int, width: int) -> list[tuple[int, int]]:
    """Sides at each halving, rounded up: (28, 28) gives 28, 14, 7, 4."""
    out = [(height, width)]
    while min(out[-1]) > SMALLEST:
        h, w = out[-1]
        out.append(((h + 1) // 2, (w + 1) // 2))
    return out


class ConvReader(nn.Module):
    """A picture to a vector: residual blocks with a strided convolution between scales.

    Shapes: x (B, C, H, W) and context (B, context) to (B, outputs).
    """

    def __init__(self, shape: tuple[int, int, int], outputs: int, channels: int, context: int = 0, norm: bool = True):
        super().__init__()
        steps = scales(*shape[1:])
        counts = widths(channels, len(steps))
        self.enter = nn.Conv2d(shape[0], counts[0], 3, padding=1)
        self.blocks = nn.ModuleList(ResBlock(c, context, norm) for c in counts)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(counts))
        self.norm = channel_norm(counts[-1], norm)
        self.leave = nn.Linear(counts[-1] * steps[-1][0] * steps[-1][1], outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.blocks[0](self.enter(x), context)
        for shrink, block in zip(self.shrink, list(self.blocks)[1:]):
            h = block(shrink(h), context)
        return self.leave(F.silu(self.norm(h)).flatten(1))


class ConvWriter(nn.Module):
    """A vector to a picture with `depth` numbers a pixel: nearest upsampling, then a residual block.

    Shapes: z (B, inputs) and context (B, context) to (B, depth, H, W).
    """

    def __init__(
        self, inputs: int, sides: tuple[int, int], depth: int, channels: int, context: int = 0, norm: bool = True
    ):
        super().__init__()
        self.steps = scales(*sides)[::-1]
        counts = widths(channels, len(self.steps))[::-1]
        self.first = (counts[0], *self.steps[0])
        self.enter = nn.Linear(inputs, counts[0] * self.steps[0][0] * self.steps[0][1])
        self.blocks = nn.ModuleList(ResBlock(c, context, norm) for c in counts)
        self.grow = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(counts))
        self.norm = channel_norm(counts[-1], norm)
        self.leave = nn.Conv2d(counts[-1], depth, 3, padding=1)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.blocks[0](self.enter(z).unflatten(1, self.first), context)
        for size, grow, block in zip(self.steps[1:], self.grow, list(self.blocks)[1:]):
            h = block(grow(F.interpolate(h, size=size, mode="nearest")), context)
        return self.leave(F.silu(self.norm(h)))


class ResBlock(nn.Module):
    """Two 3x3 convolutions around the identity; the context moves the channels in between."""

    def __init__(self, channels: int, context: int, norm: bool):
        super().__init__()
        self.norms = nn.ModuleList(channel_norm(channels, norm) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.shift = nn.Linear(context, channels) if context else None

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        h = self.convs[0](F.silu(self.norms[0](x)))
        if self.shift is not None:
            h = h + self.shift(context)[:, :, None, None]
        return x + self.convs[1](F.silu(self.norms[1](h)))


def channel_norm(channels: int, wanted: bool) -> nn.Module:
    """Over all channels of one example, so that examples do not mix."""
    return nn.GroupNorm(1, channels) if wanted else nn.Identity()


def widths(first: int, count: int) -> list[int]:
    return [first * min(2**k, WIDEST) for k in range(count)]
