"""Feature matching: what is made should look to a critic's inner layers as what is real does."""

from __future__ import annotations

import torch
from torch import Tensor

from conjure.objectives.everywhere import average


def feature_distance(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """E |D_l(real) - D_l(made)| over the mean size of D_l(real), mean over layers l, ().

    Kumar et al. 2019, eq. 4, each layer relative to its size as in Defossez et al. 2022, eq. 5; no gradient to real.
    """
    parts = [(a.detach() - b).abs().mean() / average(a.abs()).clamp(min=1e-6) for a, b in zip(real, made)]
    return torch.stack(parts).mean()
