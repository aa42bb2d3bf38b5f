"""Times of a series: found in a column of a table, brought to a regular step, and counted on beyond its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

NAMES = {"time", "t", "step", "date", "datetime", "timestamp", "ds", "year", "hour", "day"}
SPARSEST = 20  # rows a row that is there may stand for; a series with more gaps has no regular step
PARSED = 0.9  # of a column's cells that read as times make it the time column


@dataclass(frozen=True)
class Clock:
    """The time of row k: start + k step. `start` is a Timestamp with a step in seconds or months, or a number."""

    start: Any
    step: float
    months: int = 0

    def at(self, first: int, count: int) -> Any:
        """Times of `count` rows from row `first` on: a DatetimeIndex, or an array of numbers."""
        import pandas as pd

        rows = np.arange(first, first + count)
        if self.months:
            end = (self.start + pd.Timedelta(days=1)).day == 1
            times = [self.start + pd.DateOffset(months=int(k) * self.months) for k in rows]
            return pd.DatetimeIndex(times) + (pd.offsets.MonthEnd(0) if end else pd.Timedelta(0))
        if isinstance(self.start, pd.Timestamp):
            return self.start + pd.to_timedelta(rows * self.step, unit="s")
        found = self.start + rows * self.step
        return found.astype(np.int64) if (found == np.round(found)).all() else found

    def moved(self, rows: int) -> Clock:
        """The clock of the series without its first rows."""
        return Clock(self.at(rows, 1)[0], self.step, self.months)

    def state(self) -> dict[str, Any]:
        stamp = hasattr(self.start, "isoformat")
        start = self.start.isoformat() if stamp else float(self.start)
        return {"start": start, "step": self.step, "months": self.months}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Clock:
        import pandas as pd

        start = pd.Timestamp(state["start"]) if isinstance(state["start"], str) else state["start"]
        return cls(start, state["step"], state["months"])


def time_column(frame: pd.DataFrame) -> str | None:
    """The column that holds times: dates, first of all one with a telling name; or numbers by such a name that rise."""
    named = sorted(frame.columns, key=lambda c: str(c).lower() not in NAMES)
    for name in named:
        if as_times(frame[name]) is not None:
            return name
    for name in named:
        column = frame[name]
        if str(name).lower() in NAMES and column.dtype.kind in "iuf" and len(column) > 1:
            steps = np.diff(column.to_numpy(float))
            if np.isfinite(steps).all() and (steps > 0).mean() > PARSED:
                return name
    return None


def as_times(column: pd.Series) -> pd.Series | None:
    """A column as timestamps (NaT where a cell is none), None where most cells are no dates."""
    import pandas as pd

    if column.dtype.kind in "iufcb":
        return None
    if column.dtype.kind == "M" or isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column
    else:
        words = column.astype("string")
        if pd.to_numeric(words, errors="coerce").notna().mean() > 1 - PARSED:  # numbers, and perhaps a slip
            return None
        times = pd.to_datetime(words, errors="coerce", format="ISO8601", utc=True)
        if times.notna().mean() < PARSED:
            times = pd.to_datetime(words, errors="coerce", format="mixed", utc=True)
        if times.notna().mean() < PARSED:
            return None
    return times.dt.tz_convert("UTC").dt.tz_localize(None) if times.dt.tz is not None else times


def regular(column: pd.Series, where: str) -> tuple[Clock, np.ndarray]:
    """The clock of a time column and each row's place on it, (rows,), strictly rising.

    DataError, in one sentence with the row, for a cell that is no time, times that repeat or go back, and times
    without a regular step. Rows are counted from 1 below the header.
    """
    times = as_times(column)
    dated = times is not None
    if times is None:
        times = column
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise DataError(f"{where}, row {row + 1}: {column.iloc[row]!r} in column {column.name!r} is not a time")
    seconds = (times - times.iloc[0]).dt.total_seconds().to_numpy() if dated else times.to_numpy(float)
    steps = np.diff(seconds)
    if (wrong := np.flatnonzero(steps <= 0)).size:
        row, same = int(wrong[0]) + 2, steps[wrong[0]] == 0
        told = f"repeats the time of row {row - 1}" if same else "is earlier than the row before it"
        hint = "give each series a file of its own, or a column 'series'" if same else "sort the rows by time"
        raise DataError(f"{where}, row {row} ({column.iloc[row - 1]}), {told}: {hint}")
    first = times.iloc[0] if dated else float(seconds[0])
    if not len(steps):
        return Clock(first, 1.0), np.zeros(1, np.int64)
    if dated and (found := _monthly(times)) is not None:
        return found
    step = float(steps.min())
    places = (seconds - seconds[0]) / step
    odd = np.abs(places - places.round()) > 1e-3
    if odd.any() or places[-1] > SPARSEST * len(places):
        row = int(np.flatnonzero(odd)[0]) + 1 if odd.any() else int(steps.argmax()) + 2
        raise DataError(
            f"{where}, row {row} ({column.iloc[row - 1]}): its time is off the regular step of {_told(step, dated)}, "
            "the smallest between two rows; bring the rows to one step first"
        )
    return Clock(first, step), places.round().astype(np.int64)


def _monthly(times: pd.Series) -> tuple[Clock, np.ndarray] | None:
    """Months, quarters or years: steps of whole months on one day of the month, or on its last."""
    last = times.dt.is_month_end.all()
    same = times.dt.day.nunique() == 1 and (times - times.dt.normalize()).nunique() == 1
    months = (times.dt.year * 12 + times.dt.month).to_numpy()
    steps = np.diff(months)
    if not (same or last) or (steps < 1).any():
        return None
    step = int(np.gcd.reduce(steps))
    if last and not same and times.iloc[0].day < 28:
        return None
    return Clock(times.iloc[0], 0.0, step), (months - months[0]) // step


def _told(step: float, dated: bool) -> str:
    import pandas as pd

    return str(pd.Timedelta(seconds=step)).removeprefix("0 days ") if dated else f"{step:g}"
