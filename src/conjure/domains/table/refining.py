"""Bins of a number under differential privacy: intervals that hold enough rows are cut finer, round by round.

The first intervals are powers of two of either sign, which are nobody's secret; of what the data is like only noisy
counts are seen, one histogram a round, to which a row adds one count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

ROUNDS = 3  # histograms a column
PARTS = 16  # that an interval is cut into
SURE = 3.0  # noise scales of a sum above which it does
CLEAR = 4.0  # noise scales above which a count shows that there are rows
FAR = 6.0  # the same of an interval with no clear neighbour: one by noise alone would put rows at any power of two
MOST, LEAST = 60, -40  # powers of two

Counted = Callable[[np.ndarray], np.ndarray]  # exact counts to noisy ones


@dataclass(frozen=True)
class Leaf:
    """Rows in low <= value < high, about so many, by the sum of `cells` noisy counts."""

    low: float
    high: float
    count: float
    cells: int = 1

    @property
    def width(self) -> float:
        return self.high - self.low

    def with_(self, other: Leaf) -> Leaf:
        """Both and what lies between them."""
        counts = self.count + other.count
        return Leaf(min(self.low, other.low), max(self.high, other.high), counts, self.cells + other.cells)


def octaves(*, grid: bool) -> np.ndarray:
    """Borders of the first intervals, ascending: powers of two on either side of zero, whole on a grid."""
    powers = 2.0 ** np.arange(0 if grid else LEAST, MOST + 1)
    return np.concatenate([-powers[::-1], [0.0], powers])


def refine(values: np.ndarray, noisy: Counted, scale: float, *, grid: bool) -> tuple[list[Leaf], float]:
    """Ascending leaves of a column's values (N,), NaN for missing, and the noisy count of missing cells."""
    present, borders = np.sort(values[~np.isnan(values)]), octaves(grid=grid)
    first = noisy(np.append(_counts(present, borders), len(values) - len(present)))
    pairs = zip(borders[:-1], borders[1:], first, _shown(first[:-1], scale))
    leaves = [Leaf(float(low), float(high), float(c)) for low, high, c, shown in pairs if shown]
    for _ in range(ROUNDS - 1):
        cut = [leaf if leaf.count > CLEAR * scale and not (grid and leaf.width <= 1) else None for leaf in leaves]
        edges = [_parts(leaf, grid=grid) for leaf in cut if leaf is not None]
        exact = [_counts(present, e) for e in edges]
        counts = noisy(np.concatenate(exact)) if exact else np.zeros(0)  # disjoint: a row adds one count in all
        pieces = iter(zip(edges, np.split(counts, np.cumsum([len(e) for e in exact])[:-1]) if exact else []))
        finer: list[Leaf] = []
        gaps = [True, *(right.low > left.high for left, right in pairwise(leaves)), True]
        for leaf, whole, ends in zip(leaves, cut, pairwise(gaps)):
            finer += [leaf] if whole is None else _trimmed(_children(leaf, *next(pieces)), scale, ends)
        leaves = finer
    return leaves, float(first[-1])


def _shown(counts: np.ndarray, scale: float) -> np.ndarray:
    """Which counts of neighbouring intervals show rows: far above noise, or above it beside one that does."""
    clear = counts > CLEAR * scale
    run = np.cumsum(np.diff(clear, prepend=False))  # one number a run of alike intervals
    return clear & np.isin(run, run[counts > FAR * scale])


def bins(leaves: list[Leaf], scale: float, most: int, *, grid: bool) -> list[Leaf]:
    """Neighbouring leaves joined until each clearly holds rows; a leaf of more than its share stays alone."""
    total = max(sum(leaf.count for leaf in leaves), 1.0)
    heavy = [leaf.count >= total / most for leaf in leaves]
    light = max(sum(leaf.count for leaf, h in zip(leaves, heavy) if not h), 0.0)
    enough = max(CLEAR * scale, light / most)
    out: list[Leaf] = []
    pending: Leaf | None = None
    for leaf in leaves:
        if leaf.count >= enough:
            out += [leaf] if pending is None else [pending, leaf]
            pending = None
            continue
        pending = leaf if pending is None else pending.with_(leaf)
        if pending.count >= max(enough, SURE * scale * pending.cells**0.5):
            out.append(pending)
            pending = None
    return _without_poor(out if pending is None else [*out, pending], enough, grid=grid)


def _trimmed(children: list[Leaf], scale: float, ends: tuple[bool, bool]) -> list[Leaf]:
    """A leaf's parts without what noise alone explains where no neighbour follows, or bins would reach over it."""
    counts = np.array([leaf.count for leaf in children])
    front = _empty(counts[::-1], scale) if ends[0] else 0
    back = _empty(counts, scale) if ends[1] else 0
    return children[front : len(children) - back] or children


def _empty(counts: np.ndarray, scale: float) -> int:
    """How many of the last counts noise explains: from the first of them on, no sum of theirs shows rows."""
    n, found = len(counts), 0
    while found < n:
        sums = np.cumsum(counts[n - found - 1 :])
        k = np.arange(1, len(sums) + 1)
        if (sums >= SURE * scale * (k * (1 - k / (n + 1))) ** 0.5).any():  # the whole's count was given to its parts
            break
        found += 1
    return found


def _without_poor(found: list[Leaf], enough: float, *, grid: bool) -> list[Leaf]:
    """Intervals with too few rows given to the wider neighbour, or left out beside single whole numbers."""
    found = list(found)
    while len(found) > 1 and (poor := [k for k, leaf in enumerate(found) if leaf.count < enough]):
        k = poor[0]
        other = max((j for j in (k - 1, k + 1) if 0 <= j < len(found)), key=lambda j: found[j].width)
        if not grid or found[other].width > 1:
            found[other] = found[other].with_(found[k])
        found.pop(k)
    return found


def _parts(leaf: Leaf, *, grid: bool) -> np.ndarray:
    """Borders that cut a leaf into equal parts, of whole width on a grid."""
    count = int(min(PARTS, leaf.width)) if grid else PARTS
    borders = np.linspace(leaf.low, leaf.high, count + 1)
    return np.unique(np.round(borders)) if grid else borders


def _children(leaf: Leaf, edges: np.ndarray, counts: np.ndarray) -> list[Leaf]:
    """The parts, their counts moved so that they agree with the whole as far as its noise allows."""
    counts = counts + (leaf.count - counts.sum()) / (len(counts) + 1)
    return [Leaf(float(low), float(high), float(c)) for low, high, c in zip(edges[:-1], edges[1:], counts)]


def _counts(ascending: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.diff(np.searchsorted(ascending, edges, "left"))
