"""Expectation maximisation, step by step: expected counts under the present model become the next model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.rng import generator
from conjure.models.protocol import Model
from conjure.objectives.protocol import Move, Objective


class Expectation(Objective):
    """Stepwise EM for models whose probabilities are normalised expected counts.

    E step: s = E[counts | x, theta] over a batch. M step: S <- (1 - rho) S + rho s, theta = normalised S
    (Cappé and Moulines 2009, eq. 13; Liang and Klein 2009). The model's own step replaces the optimizer's,
    so the moves carry no gradient. With several processes the counts are averaged over all.
    """

    needs = ("expectations", "begin")
    pure = False

    @dataclass(frozen=True)
    class Config:
        """The step size rho falls from `first` to `last` along a half cosine."""

        first: float = 0.3
        last: float = 0.01

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.fraction = 0.0

    def prepare(self, batch: Batch, rows: int) -> None:
        self.model.begin(batch.x, rows, generator(0, "begin"))

    def progress(self, fraction: float) -> None:
        self.fraction = fraction

    def moves(self, batch: Batch) -> Iterator[Move]:
        leaves, links, nats = self.model.expectations(batch.x)
        for counts in (leaves, links):
            if dist.is_initialized():
                dist.all_reduce(counts)
                counts /= dist.get_world_size()
        c = self.config
        rho = c.last + (c.first - c.last) * 0.5 * (1 + math.cos(math.pi * self.fraction))
        self.model.leaves.lerp_(leaves, rho)
        self.model.links.lerp_(links, rho)
        yield Move("model", -nats.mean())

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": -self.model.log_prob(batch.x).mean()}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            return -self.model.log_prob(batch.x).mean(), {}
