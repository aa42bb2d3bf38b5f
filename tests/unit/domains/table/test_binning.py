"""Codes and densities of one axis, against values computed by hand."""

import numpy as np
import pytest

from conjure.domains.table.binning import STRAY, Binning
from conjure.domains.table.normal import NormalScores

NAN = np.nan


def test_few_values_get_a_code_each_and_missing_the_last():
    b = Binning.learn(np.array([3.0, 1, 1, NAN, 7]), 64, 256, grid=True)
    assert b.size == 4
    assert b.counts.tolist() == [2, 1, 1, 1]
    assert b.encode(np.array([1, 3, 7, NAN])).tolist() == [0, 1, 2, 3]
    drawn = b.draw(np.array([0, 1, 2, 3]), np.full(4, 0.999))
    assert drawn[:3].tolist() == [1, 3, 7]
    assert np.isnan(drawn[3])


def test_unseen_numbers_take_the_nearest_code_with_a_finite_score():
    b = Binning.learn(np.repeat([0.0, 100, 200], 10), 64, 256, grid=True)
    x = np.array([-1e9, 20, 80, 1e9])
    assert b.encode(x).tolist() == [0, 0, 1, 2]
    assert np.isfinite(b.log_density(x)).all()
    assert b.log_density(np.array([100.0]))[0] == pytest.approx(np.log(1 - STRAY + STRAY / 100), abs=1e-6)


def test_heavy_values_stand_alone_between_bins_of_equal_shares():
    values = np.concatenate([np.zeros(500), np.arange(1, 1001.0), np.full(300, 400.0)])
    b = Binning.learn(values, 10, 5, grid=True)
    codes = b.encode(values)
    assert (codes[:500] == 0).all()
    assert len(np.unique(codes[values == 400])) == 1
    alone = codes[-1]
    assert set(values[codes == alone]) == {400.0}
    shares = b.counts[[k for k in range(b.size) if k not in (0, alone)]]
    assert shares.max() <= 1.3 * shares.min()
    assert (np.diff(codes[500:1500]) >= 0).all()


@pytest.mark.parametrize("grid", [True, False])
def test_probabilities_of_a_code_sum_to_one(grid):
    rng = np.random.default_rng(0)
    values = rng.exponential(30, 4000)
    b = Binning.learn(np.round(values) if grid else values, 8, 4, grid=grid)
    for k in range(1, b.codes - 1):
        low, high = b.cuts[k - 1], b.cuts[k]
        if grid:
            x = np.arange(np.ceil(low), np.ceil(high))
            total = np.exp(b.log_density(x)).sum()
        else:
            x = np.linspace(low, high, 20_001)
            total = np.exp(b.log_density((x[1:] + x[:-1]) / 2)).sum() * (x[1] - x[0])
        assert total == pytest.approx(1.0, abs=0.01)


def test_frequencies_inside_a_bin_of_few_values_are_exact():
    distinct, counts = np.array([1.0, 2, 9]), np.array([1, 2, 5])
    b = Binning.grouped(distinct, counts, np.array([0]), grid=True)
    drawn = b.draw(np.zeros(8, int), (np.arange(8) + 0.5) / 8)
    assert drawn.tolist() == [1, 2, 2, 9, 9, 9, 9, 9]


def test_draws_follow_the_training_distribution_without_replaying_it():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000)
    b = Binning.learn(values, 64, 256, grid=False)
    drawn = b.draw(b.encode(values), rng.random(len(values)))
    grid = np.linspace(-3, 3, 61)
    ours, theirs = (np.searchsorted(np.sort(v), grid) / len(v) for v in (drawn, values))
    assert np.abs(ours - theirs).max() < 0.005
    assert np.isin(drawn, values).mean() < 0.01
    assert (b.encode(drawn) == b.encode(values)).all()


def test_a_range_weighs_a_code_by_the_share_it_covers():
    b = Binning.grouped(np.arange(1.0, 11), np.ones(10, int), np.array([0, 4]), grid=True)
    allowed = b.allow([(3.0, 5.0)], missing=False)
    assert b.weights(allowed) == pytest.approx([2 / 4, 1 / 6])
    drawn = b.draw(np.array([0] * 100 + [1] * 100), np.tile(np.linspace(0, 0.999, 100), 2), allowed)
    assert set(drawn[:100]) == {3.0, 4.0}
    assert set(drawn[100:]) == {5.0}


def test_a_point_of_a_measurement_is_drawn_exactly():
    values = np.random.default_rng(0).normal(size=1000)
    b = Binning.learn(values, 16, 4, grid=False)
    allowed = b.allow([(0.123, 0.123)], missing=False)
    code = b.encode(np.array([0.123]))
    assert np.flatnonzero(b.weights(allowed)).tolist() == code.tolist()
    assert b.draw(code, np.array([0.7]), allowed).tolist() == [0.123]


def test_rare_categories_share_codes_and_are_drawn_by_frequency():
    from conjure.domains.table.cutting import frequent

    counts = np.array([100, 50, *[4] * 50, *[1] * 100])
    starts = frequent(counts, 16)
    assert len(starts) <= 16
    b = Binning.categories(counts, starts, 0)
    shared = b.size - 1
    members = np.arange(starts[-1], len(counts))
    u = (np.arange(5000) + 0.5) / 5000
    drawn = b.draw(np.full(5000, shared), u)
    often = np.bincount(drawn.astype(int), minlength=len(counts))[members] / 5000
    assert often == pytest.approx(counts[members] / counts[members].sum(), abs=0.002)
    assert np.exp(b.log_density(members.astype(float))).sum() == pytest.approx(1.0, abs=0.01)


def test_normal_scores_are_normal_and_come_back():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.lognormal(3, 1, 5000).round(), np.zeros(1000), np.full(100, NAN)])
    coder = NormalScores.learn("x", values, grid=True)
    x = coder.encode(values).astype(np.float32)
    assert np.array_equal(coder.draw(x), values, equal_nan=True)
    assert abs(x[:, 0].mean()) < 0.05
    assert abs(x[:, 0].std() - 1) < 0.05
    assert (x[values == 0][:, 1] == 1).all()
    assert (x[np.isnan(values)][:, 1] == len(coder.counts) - 1).all()
