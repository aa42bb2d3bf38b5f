"""The judge of pictures turned from one style into another."""

from __future__ import annotations

from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.metrics import manifold, plots
from conjure.metrics.bootstrap import mean_interval
from conjure.metrics.figure import Report
from conjure.metrics.frechet import frechet, metric
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.pictorial import FEWEST, LEARNT, POINTS, Components

CYCLE = Metric(
    "cycle error",
    "mean difference of brightness, 0 to 1, between a picture and what is left of it there and back; for the "
    "baseline, between two pictures of one style",
    direction="down",
)


def judge(judged: Judged) -> Report:
    """For each style the distance of translations to real pictures of it; and what survives there and back.

    `held_out` are pictures labelled with two styles, `synthetic` each of them in the other. Baseline: the pictures
    as they were. Ceiling: training pictures of the style. DataError for fewer than 16 of a style.
    """
    rng = np.random.default_rng(derive(judged.seed, "metrics", "restyle"))
    real, made = np.stack(list(judged.as_made(judged.held_out))), np.stack(list(judged.synthetic))
    train = None if judged.train is None else np.stack(list(judged.as_made(judged.train)))
    styles = judged.held_out.labels
    report = Report(judged.title, [], notes=list(judged.notes))
    for name in sorted(set(styles.tolist())):
        mine = styles == name
        learnt = None if train is None else train[judged.train.labels == name]
        sides = {"real": real[mine], "made": made[~mine], "before": real[~mine], "train": learnt}
        report.figures += _toward(name, {k: v for k, v in sides.items() if v is not None}, rng)
        shown = np.flatnonzero(~mine)[: plots.STRIP]
        caption = f"Above: held-out pictures. Below: each as {name}."
        report.plots.append(plots.strip(list(real[shown]), list(made[shown]), f"Into {name}", caption))
    if judged.again is not None:
        report.figures.append(_cycle(judged, real, styles, rng))
    report.notes.append(
        "Distances are between features of held-out pictures of a style and of translations into it: pca64, principal "
        "components of standardised pixels. Baseline: pictures left in their own style. Ceiling: training pictures of "
        "the style in the place of translations."
    )
    if train is None:
        report.notes.append("Not measured: the ceiling (training data not found).")
    report.summary = [_sentence(figure) for figure in report.figures if figure.name.startswith("FD")]
    return report


def _toward(name: str, sides: dict[str, np.ndarray], rng: np.random.Generator) -> list[Any]:
    """Frechet distance, precision and recall of translations into one style."""
    n = min(POINTS, *map(len, sides.values()))
    if n < FEWEST:
        raise DataError(f"{n} pictures of {name} are too few to judge; at least {FEWEST} of each style are needed")
    features = Components(sides["real"][:LEARNT])
    points = {k: features(v[rng.permutation(len(v))[:n]]) for k, v in sides.items()}
    distance = metric(features.name)
    found = {}
    for k in [k for k in ("made", "before", "train") if k in points]:
        near = manifold.neighbourhoods(points["real"], points[k])
        found[k] = {distance.name: frechet(points["real"], points[k], rng if k == "made" else None), **near}
    figures = []
    for one in (distance, manifold.PRECISION, manifold.RECALL):
        ours, *beside = (found.get(k, {}).get(one.name) for k in ("made", "before", "train"))
        named = Metric(f"{one.name} into {name}", one.meaning, one.range, one.direction)
        figures.append(named.figure(ours, *(b.value if b else None for b in beside)))
    return figures


def _cycle(judged: Judged, real: np.ndarray, styles: np.ndarray, rng: np.random.Generator) -> Any:
    back = np.stack(list(judged.again(judged.synthetic)))  # type: ignore[misc]
    other = np.arange(len(real))
    for name in set(styles.tolist()):
        rows = np.flatnonzero(styles == name)
        other[rows] = np.roll(rng.permutation(rows), 1)
    return CYCLE.figure(mean_interval(_apart(real, back), (0, np.inf)), float(_apart(real, real[other]).mean()), 0.0)


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each pair of pictures, (N,)."""
    return np.abs(one.astype(np.float64) - other).reshape(len(one), -1).mean(1) / 255


def _sentence(figure: Any) -> str:
    words = f"Translations lie {figure.ours:.2f} away from real pictures ({figure.name}); untouched ones"
    ceiling = "" if figure.ceiling is None else f", other real ones {figure.ceiling:.2f}"
    return f"{words} {figure.baseline:.2f}{ceiling}."
