"""How widely made examples spread beside real ones: a distance for validation, and the watch for collapse."""

from __future__ import annotations

import torch
from torch import Tensor

from conjure.core.rng import generator

LOOKED_AT = 1024  # examples a batch, at most: distances grow with their square
NARROW = 0.5  # diversity below which a generator counts as collapsed
SPARSE = 0.25  # coverage below which it does
PATIENCE = 2  # validations in a row before the watch speaks


class Watch:
    """Says when what is made has fallen together: diversity below NARROW, or coverage below SPARSE, twice in a row.

    Of a run taken up again it knows nothing before; it may speak one validation later then.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        self.low = 0

    def look(self, real: Tensor, made: Tensor) -> dict[str, Tensor]:
        """Diversity and coverage of one batch; both (N, D)."""
        real, made = real[:LOOKED_AT].float(), made[:LOOKED_AT].float()
        found = {"diversity": diversity(real, made), "coverage": coverage(real, made)}
        self.seen.append((float(found["diversity"]), float(found["coverage"])))
        return found

    def warnings(self) -> list[str]:
        """One sentence when the last batches, and those before the last asking, were too narrow."""
        if not self.seen:
            return []
        wide, met = (sum(v) / len(self.seen) for v in zip(*self.seen))
        self.seen = []
        self.low = self.low + 1 if wide < NARROW or met < SPARSE else 0
        if self.low != PATIENCE:
            return []
        return [
            f"the generator has collapsed: what it makes is {wide:.2f} times as diverse as the data and reaches "
            f"{met:.2f} of it; try a larger objective.penalty, a larger training.batch or a lower training.rate"
        ]


def diversity(real: Tensor, made: Tensor) -> Tensor:
    """Mean distance between made examples over that between real ones, (): 1 when they spread alike."""
    return torch.pdist(made).mean() / torch.pdist(real).mean().clamp(min=1e-12)


def coverage(real: Tensor, made: Tensor) -> Tensor:
    """How many real examples are the nearest of some made one, over how many are of some other real one, ().

    The modes that are reached count, not how exactly: 1 for a second set of data, near 0 for copies of one example.
    Half of `real` stands to be found, the other half is what `made`, cut to as many, is held against.
    """
    half = len(real) // 2
    if not half:
        return real.new_ones(())
    found = [torch.cdist(points, real[:half]).argmin(1).unique().numel() for points in (made[-half:], real[-half:])]
    return real.new_tensor(found[0] / found[1])


def sliced_distance(a: Tensor, b: Tensor, directions: int) -> Tensor:
    """The mean Wasserstein-1 distance of two equally large sets along fixed random directions.

    Sorting solves the problem exactly in one dimension (Bonneel et al. 2015, eq. 8).

    Shapes: a and b (N, D), result ().
    """
    rays = torch.randn(a.shape[1], directions, generator=generator(0, "directions")).to(a)
    rays = rays / rays.norm(dim=0)
    return ((a.float() @ rays).sort(0).values - (b.float() @ rays).sort(0).values).abs().mean()
