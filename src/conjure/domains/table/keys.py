"""Unique keys: of rows that repeat a key, one cell is drawn again among the values that are still free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.table.rules import Unique

ROUNDS = 12  # of drawing from the column's own values before the free ones are counted out


@dataclass(frozen=True)
class Supply:
    """Values a key's cell may take: `values` of a list, else numbers from low to high (whole ones on a grid).

    On a grid there is more above `high` when the range is used up, as far as `limit`.
    """

    listed: bool
    grid: bool
    low: float
    high: float
    limit: float

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n values from the range, some perhaps alike."""
        if self.grid:
            return rng.integers(int(self.low), int(self.high) + 1, size=n).astype(np.float64)
        return rng.uniform(self.low, self.high, size=n)

    def unused(self, used: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """At most n values that are not among `used`, none twice."""
        if not self.grid:
            return np.setdiff1d(self.draw(2 * n + 8, rng), used)[:n]
        enough = len(used) + n
        if self.high - self.low + 1 > 20 * enough:  # sparse: no need to count them all
            return rng.permutation(np.setdiff1d(self.draw(4 * enough + 8, rng), used))[:n]
        free = np.setdiff1d(np.arange(self.low, self.high + 1), used)
        if len(free) < n and not self.listed:
            beyond = np.setdiff1d(np.arange(self.high + 1, min(self.limit, self.high + enough) + 1), used)
            return np.concatenate([free, beyond[: n - len(free)]])
        return rng.permutation(free)[:n]


@dataclass(frozen=True)
class Redraw:
    """Which column of a key is drawn again, out of what, and whether its other columns may change too."""

    name: str
    supply: Supply
    movable: bool


def make_unique(rule: Unique, columns: dict[str, np.ndarray], redraw: Redraw, rng: np.random.Generator) -> None:
    """Redraw cells, in place, in rows that repeat an earlier key; ConfigError when there are too few values."""
    name, supply = redraw.name, redraw.supply
    own = columns[name][~np.isnan(columns[name])]
    for turn in range(ROUNDS):
        again = np.flatnonzero(~rule.holds(columns))
        if not len(again):
            return
        # The column's own values first, so that its distribution stays; then any in its range.
        fresh = rng.choice(own, len(again)) if turn < ROUNDS // 2 else supply.draw(len(again), rng)
        columns[name][again] = fresh
    _fill(rule, columns, redraw, rng)


def _fill(rule: Unique, columns: dict[str, np.ndarray], redraw: Redraw, rng: np.random.Generator) -> None:
    """Give the rows that still repeat a key values that no row with the same other cells has.

    Where these are too few, rows move to the other cells of rows that have some left.
    """
    name, again = redraw.name, np.flatnonzero(~rule.holds(columns))
    others = [n for n in rule.columns if n != name]
    group = _groups(columns, others)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 2))
    left_over: list[int] = []
    for g in np.unique(group[again]):
        rows = again[group[again] == g]
        free = redraw.supply.unused(_present(columns[name][order[starts[g] : starts[g + 1]]]), len(rows), rng)
        columns[name][rows[: len(free)]] = free
        left_over += rows[len(free) :].tolist()
    for g in range(group.max() + 1) if redraw.movable else ():
        if not left_over:
            return
        members = order[starts[g] : starts[g + 1]]
        members = members[~np.isin(members, left_over)]
        free = redraw.supply.unused(_present(columns[name][members]), len(left_over), rng)
        rows, left_over = left_over[: len(free)], left_over[len(free) :]
        columns[name][rows] = free
        for other in others:
            columns[other][rows] = columns[other][members[0]] if len(members) else np.nan
    if left_over:
        most = len(columns[name]) - len(left_over)
        raise ConfigError(f"the rule {rule.text!r} leaves only {most} different keys: ask for at most {most} rows")


def _groups(columns: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """A number for each row, the same where it agrees in all the named columns."""
    import pandas as pd

    if not names:
        return np.zeros(len(next(iter(columns.values()))), np.int64)
    return pd.DataFrame({n: columns[n] for n in names}).groupby(names, dropna=False).ngroup().to_numpy()


def _present(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
