"""How far people who judge the same things agree: Krippendorff's alpha, the kappas, Kendall's W and tau-b.

Ratings come as an array (raters, items), NaN where somebody did not judge. Each statistic is 1 for full agreement
and about 0 for judges who roll dice; `interval` puts a bootstrap interval beside any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from conjure.core.errors import DataError
from conjure.metrics import bootstrap
from conjure.metrics.bootstrap import Interval

Level = Literal["nominal", "ordinal", "interval", "ratio"]
BLOCK = 2048  # distinct values compared at a time, so that memory stays bounded


@dataclass(frozen=True)
class Judgements:
    """Ratings without their gaps: item and code of each value, the distinct values, ratings an item."""

    item: np.ndarray  # (R,) of items with at least two ratings
    code: np.ndarray  # (R,) places in `values`
    values: np.ndarray  # (V,) rising
    sizes: np.ndarray  # (I,) at least 2


def alpha(ratings: np.ndarray, level: Level = "ordinal") -> float:
    """Krippendorff's alpha, 1 - observed disagreement / disagreement by chance (Krippendorff 2011, eq. 1).

    ratings (raters, items) with NaN for gaps; items with fewer than two ratings say nothing and are left out.
    `level` says what a difference means: another name, distance in rank, in units, or in proportion.
    NaN when all ratings are equal, where there is nothing to agree on. DataError without two ratings of one item.
    """
    found = judgements(ratings)
    return weighted_alpha(found, np.ones(len(found.sizes)), level)


def judgements(ratings: np.ndarray) -> Judgements:
    """The ratings that can be compared with another of the same item."""
    ratings = np.asarray(ratings, float)
    if ratings.ndim != 2:
        raise DataError(f"ratings have {ratings.ndim} dimensions; they should be (raters, items)")
    given = ~np.isnan(ratings)
    kept = np.flatnonzero(given.sum(0) >= 2)
    if not len(kept):
        raise DataError("no item was judged by two people, so agreement is undefined: ask a second rater")
    rater, item = np.nonzero(given[:, kept])
    values, code = np.unique(ratings[rater, kept[item]], return_inverse=True)
    return Judgements(item, code, values, np.bincount(item))


def weighted_alpha(found: Judgements, weights: np.ndarray, level: Level, within: np.ndarray | None = None) -> float:
    """Alpha when item i counts `weights[i]` times; `within` is what `_within` says of the items."""
    totals = np.bincount(found.code, weights[found.item], len(found.values))  # (V,)
    n = totals.sum()
    if level == "ordinal":  # a value's place is its rank, which depends on how often each is given
        at = np.cumsum(totals) - totals / 2
        within = _spread(found, at - at @ totals / n)
    elif within is None:
        within = _within(found, level)
    match level:
        case "nominal":
            chance = n**2 - (totals**2).sum()
        case "ratio":
            blocks = (slice(start, start + BLOCK) for start in range(0, len(totals), BLOCK))
            chance = sum(totals[s] @ _proportion(found.values[s, None], found.values[None]) @ totals for s in blocks)
        case _:
            at = at if level == "ordinal" else found.values
            at = at - at @ totals / n
            chance = 2 * n * (totals * at**2).sum()
    observed = (weights / (found.sizes - 1) * within).sum()
    return float(1 - observed * (n - 1) / chance) if chance > 0 else float("nan")


def _within(found: Judgements, level: Level) -> np.ndarray:
    """The sum of squared distances over all ordered pairs of ratings of an item, (I,)."""
    if level == "nominal":
        return found.sizes**2 - (counts(found) ** 2).sum(1)
    if level != "ratio":
        return _spread(found, found.values - found.values.mean())
    if found.values[0] < 0:
        raise DataError(f"a rating of {found.values[0]:g} is below zero: level 'ratio' needs values from 0 up")
    order = np.argsort(found.item, kind="stable")
    value, starts = found.values[found.code[order]], np.cumsum(found.sizes) - found.sizes
    within = np.empty(len(found.sizes))
    for size in np.unique(found.sizes):
        rows = np.flatnonzero(found.sizes == size)
        block = value[starts[rows][:, None] + np.arange(size)]
        within[rows] = _proportion(block[:, :, None], block[:, None, :]).sum((1, 2))
    return within


def _spread(found: Judgements, at: np.ndarray) -> np.ndarray:
    """The same where values lie at places (V,) near zero and distances are differences."""
    sums, squares = (np.bincount(found.item, at[found.code] ** k, len(found.sizes)) for k in (1, 2))
    return 2 * (found.sizes * squares - sums**2)


def counts(found: Judgements) -> np.ndarray:
    """How often each item got each value, (I, V)."""
    items, values = len(found.sizes), len(found.values)
    return np.bincount(found.item * values + found.code, minlength=items * values).reshape(items, values)


def _proportion(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = a + b
    return np.divide(a - b, total, out=np.zeros(np.broadcast(a, b).shape), where=total != 0) ** 2


def fleiss_kappa(ratings: np.ndarray) -> float:
    """Agreement of equally many raters on names, beyond chance from all their names together (Fleiss 1971, eq. 7).

    ratings (raters, items) without gaps in the items used; items with another number of ratings are refused.
    """
    found = judgements(ratings)
    m = int(found.sizes[0])
    if (found.sizes != m).any():
        raise DataError("items have unequal numbers of ratings: Fleiss' kappa needs as many for each; use alpha")
    given = counts(found)
    observed = ((given**2).sum(1) - m).mean() / (m * (m - 1))
    chance = ((given.sum(0) / given.sum()) ** 2).sum()
    return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")


def cohen_kappa(a: np.ndarray, b: np.ndarray, weights: Literal["none", "linear", "quadratic"] = "none") -> float:
    """Agreement of two raters beyond what their own habits give by chance (Cohen 1960, eq. 1; weighted: 1968).

    a and b (items,), NaN for gaps; weights grow with the distance of places in the order of values.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    both = ~(np.isnan(a) | np.isnan(b))
    if not both.any():
        raise DataError("the two raters judged no item in common, so agreement is undefined")
    values, codes = np.unique(np.concatenate([a[both], b[both]]), return_inverse=True)
    first, second = np.split(codes, 2)
    table = np.bincount(first * len(values) + second, minlength=len(values) ** 2).reshape(len(values), -1) / both.sum()
    apart = np.abs(np.subtract.outer(np.arange(len(values)), np.arange(len(values)))).astype(float)
    cost = {"none": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]
    chance = (cost * np.outer(table.sum(1), table.sum(0))).sum()
    return float(1 - (cost * table).sum() / chance) if chance > 0 else float("nan")


