"""Time in a sequence of rows: the first moment, gaps, and what other moments lie after; and moments again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.table.fields import Field
from conjure.domains.table.schema import MOMENTS, Column, Schema

if TYPE_CHECKING:
    import pandas as pd

STEPS = 65  # quantiles kept of a time


@dataclass(frozen=True)
class Clock:
    """`time` orders the rows of a parent. The first one's is learnt as it is, or as what passed since the parent's
    `anchor`; of the others the gap to the row before. `spans` are other moments, learnt as what passed since `time`."""

    time: Column
    anchor: str = ""
    spans: tuple[Column, ...] = ()
    spread: tuple[float, ...] = ()  # quantiles of the time at even steps, for a baseline that knows no more

    @property
    def first(self) -> str:
        return f"first {self.time.name}"

    @property
    def gap(self) -> str:
        return f"gap of {self.time.name}"

    def span(self, column: Column) -> str:
        return f"{column.name} after {self.time.name}"

    @property
    def taken(self) -> set[str]:
        """Columns of the table that are written from the clock."""
        return {self.time.name, *(c.name for c in self.spans)}

    def units(self, series: pd.Series) -> np.ndarray:
        """The times of rows in the column's unit, float64; DataError for an empty one."""
        values = Field(self.time).read(series)
        if len(bad := np.flatnonzero(np.isnan(values))):
            raise DataError(
                f"column {self.time.name!r}, row {bad[0] + 1}: the cell is empty; "
                "every row of a sequence needs its time"
            )
        return values

    def apart(self, frame: pd.DataFrame, order: np.ndarray, heads: np.ndarray, since: np.ndarray | None) -> Any:
        """What is learnt of the time of rows, by name, each (rows,) in the order of the table.

        order: the rows parent by parent in time; heads: which of them, so ordered, come first; since: the anchor's
        moment for each row, in microseconds.
        """
        times = self.units(frame[self.time.name])
        sorted_times = times[order]
        gaps = np.where(heads, np.nan, np.diff(sorted_times, prepend=sorted_times[:1]))
        gap = np.empty(len(times))
        gap[order] = gaps
        first = np.isnan(gap)
        made: dict[str, Any] = {}
        if since is None:
            made[self.first] = frame[self.time.name].where(first)
        else:
            made[self.first] = np.where(first, times - np.floor(since / self.time.unit), np.nan)
        made[self.gap] = gap
        for column in self.spans:
            made[self.span(column)] = (
                Field(column).read(frame[column.name]) * column.unit - times * self.time.unit
            ) / (self._step(column))
        return made

    def moments(self, columns: dict[str, np.ndarray], starts: np.ndarray, since: np.ndarray | None) -> Any:
        """The moments of made rows in microseconds, by column. `starts` marks first rows; rows lie parent by parent.

        columns[first] is in the unit of the column.
        """
        gap = np.where(starts, 0.0, np.nan_to_num(columns[self.gap]))
        first = np.where(starts, columns[self.first], 0.0)
        if since is not None:
            first = np.where(starts, first + np.floor(since / self.time.unit), 0.0)
        passed = np.cumsum(gap)
        where = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
        times = first[where] + passed - passed[where]
        made = {self.time.name: times * self.time.unit}
        for column in self.spans:
            made[column.name] = times * self.time.unit + columns[self.span(column)] * self._step(column)
        return made

    def alone(self, columns: dict[str, np.ndarray], n: int, source: np.random.Generator) -> dict[str, np.ndarray]:
        """Moments of n rows of no sequence, by column, each in its unit."""
        times = np.rint(np.interp(source.random(n), np.linspace(0, 1, len(self.spread)), self.spread))
        made = {self.time.name: times}
        for column in self.spans:
            passed = columns.get(self.span(column), np.zeros(n)) * self._step(column)
            made[column.name] = np.floor((times * self.time.unit + passed) / column.unit)
        return made

    def _step(self, column: Column) -> int:
        """The unit of a span: the finer of the two columns'."""
        return min(column.unit, self.time.unit)

    def state(self) -> dict[str, Any]:
        return {
            "time": asdict(self.time),
            "anchor": self.anchor,
            "spans": [asdict(c) for c in self.spans],
            "spread": list(self.spread),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Clock:
        return cls(
            Column(**state["time"]), state["anchor"], tuple(Column(**c) for c in state["spans"]), tuple(state["spread"])
        )


def learn(frame: pd.DataFrame, schema: Schema, time: str) -> Clock:
    """The clock of a table whose rows are ordered by a column; DataError for one that cannot order."""
    column = schema[time]
    if column.kind not in (*MOMENTS, "number") or (column.kind == "number" and column.decimals is None):
        if column.kind == "id" and column.dtype == "int":
            column = Column(time, "number", dtype="int", decimals=0)
        else:
            raise DataError(
                f"column {time!r} is {column.kind} and orders no rows: a time is a date, a datetime or a whole number"
            )
    others = ()
    if column.kind in ("date", "datetime"):
        others = tuple(c for c in schema.columns if c.kind in ("date", "datetime") and c.name != time)
    made = Clock(bare(column), "", tuple(bare(c) for c in others))
    return replace(made, spread=tuple(np.quantile(made.units(frame[time]), np.linspace(0, 1, STEPS)).tolist()))


def anchored(first: np.ndarray, offered: dict[str, np.ndarray]) -> str:
    """The parent's moment that first times never precede and scatter less around than by themselves, "" without one."""
    best, least = "", float(np.std(first))
    for name, moments in offered.items():
        passed = first - moments
        if not np.isnan(passed).any() and (passed >= 0).all() and np.std(passed) < least:
            best, least = name, float(np.std(passed))
    return best


def bare(column: Column) -> Column:
    """Without what it tells of training rows."""
    return Column(**{**asdict(column), "example": "", "distinct": 0})
