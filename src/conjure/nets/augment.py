"""Differentiable augmentation of pictures: a critic sees real and made ones moved, cut and recoloured alike."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from conjure.core.space import Dense

Kind = Literal["translation", "cutout", "colour"]
DRAWS = 7  # uniform numbers a picture: shift (2), hole (2), brightness, saturation, contrast
SHIFT = 1 / 8  # of a side, at most
HOLE = 1 / 2  # of a side


class Augment(nn.Module):
    """Changes of a picture that gradients pass through (Zhao et al. 2020, section 3.2 and their settings).

    A function of the pictures and of uniform draws, so that it keeps no state and the caller owns the randomness.
    What is moved in or cut out is the middle of the range of values, 0 in the paper.

    Shapes: x (B, C, H, W), draws (B, DRAWS) in [0, 1), result as x.
    """

    def __init__(self, space: Dense, kinds: tuple[Kind, ...]):
        super().__init__()
        self.kinds, self.middle, self.half = kinds, (space.high + space.low) / 2, (space.high - space.low) / 2

    def forward(self, x: Tensor, draws: Tensor) -> Tensor:
        if not self.kinds:
            return x
        x = (x - self.middle) / self.half
        if "colour" in self.kinds:
            x = recoloured(x, draws[:, 4:7])
        if "translation" in self.kinds:
            x = moved(x, draws[:, 0:2])
        if "cutout" in self.kinds:
            x = x * ~hole(x, draws[:, 2:4])
        return self.middle + self.half * x


def recoloured(x: Tensor, draws: Tensor) -> Tensor:
    """Brightness by -0.5 .. 0.5, saturation times 0 .. 2, contrast times 0.5 .. 1.5; draws (B, 3)."""
    brighter, stronger, sharper = draws[:, :, None, None, None].unbind(1)
    x = x + (brighter - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + 2 * stronger * (x - grey)
    level = x.mean((1, 2, 3), keepdim=True)
    return level + (0.5 + sharper) * (x - level)


def moved(x: Tensor, draws: Tensor) -> Tensor:
    """Each picture by whole pixels, at most an eighth of its sides either way, zeros behind it; draws (B, 2)."""
    for axis, draw in ((2, draws[:, 0]), (3, draws[:, 1])):
        side = x.shape[axis]
        most = round(side * SHIFT)
        step = (draw * (2 * most + 1)).long() - most  # (B,)
        source = torch.arange(side, device=x.device) - step[:, None]  # (B, side)
        inside = (source >= 0) & (source < side)
        shape = (len(x), 1, side, 1) if axis == 2 else (len(x), 1, 1, side)
        x = x.gather(axis, source.clamp(0, side - 1).reshape(shape).expand_as(x)) * inside.reshape(shape)
    return x


def hole(x: Tensor, draws: Tensor) -> Tensor:
    """Where each picture loses a rectangle of half its sides, partly outside it: (B, 1, H, W) bool; draws (B, 2)."""
    parts = []
    for axis, draw in ((2, draws[:, 0]), (3, draws[:, 1])):
        side = x.shape[axis]
        size = round(side * HOLE)
        start = (draw * (side + 1 - size % 2)).long() - size // 2  # (B,)
        place = torch.arange(side, device=x.device)
        parts.append((place >= start[:, None]) & (place < start[:, None] + size))
    return (parts[0][:, :, None] & parts[1][:, None, :]).unsqueeze(1)
