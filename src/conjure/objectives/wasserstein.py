"""The Wasserstein game with a slope penalty: a critic measures how far samples are from data, a generator closes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import generator
from conjure.core.space import Columns, Dense
from conjure.models.gan import Generator
from conjure.nets.columns import Layout
from conjure.nets.ends import Reader, Sizes
from conjure.objectives.protocol import Move, Objective


class Wasserstein(Objective):
    """min over the generator, max over critics of slope one, of E critic(real) - E critic(fake).

    Arjovsky et al. 2017, eq. 2; the slope by penalty: Gulrajani et al. 2017, eq. 3. A step's batch is cut into
    `critic_moves` parts, one a critic move; then the generator moves once, on as many examples as the batch has.
    """

    needs: ClassVar = ("generate", "noise")

    @dataclass(frozen=True)
    class Config:
        """penalty is lambda of eq. 3 (10 there; 1 came closer on a ring of Gaussians and on digits); critic_rate
        multiplies the learning rate; width, layers and channels are the critic's; directions are those of the
        validation distance.
        """

        critic_moves: int = 3
        penalty: float = 1.0
        critic_rate: float = 1.0
        width: int = 256
        layers: int = 2
        channels: int = 32
        directions: int = 128

        def __post_init__(self) -> None:
            if self.critic_moves < 1 or self.penalty < 0 or self.directions < 1:
                raise ConfigError("objective.critic_moves and .directions are at least 1, objective.penalty at least 0")

    def __init__(self, model: Generator, config: Config):
        super().__init__(model, config)
        self.critic = Critic(model.space, model.given, Sizes(config.width, config.layers, config.channels, norm=False))

    def players(self) -> dict[str, nn.Module]:
        return {"model": self.model, "critic": self.critic}

    def settings(self, player: str) -> dict[str, Any]:
        """Momentum makes the game circle, so there is none (Gulrajani et al. 2017, alg. 1)."""
        return {"betas": (0.0, 0.9), "decay": 0.0, "rate": self.config.critic_rate if player == "critic" else 1.0}

    def moves(self, batch: Batch) -> Iterator[Move]:
        size = max(1, len(batch) // self.config.critic_moves)
        for k in range(self.config.critic_moves):
            start = k * size % len(batch)
            part = batch.rows(slice(start, start + size))
            with torch.no_grad():
                fake = self._fake(part)
            mix = part.noise.uniform(len(part)).to(fake.device)
            distance, penalty = self.critic.contrast(part.x, fake, part.given, mix)
            metrics = {"distance": distance.detach(), "penalty": penalty.detach()}
            yield Move("critic", self.config.penalty * penalty - distance, metrics)
        yield Move("model", -self.critic(self._fake(batch), batch.given).mean())

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Sliced distance of samples to held-out data, the critic's own beside it.

        The critic's distance shrinks when the critic is weak, so it cannot tell when to stop; the sliced one can.
        Spread over processes each measures its own rows, which are fewer, so the figure is a little higher there.
        """
        fake, real = self._fake(batch), self.critic.spread(batch.x)
        gap = self.critic(real, batch.given).mean() - self.critic(fake, batch.given).mean()
        return {"loss": sliced_distance(real.flatten(1), fake.flatten(1), self.config.directions), "distance": gap}

    def _fake(self, batch: Batch) -> Tensor:
        z, spread = self.model.noise(batch.noise, len(batch))
        where = batch.x.device
        return self.model.generate(z.to(where), None if spread is None else spread.to(where), batch.given)


class Critic(nn.Module):
    """A score of realness, (B,), for arrays (B, *shape) or rows in their wide form (B, W).

    No part of it looks across examples, else the slope would not be that of one of them.
    """

    methods: ClassVar = ("contrast",)

    def __init__(self, space: Dense | Columns, given: Columns | None, sizes: Sizes):
        super().__init__()
        self.layout = Layout(space) if isinstance(space, Columns) else None
        seen = Dense((self.layout.wide,)) if self.layout else space
        self.reader = Reader(seen, given, sizes.width, sizes)
        self.head = nn.Linear(sizes.width, 1, bias=False)  # only differences of scores count

    def forward(self, x: Tensor, given: Tensor | None) -> Tensor:
        return self.head(F.silu(self.reader(x, given))).sum(1)  # a view would slip past sharding

    def spread(self, x: Tensor) -> Tensor:
        """Real examples in the form the critic reads."""
        return self.layout.widen(x) if self.layout else x

    def contrast(self, real: Tensor, fake: Tensor, given: Tensor | None, mix: Tensor) -> tuple[Tensor, Tensor]:
        """E critic(real) - E critic(fake), and the slope penalty between them; both ().

        One method, so that sharded weights are gathered once for the loss and its double backward.
        """
        real = self.spread(real)
        score = Critic.forward(self, torch.cat([real, fake]), None if given is None else torch.cat([given, given]))
        high, low = score.chunk(2)
        penalty = slope_penalty(lambda x: Critic.forward(self, x, given), real, fake, mix)
        return high.mean() - low.mean(), penalty


def slope_penalty(critic: Any, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """How far the critic's slope strays from one between real and fake.

    The best critic with slope at most one measures the Wasserstein distance; asking for
    exactly one at random midpoints is the cheap stand-in (Gulrajani et al. 2017, eq. 3).
    Batch norm in the critic breaks it: the slope would not be that of a single example.

    Shapes: real and fake (B, ...), mix (B,) in [0, 1), result ().
    """
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))
    between = torch.lerp(fake, real, mix).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def sliced_distance(a: Tensor, b: Tensor, directions: int) -> Tensor:
    """The mean Wasserstein-1 distance of two equally large sets along fixed random directions.

    Sorting solves the problem exactly in one dimension (Bonneel et al. 2015, eq. 8).

    Shapes: a and b (N, D), result ().
    """
    rays = torch.randn(a.shape[1], directions, generator=generator(0, "directions")).to(a)
    rays = rays / rays.norm(dim=0)
    return ((a.float() @ rays).sort(0).values - (b.float() @ rays).sort(0).values).abs().mean()
