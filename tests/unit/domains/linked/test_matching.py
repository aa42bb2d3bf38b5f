"""Partners agree as far as they can, and each is used before one is used twice."""

from __future__ import annotations

import numpy as np

from conjure.domains.linked.matching import match


def test_whole_rows_first_then_the_first_column():
    wanted = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    offered = np.array([[1, 1], [0, 5], [0, 0], [2, 2]])
    found = match(wanted, offered, np.random.default_rng(0))
    assert found.tolist() == [2, 1, 3, 0]


def test_every_partner_is_used_once_before_one_is_used_twice():
    rng = np.random.default_rng(1)
    wanted, offered = rng.integers(0, 4, (500, 3)), rng.integers(0, 4, (400, 3))
    used = np.bincount(match(wanted, offered, rng), minlength=400)
    assert used.min() == 1
    assert used.sum() == 500
    assert used.max() == 2


def test_without_columns_any_partner_will_do():
    found = match(np.zeros((5, 0), int), np.zeros((5, 0), int), np.random.default_rng(0))
    assert sorted(found) == [0, 1, 2, 3, 4]
