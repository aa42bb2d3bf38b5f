"""A vector at every point and time: the network behind a flow."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Dense
from conjure.nets.columns import ColumnEmbedding
from conjure.nets.ends import Sizes, is_picture
from conjure.nets.mlp import ResMLP
from conjure.nets.unet import UNet

FASTEST = 16.0  # turns of the quickest wave over a unit of time; much quicker ones make a field solvers stumble on
WAVES = tuple(math.pi * turns for turns in (0.5, 1, 2, 4, 8))
FEW = 16  # up to so many dimensions x, of scale about one, is also shown as waves: narrow modes run together without


class Field(nn.Module):
    """v(x, t, given): pictures by a U-Net, all else by a residual perceptron.

    Where `keep` is False an example's condition is replaced by a learnt "nothing is given".

    Shapes: x (B, *shape), t (B,) in [0, 1], given codes (B, K) or None, keep (B,) or None, result (B, *shape).
    """

    def __init__(self, space: Dense, given: Columns | None, sizes: Sizes):
        super().__init__()
        width, self.shape = sizes.width, space.shape
        self.time = TimeEmbedding(width)
        self.context = ColumnEmbedding(given, width) if given else None
        self.nothing = nn.Parameter(torch.zeros(width)) if given else None
        self.pictures = is_picture(space)
        if self.pictures:
            self.net = UNet(space.shape, sizes.channels, width)  # type: ignore[arg-type]
        else:
            size = math.prod(space.shape)
            self.waves = WAVES if size <= FEW else ()
            self.net = ResMLP(size * (1 + 2 * len(self.waves)) + width, size, width, sizes.layers)

    def forward(self, x: Tensor, t: Tensor, given: Tensor | None = None, keep: Tensor | None = None) -> Tensor:
        context = self.time(t)
        if self.context is not None:
            label = self.context(given)
            context = context + (label if keep is None else torch.where(keep[:, None], label, self.nothing))
        if self.pictures:
            return self.net(x, context)
        x = x.flatten(1)
        waves = [wave(turns * x) for turns in self.waves for wave in (torch.cos, torch.sin)]
        return (
            self.net(torch.cat([x, *waves, context], 1)).unflatten(1, self.shape).clone()
        )  # a view slips past sharding


class TimeEmbedding(nn.Module):
    """A time as waves of growing frequency, mixed by a small perceptron: (B,) to (B, width)."""

    def __init__(self, width: int, waves: int = 16):
        super().__init__()
        turns = torch.logspace(math.log10(0.25), math.log10(FASTEST), waves)
        self.register_buffer("speeds", 2 * math.pi * turns, persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * waves, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * self.speeds
        return self.mix(torch.cat([angle.cos(), angle.sin()], 1))
