"""Where codes start among sorted values, and how much of the distribution inside a code is kept."""

from __future__ import annotations

import numpy as np

KNOTS = 16  # pieces of the distribution inside one code


def frequent(counts: np.ndarray, most: int) -> np.ndarray:
    """Where codes start in values sorted by falling frequency: `most` codes, an eighth of them shared if need be.

    The shared codes hold about equal numbers of rows each, rare values beside values about as rare.
    """
    if len(counts) <= most:
        return np.arange(len(counts))
    shared = max(1, most // 8)
    own = most - shared
    rest = np.cumsum(counts[own:])
    edges = np.searchsorted(rest, rest[-1] * np.arange(shared) / shared, "right")
    return np.unique(np.concatenate([np.arange(own), own + edges]))


def even(counts: np.ndarray, bins: int) -> np.ndarray:
    """Where codes start in ascending distinct values: each heavy value alone, the others in equal shares."""
    total = counts.sum()
    heavy = np.flatnonzero(counts > total / bins)
    light = total - counts[heavy].sum()
    borders = [np.array([0]), heavy, heavy + 1]
    for start, end in zip(np.append(0, heavy + 1), np.append(heavy, len(counts))):
        if end <= start:
            continue
        running = np.cumsum(counts[start:end])
        pieces = max(1, round(bins * running[-1] / light))
        inner = np.searchsorted(running, running[-1] * np.arange(1, pieces) / pieces, "left") + 1
        borders.append(start + inner)
    found = np.unique(np.concatenate(borders))
    return found[found < len(counts)]


def thinned(
    curve: tuple[np.ndarray, np.ndarray], spans: list[tuple[int, int]], counts: np.ndarray, knots: int, *, grid: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The same distributions with at most `knots` pieces a code: quantiles at equal steps, straight lines between."""
    kept = knots if grid else 1  # off the grid only a single value is kept as it is
    if all(end - start <= kept for start, end in spans):
        return curve
    places, heights = [], []
    for k, (start, end) in enumerate(spans):
        x, y = (of[2 * start : 2 * end] for of in curve)
        if end - start > kept:
            pieces = int(np.clip(counts[start:end].sum() // 4, 1, knots))
            steps = np.arange(pieces + 1) / pieces
            whole = np.repeat(x[::2], counts[start:end])
            x = np.interp(2 * k + steps, y, x) if grid else np.quantile(whole, steps)
            y = 2 * k + steps
        places.append(x)
        heights.append(y)
    return np.concatenate(places), np.concatenate(heights)
