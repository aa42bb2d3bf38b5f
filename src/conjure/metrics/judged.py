"""What every judge is given: real and made objects of one kind, so that all judges have one signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from conjure.metrics.bootstrap import Interval
from conjure.metrics.figure import Direction, Figure


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Samples and what they are judged by.

    Objects are the domain's own. `scores` are nats per held-out object (or window of a stream), None for a
    model without likelihood; `score_kind` is that of the model. `as_made` gives real objects as the codec would
    (pictures brought to its size), `again` answers objects as questions once more. `facts` are words of the domain,
    such as the kinds of a table's columns. What could not be had is None, and `notes` says why.
    """

    held_out: Any
    synthetic: Any
    train: Any = None
    baseline: Any = None
    scores: np.ndarray | None = None
    baseline_scores: np.ndarray | None = None
    score_kind: str = ""
    as_made: Callable[[Any], Any] = lambda objects: objects
    again: Callable[[Any], Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    target: str | None = None
    seed: int = 0
    title: str = "Samples against held-out data"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """What a metric is called, what it means in a sentence, where it lies and where it should go."""

    name: str
    meaning: str
    range: tuple[float, float] = (0.0, 1.0)
    direction: Direction = "up"
    saturated: bool = False  # known to be, whatever the data
    guard: bool = False  # watches for copies: a simple model may well copy less than chance, and ranks lose nothing

    def figure(
        self, ours: Interval | float | None, baseline: float | None = None, ceiling: float | None = None, kind: str = ""
    ) -> Figure:
        """The metric's figure; it is saturated, too, where the baseline does as well as real data."""
        value, low, high = ours if isinstance(ours, Interval) else (ours, None, None)
        made = Figure(
            self.name,
            self.meaning,
            value,
            low,
            high,
            baseline,
            ceiling,
            self.range,
            self.direction,
            self.saturated,
            kind,
        )
        if self.guard or baseline is None or ceiling is None:
            return made
        return replace(made, saturated=self.saturated or made.loss(baseline) <= made.loss(ceiling))
