"""The variational autoencoder: a normal latent code, a network that writes x from it, one that guesses it from x."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from conjure.core.rng import generator
from conjure.core.space import Columns, Dense, Space
from conjure.models.conditions import codes
from conjure.models.protocol import Model
from conjure.nets.ends import Reader, Sizes, Writer
from conjure.nets.likelihoods import Bernoulli, Gaussian, Logistic, MixedColumns, normal

CHUNK = 4096  # examples drawn at a time


class VAE(Model):
    """p(x | given) = integral of p(x | z, given) N(z; 0, 1) dz (Kingma & Welling 2014), for arrays and rows.

    log_prob is a lower bound; it tightens with `importance` draws of z (Burda et al. 2016, eq. 8).
    """

    spaces: ClassVar = (Dense, Columns)
    given_spaces: ClassVar = (Columns,)
    methods: ClassVar = ("elbo_terms", "log_prob")
    score_kind = "bound"

    @dataclass(frozen=True)
    class Config:
        """likelihood: "logistic" for values on `levels` even steps (pixels), "bernoulli" for black and white,
        "gaussian" for real numbers; "auto" takes logistic for pictures in a finite box, else gaussian. Rows of
        columns always mix softmax and gaussian.
        """

        latent: int = 32
        width: int = 256
        layers: int = 2
        channels: int = 32
        likelihood: Literal["auto", "logistic", "bernoulli", "gaussian"] = "auto"
        levels: int = 256
        importance: int = 16

    def __init__(self, space: Dense | Columns, given: Columns | None, config: Config):
        super().__init__(space, given, config)
        sizes = Sizes(config.width, config.layers, config.channels)
        self.latent = config.latent
        self.likelihood = _likelihood(space, config)
        self.reader = Reader(space, given, 2 * config.latent, sizes)
        self.writer = Writer(space, given, config.latent, sizes, self.likelihood.depth)

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        bounded = isinstance(space, Dense) and math.isfinite(space.low) and math.isfinite(space.high)
        if isinstance(space, Dense) and config.likelihood in ("logistic", "bernoulli") and not bounded:
            return f"model.likelihood {config.likelihood!r} needs values between finite bounds; use 'gaussian'"
        if config.levels < 2 or config.importance < 1 or config.latent < 1:
            return "model.levels is at least 2, model.importance and model.latent at least 1"
        return None

    def elbo_terms(self, x: Tensor, given: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the bound: log p(x | z) at one draw, and KL(q || prior) of each latent number.

        Kingma & Welling 2014, eq. 3, with the closed form of its appendix B. noise is standard normal.

        Shapes: noise (B, latent), results (B,) and (B, latent).
        """
        mean, log_scale = self.posterior(x, given)
        z = mean + log_scale.exp() * noise
        kl = 0.5 * (mean**2 + (2 * log_scale).exp() - 1) - log_scale
        return self._log_likelihood(x, z, given), kl

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """A lower bound on log P(x | given), (B,): the log mean of `importance` weights p(x, z) / q(z | x).

        The draws are the same for every example and every call, so a score does not depend on its neighbours.
        mask (B, *first dimensions of x): what is False counts as unknown; any q leaves the bound valid.
        """
        mean, log_scale = self.posterior(x, given)
        rng = generator(0, "importance")
        weights = []
        for _ in range(self.config.importance):
            noise = torch.randn(self.latent, generator=rng).to(mean)
            z = mean + log_scale.exp() * noise
            log_ratio = 0.5 * (noise**2 - z**2) + log_scale  # log N(z; 0, 1) - log q(z | x)
            weights.append(self._log_likelihood(x, z, given, mask) + log_ratio.sum(1))
        return torch.stack(weights).logsumexp(0) - math.log(len(weights))

    def posterior(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log scale of q(z | x, given), each (B, latent)."""
        mean, log_scale = self.reader(x, given).float().chunk(2, 1)
        return mean, log_scale.clamp(-7, 3)

    def encode(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """The mean of q(z | x, given), (B, latent)."""
        return self.posterior(x, given)[0]

    def decode(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        """The likeliest x for each z, element by element, (B, ...) in the space."""
        return self.likelihood.mode(self.writer(z, given))

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        given = codes(self, n, given)
        parts = []
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            z = normal(torch.empty(count, self.latent, device=self.device), rng)
            written = self.writer(z, None if given is None else given[start : start + count])
            parts.append(self.likelihood.draw(written, rng))
        return torch.cat(parts)

    def _log_likelihood(self, x: Tensor, z: Tensor, given: Tensor | None, mask: Tensor | None = None) -> Tensor:
        terms = self.likelihood.log_prob(self.writer(z, given), x)
        if mask is not None:
            terms = terms * mask.reshape(*mask.shape, *[1] * (terms.ndim - mask.ndim))
        return terms.flatten(1).sum(1)


def _likelihood(space: Dense | Columns, config: VAE.Config) -> nn.Module:
    if isinstance(space, Columns):
        return MixedColumns(space)
    kind = config.likelihood
    if kind == "auto":
        kind = "logistic" if len(space.shape) == 3 and math.isfinite(space.high - space.low) else "gaussian"
    match kind:
        case "logistic":
            return Logistic(space, config.levels)
        case "bernoulli":
            return Bernoulli(space)
        case _:
            return Gaussian(space)
