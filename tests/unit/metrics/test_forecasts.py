"""Scores of forecasts against hand-computed values and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from conjure.metrics import forecasts
from conjure.metrics.resemblance import between_gap, time_gap, values_gap


def test_crps_of_two_draws_by_hand():
    """Draws 0 and 2, truth 1: E|X - y| = 1, E|X - X'| without a draw against itself = 2, so 1 - 1 = 0."""
    assert forecasts.crps_samples(np.array([1.0]), np.array([[0.0, 2.0]]))[0] == pytest.approx(0)
    assert forecasts.crps_samples(np.array([3.0]), np.array([[0.0, 2.0]]))[0] == pytest.approx(2 - 1)


def test_crps_from_one_quantile_is_the_absolute_error():
    made = forecasts.crps_quantiles(np.array([3.0]), np.array([[1.0]]), (0.5,))
    assert made[0] == pytest.approx(2.0)


@pytest.mark.parametrize("y", [-1.3, 0.0, 2.1])
def test_crps_of_a_normal_is_its_closed_form(y):
    """y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi) (Gneiting and Raftery 2007, eq. 20)."""
    exact = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / math.sqrt(math.pi)
    levels = tuple((np.arange(999) + 1) / 1000)
    quantiles = norm.ppf(levels)[None]
    assert forecasts.crps_quantiles(np.array([y]), quantiles, levels)[0] == pytest.approx(exact, abs=2e-3)
    draws = np.random.default_rng(0).normal(size=(1, 200_000))
    assert forecasts.crps_samples(np.array([y]), draws)[0] == pytest.approx(exact, abs=5e-3)


def test_naive_forecasts_and_gaps_in_the_history():
    history = np.array([1.0, 5.0, 2.0, np.nan])[None, :, None]
    made = {name: forecasts.points(history, 3, name, 2)[0, :, 0].tolist() for name in forecasts.BANDS}
    assert made["repeat last"] == [2, 2, 2]
    assert made["seasonal naive"] == [2, 2, 2]  # the missing one is the value before it
    assert made["mean of history"] == pytest.approx([8 / 3] * 3)


def test_mase_by_hand():
    """History 0 1 0 3: steps of one row 1, 1, 3, mean 5/3; errors 2 and 3, mean 2.5."""
    history, truth = np.array([0.0, 1, 0, 3])[None, :, None], np.array([2.0, 3.0])[None, :, None]
    assert forecasts.mase(truth, np.zeros((1, 2, 1)), history, 1)[0] == pytest.approx(2.5 / (5 / 3))


def test_coverage_counts_known_values_only():
    truth = np.array([0.0, 5.0, np.nan, 1.0])
    assert forecasts.coverage(truth, np.full(4, -1.0), np.full(4, 2.0)) == pytest.approx(2 / 3)


def test_identical_windows_have_no_gap_and_noisy_ones_have():
    rng = np.random.default_rng(0)
    real = np.cumsum(rng.normal(size=(50, 12, 2)), 1)
    real[..., 1] += real[..., 0]
    noisy = real + 3 * rng.normal(size=real.shape)
    for gap in (values_gap, time_gap, between_gap):
        assert gap(real, real) == 0
        assert gap(real, noisy) > 0.02
