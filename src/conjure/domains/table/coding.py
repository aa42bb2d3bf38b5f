"""Which coder serves a variable, and what the columns' training frequencies alone say: the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.space import Category, Number
from conjure.domains.table.binning import Binning
from conjure.domains.table.cutting import frequent
from conjure.domains.table.normal import LOG_ROOT, NormalScores

Coder = Binning | NormalScores
Marginals = list[tuple[Category | Number, np.ndarray]]  # each column of the space with its codes' training counts
AS_CODES = 32  # distinct values up to which a number stays a column of codes beside normal scores


def learn(name: str, values: np.ndarray, config: Any, *, listed: bool, grid: bool) -> Coder:
    """A coder for one variable's training values; `config` is the codec's."""
    if listed:
        absent = np.isnan(values)
        counts = np.bincount(values[~absent].astype(np.int64))
        return Binning.categories(counts, frequent(counts, config.categories), int(absent.sum()))
    if config.numbers == "values" and len(np.unique(values)) > AS_CODES:
        return NormalScores.learn(name, values, grid=grid)
    return Binning.learn(values, config.bins, config.distinct, grid=grid)


def from_state(state: dict[str, Any]) -> Coder:
    return (NormalScores if "curve" in state else Binning).from_state(state)


def independent(marginals: Marginals, n: int, rng: torch.Generator | None) -> Tensor:
    """n rows, each column drawn by itself: codes by their training frequencies, scores normal. Result (N, K)."""
    drawn = [
        torch.multinomial(torch.from_numpy(counts).double(), n, True, generator=rng)
        if isinstance(column, Category)
        else torch.randn(n, generator=rng)
        for column, counts in marginals
    ]
    return torch.stack(drawn, 1)


def independent_log_prob(marginals: Marginals, x: Tensor) -> Tensor:
    """log-probability of rows (B, K) under `independent`, (B,)."""
    total = torch.zeros(len(x), dtype=torch.float64)
    for k, (column, counts) in enumerate(marginals):
        if isinstance(column, Category):
            total += torch.from_numpy(np.log(counts / counts.sum()))[x[:, k].long()]
        else:
            total -= 0.5 * x[:, k].double() ** 2 + LOG_ROOT
    return total.float()
