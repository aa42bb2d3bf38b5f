"""The three tables of an attack as points of one space: training rows, control rows, made rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.metrics.features import Features
from conjure.metrics.frames import Grid, join
from conjure.metrics.manifold import nearest


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


def split_evenly(train: Grid, control: Grid, most: int, rng: np.random.Generator) -> tuple[Grid, Grid]:
    """As many training rows as control rows, at most `most` a side."""
    count = min(len(train), len(control), most)
    return train.rows(rng.permutation(len(train))[:count]), control.rows(rng.permutation(len(control))[:count])


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of each point of a to the nearest of b, (N,); what rounding leaves of equal points counts as zero."""
    far = nearest(a, b)[0]
    return np.where(far < 1e-5, 0.0, far)
