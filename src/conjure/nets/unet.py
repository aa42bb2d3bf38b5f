"""A picture to a picture of the same shape, seen at all scales."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.conv import ResBlock, channel_norm, scales, widths

FOLDED_FROM = 24  # sides from which 2 x 2 pixels become channels: a quarter of the work at little loss


class UNet(nn.Module):
    """Residual blocks down the scales and up again, with what was seen on the way down beside what comes up
    (Ronneberger et al. 2015), and a context in every block.

    Shapes: x (B, C, H, W) and context (B, context) to (B, C, H, W).
    """

    def __init__(self, shape: tuple[int, int, int], channels: int, context: int):
        super().__init__()
        c, *sides = shape
        self.fold = 2 if min(sides) >= FOLDED_FROM and not (sides[0] % 2 or sides[1] % 2) else 1
        steps = scales(sides[0] // self.fold, sides[1] // self.fold)
        counts = widths(channels, len(steps))
        self.enter = nn.Conv2d(c * self.fold**2, counts[0], 3, padding=1)
        self.down = nn.ModuleList(ResBlock(n, context, True) for n in counts)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(counts))
        pairs = list(itertools.pairwise(counts))[::-1]
        self.merge = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairs)
        self.up = nn.ModuleList(ResBlock(a, context, True) for a, _ in pairs)
        self.norm = channel_norm(counts[0], True)
        self.leave = nn.Conv2d(counts[0], c * self.fold**2, 3, padding=1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.down[0](self.enter(F.pixel_unshuffle(x, self.fold)), context)
        seen = [h]
        for shrink, block in zip(self.shrink, list(self.down)[1:]):
            h = block(shrink(h), context)
            seen.append(h)
        for merge, block, finer in zip(self.merge, self.up, seen[-2::-1]):
            grown = F.interpolate(h, size=finer.shape[2:], mode="nearest")
            h = block(merge(torch.cat([finer, grown], 1)), context)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(h))), self.fold)
