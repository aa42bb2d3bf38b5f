"""Infilling: the likelihood of what is hidden given what is shown, under masks drawn anew for every example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective

KINDS = (0.45, 0.75)  # below the first: whole voices are shown; then all but a gap; else single cells


class Infilling(Objective):
    """-E log P(x hidden | x shown, given), the mean over hidden cells, over masks of several kinds.

    A share `alone` of examples show nothing, so that the model composes on its own. The others show whole voices
    (harmonise, complete a voice), or all but a passage (fill a gap, go on), or single cells at random (vary):
    Donahue et al. 2020 do so for texts; here x has columns that are voices. Which cells are shown the model is told
    through its condition.
    """

    needs = ("informed", "mean_nats", "log_prob")

    @dataclass(frozen=True)
    class Config:
        """`alone` in [0, 1] is the share of examples that show nothing."""

        alone: float = 0.5

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        if batch.given is None:
            return self.model.mean_nats(batch.x, None, batch.mask), {}
        shown = self._shown(batch)
        if batch.mask is not None:
            shown = shown & batch.mask
        hidden = ~shown if batch.mask is None else ~shown & batch.mask
        return self.model.mean_nats(batch.x, self.model.informed(batch.x, batch.given, shown), hidden), {}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a cell with nothing shown: no estimate, so runs and models compare."""
        return {"loss": self.model.mean_nats(batch.x, batch.given, batch.mask)}

    def _shown(self, batch: Batch) -> Tensor:
        """Which cells are shown, (B, T, V) bool."""
        rows, frames, voices = batch.x.shape
        draws = batch.noise.uniform(rows, 4 + voices).to(batch.x.device)
        kind, share = draws[:, 0:1, None], draws[:, 1:2, None]
        # Not all voices: the one of the largest draw stays hidden.
        own = draws[:, 4:]
        some = (own < draws[:, 1:2]) & (own < own.max(1, keepdim=True).values)
        at = torch.arange(frames, device=batch.x.device)[None, :, None]
        length = frames if batch.mask is None else batch.mask.flatten(2).any(2).sum(1)[:, None, None]
        first = draws[:, 2:3, None] * length
        gap = (at >= first) & (at < first + draws[:, 3:4, None] * length)
        cells = batch.noise.uniform(rows, frames * voices).to(batch.x.device).view(rows, frames, voices) < share
        shown = torch.where(kind < KINDS[0], some[:, None, :], torch.where(kind < KINDS[1], ~gap, cells))
        alone = batch.noise.uniform(rows, 1).to(batch.x.device)[..., None] < self.config.alone
        return shown & ~alone
