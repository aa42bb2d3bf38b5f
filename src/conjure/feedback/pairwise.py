"""Pairs of completions of one prompt as raters see them, and how far raters agree on them, quick for large panels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.feedback.agreement import Level, judgements, weighted_alpha
from conjure.feedback.rankings import Panel
from conjure.metrics import bootstrap
from conjure.metrics.bootstrap import Interval

BLOCKS = 60  # groups of prompts that are drawn anew together: a group's sums are made once
ROUNDS = 100
MOST_VALUES = 12  # distinct values for which a table of each against each is made


@dataclass(frozen=True)
class Pairs:
    """sign (R, P): 1 where a rater puts the first of a pair higher, -1 the second, 0 a tie, NaN not judged; the
    columns (P, 2) of the panel that a pair is of, and the group of prompts that it is drawn with.
    """

    sign: np.ndarray
    columns: np.ndarray
    block: np.ndarray


def blocks_of(prompts: np.ndarray) -> np.ndarray:
    """A group for each completion (I,), all of a prompt in one, about as many prompts in each."""
    _, number = np.unique(prompts.astype(str), return_inverse=True)
    return number % BLOCKS


def pairs(panel: Panel, criterion: str) -> Pairs:
    """All pairs of completions of one prompt, by a criterion; of ranks the lower is the better."""
    _, number = np.unique(panel.prompts.astype(str), return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    found = []
    for size in np.unique(sizes):
        first, second = np.triu_indices(size, 1)
        rows = order[starts[sizes == size][:, None] + np.arange(size)]  # (prompts, size)
        found.append(np.stack([rows[:, first].ravel(), rows[:, second].ravel()], 1))
    columns = np.concatenate(found) if found else np.zeros((0, 2), int)
    ratings = panel.ratings[criterion] * (-1.0 if criterion == "rank" else 1.0)
    sign = np.sign(ratings[:, columns[:, 0]] - ratings[:, columns[:, 1]])
    return Pairs(sign, columns, number[columns[:, 0]] % BLOCKS)


def alpha(panel: Panel, criterion: str, level: Level = "ordinal", seed: int = 0) -> Interval:
    """Krippendorff's alpha; DataError where no two people judged the same."""
    ratings = panel.ratings[criterion]
    found = judgements(ratings)
    block = blocks_of(panel.prompts)[(~np.isnan(ratings)).sum(0) >= 2]
    return resampled(lambda w: weighted_alpha(found, w[block], level), seed, (-1, 1))


def agreement(found: Pairs, seed: int = 0) -> Interval:
    """How often two raters who both prefer one of two prefer the same, over all pairs of all prompts; see `tau`."""
    up, down = (found.sign > 0).sum(0), (found.sign < 0).sum(0)
    judged = up + down
    same, possible = up * (up - 1) + down * (down - 1), judged * (judged - 1)
    sums = np.stack([np.bincount(found.block, v.astype(float), BLOCKS) for v in (same, possible)])
    return resampled(lambda w: _ratio(*(sums @ w)), seed, (0, 1))


def tau(found: Pairs, seed: int = 0) -> tuple[Interval, np.ndarray]:
    """Kendall's tau-b between raters within prompts: its mean over pairs of raters, and that of each with the others.

    (R,) is NaN for a rater who shares no pair with another.
    """
    judged = ~np.isnan(found.sign)
    sign = np.where(judged, found.sign, 0.0).astype(np.float32)
    parts = []
    for block in range(BLOCKS):
        s, j = sign[:, found.block == block], judged[:, found.block == block].astype(np.float32)
        parts.append(np.stack([s @ s.T, np.abs(s) @ j.T]))
    sums = np.stack(parts).astype(float)  # (blocks, 2, R, R)

    def between(weights: np.ndarray) -> np.ndarray:
        same, told = np.tensordot(weights, sums, 1)
        root = np.sqrt(told * told.T)
        out = np.divide(same, root, out=np.full_like(same, np.nan), where=root > 0)
        np.fill_diagonal(out, np.nan)
        return out

    each = between(np.ones(BLOCKS))
    return resampled(lambda w: _mean(between(w)), seed, (-1, 1)), np.array([_mean(row) for row in each])


