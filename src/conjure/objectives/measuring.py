"""Pairwise marginals under differential privacy: all pairs a little, then the ones that matter more precisely."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from conjure.core.privacy import Ledger

BLOCK = 8192  # rows counted at a time


@dataclass
class Measured:
    """Noisy joint counts of all pairs of columns, (W, W), the noise scale of each pair (K, K), and one-way counts.

    Everything a model may learn from; the exact counts are forgotten.
    """

    joint: Tensor
    scales: Tensor
    alone: list[Tensor]
    rows: float

    def strength(self, spans: list[slice]) -> Tensor:
        """How far each pair is from independence beyond what noise makes of it: chi-square over rows, (K, K)."""
        count = len(spans)
        found = torch.zeros(count, count)
        for i in range(count):
            for j in range(i):
                expected = torch.outer(self.alone[i], self.alone[j]) / self.rows
                gap = (self.joint[spans[i], spans[j]] - expected).square() - self.scales[i, j] ** 2
                found[i, j] = found[j, i] = (gap / expected.clamp_min(0.002 * self.rows)).sum() / self.rows
        return found


def measure(x: Tensor, spans: list[slice], ledger: Ledger | None, first: float, kept: float) -> Measured:
    """Of codes (N, K) in `spans` of W: all that is left of the ledger, or exact counts without one.

    A share `first` of it goes to all pairs alike; what it shows decides which share `kept` of the pairs the rest goes
    to. A row adds one to one cell of every pair, so that P pairs together have the sensitivity sqrt(P).
    """
    exact, count = joint_counts(x, spans), len(spans)
    if ledger is None:
        alone = [exact[s, s].diagonal().float().clamp_min(0.5) for s in spans]
        alone = [c * len(x) / c.sum() for c in alone]
        return Measured(exact.float(), torch.zeros(count, count), alone, float(len(x)))
    every = [(i, j) for i in range(count) for j in range(i)]
    if not every:
        counts, _ = ledger.counts("column", exact.diagonal().numpy(), (ledger.mu**2 - ledger.spent**2) ** 0.5)
        alone = torch.from_numpy(counts).float().clamp_min(0.5)
        return Measured(torch.diag(alone), torch.zeros(1, 1), [alone], float(alone.sum()))
    left = ledger.mu**2 - ledger.spent**2
    found = _noisy(exact, spans, ledger, (every, (left * first) ** 0.5))
    found.alone, found.rows = _alone(found, spans)
    if kept < 1 and first < 1:
        strength = found.strength(spans)
        best = sorted(every, key=lambda pair: -float(strength[pair]))[: max(1, round(kept * len(every)))]
        again = _noisy(exact, spans, ledger, (best, (left * (1 - first)) ** 0.5))
        _join(found, again, spans, best)
        found.alone, found.rows = _alone(found, spans)
    return found


def joint_counts(x: Tensor, spans: list[slice]) -> Tensor:
    """How often each two codes meet in a row, (W, W), of codes (N, K)."""
    wide = spans[-1].stop
    starts = torch.tensor([s.start for s in spans])
    total = torch.zeros(wide, wide, dtype=torch.float64)
    for part in x.split(BLOCK):
        rows = torch.zeros(len(part), wide).scatter_(1, part + starts, 1.0)
        total += (rows.T @ rows).double()
    return total


def _noisy(exact: Tensor, spans: list[slice], ledger: Ledger, how: tuple[list[tuple[int, int]], float]) -> Measured:
    """Some pairs with noise; the mu is for all of them together."""
    pairs, mu = how
    each = mu / len(pairs) ** 0.5
    joint, scales = torch.zeros_like(exact, dtype=torch.float32), torch.full((len(spans),) * 2, float("inf"))
    cells = torch.cat([exact[spans[i], spans[j]].flatten() for i, j in pairs])
    counts, scale = ledger.counts(f"{len(pairs)} pairs of columns", cells.numpy(), each, times=len(pairs))
    pieces = torch.from_numpy(counts).float().split([exact[spans[i], spans[j]].numel() for i, j in pairs])
    for (i, j), piece in zip(pairs, pieces):
        block = piece.view(exact[spans[i], spans[j]].shape)
        joint[spans[i], spans[j]], joint[spans[j], spans[i]] = block, block.T
        scales[i, j] = scales[j, i] = scale
    return Measured(joint, scales, [], 0.0)


def _join(found: Measured, again: Measured, spans: list[slice], pairs: list[tuple[int, int]]) -> None:
    """Two measurements of a pair as one, weighed by their precision."""
    for i, j in pairs:
        a, b = found.scales[i, j] ** -2, again.scales[i, j] ** -2
        block = (found.joint[spans[i], spans[j]] * a + again.joint[spans[i], spans[j]] * b) / (a + b)
        found.joint[spans[i], spans[j]], found.joint[spans[j], spans[i]] = block, block.T
        found.scales[i, j] = found.scales[j, i] = (a + b) ** -0.5


def _alone(found: Measured, spans: list[slice]) -> tuple[list[Tensor], float]:
    """Counts of each column's codes as its pairs have them, weighed by precision, and the number of rows."""
    out = []
    for i, span in enumerate(spans):
        total, weight = torch.zeros(span.stop - span.start), 0.0
        for j, other in enumerate(spans):
            if j != i:
                precision = float(found.scales[i, j]) ** -2 / (other.stop - other.start)
                total, weight = total + precision * found.joint[span, other].sum(1), weight + precision
        out.append((total / weight).clamp_min(0.5))
    rows = float(torch.stack([c.sum() for c in out]).median())
    return [c * rows / c.sum() for c in out], rows
