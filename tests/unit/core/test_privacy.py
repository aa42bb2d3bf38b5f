"""Budgets, the ledger, and noise: against closed forms and by trying."""

from __future__ import annotations

import math

import numpy as np
import pytest

from conjure.core.errors import ConfigError, PrivacyError
from conjure.core.privacy import Budget, Ledger, SystemNoise, delta_of, epsilon_of, mu_of


@pytest.mark.parametrize(("epsilon", "delta", "mu"), [(1.0, 1e-5, 0.268051), (0.5, 1e-5, 0.142), (8.0, 1e-6, 1.4)])
def test_mu_is_that_of_the_analytic_gaussian_mechanism(epsilon, delta, mu):
    """For (1, 1e-5) a second source: scipy's root of Balle and Wang's equation; the others must only invert."""
    found = mu_of(epsilon, delta)
    assert delta_of(found, epsilon) == pytest.approx(delta, rel=1e-6)
    assert epsilon_of(found, delta) == pytest.approx(epsilon, rel=1e-6)
    if epsilon == 1.0:
        assert found == pytest.approx(mu, abs=1e-5)


def test_a_larger_budget_is_a_larger_mu():
    assert mu_of(0.1, 1e-5) < mu_of(1, 1e-5) < mu_of(1, 1e-3) < mu_of(3, 1e-3)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_an_epsilon_that_is_no_budget_is_refused(epsilon):
    with pytest.raises(ConfigError, match="finite number above zero"):
        Budget(epsilon)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1])
def test_a_delta_that_is_none_is_refused(delta):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Budget(1.0, delta)


def test_budgets_that_promise_nothing_are_warned_of():
    assert not Budget(1.0).warnings()
    assert "next to nothing" in Budget(50.0).warnings()[0]
    assert "published whole" in Budget(1.0, 0.1).warnings()[0]


def test_the_ledger_adds_squares_and_stops_at_the_budget():
    ledger = Ledger(Budget(1.0))
    ledger.counts("a", np.zeros(3), ledger.part(0.36))
    ledger.counts("b", np.zeros(3), ledger.part(0.16), times=4)
    assert ledger.spent == pytest.approx(ledger.mu)
    with pytest.raises(PrivacyError, match="c would exceed epsilon 1"):
        ledger.counts("c", np.zeros(1), ledger.part(0.01))
    said = ledger.certificate()
    assert said["epsilon_spent"] == pytest.approx(1.0, rel=1e-6)
    assert [e["what"] for e in said["entries"][:2]] == ["a", "b"]


def test_noise_has_the_scale_it_says_and_is_whole():
    ledger = Ledger(Budget(1.0))
    counts, scale = ledger.counts("many", np.full(40_000, 7.0), ledger.part(0.5))
    assert (counts == np.round(counts)).all()
    assert counts.std() == pytest.approx(scale, rel=0.03)
    assert counts.mean() == pytest.approx(7, abs=4 * scale / 200)


def test_noise_is_never_the_same():
    noise = SystemNoise()
    assert not np.array_equal(noise.normal(50), noise.normal(50))
    assert 0 < noise.uniform(10_000).min() < noise.uniform(10_000).max() < 1


def test_a_threshold_lets_a_single_row_through_as_rarely_as_said():
    ledger = Ledger(Budget(1.0, 1e-2))
    scale, questions = 30.0, 1
    threshold = ledger.threshold(scale, questions)
    rng = np.random.default_rng(0)
    rate = (1 + scale * rng.normal(size=400_000) > threshold).mean()
    assert rate == pytest.approx(ledger.spare / questions, rel=0.15)
