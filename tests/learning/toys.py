"""Small sets with a known structure, and the plain run that a family learns them by."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from conjure.core.space import Category, Columns, Number
from conjure.domains.protocol import Encoded
from conjure.objectives.protocol import Objective
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

SCALE = 0.05  # of each mode
MODES = torch.tensor([[math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)] for k in range(8)])
GRID = torch.cartesian_prod(torch.arange(-2.0, 3), torch.arange(-2.0, 3)) / 2
ROWS = Columns((Category("a", 4), Category("b", 4), Number("n")))


def ring(n: int, seed: int) -> Tensor:
    """Eight Gaussians of scale 0.05 on the unit circle, (N, 2)."""
    rng = torch.Generator().manual_seed(seed)
    return MODES[torch.randint(8, (n,), generator=rng)] + SCALE * torch.randn(n, 2, generator=rng)


def grid(n: int, seed: int) -> Tensor:
    """Twenty-five Gaussians of scale 0.05, half a unit apart, (N, 2)."""
    rng = torch.Generator().manual_seed(seed)
    return GRID[torch.randint(25, (n,), generator=rng)] + SCALE * torch.randn(n, 2, generator=rng)


def hits(made: Tensor, modes: Tensor) -> tuple[float, Tensor]:
    """Share of samples within three standard deviations of a mode, and of each mode's own in all samples."""
    near, mode = torch.cdist(made, modes).min(1)
    good = near < 3 * SCALE
    return float(good.float().mean()), torch.bincount(mode[good], minlength=len(modes)) / len(made)


def table(n: int, seed: int) -> Tensor:
    """Rows (N, 3) of ROWS: b repeats a nine times in ten, n rises with a; standardised."""
    rng = torch.Generator().manual_seed(seed)
    a = torch.randint(4, (n,), generator=rng)
    b = torch.where(torch.rand(n, generator=rng) < 0.9, a, torch.randint(4, (n,), generator=rng))
    rise = (a - 1.5 + 0.3 * torch.randn(n, generator=rng)) / (1.25 + 0.09) ** 0.5
    return torch.stack([a.float(), b.float(), rise], 1)


def joint(rows: Tensor) -> Tensor:
    """How often each pair of codes (a, b) occurs, (16,)."""
    return torch.bincount((rows[:, 0] * 4 + rows[:, 1]).long(), minlength=16) / len(rows)


def learn(objective: Objective, data: tuple[Encoded, Encoded], **training: float) -> dict[str, float]:
    """Train on one thread; the objective's model ends in its best state."""
    settings = Training(**{"threads": 1, "validate_every": 100, **training})  # type: ignore[arg-type]
    summary = Trainer(objective, settings, (Examples(data[0]), Examples(data[1]))).run()
    objective.eval()
    return summary
