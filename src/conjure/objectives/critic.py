"""The critic of an adversarial game: a score of realness, and the two penalties on its slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Columns, Dense
from conjure.nets.columns import ColumnEmbedding, Layout
from conjure.nets.ends import Reader, Sizes
from conjure.nets.field import FEW, WAVES
from conjure.nets.spectral import constrain


class Critic(nn.Module):
    """A score of realness, (B,), for arrays (B, *shape) or rows in their wide form (B, W).

    No part of it looks across examples, else the slope would not be that of one of them. With `projection` the
    condition meets what was read at the end only, in an inner product (Miyato & Koyama 2018, eq. 3). `spectral`
    bounds the slope of each layer. Shapes: real and fake (B, ...), given codes (B, K) or None.
    """

    methods: ClassVar = ("contrast", "judge")

    def __init__(
        self,
        space: Dense | Columns,
        given: Columns | None,
        sizes: Sizes,
        *,
        projection=False,
        spectral=False,
        waves=True,
    ):
        super().__init__()
        self.layout = Layout(space) if isinstance(space, Columns) else None
        seen = Dense((self.layout.wide,)) if self.layout else space
        self.waves = WAVES if waves and self.layout is None and math.prod(space.shape) <= FEW else ()
        if self.waves:
            seen = Dense((math.prod(space.shape) * (1 + 2 * len(WAVES)),))
        self.reader = Reader(seen, None if projection else given, sizes.width, sizes)
        self.head = nn.Linear(sizes.width, 1, bias=False)  # only differences of scores count
        self.meets = ColumnEmbedding(given, sizes.width) if projection and given else None
        self.register_buffer("moved", torch.zeros((), dtype=torch.long))  # kept in checkpoints
        if spectral:
            constrain(self)

    def forward(self, x: Tensor, given: Tensor | None) -> Tensor:
        if self.waves:
            x = x.flatten(1)
            x = torch.cat([x, *(wave(turns * x) for turns in self.waves for wave in (torch.cos, torch.sin))], 1)
        h = F.silu(self.reader(x, given))
        score = self.head(h).sum(1)  # a view would slip past sharding
        return score if self.meets is None else score + (h * self.meets(given)).mean(1)

    def spread(self, x: Tensor) -> Tensor:
        """Real examples in the form the critic reads."""
        return self.layout.widen(x) if self.layout else x

    def turn(self, every: int) -> bool:
        """Whether this move, of all its moves in training, is one of each `every`; counts it."""
        due = int(self.moved) % every == 0
        self.moved += 1
        return due

    def judge(self, real: Tensor, fake: Tensor, given: Tensor | None, *, penalised: bool) -> tuple[Tensor, ...]:
        """Scores of real and fake, (B,) each, and the slope at real examples, (), 0 unless `penalised`.

        One method, so that sharded weights are gathered once for the loss and its double backward.
        """
        if penalised:
            real = real.detach().requires_grad_()
            high = Critic.forward(self, real, given)
            return high, Critic.forward(self, fake, given), real_slope(high, real)
        score = Critic.forward(self, torch.cat([real, fake]), twice(given))
        high, low = score.chunk(2)
        return high.clone(), low.clone(), score.new_zeros(())

    def contrast(self, real: Tensor, fake: Tensor, given: Tensor | None, mix: Tensor | None) -> tuple[Tensor, Tensor]:
        """E critic(real) - E critic(fake), and the slope penalty between them, 0 without `mix`; both ()."""
        high, low = Critic.forward(self, torch.cat([real, fake]), twice(given)).chunk(2)
        gap = high.mean() - low.mean()
        if mix is None:
            return gap, gap.new_zeros(())
        return gap, slope_penalty(lambda x: Critic.forward(self, x, given), real, fake, mix)


def twice(given: Tensor | None) -> Tensor | None:
    """The condition of real and fake side by side."""
    return None if given is None else torch.cat([given, given])


def slope_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """How far the critic's slope strays from one between real and fake.

    The best critic with slope at most one measures the Wasserstein distance; asking for
    exactly one at random midpoints is the cheap stand-in (Gulrajani et al. 2017, eq. 3).
    Batch norm in the critic breaks it: the slope would not be that of a single example.

    Shapes: real and fake (B, ...), mix (B,) in [0, 1), result ().
    """
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))
    between = torch.lerp(fake.to(real.dtype), real, mix).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def real_slope(score: Tensor, real: Tensor) -> Tensor:
    """E |slope|^2 at real examples, which is zero where the game has ended (Mescheder et al. 2018, eq. 9).

    Shapes: score (B,) of real (B, ...), of which it is a function; result ().
    """
    (slope,) = torch.autograd.grad(score.sum(), real, create_graph=True)
    return slope.float().flatten(1).square().sum(1).mean()
