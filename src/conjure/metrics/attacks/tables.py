"""The three tables of an attack as points of one space: training rows, control rows, made rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.metrics.features import Features
from conjure.metrics.frames import Grid, join
from conjure.metrics.manifold import blocks, nearest

SAME = 1e-5  # a distance that rounding leaves of equal points
LISTED = 20  # real rows listed for a made one: all on one side by chance once in half a million


@dataclass(frozen=True)
class Tables:
    """Grids over the same columns. Members and controls are equally many, so that neither is nearer by number."""

    members: Grid
    controls: Grid
    made: Grid

    def points(self, columns: tuple[str, ...] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(members, controls, made) as features of some columns, each column's weight being about one."""
        grids = [g if columns is None else only(g, columns) for g in (self.members, self.controls, self.made)]
        features = Features(join(grids[0], grids[1]))
        return features(grids[0]), features(grids[1]), features(grids[2])

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.members.names[0], *self.members.names[1])


def only(grid: Grid, columns: tuple[str, ...]) -> Grid:
    """Some of the columns."""
    for name in (*grid.names[0], *grid.names[1]):
        if name not in columns:
            grid = grid.without(name)
    return grid


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of each point of a to the nearest of b, (N,); what rounding leaves of equal points counts as zero."""
    far = nearest(a, b)[0]
    return np.where(far < SAME, 0.0, far)


@dataclass(frozen=True)
class Neighbours:
    """Of each made row the nearest real rows, members and controls in one list: which (N, K) and how far (N, K)."""

    which: np.ndarray
    far: np.ndarray

    def nearest(self, side: np.ndarray) -> np.ndarray:
        """Distance to the nearest row of a side, (N,), the last one where none is listed; side labels all real rows."""
        on = side[self.which]
        first = np.where(on.any(1), on.argmax(1), self.which.shape[1] - 1)
        return self.far[np.arange(len(first)), first]


def neighbours(tables: Tables, most: int = LISTED) -> Neighbours:
    """The made rows' nearest real ones, nearest first."""
    members, controls, made = tables.points()
    real = np.concatenate([members, controls])
    most = min(most, len(real))
    which, far = np.zeros((len(made), most), int), np.zeros((len(made), most))
    for rows, squares in blocks(made, real):
        some = np.argpartition(squares, most - 1, axis=1)[:, :most]
        values = np.take_along_axis(squares, some, 1)
        order = np.argsort(values, axis=1, kind="stable")
        which[rows] = np.take_along_axis(some, order, 1)
        far[rows] = np.sqrt(np.take_along_axis(values, order, 1))
    return Neighbours(which, np.where(far < SAME, 0.0, far))
