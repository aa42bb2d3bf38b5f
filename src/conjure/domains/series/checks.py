"""Whether a series is one, and whether two are the same."""

from __future__ import annotations

import numpy as np

from conjure.domains.series.series import Series


def valid(series: Series) -> bool:
    """Whether it has rows and channels, no infinite value, and at least one that is there."""
    return bool(series.values.ndim == 2 and series.values.size and not np.isinf(series.values).any()) and bool(
        np.isfinite(series.values).any()
    )


def same(one: Series, other: Series) -> bool:
    """Whether two series agree in all values, missing ones included, to six digits."""
    return one.values.shape == other.values.shape and np.allclose(one.values, other.values, 1e-6, 1e-9, equal_nan=True)
