"""Trust in raters who judged little together is not luck."""

from __future__ import annotations

import numpy as np
import pytest

from conjure.feedback.study import Study, Witness, shrunk
from conjure.metrics.bootstrap import Interval


def witness(name: str, value: float, error: float, careless: str = "") -> Witness:
    return Witness(name, 100, Interval(value, value - 1.96 * error, value + 1.96 * error), careless=careless)


def test_reliabilities_that_differ_by_noise_alone_become_their_mean():
    values = np.array([0.2, 0.3, 0.4])
    assert shrunk(values, np.full(3, 0.2)) == pytest.approx([0.3, 0.3, 0.3])
    assert shrunk(values, np.full(3, 1e-6)) == pytest.approx(values)
    between = shrunk(values, np.full(3, 0.05))  # a spread of 0.1 of which 0.05 is noise
    assert between == pytest.approx([0.3 - 0.1 * 0.75, 0.3, 0.3 + 0.1 * 0.75])


def test_trust_is_as_far_apart_as_is_known():
    few = [witness(name, value, 0.3) for name, value in (("ann", 0.2), ("bob", 0.5))]
    many = [witness(name, value, 0.01) for name, value in (("ann", 0.2), ("bob", 0.5))]
    foe, odd = witness("cat", 0.4, 0.01, "missed 5 of 6 attention checks"), witness("eve", -0.1, 0.01)
    assert Study({}, [*few, foe], []).trust() == pytest.approx({"ann": 1.0, "bob": 1.0, "cat": 0.0})
    assert Study({}, [*many, odd], []).trust() == pytest.approx({"ann": 0.16, "bob": 1.0, "eve": 0.0}, abs=0.01)
    unknown = witness("new", float("nan"), 0.1)
    assert Study({}, [*many, unknown], []).trust()["new"] == pytest.approx(((0.2 + 0.5) / 2 / 0.5) ** 2, abs=0.01)
