"""The evidence lower bound of a latent variable model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective


class ELBO(Objective):
    """Maximise log p(x | z) - beta KL(q(z | x) || p(z)).

    Kingma & Welling 2014, eq. 3; beta: Higgins et al. 2017, eq. 4.
    `anneal` is the part of the run over which beta grows from 0, `free_bits` the nats a latent number may hold
    at no cost. Both keep the decoder from learning to do without z. The floor is laid under each example,
    not under a batch's mean (Kingma et al. 2016, eq. 15), so that it does not depend on how a batch is spread.
    """

    needs: ClassVar = ("elbo_terms",)
    descends: ClassVar = "model"

    @dataclass(frozen=True)
    class Config:
        """beta weighs the KL term; anneal is a fraction of the run; free_bits is in nats a latent number."""

        beta: float = 1.0
        free_bits: float = 0.0
        anneal: float = 0.0

        def __post_init__(self) -> None:
            if self.beta < 0 or self.free_bits < 0 or not 0 <= self.anneal <= 1:
                raise ConfigError("objective.beta and objective.free_bits are at least 0, objective.anneal is in 0..1")

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        self.weight = config.beta

    def prepare(self, batch: Batch, rows: int) -> None:
        if callable(begin := getattr(self.model, "begin", None)):
            begin(batch.x)

    def progress(self, fraction: float) -> None:
        grown = min(1.0, fraction / self.config.anneal) if self.config.anneal else 1.0
        self.weight = self.config.beta * grown

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the weighted bound in nats an example, ()."""
        log_likelihood, kl = self._terms(batch)
        loss = self._weighed(log_likelihood, kl).mean()
        return loss, {"reconstruction": -log_likelihood.mean(), "kl": kl.sum(1).mean()}

    def each(self, batch: Batch) -> Tensor:
        return self._weighed(*self._terms(batch))

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """The plain bound: beta 1, nothing free, whatever training does at the moment."""
        log_likelihood, kl = self._terms(batch)
        return {"loss": (kl.sum(1) - log_likelihood).mean(), "kl": kl.sum(1).mean()}

    def _weighed(self, log_likelihood: Tensor, kl: Tensor) -> Tensor:
        free = self.config.free_bits * self.model.latent / kl.shape[1]  # where KL is one number, all is free in it
        return self.weight * kl.clamp(min=free).sum(1) - log_likelihood

    def _terms(self, batch: Batch) -> tuple[Tensor, Tensor]:
        noise = batch.noise.normal(len(batch), self.model.latent).to(batch.x.device)
        return self.model.elbo_terms(batch.x, batch.given, noise)
