"""Real vectors as integers: a product quantiser learnt by Lloyd's algorithm."""

from __future__ import annotations

import torch
from torch import Tensor

from conjure.core.errors import ConfigError
from conjure.core.rng import generator

LEARN_FROM = 20_000  # vectors
ROUNDS = 12
CHUNK = 4096  # vectors placed at a time


class Codebook:
    """Each group of a vector's numbers is written as the nearest of `levels` centres of its own.

    Lloyd 1982: centres and nearest neighbours in turn, which lowers the mean squared error each time; groups
    make a product of small books instead of one whose size would be exponential (Jegou et al. 2011).

    Shapes: vectors (N, D) to codes (N, G) and back, centres (G, levels, D / G).
    """

    def __init__(self, centres: Tensor):
        self.centres = centres

    @classmethod
    def learn(cls, vectors: Tensor, levels: int, group: int) -> Codebook:
        """ConfigError when the group does not divide a vector or there are fewer vectors than levels."""
        if vectors.shape[1] % group:
            raise ConfigError(f"codec.group is {group}, which does not divide codes of {vectors.shape[1]} numbers")
        if len(vectors) < levels:
            raise ConfigError(f"codec.levels is {levels}, but there are only {len(vectors)} codes to learn them from")
        rng = generator(0, "codebook")
        some = vectors[torch.randperm(len(vectors), generator=rng)[:LEARN_FROM]]
        return cls(torch.stack([_centres(part, levels, rng) for part in some.split(group, 1)]))

    def encode(self, vectors: Tensor) -> Tensor:
        by_group = vectors.unflatten(1, (len(self.centres), -1)).swapaxes(0, 1)  # (G, N, D / G)
        return torch.cat([_nearest(part, self.centres) for part in by_group.split(CHUNK, 1)], 1).T

    def decode(self, codes: Tensor) -> Tensor:
        groups = torch.arange(codes.shape[1])
        return self.centres[groups, codes].flatten(1)


def _centres(vectors: Tensor, levels: int, rng: torch.Generator) -> Tensor:
    """Centres (levels, D) of vectors (N, D); a centre that nothing is near stays where it was."""
    at = _first(vectors, levels, rng)
    for _ in range(ROUNDS):
        code = torch.cat([_nearest(part[None], at[None])[0] for part in vectors.split(CHUNK)])
        count = torch.bincount(code, minlength=levels)[:, None]
        total = torch.zeros_like(at).index_add_(0, code, vectors)
        at = torch.where(count > 0, total / count.clamp(min=1), at)
    return at


def _first(vectors: Tensor, levels: int, rng: torch.Generator) -> Tensor:
    """Where Lloyd's rounds start: quantiles of single numbers, vectors at random else."""
    if vectors.shape[1] == 1:
        places = (torch.arange(levels) + 0.5) / levels * len(vectors)
        return vectors.sort(0).values[places.long()].clone()
    return vectors[torch.randperm(len(vectors), generator=rng)[:levels]].clone()


def _nearest(vectors: Tensor, centres: Tensor) -> Tensor:
    """Which centre each vector is nearest to: (G, N, D) and (G, levels, D) to (G, N)."""
    return (centres.square().sum(2)[:, None] - 2 * vectors @ centres.mT).argmin(2)
