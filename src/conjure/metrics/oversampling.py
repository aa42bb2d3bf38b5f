"""What rare classes get without a generative model: weights, the same rows again, points between neighbours (SMOTE)."""

from __future__ import annotations

import numpy as np

from conjure.metrics.extra import needs
from conjure.metrics.frames import Grid

NEIGHBOURS = 5  # Chawla et al. 2002, sec. 4.2


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Weights (N,), mean 1, under which every class of labels (N,) weighs the same: N / (classes * count)."""
    _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return len(labels) / (len(counts) * counts[place])


def lacking(labels: np.ndarray) -> dict[int, int]:
    """How many rows each class has fewer than the largest one."""
    classes, counts = np.unique(labels, return_counts=True)
    return {int(c): int(counts.max() - n) for c, n in zip(classes, counts) if n < counts.max()}


def oversample(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places of rows, all once and those of smaller classes again by chance, until all classes are equally large."""
    places = [np.arange(len(labels))]
    for label, more in lacking(labels).items():
        places.append(rng.choice(np.flatnonzero(labels == label), more))
    return np.concatenate(places)


def smote(rows: Grid, labels: np.ndarray, rng: np.random.Generator) -> tuple[Grid, np.ndarray]:
    """All rows and, for smaller classes, made ones between a row and one of its nearest of the same class.

    Chawla et al. 2002, with categories as in SMOTE-NC (sec. 6.1): a category that differs counts as the median
    standard deviation of the numbers, and a made row takes the one most frequent among its neighbours. Numbers are
    compared in units of their standard deviation, missing ones as the mean. Returns rows and labels, real ones first.
    """
    numbers, codes, made = [rows.numbers], [rows.codes], [labels]
    for label, more in lacking(labels).items():
        own = rows.rows(np.flatnonzero(labels == label))
        near = _neighbours(own)
        start = rng.integers(0, len(own), more)
        toward = near[start, rng.integers(0, near.shape[1], more)]
        step = rng.random((more, 1))
        numbers.append(own.numbers[start] + step * (own.numbers[toward] - own.numbers[start]))
        codes.append(_most_frequent(own.codes[near])[start])
        made.append(np.full(more, label))
    return Grid(np.concatenate(numbers), np.concatenate(codes), rows.names, rows.words), np.concatenate(made)


def _neighbours(own: Grid) -> np.ndarray:
    """Places of the nearest other rows, (N, at most 5); of a class of one row that row."""
    needs("sklearn")
    from sklearn.neighbors import NearestNeighbors

    if len(own) == 1:
        return np.zeros((1, 1), int)
    known = np.ma.masked_invalid(own.numbers)
    middle, spread = (np.ma.filled(v, 0.0) for v in (known.mean(0), known.std(0)))
    used = spread > 0
    x = [np.nan_to_num((own.numbers - middle)[:, used] / spread[used])]  # so the median spread is 1
    for column in own.codes.T:
        present, place = np.unique(column, return_inverse=True)
        x.append(np.eye(len(present))[place] / np.sqrt(2))  # two categories lie 1 apart
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(own) - 1)).fit(np.concatenate(x, 1))
    return near.kneighbors(return_distance=False)  # of the fitted rows: none is its own neighbour


def _most_frequent(codes: np.ndarray) -> np.ndarray:
    """The most frequent code among neighbours (N, K, columns), of equals the nearest's, (N, columns)."""
    same = (codes[:, :, None] == codes[:, None, :]).sum(2)  # (N, K, columns)
    return np.take_along_axis(codes, same.argmax(1)[:, None], 1)[:, 0]