def kappa(panel: Panel, criterion: str, seed: int = 0) -> Interval | None:
    """Cohen's kappa, weighted by squared distance in the order of values, as a mean over pairs of raters.

    None where there are more than a dozen values, for which kappa says little.
    """
    ratings = panel.ratings[criterion]
    values = np.unique(ratings[~np.isnan(ratings)])
    if not 1 < len(values) <= MOST_VALUES:
        return None
    raters, v = len(ratings), len(values)
    one_hot = (ratings[:, None, :] == values[:, None]).astype(np.float32)  # (R, V, I)
    block = blocks_of(panel.prompts)
    tables = np.empty((BLOCKS, raters, v, raters, v), np.float32)
    for b in range(BLOCKS):
        flat = one_hot[:, :, block == b].reshape(raters * v, -1)
        tables[b] = (flat @ flat.T).reshape(raters, v, raters, v)
    cost = np.subtract.outer(np.arange(v), np.arange(v)) ** 2.0

    def mean(weights: np.ndarray) -> float:
        table = np.tensordot(weights.astype(np.float32), tables, 1).astype(float).transpose(0, 2, 1, 3)  # (R, R, V, V)
        total = table.sum((2, 3))
        chance = np.einsum("abv,abw,vw->ab", table.sum(3), table.sum(2), cost)
        observed = (table * cost).sum((2, 3)) * total
        out = 1 - np.divide(observed, chance, out=np.full_like(chance, np.nan), where=chance > 0)
        np.fill_diagonal(out, np.nan)
        return _mean(out)

    return resampled(mean, seed, (-1, 1))


def concordance(panel: Panel, criterion: str, seed: int = 0) -> Interval | None:
    """Kendall's W, a mean over prompts by those of their raters who judged all completions; None without two such."""
    from scipy.stats import rankdata

    _, number = np.unique(panel.prompts.astype(str), return_inverse=True)
    groups: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
    ratings, order = panel.ratings[criterion], np.argsort(number, kind="stable")
    for prompt, columns in enumerate(np.split(order, np.flatnonzero(np.diff(number[order])) + 1)):
        whole = ratings[:, columns]
        whole = whole[~np.isnan(whole).any(1)]
        if len(whole) >= 2 and whole.shape[1] >= 2:
            groups.setdefault(whole.shape, []).append((prompt, whole))
    found, where = [np.zeros(0)], [np.zeros(0, int)]
    for (m, n), members in groups.items():
        ranks = rankdata(np.stack([w for _, w in members]), axis=2)  # (prompts, m, n)
        spread = ((ranks.sum(1) - m * (n + 1) / 2) ** 2).sum(1)
        ties = ((ranks[..., :, None] == ranks[..., None, :]).sum(-1) ** 2 - 1).sum((1, 2))  # sum of t^3 - t
        most = m**2 * (n**3 - n) - m * ties
        found.append(np.divide(12 * spread, most, out=np.full(len(most), np.nan), where=most > 0))
        where.append(np.array([p for p, _ in members]))
    values, prompts = np.concatenate(found), np.concatenate(where)
    known = ~np.isnan(values)
    if not known.any():
        return None
    block = prompts[known] % BLOCKS
    sums = np.stack([np.bincount(block, values[known], BLOCKS), np.bincount(block, minlength=BLOCKS)])
    return resampled(lambda w: _ratio(*(sums @ w)), seed, (0, 1))


def resampled(measure: object, seed: int, limits: tuple[float, float]) -> Interval:
    return bootstrap.interval(measure, BLOCKS, np.random.default_rng(seed), limits, ROUNDS)  # type: ignore[arg-type]


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b > 0 else float("nan")


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
