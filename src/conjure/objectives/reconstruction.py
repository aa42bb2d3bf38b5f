"""Reconstruction: write x again from its code; from a spoilt x (denoising); with few active codes (sparse)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Columns, Space, Tokens
from conjure.models.protocol import Model
from conjure.objectives.protocol import Objective


class Reconstruction(Objective):
    """Maximise log p(x | encode(seen)) - sparsity * penalty(codes) + log p_mixture(codes, no gradient to them).

    seen = x: Hinton & Salakhutdinov 2006. seen = x spoilt by noise: the denoising autoencoder (Vincent et al. 2008,
    eq. 4, with the masking noise of its section 2.3; Gaussian noise: Vincent et al. 2010, section 3.3). penalty: the
    L1 norm of the code (Olshausen & Field 1997, eq. 2 with S(x) = |x|), or sum_j KL(active || mean sigmoid(z_j)) over
    the batch (Lee et al. 2008 and Ng 2011, "Sparse autoencoder", whose units are sigmoids).
    """

    needs: ClassVar = ("reconstruction",)

    @dataclass(frozen=True)
    class Config:
        """masking: the part of the elements hidden (arrays: 0 or the lowest value; codes and tokens: any other);
        noise: the scale of Gaussian noise on real numbers; sparse with its weight `sparsity`; `active` is the mean
        activity that "kl" asks of each code.
        """

        masking: float = 0.0
        noise: float = 0.0
        sparse: Literal["none", "l1", "kl"] = "none"
        sparsity: float = 1.0
        active: float = 0.05

        def __post_init__(self) -> None:
            if not 0 <= self.masking < 1 or self.noise < 0 or self.sparsity < 0 or not 0 < self.active < 1:
                raise ConfigError(
                    "objective.masking is at least 0 and below 1, objective.noise and objective.sparsity are at least "
                    "0, objective.active is above 0 and below 1"
                )

    def __init__(self, model: Model, config: Config):
        super().__init__(model, config)
        discrete = isinstance(model.space, Tokens) or (isinstance(model.space, Columns) and model.space.discrete)
        if config.noise and discrete:
            raise ConfigError("objective.noise is for real numbers; codes and tokens are spoilt by objective.masking")

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Nats of reconstruction an example plus what sparsity costs, (); the mixture's nats beside it."""
        seen = spoilt(batch.x, self.model.space, self.config, batch.noise)
        log_likelihood, z, density = self.model.reconstruction(batch.x, seen, batch.given)
        error, metrics = -log_likelihood.mean(), {}
        loss = error - density.mean()
        if self.config.sparse != "none":
            metrics["penalty"] = penalty(z, self.config)
            loss = loss + self.config.sparsity * metrics["penalty"]
        return loss, {"reconstruction": error, "codes": -density.mean(), **metrics}

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """The plain error of unspoilt examples."""
        log_likelihood, _, density = self.model.reconstruction(batch.x, batch.x, batch.given)
        return {"loss": -log_likelihood.mean(), "codes": -density.mean()}


def penalty(z: Tensor, config: Reconstruction.Config) -> Tensor:
    """What codes (B, latent) cost for being active, ()."""
    if config.sparse == "l1":
        return z.abs().sum(1).mean()
    rate, wanted = z.sigmoid().mean(0).clamp(1e-6, 1 - 1e-6), config.active
    on, off = wanted * (wanted / rate).log(), (1 - wanted) * ((1 - wanted) / (1 - rate)).log()
    return (on + off).sum()


def spoilt(x: Tensor, space: Space, config: Reconstruction.Config, noise: Noise) -> Tensor:
    """x (B, ...) with Gaussian noise on its numbers and a part of its elements hidden."""
    if config.noise:
        shaken = x + config.noise * noise.normal(*x.shape).to(x)
        if isinstance(space, Columns):
            shaken = torch.where(x.new_tensor([size == 0 for size in space.sizes]).bool(), shaken, x)
        x = shaken
    if config.masking:
        hidden = noise.uniform(*x.shape).to(x.device) < config.masking
        x = torch.where(hidden, _hiding(x, space, noise), x)
    return x


def _hiding(x: Tensor, space: Space, noise: Noise) -> Tensor:
    """What stands where an element is hidden: any code or token, 0 for a number, the lowest value of a box."""
    if isinstance(space, Tokens):
        return (noise.uniform(*x.shape) * space.vocab).long().to(x.device)
    if isinstance(space, Columns):
        sizes = torch.tensor(space.sizes)
        return (noise.uniform(*x.shape) * sizes).floor().to(x)
    return torch.full_like(x, space.low if space.low > -torch.inf else 0.0)
