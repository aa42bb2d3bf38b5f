"""Direct preference optimisation: a policy learns from pairs, its own likelihood standing for the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective
from conjure.objectives.reference import reference_of


class DPO(Objective):
    """Minimise -log sigmoid(beta (log pi(y_w)/pi_ref(y_w) - log pi(y_l)/pi_ref(y_l))) (Rafailov et al. 2023, eq. 7).

    A batch holds x (B, 2, T): the preferred text and the other, prompt and completion, and mask (B, 2, T), True for the
    tokens of the completion; `given` (B, ...) where the model writes under a condition. The reference is the model as
    the run began. Dropout is off, so that at first the two agree and the loss is log 2.
    """

    needs: ClassVar = ("log_prob",)

    @dataclass(frozen=True)
    class Config:
        """beta: price of a nat away from the reference; smoothing: the share of pairs thought to be the wrong way round
        (Mitchell 2023's conservative loss).
        """

        beta: float = 0.1
        smoothing: float = 0.0

        def __post_init__(self) -> None:
            if self.beta <= 0 or not 0 <= self.smoothing < 0.5:
                raise ConfigError("objective.beta is above 0, objective.smoothing at least 0 and below 0.5")

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.reference = reference_of(model)
        self.train()

    def train(self, mode: bool = True) -> DPO:
        """Always in the mode of use."""
        return super().train(False)  # type: ignore[return-value]

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean over pairs, (); `margin` is by how much the implied reward of the preferred is higher."""
        x, mask = batch.x.flatten(0, 1), batch.mask.flatten(0, 1)  # type: ignore[union-attr]
        given = None if batch.given is None else batch.given.repeat_interleave(2, 0)
        with torch.no_grad():
            before = self.reference.log_prob(x, given, mask)
        gained = (self.config.beta * (self.model.log_prob(x, given, mask) - before)).view(-1, 2)
        margin = gained[:, 0] - gained[:, 1]
        s = self.config.smoothing
        loss = -((1 - s) * F.logsigmoid(margin) + s * F.logsigmoid(-margin)).mean()
        return loss, {"margin": margin.detach().mean(), "accuracy": (margin.detach() > 0).float().mean()}
