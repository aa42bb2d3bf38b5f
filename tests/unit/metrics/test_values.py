"""Metrics against values worked out by hand, or by the library that defines them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from conjure.core.errors import ConfigError
from conjure.metrics import copies, manifold, textual, utility
from conjure.metrics.bootstrap import interval, mean_interval
from conjure.metrics.detection import Ranked
from conjure.metrics.frames import Grid, kinds, side_by_side
from conjure.metrics.frechet import frechet
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.likelihood import bits_per_byte, nats
from conjure.metrics.shapes import Trends, trends
from tests.unit.metrics.tables import KINDS, SDTYPES, table


def compare(real: pd.DataFrame, made: pd.DataFrame, told: dict[str, str] | None = None) -> Trends:
    return trends(*side_by_side([real, made], kinds(real, told or {}), {}))  # type: ignore[arg-type]


def test_shapes_and_pairs_are_those_of_sdmetrics():
    """Scores that sdmetrics 0.32.0 gives these tables (reports.single_table._properties, thresholds zero)."""
    found = compare(table(400, 0), table(300, 1, 0.3), KINDS)
    columns = {"height": 0.8825, "weight": 0.9356575343892204, "born": 0.9125, "team": 0.9238297872340425}
    assert found.columns == pytest.approx({**columns, "won": 0.9841666666666666})
    pairs = [0.7775636738125995, 0.9718046579737828, 0.6433333333333333, 0.6825, 0.9865160732796784]
    pairs += [0.7608333333333333, 0.7891666666666667, 0.7883333333333333, 0.835, 0.8566666666666667]
    assert list(found.pairs.values()) == pytest.approx(pairs)
    assert found.trends.value == pytest.approx(0.8091717738399394)  # type: ignore[union-attr]


def test_shapes_and_pairs_agree_with_sdmetrics_installed_here():
    properties = pytest.importorskip(
        "sdmetrics.reports.single_table._properties", reason="sdmetrics is not installed beside this version of pandas"
    )
    real, made = table(200, 4), table(150, 5, 0.5)
    found = compare(real, made, KINDS)
    meta = {"columns": {name: {"sdtype": kind} for name, kind in SDTYPES.items()}}
    assert found.shapes.value == pytest.approx(properties.ColumnShapes().get_score(real, made, meta))
    assert found.trends.value == pytest.approx(properties.ColumnPairTrends().get_score(real, made, meta))  # type: ignore[union-attr]


def test_shapes_by_hand():
    real = pd.DataFrame({"x": [1.0, 2, 3, 4], "c": list("aabb")})
    made = pd.DataFrame({"x": [3.0, 4, 5, 6], "c": list("aaab")})
    found = compare(real, made)
    assert found.columns == pytest.approx({"x": 0.5, "c": 0.75})  # at 2 the gap is 2/4; a: 1/2 and 3/4


def test_the_same_category_in_another_dtype_is_the_same():
    real = pd.DataFrame({"c": [1, 2, 2, None]})
    made = pd.DataFrame({"c": ["1", "2", "2", None]})
    assert compare(real, made, {"c": "category"}).columns == {"c": 1.0}


def test_auc_counts_ties_half_and_takes_weights():
    ranked = Ranked(np.array([1, 1, 0, 0]), np.array([2.0, 1.0, 1.0, 0.0]))
    assert ranked.auc(np.ones(4)) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert ranked.auc(np.array([1.0, 0, 1, 1])) == 1.0


def test_frechet_of_two_gaussians():
    """One dimension: (m1 - m2)^2 + (s1 - s2)^2; and a diagonal case in two."""
    real = np.array([[-1.0], [1.0]])
    assert frechet(real, np.array([[1.0], [5.0]])).value == pytest.approx(9 + 1)
    square = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    assert frechet(square, square * [2, 3]).value == pytest.approx(1 + 4)


def test_neighbourhoods_by_hand():
    """Real points on a line one apart; of four made ones two lie among them, two far away and close together."""
    real = np.arange(8.0)[:, None]
    made = np.array([[2.5], [3.5], [100.0], [100.5]])
    found = manifold.neighbourhoods(real, made)
    assert found["precision"].value == 0.5
    # 3rd neighbours of real points lie at 3, 2, 2, ..., 2, 3; those of made points at 98, 97, 97.5 and 98.
    assert found["recall"].value == 1.0
    assert manifold.radii(real, (3,))[0].tolist() == [9, 4, 4, 4, 4, 4, 4, 9]
    assert manifold.nearest(made[:2] + 0.1, real)[1].tolist() == [3, 4]


def test_distances_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    whole = manifold.neighbourhoods(real, made)
    monkeypatch.setattr(manifold, "BLOCK", 200)
    assert manifold.neighbourhoods(real, made) == whole


def test_copies_are_counted_against_held_out_rows():
    frames = [table(500, 0), table(300, 1), table(300, 2)]
    frames[2].iloc[:60] = frames[0].iloc[:60]
    grids = side_by_side(frames, kinds(frames[0], KINDS), {})
    train, held_out, made = (g for g in grids if isinstance(g, Grid))
    assert copies.exact(made, train).value == pytest.approx(0.2)
    assert copies.exact(held_out, train).value == 0.0
    near = copies.Nearness(train, held_out, np.random.default_rng(0))
    assert near.ceiling() == pytest.approx(0.05)
    assert 0.2 <= near.share(made).value < 0.3
    assert near.share(train).value == 1.0


def test_the_target_is_named_or_the_last_that_can_be():
    frame = table(200, 0)
    grid = side_by_side([frame], kinds(frame, KINDS), {})[0]
    assert utility.choose(grid, None, list(frame)) == utility.Task("won", "auc")  # type: ignore[arg-type]
    assert utility.choose(grid, "team", list(frame)) == utility.Task("team", "macro")  # type: ignore[arg-type]
    assert utility.choose(grid, "weight", list(frame)) == utility.Task("weight", "r2")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="did you mean 'team'"):
        utility.choose(grid, "teem", list(frame))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["team", "weight"])
def test_utility_of_many_classes_and_of_numbers(target: str):
    frames = [table(600, 0), table(400, 1)]
    learn, test = side_by_side(frames, kinds(frames[0], KINDS), {})
    found = utility.utility(utility.choose(test, target, [target]), learn, test)  # type: ignore[arg-type]
    assert found[0].low < found[0].value < found[0].high
    assert found[0].value > (0.75 if target == "team" else 0.5)


def test_intervals_cover_the_mean():
    """Of 300 samples of 50, about 95 % have an interval around the true mean; resampling agrees with the formula."""
    rng = np.random.default_rng(0)
    found = [mean_interval(rng.normal(size=50)) for _ in range(300)]
    assert 0.9 < np.mean([i.low < 0 < i.high for i in found]) < 0.98
    x = rng.normal(size=200)
    drawn = interval(lambda w: float(w @ x / w.sum()), 200, rng, rounds=400)
    assert drawn.high - drawn.low == pytest.approx(2 * 1.96 * x.std() / 200**0.5, rel=0.15)


def test_likelihood_by_hand():
    judged = Judged(held_out=None, synthetic=None, scores=np.array([-2.0, -4.0]), baseline_scores=np.array([-12.0]))
    assert nats(judged)[0].ours == -3.0
    figure = bits_per_byte(judged, 4)[0]
    assert figure.ours == pytest.approx(6 / (4 * math.log(2)))
    assert figure.baseline == pytest.approx(12 / (4 * math.log(2)))
    assert figure.low < figure.ours < figure.high  # type: ignore[operator]


def test_copied_stretches_by_hand():
    text = "it was the best of times, it was the worst of times, it was the age of wisdom"
    stretches = textual.Stretches(text)
    assert stretches.found("the best of", 8).tolist() == [True] * 4
    assert stretches.found("the rest of", 8).sum() == 0
    for piece in ("it was the age of foolishness", "was the spring", "x"):
        brute = max(
            n for n in range(len(piece) + 1) if any(piece[k : k + n] in text for k in range(len(piece) - n + 1))
        )
        assert stretches.longest([piece]) == brute
    assert textual.distinct(["a", "b", "a", "b", "a"]) == 0.5


def test_a_metric_is_saturated_where_the_baseline_is_as_good_as_real_data():
    score = Metric("score", "")
    assert score.figure(0.7, 0.9, 0.9).saturated
    assert not score.figure(0.7, 0.8, 0.9).saturated
    assert not Metric("watch", "", guard=True).figure(0.7, 0.9, 0.9).saturated
    coin = Metric("coin", "", direction="toward 0.5")
    assert not coin.figure(0.6, 0.2, 0.45).saturated
