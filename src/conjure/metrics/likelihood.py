"""Log-probability of held-out data: the one judge that sees the model instead of its samples."""

from __future__ import annotations

import math

import numpy as np

from conjure.metrics.bootstrap import mean_interval
from conjure.metrics.figure import Figure
from conjure.metrics.judged import Judged, Metric

NATS = Metric(
    "log-probability (nats)",
    "mean log-probability of a held-out object under the model",
    (-math.inf, math.inf),
)
BITS = Metric(
    "bits per byte",
    "what a byte of held-out text costs when it is compressed with the model",
    (0.0, math.inf),
    "down",
)


def nats(judged: Judged) -> list[Figure]:
    """Nats per held-out object beside the baseline's; nothing for a model without likelihood."""
    if judged.scores is None:
        return []
    baseline = None if judged.baseline_scores is None else float(np.mean(judged.baseline_scores))
    return [NATS.figure(mean_interval(judged.scores), baseline, kind=judged.score_kind)]


def bits_per_byte(judged: Judged, size: int) -> list[Figure]:
    """Bits per byte of a held-out text of `size` bytes; there is no ceiling, for nobody knows the entropy of text."""
    if judged.scores is None:
        return []

    def per_byte(scores: np.ndarray) -> float:
        return -len(scores) / (size * math.log(2))

    theirs = judged.baseline_scores
    baseline = None if theirs is None else float(np.mean(theirs)) * per_byte(theirs)
    ours = mean_interval(judged.scores).scaled(per_byte(judged.scores))
    return [BITS.figure(ours, baseline, kind=judged.score_kind)]
