"""The classifier two-sample test: can a strong model tell real rows from made ones (Lopez-Paz and Oquab 2017)?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from conjure.metrics.bootstrap import Interval, interval
from conjure.metrics.extra import needs
from conjure.metrics.features import Features
from conjure.metrics.frames import Grid, join
from conjure.metrics.judged import Metric

if TYPE_CHECKING:
    import pandas as pd

TREES = Metric(
    "detection AUC (XGBoost)",
    "how well 200 boosted trees tell held-out real rows from made ones: 0.5 is a coin, 1 is always",
    direction="toward 0.5",
)
LINEAR = Metric(
    "detection AUC (logistic)",
    "how well a linear model tells them apart; it sees hardly more than each column by itself",
    direction="toward 0.5",
    saturated=True,
)
FOLDS = 3
WIDE = 500  # features up to which Newton's method is the quick one


def boosted(kind: str, trees: int = 200, **settings: Any) -> Any:
    """XGBoost's "Classifier" or "Regressor" as all judges here use it: depth 6, categories as such.

    On one thread, so that fits run beside each other: two threads that share a busy core wait for each other.
    """
    import xgboost

    return getattr(xgboost, f"XGB{kind}")(
        n_estimators=trees,
        max_depth=6,
        tree_method="hist",
        enable_categorical=True,
        n_jobs=1,
        random_state=0,
        **settings,
    )


def at_once(work: Callable[[Any], Any], parts: Iterable[Any]) -> list[Any]:
    """work(part) for each part, as many at once as torch has threads."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(work, parts))


def detect(real: Grid, made: Grid, seed: int = 0, *, linear: bool = False) -> Interval:
    """AUC of real against made rows, as many of each, every row scored by a model that did not see it."""
    needs("sklearn", "xgboost")
    rng = np.random.default_rng(seed)
    n = min(len(real), len(made))
    if n < FOLDS:
        raise ValueError(f"{n} rows are too few to cross-fit over {FOLDS} folds")
    rows = join(*(side.rows(rng.permutation(len(side))[:n]) for side in (real, made)))
    labels = np.repeat([1, 0], n)
    scores = _linear_scores(rows, labels, seed) if linear else _tree_scores(rows.frame(), labels, seed)
    ranked = Ranked(labels, scores)
    return interval(ranked.auc, 2 * n, rng, (0, 1))


class Ranked:
    """Scores sorted once, so that the area under the ROC curve of resampled rows is two sums."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray):
        self.order = np.argsort(scores, kind="stable")
        self.positive = labels[self.order] == 1
        self.first = np.append(True, np.diff(scores[self.order]) > 0)

    def auc(self, weights: np.ndarray) -> float:
        """P(a positive scores above a negative), ties counted half (Mann and Whitney 1947)."""
        w = weights[self.order]
        starts = np.flatnonzero(self.first)
        up, down = (np.add.reduceat(np.where(side, w, 0.0), starts) for side in (self.positive, ~self.positive))
        below = np.cumsum(down) - down
        pairs = up.sum() * down.sum()
        return float((up * (below + down / 2)).sum() / pairs) if pairs else float("nan")


def _tree_scores(frame: pd.DataFrame, labels: np.ndarray, seed: int) -> np.ndarray:
    def scores(fold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        fit, rest = fold
        return boosted("Classifier").fit(frame.iloc[fit], labels[fit]).predict_proba(frame.iloc[rest])[:, 1]

    return _cross_fitted(scores, labels, seed)


def _linear_scores(rows: Grid, labels: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    x = Features(rows)(rows)
    solver = "newton-cholesky" if x.shape[1] <= WIDE else "lbfgs"

    def scores(fold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        fit, rest = fold
        return LogisticRegression(solver=solver, max_iter=100).fit(x[fit], labels[fit]).decision_function(x[rest])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a solver that stops early judges a little more leniently, no more
        return _cross_fitted(scores, labels, seed)


def _cross_fitted(scores: Callable[[Any], np.ndarray], labels: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.model_selection import StratifiedKFold

    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels))
    out = np.zeros(len(labels))
    for (_, rest), part in zip(folds, at_once(scores, folds)):
        out[rest] = part
    return out
