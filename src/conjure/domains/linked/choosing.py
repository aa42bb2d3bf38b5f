"""What a row should be told of its parent and of the row before: the columns that say something about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ROWS = 30_000  # rows looked at
GROUPS = 12  # values a column is reduced to
CERTAIN = 6.0  # standard deviations above chance at which a dependence counts


def choose(frame: pd.DataFrame, own: list[str], offered: list[str], most: int, seed: int = 0) -> list[str]:
    """Of the columns offered at most `most` that depend on an own column, those that tell most first.

    Dependence is measured by the likelihood ratio 2 N I(a; b), which is chi-squared with (A - 1)(B - 1) degrees of
    freedom where there is none; what is ranked is mutual information less what chance gives.
    """
    if len(frame) > ROWS:
        frame = frame.iloc[np.sort(np.random.default_rng(seed).permutation(len(frame))[:ROWS])]
    mine = [codes for name in own if (codes := _codes(frame[name])) is not None]
    told: dict[str, float] = {}
    seen: list[np.ndarray] = []
    for name in offered:
        codes = _codes(frame[name])
        if codes is None:
            continue
        gains = [gain for other in mine if (gain := _gain(codes, other)) > 0]
        if gains and not any(np.array_equal(codes, s) for s in seen):  # the same told twice
            told[name] = sum(gains)
            seen.append(codes)
    return sorted(told, key=lambda n: -told[n])[:most]


def _codes(series: pd.Series) -> np.ndarray | None:
    """A column as few codes, missing being one; None where it does not vary."""
    import pandas as pd

    values = series
    if series.dtype.kind in "iufM" and series.nunique() > GROUPS:
        ranks = series.rank(pct=True, method="average")
        values = (ranks * GROUPS).clip(upper=GROUPS - 1e-9) // 1
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    if len(distinct) < 2:
        return None
    counts = np.bincount(codes)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank[codes], GROUPS)


def _gain(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information above what chance gives, in nats; 0 where it may be chance."""
    n, sides = len(a), (int(a.max()) + 1, int(b.max()) + 1)
    joint = np.bincount(a * sides[1] + b, minlength=sides[0] * sides[1]).reshape(sides).astype(float)
    expected = joint.sum(1, keepdims=True) * joint.sum(0) / n
    there = joint > 0
    statistic = 2 * float((joint[there] * np.log(joint[there] / expected[there])).sum())
    freedom = (sides[0] - 1) * (sides[1] - 1)
    return (statistic - freedom) / (2 * n) if statistic > freedom + CERTAIN * (2 * freedom) ** 0.5 else 0.0
