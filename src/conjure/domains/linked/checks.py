"""Whether made tables hold together: every reference means a row, every key its own, times in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conjure.domains.linked import keys
from conjure.domains.linked.ties import Ties

if TYPE_CHECKING:
    import pandas as pd


def integrity(frames: dict[str, pd.DataFrame], ties: Ties) -> dict[str, float]:
    """ "child.column" -> share of references, empty ones aside, that mean a row of the parent, in [0, 1]; a
    reference of several columns is empty where one of them is."""
    out = {}
    for link in ties.links:
        refers = [keys.plain(frames[link.child][c]) for c in link.columns]
        mine, theirs = keys.joint(refers, [keys.plain(frames[link.parent][c]) for c in ties.keys[link.parent]])
        mine = mine[mine >= 0]
        out[f"{link.child}.{link.column}"] = float(np.isin(mine, theirs).mean()) if len(mine) else 1.0
    return out


def unique(frames: dict[str, pd.DataFrame], ties: Ties) -> dict[str, float]:
    """Table -> share of rows whose primary key no other row has, in [0, 1]."""
    named = {t: list(key) for t, key in ties.keys.items() if key}
    return {t: float(1 - frames[t].duplicated(key, keep=False).mean()) for t, key in named.items()}


def variation(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation distance of two samples of numbers of children, in [0, 1]."""
    size = int(max(one.max(initial=0), other.max(initial=0))) + 1
    shares = [np.bincount(side, minlength=size) / max(1, len(side)) for side in (one, other)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> bool:
    """Whether two sets of tables agree cell by cell."""
    return list(one) == list(other) and all(f.equals(other[t]) for t, f in one.items())
