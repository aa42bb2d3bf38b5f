"""The audit: its bound against hand-computed cases, and what it says of claims."""

from __future__ import annotations

import math

import pytest

from conjure.auditing import Audit, audit, lower_bound
from conjure.core.errors import ConfigError, DataError
from conjure.verbs import recipe_for
from tests.unit.domains.test_private_table import people


def test_guessing_at_random_bounds_nothing():
    assert lower_bound(50, 100, 100, 1e-5) == 0.0


def test_all_guesses_right_is_the_closed_form():
    """With delta 0 the bound solves q^r = 0.05, q = e^eps / (1 + e^eps)."""
    q = 0.05 ** (1 / 100)
    assert lower_bound(100, 100, 100, 0.0) == pytest.approx(math.log(q / (1 - q)), abs=1e-6)
    assert lower_bound(100, 100, 100, 1e-3) < lower_bound(100, 100, 100, 0.0)


def recipe(epsilon: float):
    return recipe_for("tables", settings=[f"privacy.epsilon={epsilon}", "privacy.delta=1e-6"])


def test_an_honest_run_is_not_refuted():
    found = audit(recipe(0.5), people(1500).drop(columns=["name", "day"]), canaries=200)
    assert not found.broken
    assert "claimed epsilon 0.5" in found.describe()
    assert "does not contradict" in found.describe()


def test_a_claim_that_guesses_refute_is_called_false():
    assert "FALSE" in Audit(0.1, 1e-6, lower_bound(90, 100, 150, 1e-6), 90, 100, 150).describe()


def test_what_cannot_be_audited_is_refused():
    with pytest.raises(ConfigError, match="no claim to audit"):
        audit(recipe_for("tables"), people(300))
    with pytest.raises(ConfigError, match="canaries show nothing"):
        audit(recipe(1.0), people(300), canaries=5)
    with pytest.raises(DataError, match="take at least 1000"):
        audit(recipe(1.0), people(300))
