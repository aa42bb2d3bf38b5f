"""A clip to a clip of the same shape: pictures seen at all scales, moments beside their neighbours."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.conv import ResBlock, channel_norm, scales, widths

FOLDED_FROM = 16  # sides from which 2 x 2 pixels become channels: a quarter of the work


class Neighbours(nn.Module):
    """Each pixel of a moment, the one before and the one after: a convolution along time around the identity.

    It starts as the identity, so that a block begins by treating moments as single pictures (Singer et al. 2022,
    section 3.2). Beyond the first and the last moment there are zeros, which tells a block where a clip ends.

    Shapes: x (B, T, C, H, W) in and out.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.norm = channel_norm(channels, True)
        self.mix = nn.Conv2d(3 * channels, channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = F.silu(self.norm(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        padded = F.pad(h, (0, 0, 0, 0, 0, 0, 1, 1))
        near = torch.cat([padded[:, :-2], h, padded[:, 2:]], 2)  # (B, T, 3 C, H, W)
        return x + self.mix(near.flatten(0, 1)).unflatten(0, x.shape[:2])


class Moments(nn.Module):
    """A residual block on every moment's picture, then a look at the neighbouring moments, twice.

    Factorised, (2 + 1)-dimensional convolutions (Tran et al. 2018, section 3.5): space and time each by itself.

    Shapes: x (B, T, C, H, W) and context (B, context) to (B, T, C, H, W).
    """

    def __init__(self, channels: int, context: int):
        super().__init__()
        self.picture = ResBlock(channels, context, True)
        self.time = nn.Sequential(Neighbours(channels), Neighbours(channels))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        told = context.repeat_interleave(x.shape[1], 0)
        return self.time(self.picture(x.flatten(0, 1), told).unflatten(0, x.shape[:2]))


class VideoUNet(nn.Module):
    """A U-Net over space whose blocks also look along time (Ho et al. 2022, section 3); time is never halved.

    Shapes: x (B, T, C, H, W) and context (B, context) to (B, T, C, H, W).
    """

    def __init__(self, shape: tuple[int, int, int, int], channels: int, context: int):
        super().__init__()
        _, c, *sides = shape
        self.fold = 2 if min(sides) >= FOLDED_FROM and not (sides[0] % 2 or sides[1] % 2) else 1
        counts = widths(channels, len(scales(sides[0] // self.fold, sides[1] // self.fold)))
        self.enter = nn.Conv2d(c * self.fold**2, counts[0], 3, padding=1)
        self.down = nn.ModuleList(Moments(n, context) for n in counts)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(counts))
        pairs = list(itertools.pairwise(counts))[::-1]
        self.merge = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairs)
        self.up = nn.ModuleList(Moments(a, context) for a, _ in pairs)
        self.norm = channel_norm(counts[0], True)
        self.leave = nn.Conv2d(counts[0], c * self.fold**2, 3, padding=1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        clip = x.shape[:2]
        pictures = self.enter(F.pixel_unshuffle(x.flatten(0, 1), self.fold))
        h = self.down[0](pictures.unflatten(0, clip), context)
        seen = [h]
        for shrink, block in zip(self.shrink, list(self.down)[1:]):
            h = block(shrink(h.flatten(0, 1)).unflatten(0, clip), context)
            seen.append(h)
        for merge, block, finer in zip(self.merge, self.up, seen[-2::-1]):
            grown = F.interpolate(h.flatten(0, 1), size=finer.shape[3:], mode="nearest")
            h = block(merge(torch.cat([finer.flatten(0, 1), grown], 1)).unflatten(0, clip), context)
        out = self.leave(F.silu(self.norm(h.flatten(0, 1))))
        return F.pixel_shuffle(out, self.fold).unflatten(0, clip)
