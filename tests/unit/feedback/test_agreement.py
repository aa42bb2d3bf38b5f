"""Agreement equals its published examples and second sources, and is quick enough for a large panel."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from conjure.core.errors import DataError
from conjure.feedback import agreement

GAP = np.nan
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": examples A, B and C.
BINARY = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], float)
NAMES = np.array([[ord(c) for c in row] for row in ("aabbdcccedda", "babbbccceddd")], float)
FOUR = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
)
LEVELS = ("nominal", "ordinal", "interval", "ratio")


@pytest.mark.parametrize(
    ("ratings", "level", "published"),
    [
        (BINARY, "nominal", 0.095),
        (NAMES, "nominal", 0.692),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (FOUR, "ratio", 0.797),
    ],
)
def test_alpha_is_the_published_one(ratings, level, published):
    assert agreement.alpha(ratings, level) == pytest.approx(published, abs=5e-4)


def by_definition(ratings, level):
    """Alpha by its coincidence matrix, pair by pair."""
    values = np.unique(ratings[~np.isnan(ratings)])
    both = np.zeros((len(values), len(values)))
    for column in ratings.T:
        given = column[~np.isnan(column)]
        for a, b in itertools.permutations(range(len(given)), 2) if len(given) > 1 else ():
            both[np.searchsorted(values, given[a]), np.searchsorted(values, given[b])] += 1 / (len(given) - 1)
    n = both.sum(0)
    distance = np.zeros_like(both)
    for i, j in itertools.combinations(range(len(values)), 2):
        c, k = values[i], values[j]
        between = n[i : j + 1].sum() - (n[i] + n[j]) / 2
        distance[i, j] = distance[j, i] = {
            "nominal": 1.0,
            "ordinal": between**2,
            "interval": (c - k) ** 2,
            "ratio": ((c - k) / (c + k)) ** 2,
        }[level]
    return 1 - (n.sum() - 1) * (both * distance).sum() / (np.outer(n, n) * distance).sum()


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_equals_its_definition_with_gaps(level):
    rng = np.random.default_rng(0)
    ratings = np.where(rng.random((5, 40)) < 0.6, rng.integers(1, 8, (5, 40)).astype(float), GAP)
    ratings[:, :20] = np.where(np.isnan(ratings[:, :20]), GAP, rng.integers(1, 8, 20) + 0.0)
    assert agreement.alpha(ratings, level) == pytest.approx(by_definition(ratings, level), abs=1e-9)


def test_full_agreement_is_one_dice_are_about_zero_and_sameness_is_undefined():
    rng = np.random.default_rng(1)
    same = np.repeat(rng.integers(1, 8, (1, 50)).astype(float), 4, 0)
    dice = rng.integers(1, 8, (4, 4000)).astype(float)
    for level in LEVELS:
        assert agreement.alpha(same, level) == 1
        assert abs(agreement.alpha(dice, level)) < 0.02
        assert np.isnan(agreement.alpha(np.ones((3, 5)), level))


def test_one_rater_cannot_agree():
    with pytest.raises(DataError, match="undefined: ask a second rater"):
        agreement.alpha(np.array([[1.0, 2, 3], [GAP, GAP, GAP]]))
    with pytest.raises(DataError, match="no item in common"):
        agreement.cohen_kappa([1, GAP], [GAP, 1])
    with pytest.raises(DataError, match=r"-1 is below zero"):
        agreement.alpha(np.array([[-1.0, 2], [1, 2]]), "ratio")


def test_kappas_equal_a_second_source():
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(2)
    a = rng.integers(0, 5, 200)
    b = np.where(rng.random(200) < 0.6, a, rng.integers(0, 5, 200))
    for ours, theirs in (("none", None), ("linear", "linear"), ("quadratic", "quadratic")):
        assert agreement.cohen_kappa(a, b, ours) == pytest.approx(cohen_kappa_score(a, b, weights=theirs), abs=1e-9)


def test_fleiss_by_hand():
    """Two items, three raters, two names: P = (1 + 1/3) / 2, chance from 4 of 6 and 2 of 6."""
    ratings = np.array([[0.0, 0], [0, 1], [0, 1]])
    chance = (4 / 6) ** 2 + (2 / 6) ** 2
    assert agreement.fleiss_kappa(ratings) == pytest.approx((2 / 3 - chance) / (1 - chance), abs=1e-12)
    with pytest.raises(DataError, match="as many for each"):
        agreement.fleiss_kappa(FOUR)


def test_w_is_friedmans_statistic_scaled_and_counts_ties():
    from scipy.stats import friedmanchisquare

    rng = np.random.default_rng(3)
    rankings = rng.integers(1, 5, (6, 7)) + np.arange(7)
    expected = friedmanchisquare(*rankings.T).statistic / (6 * 6)
    assert agreement.kendall_w(rankings) == pytest.approx(expected, abs=1e-9)
    assert agreement.kendall_w(np.tile([3, 1, 2], (4, 1))) == 1
    with pytest.raises(DataError, match="rater 1 did not rank item 0"):
        agreement.kendall_w([[1, 2], [GAP, 1]])


def test_pairs_agree_where_both_prefer():
    scores = np.array([[3.0, 2, 1], [3, 1, 2], [2, 2, GAP]])
    # (0, 1): two say up; (0, 2): two say up; (1, 2): one each
    assert agreement.pairwise_agreement(scores) == pytest.approx(2 * 2 / (3 * 2))
    assert np.isnan(agreement.pairwise_agreement(np.ones((2, 3))))
    assert agreement.tau_b([1, 2, 3, GAP], [1, 2, 3, 9]) == pytest.approx(1)


def test_careless_raters_and_disputed_items_are_found():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=300)
    ratings = np.stack([np.round(truth + 0.5 * rng.normal(size=300)) for _ in range(6)])
    ratings[2] = rng.integers(-3, 4, 300)
    ratings[4] = -ratings[4]
    found = agreement.reliability(ratings)
    assert abs(found[2]) < 0.2
    assert found[4] < -0.4
    assert (found[[0, 1, 3, 5]] > 0.5).all()
    calm = np.ones((2, 5))
    calm[:, 3] = 1, 7
    assert agreement.disputed(calm).tolist() == [3]


def test_a_hundred_thousand_ratings_take_less_than_a_second_with_their_interval():
    rng = np.random.default_rng(5)
    ratings = np.where(rng.random((50, 25_000)) < 0.08, rng.integers(1, 8, (50, 25_000)), GAP)
    for level in LEVELS:
        start = time.process_time()
        found = agreement.interval(ratings, level)
        assert time.process_time() - start < 1
        assert found.low < found.value < found.high


def test_an_interval_serves_any_statistic():
    found = agreement.interval(BINARY, agreement.fleiss_kappa, rounds=50)
    assert found.low < found.value < found.high
