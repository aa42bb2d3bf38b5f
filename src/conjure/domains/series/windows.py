"""Windows of a set of series as tensors: where futures start, and views of histories and futures that copy little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from conjure.domains.series.series import Series


def starts(one: Series, history: int, horizon: int, stride: int) -> range:
    """Rows at which a future of `horizon` rows may start: after `history` rows, and not before `begin`."""
    return range(max(one.begin, history), len(one) - horizon + 1, stride)


def futures(series: list[Series], rows: Callable[[Series], range], values: list[Tensor], length: int) -> Tensor:
    """The `length` rows from each start on, (N, length, C), out of each series' values (rows, C)."""
    return _windows([v.unfold(0, length, 1)[_slice(rows(s))] for s, v in zip(series, values)]).transpose(1, 2)


def histories(series: list[Series], rows: Callable[[Series], range], values: list[Tensor], length: int) -> Tensor:
    """The `length` rows before each start, (N, 2, length, C): values with 0 where missing, and 1 where there is one."""
    parts = []
    for one, table in zip(series, values):
        found = rows(one)
        back = range(found.start - length, found.stop - length, found.step)
        both = torch.stack([table.nan_to_num(), table.isfinite().to(table)], 1)  # (rows, 2, C)
        parts.append(both.unfold(0, length, 1)[_slice(back)])  # (N, 2, C, length)
    return _windows(parts).transpose(2, 3)


def _windows(parts: list[Tensor]) -> Tensor:
    """One series stays a view of its rows, whatever windows overlap."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _slice(rows: range) -> slice:
    return slice(rows.start, rows.stop, rows.step)


def last(values: np.ndarray, length: int) -> np.ndarray:
    """The last rows (length, C); what a shorter series lacks before its start is missing."""
    kept = values[-length:]
    return np.concatenate([np.full((length - len(kept), values.shape[1]), np.nan), kept])
