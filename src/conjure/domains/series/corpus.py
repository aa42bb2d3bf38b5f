"""Reading, splitting and writing series: one from a table of numbers, several from a folder of tables."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.protocol import Source
from conjure.domains.series.clock import Clock, regular, time_column
from conjure.domains.series.series import Series, SeriesSet
from conjure.domains.table import corpus as tables
from conjure.domains.table import reading

if TYPE_CHECKING:
    import pandas as pd

EMBEDDED = {"hourly": "two months of hours: load, heat and light with days and weeks, and gaps (made up, CC0)"}
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
WHICH = "series"  # the column that tells the series of one table apart
SHOWN = (0.1, 0.5, 0.9)  # quantiles that are written
NAMED = 5  # broken files that are named


def read(data: Any) -> tuple[SeriesSet, Source]:
    """Series and their source.

    data: a DataFrame, the path of a CSV or Parquet file or of a folder of them (one series each), an embedded
    name, or a SeriesSet. All columns but that of the time are numbers; a column "series" tells several apart.
    DataError names the row and column that cannot be used; a file that cannot be read is named and left out.
    """
    import pandas as pd

    if isinstance(data, SeriesSet):
        return data, Source("series in memory", "", _digest(data), rows=sum(map(len, data)))
    if isinstance(data, pd.DataFrame):
        found = from_frame(data.reset_index(drop=True), "the DataFrame", "1")
        return found, Source("a DataFrame", "", _digest(found), rows=len(data))
    name = str(data)
    if name in EMBEDDED:
        found = embedded(name)
        return found, Source(name, "", _digest(found), "CC0-1.0", sum(map(len, found)))
    path = Path(name)
    if path.is_dir():
        found = _from_folder(path)
    elif path.is_file():
        found = _from_file(path)
    else:
        raise DataError(f"{name} does not exist, nor is it an embedded series ({nearest(name, list(EMBEDDED))})")
    return found, Source(path.stem, str(path), _digest(found), rows=sum(map(len, found)))


def embedded(name: str) -> SeriesSet:
    """Series that come with this package, drawn from a stated process."""
    rng, rows = np.random.default_rng(7), 24 * 60
    hour = np.arange(rows)
    day, week = np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 168)
    noise = np.zeros((rows, 3))
    for k in range(1, rows):
        noise[k] = 0.8 * noise[k - 1] + 0.25 * rng.normal(size=3)
    light = np.maximum(0, -np.cos(2 * np.pi * hour / 24)) * (6 + noise[:, 2])
    values = np.stack([20 + 5 * day + 3 * week + 1.5 * noise[:, 0], 12 - 4 * day + 2 * noise[:, 1], light], 1).round(3)
    values[rng.integers(rows, size=40), rng.integers(3, size=40)] = np.nan
    import pandas as pd

    series = Series(name, values, Clock(pd.Timestamp("2026-01-05"), 3600.0))
    return SeriesSet(("load", "heat", "light"), (series,), "time")


def split(objects: SeriesSet, fraction: float, seed: int) -> tuple[SeriesSet, SeriesSet]:
    """(training part, held-out part): the last rows of every series are held out, never shuffled.

    What is held out keeps the rows before it as history, which its `begin` marks as no part of it.
    """
    kept, held = [], []
    for one in objects:
        rows = len(one) - one.begin
        cut = one.begin + rows - min(max(1, round(fraction * rows)), rows - 1)
        if rows < 2:
            raise DataError(f"series {one.name} has {rows} row: too few to hold out its last part")
        kept.append(replace(one, values=one.values[:cut]))
        held.append(replace(one, begin=cut))
    return objects.having(kept), objects.having(held, notes=())


def cut(objects: SeriesSet, start: int, stop: int) -> SeriesSet:
    """Some of the series, in order."""
    return objects.having(objects.series[start:stop])


def join(parts: list[SeriesSet]) -> SeriesSet:
    """Series cut apart, in one set again."""
    return parts[0].having([one for part in parts for one in part])


def write(objects: SeriesSet, path: str | Path) -> Path:
    """All series as one table (.csv, .tsv, .parquet, .json); a forecast stands after its history.

    There the columns hold the median, and further columns "NAME 0.1", "NAME 0.5" and "NAME 0.9" the quantiles.
    """
    return tables.write(to_frame(objects), path)


def to_frame(objects: SeriesSet) -> pd.DataFrame:
    """All series as one table, with a column "series" where there are several."""
    import pandas as pd

    parts = []
    for one in objects:
        ahead = 0 if one.forecast is None else one.forecast.shape[1]
        columns: dict[str, Any] = {WHICH: [one.name] * (len(one) + ahead)} if len(objects) > 1 else {}
        if objects.time and one.clock:
            columns[objects.time] = one.clock.at(0, len(one) + ahead)
        middle = np.full((0, len(objects.columns)), np.nan) if one.forecast is None else quantile(objects, one, 0.5)
        columns |= dict(zip(objects.columns, np.concatenate([one.values, middle]).T))
        if ahead and len(one.forecast) > 1:  # type: ignore[arg-type]
            for level in SHOWN:
                values = np.concatenate([np.full_like(one.values, np.nan), quantile(objects, one, level)])
                columns |= {f"{name} {level:g}": column for name, column in zip(objects.columns, values.T)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def quantile(objects: SeriesSet, one: Series, level: float) -> np.ndarray:
    """One quantile of a series' forecast, (H, C); its single draw where it holds no more."""
    assert one.forecast is not None
    return one.forecast[0 if len(one.forecast) == 1 else objects.levels.index(level)]


