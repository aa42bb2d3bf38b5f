"""An axis cut into codes, each with its own distribution of the values inside it.

Numbers, moments (as counts of their unit) and categories (as places in their list of values) all come
here as float64 arrays with NaN for missing; nothing in this file knows which of them it serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from conjure.core.space import Category
from conjure.domains.table.cutting import KNOTS, even, thinned

Ranges = list[tuple[float, float]]

STRAY = 1e-3  # share of a code's probability kept, in scores, for values never seen in training


@dataclass(frozen=True)
class Allowed:
    """What a condition leaves of an axis: intervals of its levels, the values they stand for, and missing or not."""

    starts: np.ndarray  # (M,) ascending
    lengths: np.ndarray  # (M,)
    ranges: Ranges
    missing: bool


class Binning:
    """Codes 0 .. K-1 in ascending order of value, and code K for missing where training had it.

    Inside code k the cumulative distribution is piecewise linear: `positions` are values, `levels` are
    2k + F_k(value), so that one interpolation draws a whole column; the odd steps between codes are
    never drawn. On a `grid` (whole steps) a value v owns [v - 1/2, v + 1/2], and a code with few distinct
    values keeps their exact frequencies. Elsewhere a code keeps at most `KNOTS` + 1 quantiles.
    """

    def __init__(self, positions: np.ndarray, levels: np.ndarray, counts: np.ndarray, *, grid: bool, missing: bool):
        self.positions, self.levels, self.counts = positions, levels, counts
        self.grid, self.missing = grid, missing
        self.frequencies: dict[str, Any] | None = None  # where they say all that positions and levels do
        self.codes = len(counts) - missing  # K
        self.first = np.searchsorted(levels, 2.0 * np.arange(self.codes), "left")  # knots of each code
        self.last = np.append(self.first[1:], len(positions)) - 1
        self.low, self.high = positions[self.first], positions[self.last]
        self.cuts = (self.high[:-1] + self.low[1:]) / 2

    @property
    def size(self) -> int:
        return len(self.counts)

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest value of training."""
        half = 0.5 if self.grid else 0.0
        return float(self.low[0] + half), float(self.high[-1] - half)

    @property
    def middle(self) -> float:
        """A value near the median, in a grid's steps a whole one."""
        code = int(np.searchsorted(np.cumsum(self.counts[: self.codes]), self.counts[: self.codes].sum() / 2))
        return float(self.low[code] + 0.5) if self.grid else float(self.low[code])

    @classmethod
    def learn(cls, values: np.ndarray, bins: int, most: int, *, grid: bool) -> Binning:
        """At most `most` distinct values get a code each; else those heavier than a bin do, the rest share bins.

        Bins hold equal shares of the rest between two heavy values, so codes stay in order of value.
        """
        present = values[~np.isnan(values)]
        distinct, counts = np.unique(present, return_counts=True)
        # Codes with few rows behind them replay the training rows, and held-out likelihood falls.
        if len(distinct) <= min(most, max(12, len(present) // 20)):
            starts = np.arange(len(distinct))
        else:
            starts = even(counts, min(bins, max(8, int(len(present) ** 0.5 / 2.5))))
        return cls.grouped(distinct, counts, starts, len(values) - len(present), grid=grid)

    @classmethod
    def grouped(
        cls,
        distinct: np.ndarray,
        counts: np.ndarray,
        starts: np.ndarray,
        absent: int = 0,
        *,
        grid: bool,
        knots: int = KNOTS,
    ) -> Binning:
        """From ascending distinct values, how often each occurs, and where each code's values start.

        At most `knots` pieces a code; 0 keeps everything.
        """
        ends = np.append(starts[1:], len(distinct))
        half = 0.5 if grid else 0.0
        positions = np.repeat(distinct.astype(np.float64), 2)
        positions[::2] -= half
        positions[1::2] += half
        totals = np.add.reduceat(counts, starts)
        code = np.repeat(np.arange(len(starts)), ends - starts)
        before = np.cumsum(counts) - counts
        inside = before - before[starts][code]
        levels = 2.0 * np.repeat(code, 2) + np.column_stack([inside, inside + counts]).ravel() / np.repeat(
            totals[code], 2
        )
        if knots:
            spans = list(zip(starts, ends))
            positions, levels = thinned((positions, levels), spans, counts, knots, grid=grid)
        every = np.append(totals, absent) if absent else totals
        return cls(positions, levels, every.astype(np.int64), grid=grid, missing=bool(absent))

    @classmethod
    def categories(cls, counts: np.ndarray, starts: np.ndarray, absent: int) -> Binning:
        """Over places 0, 1, ... in a list of values, with the exact frequency of each."""
        made = cls.grouped(np.arange(len(counts)), counts, starts, absent, grid=True, knots=0)
        made.frequencies = {"each": counts.tolist(), "starts": starts.tolist(), "absent": int(absent)}
        return made

    def encode(self, values: np.ndarray) -> np.ndarray:
        """The code of each value, int64; a value between or beyond those of training takes the nearest code."""
        absent = np.isnan(values)
        codes = np.searchsorted(self.cuts, values, "right")
        return np.where(absent, self.codes, codes)

    def draw(self, codes: np.ndarray, u: np.ndarray, allowed: Allowed | None = None) -> np.ndarray:
        """A value inside each code, from uniform u in [0, 1); within what is allowed, where something is."""
        if allowed is not None and not len(allowed.starts):
            return np.full(len(codes), np.nan)
        level = 2.0 * codes + u if allowed is None else _restricted(codes, u, allowed)
        absent = codes >= self.codes
        code = np.where(absent, 0, codes) if allowed is None else np.clip(level // 2, 0, self.codes - 1).astype(int)
        values = np.interp(level, self.levels, self.positions)
        if self.grid:
            values = np.clip(np.floor(values + 0.5), self.low[code] + 0.5, self.high[code] - 0.5)
        if allowed is not None:
            values = _nearest_inside(values, allowed.ranges)
            absent &= allowed.missing
        values[absent] = np.nan
        return values

    def allow(self, ranges: Ranges, missing: bool) -> Allowed:
        """Intervals of levels for values in any of the ranges (ends included)."""
        half = 0.5 if self.grid else 0.0
        base = 2.0 * np.arange(self.codes)
        starts, ends = [], []
        for low, high in (merged := _merged(ranges)):
            low, high = low - half, high + half
            touched = (self.high >= low) & (self.low <= high)
            if self.grid:  # cells that share no more than a border do not touch
                touched = (self.high > low) & (self.low < high)
            floor, ceiling = base[touched], base[touched] + 1
            start, end = (np.interp(x, self.positions, self.levels) for x in (low, high))
            starts.append(np.where(self.low[touched] >= low, floor, np.clip(start, floor, ceiling)))
            ends.append(np.where(self.high[touched] <= high, ceiling, np.clip(end, floor, ceiling)))
        first, last = np.concatenate(starts or [base[:0]]), np.concatenate(ends or [base[:0]])
        # A point on a continuous axis has no width; it still is what was asked for.
        kept = (last > first) if self.grid else np.ones(len(first), bool)
        return Allowed(first[kept], np.maximum(last - first, 1e-9)[kept], merged, missing and self.missing)

    def weights(self, allowed: Allowed) -> np.ndarray:
        """The share of each code's probability that is allowed, (size,) float32 in [0, 1]."""
        out = np.zeros(self.size, np.float32)
        np.add.at(out, (allowed.starts // 2).astype(int), allowed.lengths.astype(np.float32))
        if self.missing:
            out[-1] = allowed.missing
        return np.minimum(out, 1.0)

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """log p(value | its code): a probability on a grid and where one value is repeated, else per unit.

        A share `STRAY` is spread over what lies between a code's values and its neighbours' and, thinning out
        as 1 / distance squared, beyond the range of training: an unseen value has a finite score. Draws use none of it.
        """
        absent, codes = np.isnan(values), self.encode(values)
        code, x = np.where(absent, 0, codes), np.where(absent, self.low[0], values)
        seen = self._seen(x, code)
        inner = np.concatenate([self.low[:1], self.cuts, self.high[-1:]])
        left, right = inner[code], inner[code + 1]
        width = np.floor(right) - np.floor(left) if self.grid else right - left
        width = np.where(width > 0, width, 1.0)
        spread = max(float(self.high[-1] - self.low[0]), 1.0 if self.grid else 1e-12)
        beyond = np.maximum(np.maximum(self.low[0] - x, x - self.high[-1]), 0.0)
        far = 0.5 / spread / (1.0 + beyond / spread) ** 2
        stray = np.where(beyond > 0, far, 1.0 / width)
        share = 0.0 if self.frequencies else STRAY  # of a listed value there is no unseen neighbour
        density = (1 - share) * seen + share * stray
        return np.where(absent, 0.0, np.log(np.maximum(density, 1e-300)))

    def _seen(self, x: np.ndarray, code: np.ndarray) -> np.ndarray:
        """The probability (or density) of each value under its code's piecewise-linear distribution."""
        if self.grid:
            below, above = (np.interp(x + d, self.positions, self.levels) for d in (-0.5, 0.5))
            return np.clip(above, 2 * code, 2 * code + 1) - np.clip(below, 2 * code, 2 * code + 1)
        left, right = (np.searchsorted(self.positions, x, side) for side in ("left", "right"))
        a = np.clip(left - 1, self.first[code], self.last[code] - 1)
        width, rise = (of[a + 1] - of[a] for of in (self.positions, self.levels))
        inside = (self.low[code] <= x) & (x <= self.high[code]) & (width > 0)
        slope = np.where(inside, rise / np.where(width > 0, width, 1.0), 0.0)
        # Two or more knots at one place: a value repeated so often that it has a probability of its own.
        tied = right - left >= 2
        top = len(self.levels) - 1
        jump = self.levels[np.clip(right - 1, 0, top)] - self.levels[np.clip(left, 0, top)]
        return np.where(tied, jump, slope)

    def columns(self, name: str, listed: bool) -> tuple[Category, ...]:
        """The one column of codes in a model's space."""
        return (Category(name, self.size, not listed),)

    def state(self) -> dict[str, Any]:
        if self.frequencies:
            return self.frequencies
        return {
            "positions": self.positions.tolist(),
            "levels": self.levels.tolist(),
            "counts": self.counts.tolist(),
            "grid": self.grid,
            "missing": self.missing,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Binning:
        if "each" in state:
            return cls.categories(np.array(state["each"]), np.array(state["starts"]), state["absent"])
        positions, levels = (np.array(state[k], np.float64) for k in ("positions", "levels"))
        counts = np.array(state["counts"], np.int64)
        return cls(positions, levels, counts, grid=state["grid"], missing=state["missing"])


def _restricted(codes: np.ndarray, u: np.ndarray, allowed: Allowed) -> np.ndarray:
    """A level for each code, uniform over the parts of it that are allowed; the nearest such part where none is."""
    ends = np.cumsum(allowed.lengths)
    begins = ends - allowed.lengths
    owner = (allowed.starts // 2).astype(int)
    first, past = np.searchsorted(owner, codes, "left"), np.searchsorted(owner, codes, "right")
    top = len(owner) - 1
    outside = past == first
    first = np.where(outside, np.clip(first, 0, top), first)
    past = np.where(outside, first + 1, past)
    target = begins[first] + u * (ends[past - 1] - begins[first])
    piece = np.clip(np.searchsorted(ends, target, "right"), first, past - 1)
    return allowed.starts[piece] + np.clip(target - begins[piece], 0, allowed.lengths[piece])


def _merged(ranges: Ranges) -> Ranges:
    """Ranges in ascending order, overlapping ones as one."""
    out: Ranges = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return out


def _nearest_inside(values: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Values moved to the nearest end of the nearest range, where rounding left them just outside."""
    lows, highs = np.array(ranges, np.float64).reshape(-1, 2).T
    at = np.searchsorted(lows, values, "right") - 1
    below, above = np.clip(at, 0, None), np.clip(at + 1, None, len(lows) - 1)
    inside = (at >= 0) & (values <= highs[below])
    down = np.where(at >= 0, highs[below], -np.inf)
    nearest = np.where(np.abs(values - down) <= np.abs(lows[above] - values), down, lows[above])
    return np.where(inside | np.isnan(values), values, nearest)
