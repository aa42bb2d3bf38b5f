"""A series and a set of them: numbers by row and channel, a clock, and where forecasts may begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from conjure.domains.series.clock import Clock
from conjure.domains.series.season import period
from conjure.domains.shown import Shown


@dataclass(frozen=True, eq=False)
class Series:
    """Values (T, C) in float64, NaN where missing.

    Rows before `begin` are history only: they were training data, and no window to be judged starts its future
    there. `row` is the place of the first row in the series it was cut from. `forecast` holds what comes after,
    (levels, H, C): its quantiles, or a single draw.
    """

    name: str
    values: np.ndarray
    clock: Clock | None = None
    begin: int = 0
    row: int = 0
    forecast: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, stop: int) -> Series:
        """Some rows as a series of their own."""
        clock = self.clock.moved(start) if self.clock else None
        return Series(self.name, self.values[start:stop], clock, 0, self.row + start)


@dataclass(frozen=True, eq=False)
class SeriesSet(Shown):
    """Series of the same channels. `time` is the name of their time column; `levels` those of their forecasts."""

    columns: tuple[str, ...]
    series: tuple[Series, ...]
    time: str | None = None
    notes: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __getitem__(self, at: int) -> Series:
        return self.series[at]

    def having(self, series: Any, **changes: Any) -> SeriesSet:
        """Other series of the same channels."""
        return replace(self, series=tuple(series), **changes)

    @cached_property
    def period(self) -> int:
        """Rows of the season that the longest series shows, 1 where it shows none."""
        return period(max(self.series, key=len).values)
