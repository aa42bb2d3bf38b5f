"""The judge of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.metrics import likelihood, manifold, plots
from conjure.metrics.bootstrap import Interval
from conjure.metrics.figure import Report
from conjure.metrics.frechet import frechet, metric
from conjure.metrics.judged import Judged
from conjure.metrics.words import summary

COMPONENTS = 64
FLAT = 0.05  # of full brightness: pixels that vary less are not blown up to what others vary
POINTS, LEARNT = 5_000, 2_000  # pictures a side; pictures that the features are learnt from
FEWEST = 16


class Components:
    """The first principal components of standardised pixels, learnt from real pictures.

    Pixels stand for no network's idea of a picture, so a distance between these is called by their name.
    """

    def __init__(self, pictures: np.ndarray):
        flat = _flat(pictures)
        self.mean, spread = flat.mean(0), flat.std(0)
        self.spread = np.maximum(spread, FLAT)
        z = (flat - self.mean) / self.spread
        _, _, axes = np.linalg.svd(z - z.mean(0), full_matrices=False)
        self.axes = axes[:COMPONENTS].T
        self.name = f"pca{self.axes.shape[1]}"

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Points (N, components)."""
        return (_flat(pictures) - self.mean) / self.spread @ self.axes


def judge(judged: Judged) -> Report:
    """Distance, precision, recall, density and coverage on stated features, and the nearest training pictures.

    Objects hold pictures uint8 (H, W, C) by index. DataError for fewer than 16 on a side.
    """
    made = _array(judged.synthetic, None)
    shape = made.shape[1:]
    real, train = (None if o is None else _array(o, judged, shape) for o in (judged.held_out, judged.train))
    rng = np.random.default_rng(derive(judged.seed, "metrics", "images"))
    baseline = None if train is None else _independent(train, len(made), rng)
    n = min(POINTS, *(len(side) for side in (real, made, train) if side is not None))
    if n < FEWEST:
        raise DataError(f"{n} images on a side are too few to judge; at least {FEWEST} are needed")
    # Learnt from held-out pictures, to which made, baseline and training ones are strangers alike.
    features = Components(real[rng.permutation(len(real))[:LEARNT]])  # type: ignore[index, arg-type]
    sides = [None if s is None else features(s[rng.permutation(len(s))[:n]]) for s in (real, made, baseline, train)]
    report = Report(judged.title, _figures(features.name, sides, rng), notes=list(judged.notes))  # type: ignore[arg-type]
    report.figures += likelihood.nats(judged)
    report.notes.append(
        f"{n:,} pictures a side. Features: {features.name}, the first {features.axes.shape[1]} principal components "
        "of standardised pixels of held-out pictures. Baseline: every pixel drawn by itself. Ceiling: training "
        "pictures in the place of made ones."
    )
    if train is None:
        report.notes.append("Not measured: baseline, ceiling, nearest training pictures (training data not found).")
    else:
        report.plots.append(_neighbours(features, made, train))
    report.summary = summary(report.figures)
    return report


def _figures(name: str, sides: list[np.ndarray | None], rng: np.random.Generator) -> list[Any]:
    real, *others = sides
    found: list[dict[str, Interval]] = []
    distance = metric(name)
    for at, points in enumerate(others):
        if points is None:
            found.append({})
        else:
            close = manifold.neighbourhoods(real, points)  # type: ignore[arg-type]
            found.append({distance.name: frechet(real, points, None if at else rng), **close})  # type: ignore[arg-type]
    metrics = (distance, manifold.PRECISION, manifold.RECALL, manifold.DENSITY, manifold.COVERAGE)
    made = []
    for one in metrics:
        ours, *beside = (side.get(one.name) for side in found)
        made.append(one.figure(ours, *(b.value if b else None for b in beside)))
    return made


def _neighbours(features: Components, made: np.ndarray, train: np.ndarray) -> plots.Plot:
    """The first samples, each above the training picture nearest to it."""
    shown = made[: plots.STRIP]
    _, which = manifold.nearest(features(shown), features(train))
    caption = f"Above: samples. Below: the training picture nearest to each, by {features.name}."
    return plots.strip(list(shown), list(train[which]), "Nearest training pictures", caption)


def _independent(pictures: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n pictures whose every pixel is drawn by itself from the same pixel of real ones."""
    flat = pictures.reshape(len(pictures), -1)
    rows = rng.integers(len(flat), size=(n, flat.shape[1]))
    return flat[rows, np.arange(flat.shape[1])].reshape(n, *pictures.shape[1:])


def _array(objects: Any, judged: Judged | None, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Pictures as one array (N, H, W, C); those of another size as the codec brings them to one."""
    pictures = list(objects)
    if judged is not None and any(p.shape != shape for p in pictures):
        pictures = list(judged.as_made(objects))
    return np.stack(pictures)


def _flat(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1) / 255.0