def from_frame(frame: pd.DataFrame, where: str, name: str) -> SeriesSet:
    """The series of a table; DataError as in `read`."""
    frame = frame.set_axis(reading.names_checked([str(c) for c in frame.columns], where), axis=1)
    if not len(frame):
        raise DataError(f"{where} holds column names but no rows")
    groups = [(name, frame)]
    if WHICH in frame.columns and frame.shape[1] > 1:
        groups = [(str(key), part) for key, part in frame.groupby(frame[WHICH].astype(str), sort=False)]
        groups = [(key, part.drop(columns=WHICH)) for key, part in groups]
    time = time_column(groups[0][1])
    columns = [c for c in groups[0][1].columns if c != time]
    if not columns:
        raise DataError(f"{where} holds no column of numbers beside the time {time!r}")
    series, gaps = [], 0
    for key, part in groups:
        values = np.stack([_numbers(part[c], where) for c in columns], 1)
        clock = None
        if time is not None:
            clock, places = regular(part[time], where)
            whole = np.full((places[-1] + 1, len(columns)), np.nan)
            whole[places] = values
            gaps, values = gaps + len(whole) - len(values), whole
        series.append(Series(key, values, clock))
    notes = (f"{gaps} missing rows of {where} were put in as gaps.",) if gaps else ()
    return SeriesSet(tuple(columns), tuple(series), time, notes)


def _numbers(column: pd.Series, where: str) -> np.ndarray:
    """A column in float64; DataError names the row, counted from 1 below the header, of what is no number."""
    import pandas as pd

    if column.dtype.kind in "iufb":
        found = column.to_numpy(float)
    else:
        held = column.notna().to_numpy() & ~column.astype("string").str.strip().isin(reading.ABSENT).to_numpy(bool)
        found = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
        if (odd := np.flatnonzero(held & np.isnan(found))).size:
            row = int(column.index[odd[0]]) + 1
            raise DataError(
                f"{where}, row {row}, column {column.name!r}: {column.iloc[odd[0]]!r} is not a number; "
                "a series holds numbers and one column of times"
            )
    if (odd := np.flatnonzero(np.isinf(found))).size:
        raise DataError(f"{where}, row {int(column.index[odd[0]]) + 1}, column {column.name!r} is infinite")
    return found


def _from_file(path: Path) -> SeriesSet:
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is not a table: it should end in {', '.join(SUFFIXES)}")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty: a series needs a line of column names and rows below it")
    return from_frame(reading.table(path), str(path), path.stem)


def _from_folder(folder: Path) -> SeriesSet:
    """One series a file, in the order of names; all must have the same columns."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise DataError(f"the folder {folder} holds no table: its files should end in {', '.join(SUFFIXES)}")
    found: list[SeriesSet] = []
    broken = []
    for file in files:
        try:
            found.append(_from_file(file))
        except DataError as error:
            broken.append(str(error))
            continue
        first, now = found[0], found[-1]
        if (now.columns, now.time) != (first.columns, first.time):
            only = [sorted(set(a.columns) - set(b.columns)) for a, b in ((now, first), (first, now))]
            raise DataError(
                f"{file} has other columns than {files[0].name}: "
                + " and ".join(f"{word} {', '.join(names)}" for word, names in zip(("also", "not"), only) if names)
                + ("" if any(only) else f"time {now.time!r}, not {first.time!r}, or another order")
            )
    if not found:
        raise DataError(f"none of the {len(files)} tables in {folder} can be read: {broken[0]}")
    notes = [note for one in found for note in one.notes]
    if broken:
        notes.append(f"{len(broken)} of {len(files)} files were left out: {'; '.join(broken[:NAMED])}")
    return join(found).having([one for part in found for one in part], notes=tuple(notes))


def _digest(objects: SeriesSet) -> str:
    digest = hashlib.sha256(repr((objects.columns, objects.time)).encode())
    for one in objects:
        digest.update(repr((one.name, one.clock, one.begin)).encode())
        digest.update(np.ascontiguousarray(one.values).tobytes())
    return digest.hexdigest()


def read_questions(data: Any) -> SeriesSet:
    """Histories to go on with; ConfigError where they hold forecasts already."""
    found, _ = read(data)
    if told := [c for c in found.columns if any(c.endswith(f" {level:g}") for level in SHOWN)]:
        raise ConfigError(f"{told[0]!r} is a quantile of a forecast already made: give the history alone")
    return found
