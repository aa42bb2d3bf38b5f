"""How good a reward model is on rankings it never saw: beside a baseline and the raters' ceiling, and what fools it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from conjure.domains.answers.codec import AnswersCodec
from conjure.domains.protocol import Encoded
from conjure.feedback.tables import Table, told_apart
from conjure.metrics import bootstrap
from conjure.metrics.bootstrap import Interval
from conjure.models.reward import Reward

BINS = 10  # of the calibration error
ROUNDS = 200


@dataclass(frozen=True)
class Audit:
    """Shares of held-out pairs, 0 .. 1, with intervals over prompts.

    accuracy: told as raters do; length: told by length alone, whichever way served in training; others: a rater's pairs
    told as the other raters' majority does; ceiling: the most that any judge could reach, by how far raters agree.
    ece and brier judge the probabilities. length_bias: rank correlation of reward and length inside a prompt, beside
    what raters' own ranks have (`length_taste`). doubt: accuracy where members agree most less where they agree least.
    """

    pairs: int
    accuracy: Interval
    length: Interval
    others: Interval | None
    ceiling: Interval | None
    ece: float
    brier: float
    length_bias: float
    length_taste: float
    raters: dict[str, Interval] = field(default_factory=dict)
    doubt: float = math.nan

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {k: _plain(getattr(self, k)) for k in self.__dataclass_fields__} | {
            "raters": {name: _plain(v) for name, v in self.raters.items()}
        }

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Audit:
        """The inverse of `plain`."""
        made = {k: math.nan if v is None and k not in ("others", "ceiling") else v for k, v in values.items()}
        made |= {k: Interval(**v) for k, v in made.items() if isinstance(v, dict) and k != "raters"}
        return cls(**made | {"raters": {name: Interval(**v) for name, v in values["raters"].items()}})


@torch.no_grad()
def scores(model: Reward, part: Encoded) -> tuple[np.ndarray, np.ndarray]:
    """(score, doubt) of each completion, (P, K); NaN where there is none."""
    there = part.mask.any(2)  # type: ignore[union-attr]
    x, mask = part.x[there], part.mask[there]  # type: ignore[index]
    each = model.each_score(x.long(), mask).cpu()  # (M, N)
    out = np.full((2, *there.shape), np.nan)
    out[0][there.numpy()], out[1][there.numpy()] = each.mean(0).numpy(), each.std(0, unbiased=False).numpy()
    return out[0], out[1]


def fit_slope(model: Reward, found: Table, part: Encoded) -> None:
    """Let `preferred` be calibrated on these pairs: the slope that makes them likeliest (Platt 1999, no offset)."""
    apart, weight = _apart(scores(model, part)[0], found)
    slope = 1.0
    for _ in range(50):  # Newton's steps on a convex loss
        p = 1 / (1 + np.exp(-slope * apart))
        gradient = (weight * (p - 1) * apart).sum() + 1e-3 * slope
        curve = (weight * p * (1 - p) * apart**2).sum() + 1e-3
        slope = float(np.clip(slope - gradient / curve, 0.01, 100))
    model.slope.fill_(slope)


def audit(model: Reward, found: Table, part: Encoded, codec: AnswersCodec, longer: bool, seed: int = 0) -> Audit:
    """All of it on held-out prompts; pairs of raters who are not trusted do not count."""
    given, doubt = scores(model, part)
    where, weight = told_apart(found)
    where, weight = where[weight > 0], weight[weight > 0]
    row, judgement, better, worse = where.T
    apart = given[row, better] - given[row, worse]
    right = _right(apart)
    lengths = _lengths(found, codec)
    by_length = _right((lengths[row, better] - lengths[row, worse]) * (1 if longer else -1))
    p = 1 / (1 + np.exp(-float(model.slope) * apart))
    who = found.raters[row, judgement]
    mean = lambda values, of=None: _mean(values, row if of is None else row[of], len(found), seed)  # noqa: E731
    raters = {found.names[r]: mean(right[who == r], who == r) for r in np.unique(who) if (who == r).sum() > 1}
    between = doubt[row, better] + doubt[row, worse]
    sure = between <= np.median(between)
    spread = right[sure].mean() - right[~sure].mean() if model.config.members > 1 and (~sure).any() else math.nan
    return Audit(
        *(len(right), mean(right), mean(by_length)),
        *_ceiling(found, where, seed),
        *calibration(p),
        *(_within(given, lengths), _within(-_mean_rank(found), lengths)),
        raters,
        float(spread),
    )


def calibration(p: np.ndarray) -> tuple[float, float]:
    """(expected calibration error, Brier score) of probabilities (N,) for what did happen (Guo et al. 2017, eq. 3).

    Each counts for both outcomes, so that bins hold both; bins have as many each.
    """
    both = np.concatenate([p, 1 - p])
    happened = np.concatenate([np.ones(len(p)), np.zeros(len(p))])
    order = np.argsort(both, kind="stable")
    gaps = [
        abs(both[part].mean() - happened[part].mean()) * len(part) for part in np.array_split(order, BINS) if len(part)
    ]
    return float(sum(gaps) / max(1, len(both))), float(((1 - p) ** 2).mean()) if len(p) else math.nan


def bayes(agreed: float) -> float:
    """The best accuracy at guessing a rater where two agree on a pair with this probability.

    Raters who say with probability p what most would say agree with p^2 + (1 - p)^2; p is the accuracy.
    """
    return (1 + math.sqrt(max(0.0, 2 * agreed - 1))) / 2


def prefers_longer(found: Table, codec: AnswersCodec) -> bool:
    """Whether raters prefer the longer of two more often than not."""
    where, weight = told_apart(found)
    lengths = _lengths(found, codec)
    row, _, better, worse = where.T
    return float((np.sign(lengths[row, better] - lengths[row, worse]) * weight).sum()) >= 0


def _apart(given: np.ndarray, found: Table) -> tuple[np.ndarray, np.ndarray]:
    where, weight = told_apart(found)
    row, _, better, worse = where.T
    return given[row, better] - given[row, worse], weight


def _right(apart: np.ndarray) -> np.ndarray:
    """1 where told rightly, a half where not told at all."""
    return (np.sign(apart) + 1) / 2


def _lengths(found: Table, codec: AnswersCodec) -> np.ndarray:
    out = np.full((len(found), found.ranks.shape[2]), np.nan)
    for row, texts in enumerate(found.completions):
        out[row, : len(texts)] = [len(codec.spelling.completion(text)) for text in texts]
    return out


def _mean(values: np.ndarray, row: np.ndarray, prompts: int, seed: int) -> Interval:
    """A mean over pairs, resampled over prompts."""
    total, count = np.bincount(row, values, prompts), np.bincount(row, minlength=prompts)
    measure = lambda w: float((total @ w) / (count @ w)) if count @ w else math.nan  # noqa: E731
    return bootstrap.interval(measure, prompts, np.random.default_rng(seed), (0, 1), ROUNDS)


def _ceiling(found: Table, where: np.ndarray, seed: int) -> tuple[Interval | None, Interval | None]:
    """(a rater's pairs told by the others' majority, the Bayes accuracy by how far raters agree); None for one."""
    size = found.ranks.shape[2]
    row, _, better, worse = where.T
    up = better < worse
    cell = (row * size + np.minimum(better, worse)) * size + np.maximum(better, worse)
    cells = len(found) * size * size
    for_, all_ = np.bincount(cell, up, cells), np.bincount(cell, minlength=cells)
    others = all_[cell] - 1
    if not (others > 0).any():
        return None, None
    mine = np.where(up, for_[cell] - 1, all_[cell] - for_[cell] - 1)  # others who say the same
    majority = _right(2 * mine - others)[others > 0]
    agreed = (mine / np.maximum(others, 1))[others > 0]
    told = row[others > 0]
    top = _mean(agreed, told, len(found), seed)
    return _mean(majority, told, len(found), seed), Interval(*(bayes(v) for v in top))


def _within(a: np.ndarray, b: np.ndarray) -> float:
    """The mean rank correlation (tau-b) of two tables (P, K) inside their rows."""
    first, second = np.triu_indices(a.shape[1], 1)
    x, y = (np.nan_to_num(np.sign(t[:, first] - t[:, second])) for t in (a, b))
    both = math.sqrt((x**2 * ~np.isnan(y)).sum() * (y**2).sum())
    return float((x * y).sum() / both) if both else math.nan


def _mean_rank(found: Table) -> np.ndarray:
    """The mean rank of each completion over raters (P, K)."""
    ranks = found.ranks[..., 0]
    known = ~np.isnan(ranks)
    return np.where(known.any(1), np.nansum(ranks, 1) / np.maximum(known.sum(1), 1), np.nan)


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return {k: _plain(v) for k, v in value._asdict().items()}
    return None if isinstance(value, float) and math.isnan(value) else value
