"""Pairing rows that want a partner of some description with partners that are there, each as often as it may be."""

from __future__ import annotations

import numpy as np


def match(wanted: np.ndarray, offered: np.ndarray, rng: np.random.Generator, must: int = 0) -> np.ndarray:
    """For each row of `wanted` (N, K) the place of a row of `offered` (M, K) that agrees with it, (N,) int64.

    Columns stand with the most important first. Whole rows are paired first; what is left agrees in all columns but
    the last, and so on, down to any at all, or to the first `must` columns: -1 where none agrees in these. Every row
    of `offered` is used once before one is used twice.
    """
    found = np.full(len(wanted), -1, np.int64)
    if must:
        there = set(map(tuple, np.unique(offered[:, :must], axis=0).tolist()))
        hopeless = np.array([tuple(row) not in there for row in wanted[:, :must].tolist()], bool)
    else:
        hopeless = np.zeros(len(wanted), bool)
    while (left := np.flatnonzero((found < 0) & ~hopeless)).size:
        free = rng.permutation(len(offered))
        for width in range(wanted.shape[1], must - 1, -1):
            rows, places = _paired(wanted[left, :width], offered[free, :width])
            found[left[rows]] = free[places]
            left, free = np.delete(left, rows), np.delete(free, places)
            if not (left.size and free.size):
                break
    return found


def _paired(wanted: np.ndarray, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(places in wanted, places in offered) of the k-th row of a kind with the k-th of the same kind."""
    if wanted.shape[1] == 0:
        n = min(len(wanted), len(offered))
        return np.arange(n), np.arange(n)
    both = np.concatenate([wanted, offered])
    kind = np.zeros(len(both), np.int64)
    for column in both.T:
        kind = np.unique(kind * (int(column.max()) + 1) + column, return_inverse=True)[1]
    mine, theirs = kind[: len(wanted)], kind[len(wanted) :]
    size = int(kind.max()) + 1
    turns = [_turn(mine, size), _turn(theirs, size)]
    top = max(len(wanted), len(offered)) + 1
    _, rows, places = np.intersect1d(mine * top + turns[0], theirs * top + turns[1], True, return_indices=True)
    return rows, places


def _turn(kind: np.ndarray, size: int) -> np.ndarray:
    """How many of its kind stand before each row."""
    order = np.argsort(kind, kind="stable")
    starts = np.cumsum(np.bincount(kind, minlength=size)) - np.bincount(kind, minlength=size)
    turn = np.empty(len(kind), np.int64)
    turn[order] = np.arange(len(kind)) - starts[kind[order]]
    return turn
