"""Distributions over a latent vector: a mixture of normals, learnt as such or as what an encoder makes of
made-up examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from conjure.core.space import Dense
from conjure.nets.likelihoods import gumbel, normal, uniform

SMALLEST = -4.0  # log scale of a component: below it products of float32 lose the distance
PACE = 10.0  # codes move by more than a rate a step; their mixture must keep up

Parts = tuple[Tensor, Tensor, Tensor]  # means (K, D), log scales (K, D), log weights (K,)


def log_density(z: Tensor, parts: Parts) -> Tensor:
    """log sum_k w_k N(z; mean_k, scale_k) with diagonal scales, (..., D) to (...)."""
    means, log_scales, log_weights = parts
    precision = (-2 * log_scales).exp()
    far = z.square() @ precision.T - 2 * z @ (means * precision).T + (means.square() * precision).sum(1)
    normaliser = log_scales.sum(1) + 0.5 * z.shape[-1] * math.log(2 * math.pi)
    return (log_weights - normaliser - 0.5 * far).logsumexp(-1)


def draw(n: int, parts: Parts, rng: torch.Generator | None) -> Tensor:
    """n draws (N, D) from the mixture."""
    means, log_scales, log_weights = parts
    at = (log_weights + gumbel(uniform(log_weights.expand(n, -1), rng))).argmax(1)
    return means[at] + log_scales[at].exp() * normal(means[at], rng)


def slerp(a: Tensor, b: Tensor, along: Tensor) -> Tensor:
    """From a to b (D,) over the great circle through their directions, lengths changing evenly (Shoemake 1985).

    Shapes: along (N,) in [0, 1], result (N, D).
    """
    lengths = a.norm().lerp(b.norm(), along)
    a, b = a / a.norm().clamp(min=1e-12), b / b.norm().clamp(min=1e-12)
    angle = torch.dot(a, b).clamp(-1, 1).acos()
    if angle.sin() < 1e-4:  # the same way, or opposite ways, between which no circle is the shortest
        way = a.lerp(b, along[:, None])
    else:
        left, right = ((1 - along) * angle).sin(), (along * angle).sin()
        way = (left[:, None] * a + right[:, None] * b) / angle.sin()
    return lengths[:, None] * way


class Mixture(nn.Module):
    """Normals with learnt places, scales and weights, (K, D)."""

    def __init__(self, latent: int, components: int):
        super().__init__()
        self.means = nn.Parameter(torch.randn(components, latent) / PACE)
        self.log_scales = nn.Parameter(torch.zeros(components, latent))
        self.log_weights = nn.Parameter(torch.zeros(components))

    def parts(self) -> Parts:
        return PACE * self.means, (PACE * self.log_scales).clamp(min=SMALLEST), self.log_weights.log_softmax(0)


class PseudoInputs(nn.Module):
    """Examples that never were, learnt so that their codes together are a good prior (Tomczak & Welling 2018, eq. 9).

    Shape: forward () to (K, *shape), inside the space's bounds.
    """

    def __init__(self, space: Dense, components: int):
        super().__init__()
        self.low, self.high = space.low, space.high
        self.bounded = math.isfinite(space.high - space.low)
        start = torch.randn(components, *space.shape)
        self.inputs = nn.Parameter(0.1 * start if self.bounded else start)

    def forward(self) -> Tensor:
        if not self.bounded:
            return self.inputs
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        return middle + half * torch.tanh(PACE * self.inputs)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Start at real examples x (K, *shape)."""
        if self.bounded:
            middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
            x = torch.atanh(((x - middle) / half).clamp(-0.9, 0.9)) / PACE
        self.inputs.copy_(x)

    def parts(self, mean: Tensor, log_scale: Tensor) -> Parts:
        """The mixture of the codes (K, D) that an encoder made of the inputs."""
        even = mean.new_full((len(mean),), -math.log(len(mean)))
        return mean, log_scale.clamp(min=SMALLEST), even
