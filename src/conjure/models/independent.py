"""The baseline that every table model must beat: each column on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from conjure.core.space import Columns, Space
from conjure.models.protocol import Model


class Independent(Model):
    """P(x) = prod_i P(x_i): smoothed frequencies of each column's codes, learnt by counting.

    (count + prior) / (rows + prior * size), Laplace's rule of succession with `prior` in place of one.
    """

    spaces = (Columns,)
    score_kind = "exact"
    gradient = False

    @dataclass(frozen=True)
    class Config:
        """`prior` is the pseudocount of every code."""

        prior: float = 0.1

    def __init__(self, space: Columns, given: Space | None, config: Config):
        super().__init__(space, given, config)
        self.register_buffer("counts", torch.zeros(sum(space.sizes), dtype=torch.double))
        self.register_buffer("starts", torch.tensor([sum(space.sizes[:i]) for i in range(len(space.sizes))]))

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        if isinstance(space, Columns) and not space.discrete:
            return "Independent counts codes, not numbers (set codec.numbers to bins)"
        return super().refuses(space, given, config)

    def observe(self, x: Tensor) -> None:
        """Add the codes (B, K) to the counts."""
        flat = (x + self.starts).flatten()
        self.counts.index_add_(0, flat, torch.ones_like(flat, dtype=torch.double))

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x) of codes (B, K), exact, in nats (B,)."""
        nats = torch.cat([part.log() for part in self._shares()]).float()[x + self.starts]
        return (nats if mask is None else nats * mask).sum(1)

    @torch.no_grad()
    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Draw codes (N, K); evidence `given` (N or 1, sum of sizes) weighs each column by itself."""
        columns = []
        weights = [None] * len(self.space.sizes) if given is None else given.split(self.space.sizes, dim=1)
        for share, weight in zip(self._shares(), weights):
            p = share.unsqueeze(0) if weight is None else share * weight
            columns.append(torch.multinomial(p.expand(n, -1), 1, generator=rng).squeeze(1))
        return torch.stack(columns, 1)

    def _shares(self) -> list[Tensor]:
        smooth = [part + self.config.prior for part in self.counts.split(self.space.sizes)]
        return [part / part.sum() for part in smooth]
