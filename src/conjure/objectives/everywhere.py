"""Sums over all processes that share a batch, so that many learn what one would; alone they cost nothing."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world() -> int:
    """Processes that share a batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(x: Tensor) -> Tensor:
    """x summed over the processes, without gradient, of its shape."""
    x = x.detach().clone()
    if world() > 1:
        dist.all_reduce(x)
    return x


def average(x: Tensor) -> Tensor:
    """The mean of all processes' values, (), without gradient."""
    if world() == 1:
        return x.detach().mean()
    both = total(torch.stack([x.detach().sum(), torch.full((), float(x.numel()), device=x.device)]))
    return both[0] / both[1]


def picked(x: Tensor, at: Tensor, each: int) -> Tensor:
    """Rows `at` (n,) of what x (N, D) would be in one process, (n, D), the same in all: each holds the `each` rows of
    examples rank, rank + world, ... of the batch.
    """
    if world() == 1:
        return x[at]
    example, place = at // each, at % each
    mine = example % world() == dist.get_rank()
    rows = (example // world() * each + place).clamp(max=len(x) - 1)
    return total(torch.where(mine[:, None], x[rows], 0.0))


def most(value: int) -> int:
    """The largest of the processes' values."""
    if world() == 1:
        return value
    packed = torch.tensor(value)
    dist.all_reduce(packed, dist.ReduceOp.MAX)
    return int(packed)


def mean(x: Tensor, count: Tensor | None = None) -> Tensor:
    """The mean of flat values (n,) over all processes, (): with gradient through this one's share of it.

    Gradients are averaged over processes afterwards, so each counts its own `world` times. count: how many values there
    are in all, where it is known.
    """
    every = total(torch.tensor(float(x.numel()), device=x.device)) if count is None else count
    return x.sum() * world() / every.clamp(min=1)
