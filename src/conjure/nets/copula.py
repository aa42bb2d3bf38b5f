"""Values with heavy tails that hang together: a marginal for each, and the normal copula that joins them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.likelihoods import normal

MOST = 512  # factors in all, so that their matrix stays small
ROWS = 64  # examples with missing values whose matrices are made at a time
COMMON = 0.98  # at most so much of a value's variance is shared with others


class Tails(nn.Module):
    """z standard normal to r = sinh(asinh(z) / delta), one delta a channel: below 1 the tails are heavier.

    The sinh-arcsinh family without skew (Jones and Pewsey 2009, eq. 2 with epsilon = 0); delta = 1 is normal.

    Shapes: z and r (..., C).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.log_delta = nn.Parameter(torch.full((channels,), -0.1))

    def spread(self, z: Tensor) -> Tensor:
        return torch.sinh(torch.asinh(z) / self._delta())

    def gather(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """z for r, and log dz/dr."""
        delta = self._delta()
        z = torch.sinh(delta * torch.asinh(r))
        return z, delta.log() + 0.5 * ((1 + z * z).log() - (1 + r * r).log())

    def _delta(self) -> Tensor:
        return self.log_delta.clamp(-1.2, 0.3).exp()


class Copula(nn.Module):
    """z ~ N(0, R) over steps and channels, R = D + U U^T with ones on its diagonal.

    The rows of U are those of the Kronecker product of factors over time, (T, k), and between channels, (C, C):
    errors that last, alike in channels that go together. Low rank keeps density and draws cheap (Salinas et al.
    2019, sec. 3.2). More than 512 factors in all are not made: many channels have fewer over time.
    """

    def __init__(self, steps: int, channels: int, factors: int):
        super().__init__()
        self.steps, self.channels = steps, channels
        count = max(1, min(factors, MOST // channels, steps))
        places = (torch.arange(steps) + 0.5) * math.pi / steps
        order = torch.arange(count)
        self.time = nn.Parameter(torch.cos(places[:, None] * order) * 0.5 / (1 + order))  # (T, k)
        self.between = nn.Parameter(torch.eye(channels))

    def log_density(self, z: Tensor, mask: Tensor | None = None) -> Tensor:
        """log N(z; 0, R) - sum log N(z; 0, 1) over what is there, (B,).

        By Woodbury's identity; a value that is missing has no precision. Shapes: z and mask (B, T, C).
        """
        u, own = self._parts()
        z = z.flatten(1)
        if mask is None or bool(mask.all()):
            return self._relative(z, u, own, None)
        there = mask.flatten(1)
        parts = [self._relative(*p[:1], u, own, p[1]) for p in zip(z.split(ROWS), there.split(ROWS))]
        return torch.cat(parts)

    def draw(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """n draws of z, (N, T, C)."""
        u, own = self._parts()
        shared = normal(u.new_empty(n, u.shape[1]), rng) @ u.T
        alone = normal(u.new_empty(n, len(u)), rng) * own.sqrt()
        return (shared + alone).unflatten(1, (self.steps, self.channels))

    @torch.no_grad()
    def observe(self, z: Tensor) -> None:
        """Start from the principal components of z (N, T, C) over time, and the correlation of their scores."""
        count = self.time.shape[1]
        rows = z.transpose(1, 2).flatten(0, 1)
        rows = rows / rows.square().mean(0).sqrt().clamp_min(1e-6)
        values, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
        loads = axes[:, -count:].flip(1) * values[-count:].flip(0).clamp_min(0).sqrt()
        shared = loads.square().sum(1, keepdim=True).clamp(max=COMMON)
        self.time.copy_(loads / (1 - shared).sqrt())
        first = (z.transpose(1, 2) @ axes[:, -1]).T  # (C, N)
        between = torch.corrcoef(first) if self.channels > 1 else torch.ones(1, 1)
        eye = torch.eye(self.channels)
        self.between.copy_(torch.linalg.cholesky(0.95 * between.nan_to_num() * (1 - eye) + eye))

    def _parts(self) -> tuple[Tensor, Tensor]:
        """U (T C, factors) and the diagonal of D (T C,)."""
        between = F.normalize(self.between.tril(), dim=1)
        u = torch.kron(self.time, between)
        share = 1 + u.square().sum(1)
        return u / share.sqrt()[:, None], 1 / share

    def _relative(self, z: Tensor, u: Tensor, own: Tensor, there: Tensor | None) -> Tensor:
        eye = torch.eye(u.shape[1], device=z.device)
        if there is None:
            weight = 1 / own  # (T C,)
            inner = u.T @ (u * weight[:, None]) + eye
            log_own = own.log().sum()
        else:
            z = z * there
            weight = there / own  # (B, T C)
            inner = torch.einsum("bi,ik,il->bkl", weight, u, u) + eye
            log_own = (own.log() * there).sum(1)
        root = torch.linalg.cholesky(inner)
        seen = ((z * weight) @ u).unsqueeze(-1)  # (B, factors, 1)
        half = torch.linalg.solve_triangular(root, seen.mT[:, 0].T if there is None else seen, upper=False)
        explained = half.square().sum(0) if there is None else half.square().sum((1, 2))
        log_root = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * (log_own + 2 * log_root + (weight * z * z).sum(1) - explained - z.square().sum(1))
