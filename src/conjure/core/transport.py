"""Optimal transport between two sets of equally many examples: who goes to whom such that all paths are short."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def pair(source: Tensor, x: Tensor, sweeps: int = 1) -> Tensor:
    """Which source goes to which x, a permutation (B,), such that hardly a swap of two shortens the paths.

    A sweep goes over all pairs: two examples swap their sources when that lowers the sum of squared distances. One is
    near the best assignment, whose cost would grow with the cube of B; more, which end when nothing is to be
    swapped, come closer.

    Shapes: source and x (B, ...).
    """
    likeness = (source.flatten(1).float() @ x.flatten(1).float().T).cpu().numpy()  # (B, B): the less far, the higher
    row = np.arange(len(x))
    order = row
    for _ in range(sweeps):
        before = order
        for total in range(len(x)):
            other = (total - row) % len(x)  # each row meets each other row once
            theirs = order[other]
            gain = likeness[theirs, row] - likeness[order, row]
            order = np.where(gain + gain[other] > 0, theirs, order)
        if (order == before).all():
            break
    return torch.from_numpy(order).to(x.device)
