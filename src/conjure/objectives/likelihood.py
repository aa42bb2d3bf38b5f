"""Maximum likelihood: -E log P(x | given), the mean over symbols."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.models.protocol import Model
from conjure.objectives.everywhere import total, world
from conjure.objectives.protocol import Objective


class Likelihood(Objective):
    """Maximum likelihood, -E log P(x | given), in nats a symbol (Goodfellow et al. 2016, eq. 5.59).

    A symbol is a token, a cell or a pixel that counts: the mean over all of a batch's symbols, each target
    of a stream's window among them. A model with `mean_nats` computes that mean itself, in fewer steps.
    """

    needs = ("log_prob",)

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    @classmethod
    def refuses(cls, model: type[Model]) -> str | None:
        if super().refuses(model) is None and getattr(model, "score_kind", "") != "exact":
            return f"Likelihood needs an exact log P(x); {model.__name__} has a {getattr(model, 'score_kind', 'none')}"
        return super().refuses(model)

    def __init__(self, model: Model, config: Likelihood.Config):
        super().__init__(model, config)
        self.quick = getattr(type(model), "mean_nats", None) is not None

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        if self.quick:
            parts = () if batch.parts is None else (batch.parts,)
            return self.model.mean_nats(batch.x, batch.given, batch.mask, *parts) * self._share(batch), {}
        nats = -self.model.log_prob(batch.x, batch.given, batch.mask).sum()
        symbols = batch.x.numel() if batch.mask is None else batch.mask.sum()
        return nats / symbols * self._share(batch), {}

    def _share(self, batch: Batch) -> Tensor | float:
        """What this process's mean counts for: its symbols over the mean of all processes' symbols, 1 for one alone."""
        if world() == 1:
            return 1.0
        if callable(count := getattr(self.model, "symbols", None)):
            own = count(batch.x, batch.mask, batch.parts)
        else:
            own = torch.tensor(batch.x.numel()) if batch.mask is None else batch.mask.sum()
        own = own.float().to(batch.x.device)
        return own * world() / total(own).clamp(min=1)
