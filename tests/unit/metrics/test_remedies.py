"""Remedies for rare classes, and the verdict on them, against values counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.metrics.advice import FRESH, MORE, NEAR, over_folds, verdict
from conjure.metrics.frames import Grid
from conjure.metrics.oversampling import class_weights, oversample, smote
from conjure.metrics.remedies import AGAIN, NOTHING, SMOTE, WEIGHTS, macro_f1

LABELS = np.array([0] * 8 + [1] * 4 + [2])


def grid() -> Grid:
    rng = np.random.default_rng(0)
    numbers = np.stack([LABELS * 10 + rng.random(13), np.full(13, np.nan)], 1)
    return Grid(numbers, np.array([[0]] * 8 + [[1], [1], [2], [1], [0]]), (("a", "b"), ("c",)), (("x", "y", "z"),))


def test_weights_make_classes_equal():
    weights = class_weights(LABELS)
    assert weights.mean() == pytest.approx(1)
    assert [weights[k == LABELS].sum() for k in range(3)] == pytest.approx([13 / 3] * 3)


def test_rows_again_are_rows_of_the_class():
    places = oversample(LABELS, np.random.default_rng(0))
    assert np.bincount(LABELS[places]).tolist() == [8, 8, 8]
    assert places[:13].tolist() == list(range(13))


def test_smote_lies_between_neighbours_of_one_class():
    rows, labels = smote(grid(), LABELS, np.random.default_rng(0))
    assert np.bincount(labels).tolist() == [8, 8, 8]
    own = rows.numbers[labels == 1, 0]
    real = own[:4]
    assert own.min() >= real.min()
    assert own.max() <= real.max()
    assert len(np.unique(own)) > 4
    assert (rows.codes[labels == 1][4:] == 1).all()  # the most frequent of its neighbours
    assert (rows.numbers[labels == 2, 0] == rows.numbers[12, 0]).all()  # one row has no neighbour


def test_macro_f1_by_hand():
    truth, said = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    assert macro_f1(truth, said) == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert macro_f1(truth, said, np.array([1, 1, 0, 1, 1, 0])) == 1.0


def scores(**means: float) -> dict[str, np.ndarray]:
    folds = np.array([-0.01, 0.0, 0.01, 0.0])
    names = {"nothing": NOTHING, "weights": WEIGHTS, "again": AGAIN, "smote": SMOTE, "fresh": FRESH, "near": NEAR}
    return {names[k]: v + folds for k, v in means.items()}


def test_the_verdict_says_what_to_do():
    base = {"nothing": 0.5, "again": 0.5, "smote": 0.5}
    assert verdict(scores(**base, weights=0.7, fresh=0.6, near=0.6), 0.25, "macro-F1").startswith(
        "Class weights are better"
    )
    assert verdict(scores(**base, weights=0.6, fresh=0.7, near=0.6), 0.25, "macro-F1").startswith(
        "Made rows help: made rows"
    )
    said = verdict(scores(**base, weights=0.7, fresh=0.5, near=0.7), 0.25, "macro-F1")
    assert "class weights will do" in said
    assert "do not help" in verdict(scores(**base, weights=0.5, fresh=0.5, near=0.5), 0.25, "macro-F1")
    number = {NOTHING: np.array([0.5, 0.51, 0.49]), MORE: np.array([0.3, 0.31, 0.29])}
    assert "do harm" in verdict(number, 0.25, "R2")


def test_intervals_allow_for_rows_that_folds_share():
    values = np.array([0.1, 0.2, 0.3, 0.4])
    narrow, wide = over_folds(values, 0.0), over_folds(values, 0.25)
    assert narrow.value == wide.value == pytest.approx(0.25)
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2**0.5)
