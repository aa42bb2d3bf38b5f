"""Inference functions for margins: each value's own likelihood first, then that of how values hang together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from conjure.core.batch import Batch
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective

BINS, FURTHEST = 4096, 16.0  # of the absolute errors that the conformal factor is read from


class Margins(Objective):
    """-E [sum_i log f_i(x_i | given) + log c(z | given)], in nats a value (Joe 1997, sec. 10.1, as one loss).

    The sum is the exact -log P(x | given); but the copula c sees z without a gradient, so that centre and spread of
    each value answer for that value alone, whatever the errors' correlation is taken to be. Before the first step
    the model starts from its closed forms (`observe`). Each validation reads off the held-out part by how much
    intervals must be widened to cover `coverage` of it, a channel at a time, the conformal factor: the
    ceil((n + 1) coverage) / n quantile of |z| over that of a normal (Romano et al. 2019, eq. 8, in units of scale).
    """

    needs = ("terms", "observe", "recent")

    @dataclass(frozen=True)
    class Config:
        """calibrate: how much of the conformal factor is taken, as its exponent; without held-out data it stays 1.

        The held-out part of a series is one stretch of time, not exchangeable with the next: alone, its whole factor
        (1) covered the next stretch too rarely. After the whole of what the history asks for it carried over.
        """

        calibrate: float = 1.0
        coverage: float = 0.8

    def __init__(self, model: Model, config: Margins.Config):
        super().__init__(model, config)
        self.counts: Tensor | None = None  # (C, bins) of |z|, over the held-out part since training went on

    def prepare(self, batch: Batch, rows: int) -> None:
        self.model.observe(batch.x, batch.given, batch.mask)

    def train(self, mode: bool = True) -> Margins:
        self.counts = None if mode else self.counts
        return super().train(mode)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        nats, z, joint = self.model.terms(batch.x, batch.given, batch.mask, raw=True)
        count = z.numel() if batch.mask is None else batch.mask.sum()
        return -(nats.sum() + joint.sum()) / count, {"margins": -nats.sum() / count}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        nats, z, joint = self.model.terms(batch.x, batch.given, batch.mask, raw=True)
        count = z.numel() if batch.mask is None else batch.mask.sum()
        if self.config.calibrate:
            self._calibrate(z / self.model.recent(batch.given), batch.mask)
        return {"loss": -(nats.sum() + joint.sum()) / count, "margins": -nats.sum() / count}

    def _calibrate(self, z: Tensor, mask: Tensor | None) -> None:
        """Count the errors of a batch and set the model's factor to what all counted so far ask for."""
        channels = z.shape[-1]
        place = (z.abs() * (BINS / FURTHEST)).long().clamp(max=BINS - 1) + BINS * torch.arange(
            channels, device=z.device
        )
        found = place.flatten() if mask is None else place[mask]
        counts = torch.bincount(found, minlength=BINS * channels).view(channels, BINS)
        if dist.is_initialized():
            dist.all_reduce(counts)
        self.counts = counts if self.counts is None else self.counts + counts
        total = self.counts.sum(1, keepdim=True)
        rank = ((total + 1) * self.config.coverage).ceil().clamp(max=total)
        edge = ((self.counts.cumsum(1) < rank).sum(1) + 1).float() * (FURTHEST / BINS)
        normal = torch.special.ndtri(torch.tensor(0.5 + self.config.coverage / 2, device=z.device))
        factor = torch.where(total[:, 0] > 0, edge / normal, 1.0)
        self.model.widen.copy_(factor.clamp(0.1, 10.0) ** self.config.calibrate)
