"""A tiny family and two objectives, for tests of the loop alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.protocol import Model
from conjure.objectives.protocol import Move, Objective
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

WIDTH = 6


class Toy(Model):
    """An energy whose lowest point is the identity."""

    spaces = (Dense,)
    methods = ("log_prob", "generate")

    @dataclass(frozen=True)
    class Config:
        width: int = 16

    def __init__(self, width: int = 16):
        super().__init__(Dense((WIDTH,)), None, self.Config(width))
        self.inner = nn.Linear(WIDTH, width)
        self.outer = nn.Linear(width, WIDTH)

    def generate(self, z: Tensor) -> Tensor:
        return self.outer(torch.relu(self.inner(z)))

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        return -(self.generate(x) - x).square().sum(1)


class Likely(Objective):
    def loss(self, batch):
        noisy = batch.x + 0.1 * batch.noise.normal(*batch.x.shape)
        return -self.model.log_prob(noisy).mean(), {}


class Game(Objective):
    """Two critic moves and one of the model, with a penalty that needs second derivatives."""

    def __init__(self, model, config=None):
        super().__init__(model, config)
        self.critic = nn.Sequential(nn.Linear(WIDTH, 16), nn.SiLU(), nn.Linear(16, 1))

    def players(self):
        return {"model": self.model, "critic": self.critic}

    def moves(self, batch):
        for _ in range(2):
            with torch.no_grad():
                fake = self.model.generate(batch.noise.normal(*batch.x.shape))
            between = (0.5 * batch.x + 0.5 * fake).requires_grad_()
            (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
            distance = self.critic(fake).mean() - self.critic(batch.x).mean()
            yield Move("critic", distance + (slope.norm(dim=1) - 1).square().mean())
        yield Move("model", -self.critic(self.model.generate(batch.noise.normal(*batch.x.shape))).mean())

    def validate(self, batch):
        return {"loss": self.critic(batch.x).mean()}


OBJECTIVES = {"likely": Likely, "game": Game}


def trainer(kind: str = "likely", folder=None, processes=None, **settings) -> Trainer:
    """The same run each time it is called with the same words."""
    torch.manual_seed(0)
    x = torch.randn(300, WIDTH)
    objective = OBJECTIVES[kind](Toy(), None)
    chosen = {"steps": 40, "batch": 32, "threads": 1, "validate_every": 10} | settings
    data = (Examples(Encoded(x[:260]), 5), Examples(Encoded(x[260:]), 5))
    return Trainer(objective, Training(**chosen), data, seed=5, folder=folder, processes=processes)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
