"""Train on synthetic, test on real (Esteban et al. 2017): are made rows as good to learn from as real ones?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.metrics.bootstrap import Interval, interval
from conjure.metrics.detection import Ranked, boosted
from conjure.metrics.extra import needs
from conjure.metrics.frames import Grid, join
from conjure.metrics.judged import Metric

CLASSES = 20  # words a category may have to be a target
TREES = 200


@dataclass(frozen=True)
class Task:
    """Predict one column from the others: "auc" for two classes, "macro" for more, "r2" for a number."""

    target: str
    kind: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        where = f"of boosted trees that learn {self.target!r} from made rows and are tested on held-out real ones"
        match self.kind:
            case "auc":
                return (Metric("utility AUC", f"AUC {where}"),)
            case "macro":
                return (
                    Metric("utility AUC (macro)", f"AUC, averaged over the classes, {where}"),
                    Metric("utility accuracy", f"accuracy {where}"),
                )
            case _:
                return (Metric("utility R2", f"explained share of variance {where}", (-np.inf, 1.0)),)


def choose(real: Grid, target: str | None, names: list[str]) -> Task | None:
    """The task of a named column, or of the last of `names` that is a number or a category of 2 to 20 words.

    ConfigError for a column that is not judged or cannot be predicted.
    """
    if target is not None and target not in names:
        raise ConfigError(f"the target {target!r} is not a column that can be judged: {nearest(target, names)}")
    if len(real.names[0]) + len(real.names[1]) < 2:
        return None  # there is nothing to predict it from
    for name in [target] if target else reversed(names):
        if kind := _kind(real, name):
            return Task(name, kind)
    if target:
        raise ConfigError(f"the target {target!r} is constant or has over {CLASSES} classes; name another column")
    return None


def utility(task: Task, learn: Grid, test: Grid, seed: int = 0) -> list[Interval]:
    """The task's figures when learnt from one table and tested on another; intervals over the tested rows."""
    needs("sklearn", "xgboost")
    rng = np.random.default_rng(seed)
    learn, test = (side.rows(np.flatnonzero(known(side, task.target))) for side in (learn, test))
    frame = join(learn.without(task.target), test.without(task.target)).frame()
    x, z = frame.iloc[: len(learn)], frame.iloc[len(learn) :]
    y, truth = (column(side, task.target) for side in (learn, test))
    if task.kind == "r2":
        guess = np.full(len(truth), y.mean()) if (y == y[0]).all() else boosted("Regressor").fit(x, y).predict(z)
        return [interval(lambda w: explained(truth, guess, w), len(truth), rng, (-np.inf, 1))]
    classes = np.union1d(y, truth)
    chances = _chances(x, y, z, classes)
    if task.kind == "auc":
        return [interval(Ranked(truth == classes[-1], chances[:, -1]).auc, len(truth), rng, (0, 1))]
    ranked = [Ranked(truth == c, p) for c, p in zip(classes, chances.T) if 0 < (truth == c).sum() < len(truth)]
    right = classes[chances.argmax(1)] == truth
    return [
        interval(lambda w: float(np.nanmean([r.auc(w) for r in ranked])), len(truth), rng, (0, 1)),
        interval(lambda w: float(w @ right / w.sum()), len(truth), rng, (0, 1)),
    ]


def _kind(real: Grid, name: str) -> str:
    values = column(real, name)[known(real, name)]
    distinct = len(np.unique(values))
    if distinct < 2:
        return ""
    if name in real.names[0]:
        return "r2"
    return "auc" if distinct == 2 else "macro" if distinct <= CLASSES else ""


def column(grid: Grid, name: str) -> np.ndarray:
    """A column's numbers, or the codes of its words, (rows,)."""
    if name in grid.names[0]:
        return grid.numbers[:, grid.names[0].index(name)]
    return grid.codes[:, grid.names[1].index(name)]


def known(grid: Grid, name: str) -> np.ndarray:
    """Where a column is not missing, (rows,)."""
    values = column(grid, name)
    return ~np.isnan(values) if name in grid.names[0] else values >= 0


def _chances(x: object, y: np.ndarray, z: object, classes: np.ndarray) -> np.ndarray:
    """P(class) of each tested row, (rows, classes); a class never learnt has none."""
    seen, codes = np.unique(y, return_inverse=True)
    chances = np.zeros((len(z), len(classes)))  # type: ignore[arg-type]
    if len(seen) == 1:
        chances[:, np.searchsorted(classes, seen)] = 1.0
        return chances
    # As many trees in all, whatever the number of classes, else a target of twenty takes ten times as long.
    trees = TREES if len(seen) <= 4 else max(20, 4 * TREES // len(seen))
    chances[:, np.searchsorted(classes, seen)] = boosted("Classifier", trees).fit(x, codes).predict_proba(z)
    return chances


def explained(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray) -> float:
    """R2 of guesses (rows,), rows by their weights; nan where the truth does not vary."""
    mean = weights @ truth / weights.sum()
    spread = weights @ (truth - mean) ** 2
    return float(1 - weights @ (truth - guess) ** 2 / spread) if spread > 0 else float("nan")
