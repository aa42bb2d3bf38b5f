"""The generator of an adversarial game: noise in, an example out. Its critic lives with the objective."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.rng import Noise
from conjure.core.space import Columns, Dense, Space
from conjure.models.conditions import codes
from conjure.models.protocol import Model
from conjure.nets.columns import Layout
from conjure.nets.ends import Sizes, Writer
from conjure.nets.likelihoods import gumbel, normal, uniform

CHUNK = 4096  # examples drawn at a time
NETS = {"strided": "strided", "residual": "auto"}  # our word -> that of nets/ends.py
APART, NARROW = 2.0, 0.1  # scales of the components' centres at first, and of each component


class Generator(Model):
    """x = g(z, given) with z standard normal (Goodfellow et al. 2014): samples without a likelihood.

    Categories come from softmax heads with Gumbel noise, so that a row's randomness need not all pass
    through z (Jang et al. 2017, eq. 2); a critic sees the code drawn, the gradient its soft version.
    """

    spaces: ClassVar = (Dense, Columns)
    given_spaces: ClassVar = (Columns,)
    methods: ClassVar = ("generate",)

    @dataclass(frozen=True)
    class Config:
        """net: "strided" convolutions for pictures are light, "residual" ones deeper; others get a perceptron.
        temperature softens the gradient through drawn categories. components: z is drawn from a mixture of so many
        normals with learnt centres (Gurumurthy et al. 2017, eq. 3), which suits data in separate clusters; 0 for one.
        """

        latent: int = 64
        width: int = 256
        layers: int = 2
        channels: int = 32
        net: Literal["strided", "residual"] = "strided"
        temperature: float = 0.5
        components: int = 0

    def __init__(self, space: Dense | Columns, given: Columns | None, config: Config):
        super().__init__(space, given, config)
        sizes = Sizes(config.width, config.layers, config.channels, net=NETS[config.net])
        self.layout = Layout(space) if isinstance(space, Columns) else None
        self.writer = Writer(space, given, config.latent, sizes)
        k, d = config.components, config.latent
        self.centres = nn.Parameter(APART * torch.randn(k, d)) if k else None

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if config.latent < 1 or config.temperature <= 0 or config.components < 0:
            return "model.latent is at least 1, model.temperature above 0 and model.components at least 0"
        return super().refuses(space, given, config)

    def noise(self, source: Noise, n: int) -> tuple[Tensor, Tensor | None]:
        """What `generate` starts from: z (N, latent), and for columns uniform noise for each place (N, W).

        With components z has one number more, uniform, which chooses among them.
        """
        z = source.normal(n, self.config.latent)
        if self.centres is not None:
            z = torch.cat([z, source.uniform(n, 1)], 1)
        return z, source.uniform(n, self.layout.wide) if self.layout else None

    def generate(self, z: Tensor, spread: Tensor | None, given: Tensor | None = None) -> Tensor:
        """Examples that gradients flow through, (N, *shape), or rows in their wide form (N, W).

        z and spread are what `noise` gives.
        """
        if self.centres is not None:
            chosen = F.one_hot((z[:, -1] * len(self.centres)).long(), len(self.centres)).to(z.dtype)
            z = chosen @ self.centres + NARROW * z[:, :-1]
        written = self.writer(z, given)
        if self.layout is None:
            return self._bounded(written.sum(1))  # depth is one; a view would slip past sharding
        noisy = written + gumbel(spread)
        parts = zip(written.split(self.layout.spans, 1), noisy.split(self.layout.spans, 1), self.layout.numbers)
        return torch.cat([a if number else self._choose(b) for a, b, number in parts], 1)

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        given = codes(self, n, given)
        parts = []
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            z = normal(torch.empty(count, self.config.latent, device=self.device), rng)
            if self.centres is not None:
                z = torch.cat([z, uniform(z.new_empty(count, 1), rng)], 1)
            spread = uniform(z.new_empty(count, self.layout.wide), rng) if self.layout else None
            x = self.generate(z, spread, None if given is None else given[start : start + count])
            parts.append(self.layout.narrow(x) if self.layout else x.clamp(self.space.low, self.space.high))
        return torch.cat(parts)

    def _bounded(self, x: Tensor) -> Tensor:
        low, high = self.space.low, self.space.high
        return low + (high - low) * (x.tanh() + 1) / 2 if math.isfinite(high - low) else x

    def _choose(self, noisy: Tensor) -> Tensor:
        """The drawn code one-hot, with the gradient of the soft choice (Bengio et al. 2013's straight-through)."""
        soft = (noisy / self.config.temperature).softmax(1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
        return hard + soft - soft.detach()
