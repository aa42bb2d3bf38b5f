"""Accounting for noisy gradients: Opacus' own figures, together with what was looked at before."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from conjure.core import accountant
from conjure.core.errors import PrivacyError
from conjure.core.privacy import Budget, Ledger, epsilon_of

accountants = pytest.importorskip("opacus.accountants", reason="needs conjure[privacy]")


def test_epsilon_is_what_opacus_says():
    looks = [(2.0, 0.04, 300)]
    theirs = accountants.PRVAccountant()
    for _ in range(300):
        theirs.step(noise_multiplier=2.0, sample_rate=0.04)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        assert accountant.epsilon_of(looks, 1e-5) == pytest.approx(theirs.get_epsilon(1e-5), rel=1e-9)


def test_a_look_at_all_rows_is_gaussian_privacy():
    found = accountant.epsilon_of([(1 / 0.27, 1.0, 1)], 1e-5)
    exact = epsilon_of(0.27, 1e-5)
    assert exact <= found <= exact * 1.02  # the accountant gives an upper bound


def test_steps_and_what_was_looked_at_before_add_up():
    steps, before = [(3.0, 0.05, 100)], [(1 / 0.2, 1.0, 1)]
    both = accountant.epsilon_of(before + steps, 1e-5)
    assert both > max(accountant.epsilon_of(before, 1e-5), accountant.epsilon_of(steps, 1e-5))


def test_the_noise_is_the_least_that_keeps_to_the_budget():
    noise = accountant.noise_for(0.1, (0.05, 200), 1.0, 1e-5)
    at = [accountant.epsilon_of([(10.0, 1.0, 1), (noise * f, 0.05, 200)], 1e-5) for f in (1.0, 0.99)]
    assert at[0] <= 1.0 < at[1]
    with pytest.raises(PrivacyError, match="spent before the first step"):
        accountant.noise_for(5.0, (0.05, 200), 1.0, 1e-5)


def test_the_ledger_certifies_both_and_takes_no_more():
    ledger = Ledger(Budget(1.0))
    ledger.counts("a", np.zeros(3), ledger.part(0.1))
    ledger.descend(10_000, 500, 100, 1.0)
    assert ledger.descent == {"batch": 500, "rate": 0.05, "noise": ledger.descent["noise"], "steps": 100, "clip": 1.0}
    said = ledger.certificate()
    assert 0.99 < said["epsilon_spent"] <= 1.0
    assert "Opacus 1." in said["accountant"]
    with pytest.raises(PrivacyError, match="b comes too late"):
        ledger.counts("b", np.zeros(3), ledger.part(0.001))
