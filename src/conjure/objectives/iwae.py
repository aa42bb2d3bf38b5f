"""The importance weighted bound: the log of a mean of weights, tighter than the mean of their logs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective

CHUNK = 2**13  # draws weighed at a time without gradient: small enough for a processor's cache, large enough for a GPU


class IWAE(Objective):
    """Maximise E log (1/K) sum_k w_k,  w_k = p(x, z_k) / q(z_k | x),  z_k ~ q  (Burda et al. 2016, eq. 8).

    K = 1 is the evidence lower bound with the divergence at a draw. The gradient is sum_k w~_k grad log w_k with
    w~ the weights normalised (eq. 14), so one draw taken with probability w~_k has it in the mean (end of their
    section 3): all draws are then written once without gradient, and only that one again with it.
    """

    needs: ClassVar = ("log_weights",)

    @dataclass(frozen=True)
    class Config:
        """samples: K; backward: "one" draw by its weight carries the gradient, or "all" do at three times the cost."""

        samples: int = 50
        backward: Literal["one", "all"] = "one"

        def __post_init__(self) -> None:
            if self.samples < 1:
                raise ConfigError("objective.samples is at least 1")

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)

    def prepare(self, batch: Batch, rows: int) -> None:
        if callable(begin := getattr(self.model, "begin", None)):
            begin(batch.x)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the bound in nats an example, (); how many of the draws count: 1 / sum of squared weights."""
        noise = self._noise(batch)
        if self.config.backward == "all":
            weights = self.model.log_weights(batch.x, batch.given, noise)
            return -_bound(weights).mean(), {"draws": _effective(weights)}
        with torch.no_grad():
            weights = self._weights(batch, noise)
        shares = weights.softmax(1).cumsum(1)
        at = (shares < batch.noise.uniform(len(batch), 1).to(shares)).sum(1).clamp(max=noise.shape[1] - 1)
        chosen = noise[torch.arange(len(noise), device=noise.device), at].unsqueeze(1)
        carrier = self.model.log_weights(batch.x, batch.given, chosen).mean()
        loss = -_bound(weights).mean() + (carrier.detach() - carrier)
        return loss, {"draws": _effective(weights)}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        weights = self._weights(batch, self._noise(batch))
        return {"loss": -_bound(weights).mean(), "draws": _effective(weights)}

    def _weights(self, batch: Batch, noise: Tensor) -> Tensor:
        """All log weights (B, K), some examples at a time."""
        size = max(1, CHUNK // noise.shape[1])
        parts = []
        for start in range(0, len(batch), size):
            some = batch.rows(slice(start, start + size))
            parts.append(self.model.log_weights(some.x, some.given, noise[start : start + size]))
        return torch.cat(parts)

    def _noise(self, batch: Batch) -> Tensor:
        return batch.noise.normal(len(batch), self.config.samples, self.model.latent).to(batch.x.device)


def _bound(log_weights: Tensor) -> Tensor:
    return log_weights.logsumexp(1) - math.log(log_weights.shape[1])


def _effective(log_weights: Tensor) -> Tensor:
    return (1 / log_weights.detach().softmax(1).square().sum(1)).mean()
