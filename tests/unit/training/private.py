"""Small families of codes with the objectives that a privacy budget allows, and a plan for them."""

from __future__ import annotations

from typing import Any

import torch

from conjure import catalog
from conjure.core.batch import Batch
from conjure.core.privacy import Budget, Ledger
from conjure.core.rng import Noise, generator
from conjure.core.space import Category, Columns
from conjure.domains.protocol import Encoded
from conjure.objectives.protocol import Objective
from conjure.training.descent import Drawn

SPACE = Columns(tuple(Category(f"c{k}", 3 + k) for k in range(4)))
FAMILIES = {  # model -> (objective, its settings, the model's)
    "columns": ("orderless", {}, {"width": 8, "layers": 2, "dropout": 0.0}),
    "vae": ("elbo", {"beta": 0.5}, {"width": 8, "layers": 1, "latent": 3}),
    "gan": ("wasserstein", {"critic_moves": 1, "width": 8, "layers": 1}, {"width": 8, "layers": 1, "latent": 3}),
}
ROWS, BATCH = 400, 80


def rows(n: int = ROWS) -> torch.Tensor:
    rng = generator(0, "rows")
    return torch.stack([torch.randint(0, 3 + k, (n,), generator=rng) for k in range(4)], 1)


def ledger(noise: float = 1.0, steps: int = 10, clip: float = 1.0, key: bytes = b"k" * 32) -> Ledger:
    """One whose plan is given, not computed: no accountant is needed."""
    made = Ledger(Budget(1.0), key=key)
    made.descent = {"batch": BATCH, "rate": BATCH / ROWS, "noise": noise, "steps": steps, "clip": clip}
    return made


def objective(model: str, plan: Ledger) -> Objective:
    name, settings, sizes = FAMILIES[model]
    family, equation = catalog.resolve("models", model), catalog.resolve("objectives", name)
    torch.manual_seed(0)
    made: Any = equation(family(SPACE, None, family.Config(**sizes)), equation.Config(**settings))
    with torch.no_grad():
        for p in made.parameters():
            p += 0.2 * torch.randn_like(p)
    made.under(plan)
    return made


def examples(plan: Ledger) -> Drawn:
    return Drawn(Encoded(rows()), plan, rows(50), ROWS)


def batch(n: int = 12) -> Batch:
    return Batch(rows(n), noise=Noise(3))


def losses(made: Objective, some: Batch) -> torch.Tensor:
    """Each example's, (B,)."""
    if made.descends == "model":
        return made.each(some)
    move = next(iter(made.moves(some)))
    assert move.each is not None
    return move.each
