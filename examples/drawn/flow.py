"""Noise on its way to eight Gaussians, and digits that few and many calls of the network draw from the same noise."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib import pyplot as plt

import conjure
from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.flow import Flow
from conjure.objectives.matching import Matching
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.trainer import Trainer

BLUE, RED, GREY = "#2b6cb0", "#c05621", "#a0aec0"
CALLS = (2, 10, 100)


def draw() -> plt.Figure:
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.9), width_ratios=(1, 1, 1.25))
    for axis, coupling in zip(axes, ("independent", "transport")):
        ends = ring(8000)
        path = paths(ends, coupling)
        axis.plot(*path.permute(2, 0, 1), color=GREY, lw=0.5)
        axis.scatter(*path[0].T, s=3, color=RED)
        axis.scatter(*path[-1].T, s=3, color=BLUE)
        axis.set(title=f"noise to data, coupling {coupling}", xticks=[], yticks=[], aspect="equal")
    axes[2].imshow(digits(), cmap="gray_r")
    axes[2].set(title="digits by " + ", ".join(map(str, CALLS)) + " calls of the network", xticks=[], yticks=[])
    return figure


def ring(n: int) -> torch.Tensor:
    """Eight Gaussians of scale 0.05 on the unit circle, (N, 2)."""
    rng = torch.Generator().manual_seed(0)
    angle = torch.randint(8, (n,), generator=rng) * torch.pi / 4
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2, generator=rng)


def paths(data: torch.Tensor, coupling: str, steps: int = 40, n: int = 150) -> torch.Tensor:
    """Where a learnt field carries n points of noise, (steps + 1, n, 2)."""
    torch.manual_seed(0)
    model = Flow(Dense((2,)), None, Flow.Config(width=64, layers=2))
    training = Training(steps=500, batch=256, rate=3e-3, average=0.99, threads=1)
    Trainer(Matching(model, Matching.Config(coupling=coupling)), training, (Examples(Encoded(data)), None)).run()
    x, found = torch.randn(n, 2, generator=torch.Generator().manual_seed(0)), []
    with torch.no_grad():
        for k in range(steps):
            found.append(x)
            x = x + model.velocity(x, torch.full((n,), k / steps)) / steps
    return torch.stack([*found, x])


def digits() -> np.ndarray:
    """A row of ten classes for each number of calls."""
    settings = ["model.width=256", "training.steps=1200", "training.threads=1"]
    made = conjure.fit("images", "digits", model="flow", settings=settings).artifact
    rows = []
    for calls in CALLS:
        model = Flow(made.model.space, made.model.given, Flow.Config(evaluations=calls))
        model.load_state_dict(made.model.state_dict())
        with torch.no_grad():
            x = model.sample(10, given=torch.arange(10)[:, None], rng=torch.Generator().manual_seed(1))
        rows.append(np.hstack([picture[..., 0] for picture in made.codec.decode(x)]))
    return np.vstack([np.pad(row, ((2, 2), (0, 0))) for row in rows])
