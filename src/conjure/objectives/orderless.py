"""Order-agnostic likelihood: every column from every set of others, in one pass a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective


class Orderless(Objective):
    """-E log P(x | order) over random orders, from one step of each (Hoogeboom et al. 2022, algorithm 2).

    The first t columns of a random order are known, t uniform on 0 .. K-1. Any of the K - t others may come
    next, so their mean loss stands for step t, and K of such steps make a row: weight K / (K - t) on each
    (Uria et al. 2014). A share `natural` of the rows keeps the columns' own order, in which rows are
    scored and sampled, so that the network spends more on the sets it is asked about most.
    """

    needs = ("conditional_nats", "log_prob")
    descends = "model"

    @dataclass(frozen=True)
    class Config:
        """`natural` in [0, 1] is the share of rows whose known columns are the first ones."""

        natural: float = 0.5

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)

    def prepare(self, batch: Batch, rows: int) -> None:
        self.model.begin(batch.x)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return self.each(batch).mean(), {}

    def each(self, batch: Batch) -> Tensor:
        known = self._known(batch)
        nats = self.model.conditional_nats(batch.x, known)
        unknown = (~known).sum(1)
        return nats.sum(1) * known.shape[1] / unknown

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a row in the columns' own order: no estimate, so runs and models compare."""
        return {"loss": -self.model.log_prob(batch.x).mean()}

    def _known(self, batch: Batch) -> Tensor:
        """Which columns are known, (B, K) bool; at least one is not."""
        rows, columns = batch.x.shape
        draws = batch.noise.uniform(rows, columns + 2)
        order = draws[:, 2:].argsort(1).argsort(1)  # each column's place
        natural = draws[:, :1] < self.config.natural
        order = torch.where(natural, torch.arange(columns, device=order.device), order)
        return (order < (draws[:, 1:2] * columns).long()).to(batch.x.device)
