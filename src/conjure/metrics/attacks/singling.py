"""Singling out: a description, read off made rows, that fits exactly one person in the training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.metrics.attacks.chance import by_relabelling
from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import Grid, join

TRIES = 20  # descriptions looked at for each one that is used
ATTRIBUTES = 4  # of a description of several columns


@dataclass(frozen=True)
class Condition:
    """One column at least, at most, or exactly a value."""

    column: int  # among numbers, or among categories
    kind: str  # "at least", "at most", "is"
    value: float

    def holds(self, grid: Grid) -> np.ndarray:
        """Where it does, (rows,); never where the value is missing."""
        if self.kind == "is":
            return grid.codes[:, self.column] == self.value
        column = grid.numbers[:, self.column]
        return column >= self.value if self.kind == "at least" else column <= self.value


def univariate(tables: Tables, attempts: int, rng: np.random.Generator) -> Outcome:
    """Descriptions by one column: its extremes among made rows, and values that one made row alone has."""
    made, found = tables.made, []
    for k, column in enumerate(made.numbers.T):
        present = np.sort(column[~np.isnan(column)])
        if len(present) > 1 and present[0] < present[1]:
            found.append((Condition(k, "at most", present[0]),))
        if len(present) > 1 and present[-1] > present[-2]:
            found.append((Condition(k, "at least", present[-1]),))
    for k, column in enumerate(made.codes.T):
        values, counts = np.unique(column[column >= 0], return_counts=True)
        found += [(Condition(k, "is", value),) for value in values[counts == 1]]
    chosen = [found[i] for i in rng.permutation(len(found))[:attempts]]
    return _outcome("singling out, one column", "a rare value or an extreme of one column", tables, chosen)


def multivariate(tables: Tables, attempts: int, rng: np.random.Generator, attributes: int = ATTRIBUTES) -> Outcome:
    """Descriptions of a made row by several columns, kept where they fit that made row alone."""
    made, chosen = tables.made, []
    numbers, categories = made.numbers.shape[1], made.codes.shape[1]
    middle = np.array([np.nanmedian(c) if (~np.isnan(c)).any() else 0.0 for c in made.numbers.T])
    for _ in range(attempts * TRIES):
        row = int(rng.integers(len(made)))
        columns = rng.permutation(numbers + categories)[:attributes]
        description = tuple(c for c in (_like(made, row, int(k), middle) for k in columns) if c is not None)
        if description and holds(description, made).sum() == 1:
            chosen.append(description)
            if len(chosen) == attempts:
                break
    meaning = f"{attributes} columns of a made row, which no other made row fits"
    return _outcome("singling out, several columns", meaning, tables, chosen)


def holds(description: tuple[Condition, ...], grid: Grid) -> np.ndarray:
    """Rows that all conditions fit, (rows,)."""
    return np.logical_and.reduce([c.holds(grid) for c in description])


def _like(made: Grid, row: int, k: int, middle: np.ndarray) -> Condition | None:
    """What column k (numbers first) says of a row; None where it is missing."""
    if k < made.numbers.shape[1]:
        value = made.numbers[row, k]
        return None if np.isnan(value) else Condition(k, "at least" if value > middle[k] else "at most", float(value))
    k -= made.numbers.shape[1]
    return None if made.codes[row, k] < 0 else Condition(k, "is", int(made.codes[row, k]))


def _outcome(name: str, meaning: str, tables: Tables, chosen: list[tuple[Condition, ...]]) -> Outcome:
    """How many descriptions fit one training row alone, and how many one control row (Giomi et al. 2023, sec. 3.1)."""
    real = join(tables.members, tables.controls)
    fits = [np.flatnonzero(holds(description, real)) for description in chosen]
    fits = [rows for rows in fits if len(rows)]
    starts = np.cumsum([0, *map(len, fits)])[:-1]
    rows = np.concatenate(fits) if fits else np.zeros(0, int)
    count = len(tables.members)

    def alone(labels: np.ndarray) -> int:
        return int((np.add.reduceat(labels[rows].astype(int), starts) == 1).sum()) if fits else 0

    labels = np.arange(len(real)) < count
    chance = by_relabelling(lambda side: alone(side) - alone(~side), count, len(real))
    rates = (Rate(alone(side), len(chosen)) for side in (labels, ~labels))
    return Outcome(name, f"descriptions ({meaning}) that fit one real row alone", *rates, chance)
