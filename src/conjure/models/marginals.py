"""Columns one after the other, each by a log-linear law of those before: what pairs of columns say and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conjure.core.space import Columns, Space
from conjure.models.protocol import Model

CHUNK = 8192  # rows, or particles, drawn at a time


class Marginals(Model):
    """P(x_i | x_before) = softmax(shift_i + sum over columns j before i of weights[x_j, x_i]).

    Of all laws with given pairwise marginals it is, column by column, the one of greatest entropy (Berger, Della
    Pietra and Della Pietra 1996, eq. 10), so that noise in the marginals makes no structure of its own. It holds
    nothing but two-way statistics, which is what a privacy budget can afford.
    """

    spaces = (Columns,)
    score_kind = "exact"
    gradient = False

    @dataclass(frozen=True)
    class Config:
        """particles: draws a row among which a condition on later columns chooses."""

        particles: int = 64

    def __init__(self, space: Columns, given: Space | None, config: Config):
        super().__init__(space, given, config)
        self.sizes, wide = space.sizes, sum(space.sizes)  # W
        self.ordered = tuple(getattr(c, "ordered", False) for c in space.columns)
        self.starts = tuple(sum(self.sizes[:i]) for i in range(len(self.sizes)))
        self.register_buffer("order", torch.arange(len(self.sizes)))
        self.register_buffer("shift", torch.zeros(wide))
        self.register_buffer("weights", torch.zeros(wide, wide))  # from an earlier column's code to a later one's

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        if isinstance(space, Columns) and not space.discrete:
            return "Marginals models columns of codes, not numbers (set codec.numbers to bins)"
        return super().refuses(space, given, config)

    def span(self, i: int) -> slice:
        """Where column i's codes lie among all W."""
        return slice(self.starts[i], self.starts[i] + self.sizes[i])

    @torch.no_grad()
    def set_column(self, i: int, shift: Tensor, weights: dict[int, Tensor]) -> None:
        """Column i's law: shift (size,) and for each earlier column j weights (size of j, size of i)."""
        self.shift[self.span(i)] = shift
        self.weights[:, self.span(i)] = 0
        for j, weight in weights.items():
            self.weights[self.span(j), self.span(i)] = weight

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x) of codes (B, K), exact, in nats (B,); where mask is False a column neither counts nor tells."""
        where = x + torch.tensor(self.starts)
        told = None if mask is None else mask.to(self.weights.dtype)
        logits = self.shift + F.embedding_bag(where, self.weights, per_sample_weights=told, mode="sum")  # (B, W)
        parts = logits.split(self.sizes, dim=1)
        nats = torch.stack([F.cross_entropy(p, x[:, i], reduction="none") for i, p in enumerate(parts)], 1)
        return -(nats if told is None else nats * told).sum(1)

    @torch.no_grad()
    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Draw codes (N, K); exact without evidence.

        Under evidence `given` (N or 1, W) each row is chosen among `particles` draws, column by column weighed by how
        probable they make what is asked of that column (sampling importance resampling, Rubin 1988).
        """
        size = CHUNK if given is None else max(1, CHUNK // self.config.particles)
        parts = []
        for start in range(0, n, size):
            count = min(size, n - start)
            if given is None:
                parts.append(self._draw(count, None, rng)[0])
            else:
                parts.append(self._chosen(given.expand(n, -1)[start : start + count], rng))
        return torch.cat(parts)

    def _chosen(self, evidence: Tensor, rng: torch.Generator | None) -> Tensor:
        rows, particles = len(evidence), self.config.particles
        x, weight = self._draw(rows * particles, evidence.repeat_interleave(particles, 0), rng)
        odds = weight.view(rows, particles).softmax(1)
        pick = torch.multinomial(odds, 1, generator=rng)  # (rows, 1)
        return x.view(rows, particles, -1)[torch.arange(rows), pick.squeeze(1)]

    def _draw(self, n: int, evidence: Tensor | None, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Codes (N, K) drawn in order, and the log-probability of the evidence on the way, (N,)."""
        x, logits, weight = torch.zeros(n, len(self.sizes), dtype=torch.long), self.shift.repeat(n, 1), torch.zeros(n)
        for i in self.order.tolist():
            odds = logits[:, self.span(i)].softmax(1)
            if evidence is not None:
                odds = odds * evidence[:, self.span(i)]
                total = odds.sum(1)
                weight += total.clamp_min(1e-30).log()
                odds = torch.where(total.unsqueeze(1) > 0, odds, evidence[:, self.span(i)])
            x[:, i] = torch.multinomial(odds, 1, generator=rng).squeeze(1)
            logits += self.weights[self.starts[i] + x[:, i]]
        return x, weight
