"""Membership inference: was this person in the training data? Scores of members beside scores of controls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Tables, distances

FALSE_ALARMS = 0.01  # at which the share of members found is reported (Carlini et al. 2022, sec. 3)


@dataclass(frozen=True)
class Membership:
    """The area under the curve of telling members from controls with its 95 % interval, and the curve's start."""

    auc: float
    low: float
    high: float
    start: Outcome


def by_distance(tables: Tables) -> np.ndarray:
    """Scores (members and then controls): how near the nearest made row is (Chen et al. 2020, sec. 4.2)."""
    members, controls, made = tables.points()
    return -distances(np.concatenate([members, controls]), made)


def by_ratio(target: np.ndarray, references: list[np.ndarray]) -> np.ndarray:
    """Scores: log-probability under the model, or one of made rows, over the mean under models that never saw the row.

    What is probable anyway is no evidence (Carlini et al. 2022, sec. 5; for made rows van Breugel et al. 2023, eq. 1).
    Shapes: target and each of references (N,) in nats.
    """
    return target - np.mean(references, 0)


def judge(scores: np.ndarray, members: int, name: str, meaning: str) -> Membership:
    """What scores (N,), the first `members` of them of members, tell; higher should mean a member."""
    from scipy.stats import rankdata

    inside, outside = scores[:members], scores[members:]
    n, m = len(inside), len(outside)
    ranks = rankdata(scores)
    auc = (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)
    # DeLong et al. 1988: the variance from each score's place among those of the other side
    first = (ranks[:n] - rankdata(inside)) / m
    second = 1 - (ranks[n:] - rankdata(outside)) / n
    half = 1.96 * np.sqrt(first.var(ddof=1) / n + second.var(ddof=1) / m)
    threshold = np.quantile(outside, 1 - FALSE_ALARMS, method="higher")
    rates = Rate(int((inside > threshold).sum()), n), Rate(int((outside > threshold).sum()), m)
    both = np.sort(scores)[-math.ceil(FALSE_ALARMS * len(scores))]  # a threshold that labels have no part in
    told = Outcome(name, meaning, Rate(int((inside >= both).sum()), n), Rate(int((outside >= both).sum()), m))
    found = Outcome(name, meaning, *rates, told.p)
    return Membership(float(auc), float(max(0, auc - half)), float(min(1, auc + half)), found)
