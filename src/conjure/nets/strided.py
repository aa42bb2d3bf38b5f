"""Light convolutional networks for games: strided convolutions alone, few of them at full resolution."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 8  # sides at which a picture becomes a vector
WIDEST = 4  # channels grow with every halving, up to this many times the first
SLOPE = 0.2  # of the leaky rectifier below zero


def halvings(height: int, width: int) -> list[tuple[int, int]]:
    """Sides at each halving, rounded up: (28, 28) gives 28, 14, 7."""
    out = [(height, width)]
    while min(out[-1]) > SMALLEST:
        h, w = out[-1]
        out.append(((h + 1) // 2, (w + 1) // 2))
    return out


class StridedReader(nn.Module):
    """A picture to a vector by 4x4 convolutions of stride two (Radford et al. 2016), without norms.

    Shapes: x (B, C, H, W) and context (B, context) to (B, outputs).
    """

    def __init__(self, shape: tuple[int, int, int], outputs: int, channels: int, context: int = 0):
        super().__init__()
        steps = halvings(*shape[1:])
        counts = [shape[0], *(channels * min(2**k, WIDEST) for k in range(len(steps) - 1))]
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(counts))
        self.shift = nn.Linear(context, counts[1]) if context else None
        self.mix = nn.Conv2d(counts[-1], counts[-1], 3, padding=1)
        self.leave = nn.Linear(counts[-1] * steps[-1][0] * steps[-1][1], outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        for k, shrink in enumerate(self.shrink):
            x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))  # so that sides are halved rounding up
            x = shrink(x)
            if k == 0 and self.shift is not None:
                x = x + self.shift(context)[:, :, None, None]
            x = F.leaky_relu(x, SLOPE)
        return self.leave(F.leaky_relu(self.mix(x), SLOPE).flatten(1))


class StridedWriter(nn.Module):
    """A vector to a picture with `depth` numbers a pixel by transposed 4x4 convolutions of stride two.

    The vector and its context also scale and shift the channels of each stage (Chen et al. 2019, eq. 2), after a norm
    over one example, so that examples do not mix as they do in batch norm.

    Shapes: z (B, inputs) and context (B, context) to (B, depth, H, W).
    """

    def __init__(self, inputs: int, sides: tuple[int, int], depth: int, channels: int, context: int = 0):
        super().__init__()
        self.steps = halvings(*sides)[::-1]
        counts = [channels * min(2**k, WIDEST) for k in range(len(self.steps) - 1)][::-1]
        inputs += context
        self.first = (counts[0], *self.steps[0])
        self.enter = nn.Linear(inputs, counts[0] * self.steps[0][0] * self.steps[0][1])
        pairs = itertools.pairwise([*counts, depth])
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        self.modulate = nn.ModuleList(nn.Linear(inputs, 2 * count) for count in counts)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        if context is not None:  # as long as the noise, else it drowns it: classes without variety within
            z = torch.cat([z, context * (z.shape[1] / context.shape[1]) ** 0.5 / 2], 1)
        h = self.enter(z).unflatten(1, self.first)
        for (height, width), modulate, grow in zip(self.steps[1:], self.modulate, self.grow):
            scale, shift = modulate(z)[:, :, None, None].chunk(2, 1)
            h = F.leaky_relu(F.group_norm(h, 1) * (1 + scale) + shift, SLOPE)
            h = grow(h)[:, :, :height, :width]
        return h