def kendall_w(rankings: np.ndarray) -> float:
    """How far raters put the same things in the same order, 0 .. 1 (Kendall & Smith 1939), corrected for ties.

    rankings (raters, items), every rater ranks every item; equal numbers are ties.
    """
    from scipy.stats import rankdata

    rankings = np.asarray(rankings, float)
    if np.isnan(rankings).any():
        rater, item = np.argwhere(np.isnan(rankings))[0]
        raise DataError(f"rater {rater} did not rank item {item}: Kendall's W needs whole rankings")
    raters, items = rankings.shape
    ranks = rankdata(rankings, axis=1)
    spread = ((ranks.sum(0) - raters * (items + 1) / 2) ** 2).sum()
    ties = sum((counts**3 - counts).sum() for counts in (np.unique(r, return_counts=True)[1] for r in rankings))
    most = raters**2 * (items**3 - items) - raters * ties
    return float(12 * spread / most) if most > 0 else float("nan")


def tau_b(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of two rankings: pairs in the same order less pairs in opposite order, ties corrected."""
    from scipy.stats import kendalltau

    a, b = np.asarray(a, float), np.asarray(b, float)
    both = ~(np.isnan(a) | np.isnan(b))
    return float(kendalltau(a[both], b[both], variant="b").statistic)


def pairwise_agreement(scores: np.ndarray) -> float:
    """How often two raters who both prefer one of two things prefer the same, 0 .. 1; a tie of either does not count.

    scores (raters, things of one prompt), higher = better, NaN where not judged. NaN when no pair can be compared.
    """
    scores = np.asarray(scores, float)
    first, second = np.triu_indices(scores.shape[1], 1)
    sign = np.nan_to_num(np.sign(scores[:, first] - scores[:, second]))  # (raters, pairs)
    up, down = (sign > 0).sum(0), (sign < 0).sum(0)
    judged = up + down
    possible = (judged * (judged - 1)).sum()
    return float((up * (up - 1) + down * (down - 1)).sum() / possible) if possible else float("nan")


def interval(
    ratings: np.ndarray,
    statistic: Callable[[np.ndarray], float] | Level = "ordinal",
    *,
    rounds: int = 200,
    seed: int = 0,
) -> Interval:
    """A statistic with its 95 % bootstrap interval over items; a level's name stands for alpha."""
    ratings, rng = np.asarray(ratings, float), np.random.default_rng(seed)
    if callable(statistic):
        again = lambda weights: statistic(np.repeat(ratings, weights.astype(int), 1))  # noqa: E731
        return bootstrap.interval(again, ratings.shape[1], rng, (-1, 1), rounds)
    found = judgements(ratings)
    within = None if statistic == "ordinal" else _within(found, statistic)
    measure = lambda weights: weighted_alpha(found, weights, statistic, within)  # noqa: E731
    return bootstrap.interval(measure, len(found.sizes), rng, (-1, 1), rounds)


def reliability(ratings: np.ndarray) -> np.ndarray:
    """How well each rater tells the others' mean, (raters,): the correlation over items that others judged too.

    About 0 for one who clicks at random, below for one who has the scale upside down; NaN where nothing varies.
    """
    ratings = np.asarray(ratings, float)
    given = ~np.isnan(ratings)
    filled = np.where(given, ratings, 0.0)
    others = given.sum(0) - given
    shared = given & (others > 0)
    mean = (filled.sum(0) - filled) / np.maximum(others, 1)
    out = np.full(len(ratings), np.nan)
    for rater, rows in enumerate(shared):
        own, rest = ratings[rater, rows], mean[rater, rows]
        if len(own) > 2 and own.std() > 0 and rest.std() > 0:
            out[rater] = np.corrcoef(own, rest)[0, 1]
    return out


def disputed(ratings: np.ndarray, n: int = 10) -> np.ndarray:
    """The n items (their columns) whose raters are furthest apart in rank, worst first: the queue for a second look."""
    found = judgements(ratings)
    totals = np.bincount(found.code, minlength=len(found.values))
    at = np.cumsum(totals) - totals / 2
    apart = _spread(found, at - at @ totals / totals.sum()) / (found.sizes * (found.sizes - 1))
    columns = np.flatnonzero((~np.isnan(np.asarray(ratings, float))).sum(0) >= 2)
    worst = np.argsort(-apart, kind="stable")[:n]
    return columns[worst[apart[worst] > 0]]
