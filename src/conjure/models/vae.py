"""The variational autoencoder: a random latent code, a network that writes x from it, one that guesses it from x."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from conjure.core.rng import generator
from conjure.core.space import Columns, Dense, Space
from conjure.models.conditions import codes
from conjure.models.latent import CHUNK, Latent
from conjure.nets import priors
from conjure.nets.likelihoods import normal

VALUES = 2**22  # numbers written at a time in scoring, so that memory stays bounded


class VAE(Latent):
    """p(x | given) = integral of p(x | z, given) p(z) dz (Kingma & Welling 2014), for arrays, rows and tokens.

    p(z), the prior, is N(0, 1); or a learnt mixture of normals; or the mixture of q(z | u) over learnt pseudo-inputs
    u ("vamp": Tomczak & Welling 2018, eq. 9). log_prob is a lower bound; it tightens with `importance` draws of z
    (Burda et al. 2016, eq. 8).
    """

    numbers = 2  # a mean and a log scale
    methods: ClassVar = ("elbo_terms", "log_weights", "log_prob")
    score_kind = "bound"

    @dataclass(frozen=True)
    class Config:
        """likelihood: "logistic" for values on `levels` even steps (pixels), "bernoulli" for black and white,
        "gaussian" for real numbers; "auto" takes logistic for pictures in a finite box, else gaussian. Rows of
        columns always mix softmax and gaussian, tokens have a softmax each. components: of a mixture or vamp prior.
        net and latent_sides as in an autoencoder.
        """

        latent: int = 32
        latent_sides: int = 0
        prior: Literal["normal", "mixture", "vamp"] = "normal"
        components: int = 64
        net: Literal["auto", "dense", "plain", "convolutional", "recurrent", "transformer"] = "auto"
        width: int = 256
        layers: int = 2
        channels: int = 32
        likelihood: Literal["auto", "logistic", "bernoulli", "gaussian"] = "auto"
        levels: int = 256
        importance: int = 16

    def __init__(self, space: Space, given: Columns | None, config: Config):
        super().__init__(space, given, config)
        if config.prior == "mixture":
            self.mixture = priors.Mixture(self.latent, config.components)
        elif config.prior == "vamp":
            self.pseudo = priors.PseudoInputs(space, config.components)  # type: ignore[arg-type]

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if config.prior == "vamp" and (given is not None or not isinstance(space, Dense)):
            return "model.prior 'vamp' makes up arrays without a condition; use 'mixture' for what this data is"
        if config.importance < 1 or config.components < 1:
            return "model.importance and model.components are at least 1"
        return None

    def elbo_terms(self, x: Tensor, given: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the bound: log p(x | z) at one draw, and KL(q || prior) of each latent number.

        Kingma & Welling 2014, eq. 3, with the closed form of its appendix B. A prior that is a mixture has none, and
        no part of it is a single number's: then it is log q(z | x) - log p(z) at the draw. noise is standard normal.

        Shapes: noise (B, latent), results (B,) and (B, latent), for a mixture (B, 1).
        """
        mean, log_scale = self._posterior(x, given)
        z = mean + log_scale.exp() * noise
        if self.config.prior == "normal":
            kl = 0.5 * (mean**2 + (2 * log_scale).exp() - 1) - log_scale
        else:
            kl = (_log_posterior(noise, log_scale) - self.log_prior(z)).unsqueeze(1)
        return self._log_likelihood(x, z.unsqueeze(1), given)[:, 0], kl

    def log_weights(self, x: Tensor, given: Tensor | None, noise: Tensor) -> Tensor:
        """log p(x, z_k | given) - log q(z_k | x, given) at z_k = mean + scale noise_k (Burda et al. 2016, eq. 8).

        Shapes: noise (B or 1, K, latent), result (B, K).
        """
        return self._log_weights(x, given, self._posterior(x, given), noise)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """A lower bound on log P(x | given), (B,): the log mean of `importance` weights p(x, z) / q(z | x).

        The draws are the same for every example and every call, so a score does not depend on its neighbours.
        mask (B, *first dimensions of x): what is False counts as unknown; any q leaves the bound valid.
        """
        posterior = self._posterior(x, given)
        noise = torch.randn(self.config.importance, self.latent, generator=generator(0, "importance")).to(posterior[0])
        size = max(1, VALUES // max(1, x[0].numel() * self.likelihood.depth * len(x)))
        bound = None
        for some in noise.split(size):
            part = self._log_weights(x, given, posterior, some.unsqueeze(0), mask).logsumexp(1)
            bound = part if bound is None else torch.logaddexp(bound, part)
        return bound - math.log(len(noise))

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z) of flat codes, (..., latent) to (...)."""
        if self.config.prior == "normal":
            return -0.5 * (z.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi))
        return priors.log_density(z, self._parts())

    def posterior(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log scale of q(z | x, given), each (B, *latent_shape)."""
        mean, log_scale = self._posterior(x, given)
        return mean.unflatten(1, self.latent_shape), log_scale.unflatten(1, self.latent_shape)

    def encode(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """The mean of q(z | x, given), (B, *latent_shape)."""
        return self.posterior(x, given)[0]

    def begin(self, x: Tensor) -> None:
        """Start a vamp prior's pseudo-inputs at real examples (B, *shape)."""
        if self.config.prior == "vamp":
            count = self.config.components
            self.pseudo.begin(x.repeat(-(-count // len(x)), *[1] * (x.ndim - 1))[:count])

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        given = codes(self, n, given)
        parts = []
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            if self.config.prior == "normal":
                z = normal(torch.empty(count, self.latent, device=self.device), rng)
            else:
                z = priors.draw(count, self._parts(), rng)
            written = self.writer(z, None if given is None else given[start : start + count])
            parts.append(self.likelihood.draw(written, rng))
        return torch.cat(parts)

    def _posterior(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.reader(x, given).float().chunk(2, 1)
        return mean, log_scale.clamp(-7, 3)

    def _parts(self) -> priors.Parts:
        """The prior as a mixture of normals."""
        if self.config.prior == "mixture":
            return self.mixture.parts()
        return self.pseudo.parts(*self._posterior(self.pseudo(), None))

    def _log_weights(
        self,
        x: Tensor,
        given: Tensor | None,
        posterior: tuple[Tensor, Tensor],
        noise: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        mean, log_scale = (t.unsqueeze(1) for t in posterior)
        z = mean + log_scale.exp() * noise  # (B, K, latent)
        likelihood = self._log_likelihood(x, z, given, mask)
        return likelihood + self.log_prior(z) - _log_posterior(noise, log_scale)


def _log_posterior(noise: Tensor, log_scale: Tensor) -> Tensor:
    """log N(mean + scale noise; mean, scale), (..., latent) to (...)."""
    return -(0.5 * noise.square() + log_scale + 0.5 * math.log(2 * math.pi)).sum(-1)
