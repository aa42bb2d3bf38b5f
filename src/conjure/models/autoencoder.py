"""The autoencoder: a network makes a short code of x, another writes x again from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from conjure.core.space import Columns, Dense, Space
from conjure.models.conditions import codes
from conjure.models.latent import CHUNK, Latent
from conjure.nets import priors


class Autoencoder(Latent):
    """x -> z = encode(x) -> p(x | z) (Hinton & Salakhutdinov 2006), for arrays, rows and tokens.

    The code is a number for a number, without noise, and has no distribution of its own. To draw x all the same, a
    mixture of `components` normals is learnt over the codes beside it, from which no gradient reaches the code.
    log_prob is an energy: log p(x | encode(x)), which says how well x is written again, not how probable it is.
    """

    methods: ClassVar = ("reconstruction", "log_prob")
    score_kind = "energy"

    @dataclass(frozen=True)
    class Config:
        """net: "auto" is convolutional for pictures of at least 12 a side, recurrent for sequences of tokens, else
        dense (residual); "plain" is dense without residues. likelihood as in a VAE. latent_sides: 0, or the shorter
        side of a code that is itself a picture of `latent` channels. components: of the mixture over codes.
        """

        latent: int = 32
        latent_sides: int = 0
        net: Literal["auto", "dense", "plain", "convolutional", "recurrent", "transformer"] = "auto"
        width: int = 256
        layers: int = 2
        channels: int = 32
        likelihood: Literal["auto", "logistic", "bernoulli", "gaussian"] = "auto"
        levels: int = 256
        components: int = 64

    def __init__(self, space: Space, given: Columns | None, config: Config):
        super().__init__(space, given, config)
        self.codes = priors.Mixture(self.latent, config.components)

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if config.components < 1:
            return "model.components is at least 1"
        return super().refuses(space, given, config)

    def reconstruction(self, x: Tensor, seen: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x | encode(seen)), where `seen` is x or a spoilt x; the codes; and their log density.

        Shapes: results (B,), (B, latent), (B,).
        """
        z = self.reader(seen, given).float()
        return (
            self._log_likelihood(x, z.unsqueeze(1), given)[:, 0],
            z,
            priors.log_density(z.detach(), self.codes.parts()),
        )

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Minus the reconstruction error in nats, (B,): log p(x | encode(x)). What mask hides is not counted."""
        z = self.reader(x, given).float()
        return self._log_likelihood(x, z.unsqueeze(1), given, mask)[:, 0]

    def encode(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """The code of x, (B, *latent_shape)."""
        return self.reader(x, given).float().unflatten(1, self.latent_shape)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Codes from the mixture, then the likeliest array, or rows and tokens drawn from p(x | z)."""
        given, dense = codes(self, n, given), isinstance(self.space, Dense)
        parts = []
        for start in range(0, n, CHUNK):
            z = priors.draw(min(CHUNK, n - start), self.codes.parts(), rng)
            written = self.writer(z, None if given is None else given[start : start + CHUNK])
            parts.append(self.likelihood.mode(written) if dense else self.likelihood.draw(written, rng))
        return torch.cat(parts)
