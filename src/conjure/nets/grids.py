"""Convolutional networks between a picture and a smaller picture of codes, which keeps what lies where."""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.conv import ResBlock, channel_norm, scales, widths


def halvings(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """Sides from a picture's own to those whose shorter one is `side`; empty where halving never meets it.

    (28, 28) to 7 gives 28, 14, 7.
    """
    steps = scales(height, width)
    met = [at for at, sides in enumerate(steps) if at and min(sides) == side]
    return steps[: met[0] + 1] if met else []


class GridReader(nn.Module):
    """A picture to `outputs` channels at a coarser scale, flattened channel by channel.

    Shapes: x (B, C, H, W) and context (B, context) to (B, outputs h w).
    """

    def __init__(self, shape: tuple[int, int, int], outputs: int, side: int, channels: int, context: int = 0):
        super().__init__()
        steps = halvings(*shape[1:], side)
        counts = widths(channels, len(steps))
        self.enter = nn.Conv2d(shape[0], counts[0], 3, padding=1)
        self.blocks = nn.ModuleList(ResBlock(c, context, True) for c in counts)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(counts))
        self.norm = channel_norm(counts[-1], True)
        self.leave = nn.Conv2d(counts[-1], outputs, 1)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.blocks[0](self.enter(x), context)
        for shrink, block in zip(self.shrink, list(self.blocks)[1:]):
            h = block(shrink(h), context)
        return self.leave(F.silu(self.norm(h))).flatten(1)


class GridWriter(nn.Module):
    """A picture of codes with `inputs` channels, flattened or not, to a picture with `shape[0]` numbers a pixel.

    Shapes: z (B, inputs h w) and context (B, context) to (B, *shape).
    """

    def __init__(self, shape: tuple[int, int, int], inputs: int, side: int, channels: int, context: int = 0):
        super().__init__()
        self.steps = halvings(*shape[1:], side)[::-1]
        counts = widths(channels, len(self.steps))[::-1]
        self.first = (inputs, *self.steps[0])
        self.enter = nn.Conv2d(inputs, counts[0], 3, padding=1)
        self.blocks = nn.ModuleList(ResBlock(c, context, True) for c in counts)
        self.grow = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(counts))
        self.norm = channel_norm(counts[-1], True)
        self.leave = nn.Conv2d(counts[-1], shape[0], 3, padding=1)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.blocks[0](self.enter(z.reshape(-1, *self.first)), context)
        for size, grow, block in zip(self.steps[1:], self.grow, list(self.blocks)[1:]):
            h = block(grow(F.interpolate(h, size=size, mode="nearest")), context)
        return self.leave(F.silu(self.norm(h)))
