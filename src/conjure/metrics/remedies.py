"""Ways to learn a rare class better, tried on equal terms: nothing, weights, rows again, SMOTE, rows somebody made.

Each remedy turns training rows into rows, labels and weights; one judge learns from each and is tested on the same
real rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.metrics.detection import boosted
from conjure.metrics.frames import Grid, join
from conjure.metrics.oversampling import class_weights, oversample, smote
from conjure.metrics.utility import column

NOTHING, WEIGHTS, AGAIN, SMOTE = "nothing", "class weights", "random oversampling", "SMOTE"
CHEAP = (WEIGHTS, AGAIN, SMOTE)
TREES = 100


@dataclass(frozen=True)
class Lesson:
    """What a judge learns from: rows, labels (N,), weights (N,) or None for equal ones."""

    rows: Grid
    labels: np.ndarray
    weights: np.ndarray | None = None


def lessons(learn: Grid, target: str, made: dict[str, Grid], rng: np.random.Generator) -> dict[str, Lesson]:
    """Each remedy's rows for a category: the cheap ones, and real rows with each lot of `made` rows below them."""
    rows, labels = learn.without(target), column(learn, target)
    again = oversample(labels, rng)
    found = {
        NOTHING: Lesson(rows, labels),
        WEIGHTS: Lesson(rows, labels, class_weights(labels)),
        AGAIN: Lesson(rows.rows(again), labels[again]),
        SMOTE: Lesson(*smote(rows, labels, rng)),
    }
    return found | added(learn, target, made)


def added(learn: Grid, target: str, made: dict[str, Grid]) -> dict[str, Lesson]:
    """Real rows with each lot of made rows below them."""
    both = {name: join(learn, more) for name, more in made.items()}
    return {name: Lesson(rows.without(target), column(rows, target)) for name, rows in both.items()}


def guess(lesson: Lesson, test: Grid, *, number: bool = False) -> np.ndarray:
    """What 100 boosted trees of depth 6 that learn from a lesson say of other rows, (N,): classes or numbers."""
    frame = join(lesson.rows, test).frame()
    x, z = frame.iloc[: len(lesson.rows)], frame.iloc[len(lesson.rows) :]
    if number:
        return boosted("Regressor", TREES).fit(x, lesson.labels, sample_weight=lesson.weights).predict(z)
    classes, codes = np.unique(lesson.labels, return_inverse=True)
    if len(classes) == 1:
        return np.full(len(z), classes[0])
    judge = boosted("Classifier", TREES).fit(x, codes, sample_weight=lesson.weights)
    return classes[judge.predict_proba(z).argmax(1)]


def confusion(truth: np.ndarray, guessed: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """Weight of rows by true and guessed class, (classes, classes)."""
    return np.bincount(truth * classes + guessed, weights, classes * classes).reshape(classes, classes)


def f1(table: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall of each class of a confusion table, (classes,); 0 where it is never met."""
    return 2 * np.diag(table) / np.maximum(table.sum(0) + table.sum(1), 1e-12)


def macro_f1(truth: np.ndarray, guessed: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean of F1 over the classes that the truth holds: each counts the same, however rare."""
    weights = np.ones(len(truth)) if weights is None else weights
    table = confusion(truth, guessed, weights, int(max(truth.max(), guessed.max())) + 1)
    return float(f1(table)[table.sum(1) > 0].mean())
