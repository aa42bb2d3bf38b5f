"""The law of every metric: identical sets get its best value, noisy ones a worse one, within its range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from conjure.metrics import detection, manifold, shapes, textual, utility
from conjure.metrics.frames import Grid, kinds, side_by_side
from conjure.metrics.frechet import frechet, metric
from conjure.metrics.judged import Metric
from tests.unit.metrics.tables import KINDS, table

ROWS = 400


def grids(noise: float) -> tuple[Grid, Grid]:
    """(real rows, the same rows with `noise` of their cells from elsewhere)."""
    real, made = table(ROWS, 0), table(ROWS, 0, noise)
    found = side_by_side([real, made], kinds(real, KINDS), {})
    return found[0], found[1]  # type: ignore[return-value]


def points(noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 4)) * [1, 2, 1, 0.5]
    return real, real + noise * 3 * rng.normal(size=real.shape)


def close(noise: float, which: Metric) -> float:
    real, made = points(noise)
    if which is manifold.RECALL:  # scattered points reach far: what costs recall is lost variety
        made = real * (1 - noise)
    return manifold.neighbourhoods(real, made)[which.name].value


def curve(noise: float, which: Metric) -> float:
    return manifold.precision_recall_curves(*points(noise), np.random.default_rng(0))[which.name].value


def learnt(noise: float) -> float:
    """Utility of noisy rows; a table is best learnt from itself."""
    real, made = grids(noise)
    task = utility.choose(real, "won", ["won"])
    return utility.utility(task, made, real)[0].value  # type: ignore[arg-type]


def variety(noise: float) -> float:
    """Distinct-2 gap of a text whose words are replaced by one of a thousand."""
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in rng.zipf(1.5, 2000)]
    strange = [f"x{rng.integers(1000)}" if rng.random() < noise else w for w in words]
    found = textual._variety([[" ".join(words)], [" ".join(strange)], None, None])
    return found[0].ours  # type: ignore[return-value]


CASES: dict[str, tuple[Metric, Callable[[float], float], float]] = {
    "shapes": (shapes.SHAPES, lambda e: shapes.trends(*grids_with_outsiders(e)).shapes.value, 1.0),
    "pairs": (shapes.PAIRS, lambda e: shapes.trends(*grids(e)).trends.value, 1.0),  # type: ignore[union-attr]
    "utility": (Metric("utility AUC", ""), learnt, 1.0),
    "precision": (manifold.PRECISION, lambda e: close(e, manifold.PRECISION), 1.0),
    "recall": (manifold.RECALL, lambda e: close(e, manifold.RECALL), 1.0),
    # A point lies in its own ball and in those of 5 others on average.
    "density": (manifold.DENSITY, lambda e: close(e, manifold.DENSITY), 1.2),
    "coverage": (manifold.COVERAGE, lambda e: close(e, manifold.COVERAGE), 1.0),
    "alpha": (manifold.ALPHA, lambda e: curve(e, manifold.ALPHA), 1.0),
    "beta": (manifold.BETA, lambda e: curve(e, manifold.BETA), 1.0),
    "frechet": (metric("x"), lambda e: frechet(*points(e)).value, 0.0),
    "variety": (textual.DISTINCT, variety, 0.0),
}


def grids_with_outsiders(noise: float) -> tuple[Grid, Grid]:
    """As `grids`, with numbers moved too: cells from other rows leave every column's shape as it was."""
    real, made = grids(noise)
    return real, Grid(made.numbers + noise * 10, made.codes, made.names, made.words)


@pytest.mark.parametrize("case", CASES)
def test_identical_sets_are_best_and_noise_is_worse(case: str):
    which, measure, best = CASES[case]
    values = [measure(noise) for noise in (0.0, 0.3, 0.9)]
    assert all(which.range[0] <= v <= which.range[1] for v in values)
    slack = 0.1 if case in ("density", "alpha", "beta", "utility") else 1e-6  # averages over finite steps and rows
    assert values[0] == pytest.approx(best, abs=slack)
    losses = [which.figure(v).loss(v) for v in values]
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("linear", [False, True])
def test_a_detector_is_fooled_by_other_real_rows_and_not_by_noise(linear: bool):
    """Rows that stand on both sides are memorised, so the best value is met by fresh rows of the same world."""
    frames = [table(900, 0), table(900, 1), table(900, 2, 0.6)]
    frames[2]["height"] += 4
    real, fresh, noisy = side_by_side(frames, kinds(frames[0], KINDS), {})
    same, worse = (detection.detect(real, side, linear=linear) for side in (fresh, noisy))  # type: ignore[arg-type]
    assert same.low < 0.5 < same.high or abs(same.value - 0.5) < 0.04
    assert worse.low > 0.55
    assert 0 <= same.low <= same.value <= same.high <= 1
