"""Between a column's cells and float64: steps of a number, units of a moment, places in a list of values."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.table import cells
from conjure.domains.table.schema import MOMENTS, Column

if TYPE_CHECKING:
    import pandas as pd


class Field:
    """One learnt column. `values` lists a category's values, most frequent first; empty for numbers and moments.

    On the way in, missing is NaN, a number with d decimals counts steps of 10^-d, a moment counts its unit.
    """

    def __init__(self, column: Column, values: list[Any] | None = None):
        self.column, self.name = column, column.name
        self.values = values or []
        self.listed = column.kind not in ("number", *MOMENTS)

    @classmethod
    def learn(cls, column: Column, series: pd.Series) -> Field:
        if column.kind in ("number", *MOMENTS):
            return cls(column)
        tidy = _listed(column, series).dropna()
        counts = tidy.value_counts(sort=False)
        keys, often = _convert(counts.index, column), counts.to_numpy()
        order = sorted(range(len(keys)), key=lambda i: (-often[i], str(keys[i])))
        return cls(column, [keys[i] for i in order])

    def read(self, series: pd.Series) -> np.ndarray:
        """Cells as float64 (rows,); DataError names the column, row and value that cannot be placed."""
        column = self.column
        if column.kind == "number":
            values = cells.numbers(self.name, cells.plain(series, mixed_allowed=True))
            return values if column.decimals is None else self._steps(values)
        if column.kind in MOMENTS:
            return np.floor(cells.moments(column, cells.plain(series, mixed_allowed=True)) / column.unit)
        tidy = _listed(column, series)
        places = self._index.get_indexer(tidy).astype(np.float64)
        absent = tidy.isna().to_numpy()
        places[absent] = np.nan
        if len(unseen := np.flatnonzero(places < 0)):
            at = int(unseen[0])
            raise DataError(
                f"column {self.name!r}, row {cells.row(series, at)}: {tidy.iloc[at]!r} was never seen in training"
            )
        return places

    def known(self, series: pd.Series) -> pd.Series:
        """The column with values never seen in training replaced by the rarest known one."""
        if not self.listed:
            return series
        tidy = _listed(self.column, series)
        unseen = (self._index.get_indexer(tidy) < 0) & tidy.notna().to_numpy()
        return tidy.mask(unseen, self.values[-1]) if unseen.any() else series

    def write(self, values: np.ndarray) -> pd.Series:
        """The inverse of `read`, in the dtype and form of the training data."""
        import pandas as pd

        column, absent = self.column, np.isnan(values)
        if self.listed:
            places = np.where(absent, -1, values).astype(np.int64)
            if column.dtype == "category":
                return pd.Series(pd.Categorical.from_codes(places, categories=self.values))
            return pd.Series(_typed(self.values, column, absent.any()).take(places, allow_fill=bool(absent.any())))
        if column.kind == "number":
            numbers = values if column.decimals is None else values / 10.0**column.decimals
            if column.single:
                numbers = numbers.astype(np.float32).astype(np.float64)
            whole = column.dtype == "int" and not absent.any()
            return pd.Series(numbers.astype(np.int64) if whole else numbers)
        stamps = np.where(absent, 0, values * column.unit).astype(np.int64).view("datetime64[us]")
        out = pd.Series(stamps).mask(absent)
        if column.form:
            return self._written(out)
        if column.dtype == "date":
            return out.dt.date.astype(object).where(~absent, None)
        return out.dt.tz_localize("UTC").dt.tz_convert(column.zone) if column.zone else out

    def parse(self, word: Any) -> float:
        """One value as people write it, as `read` would place it; ConfigError says what values there are."""
        import pandas as pd

        if self.listed:
            key = str(word).strip() if _as_text(self.column) else _number_or_nan(word)
            if (found := self._index.get_indexer([key])[0]) >= 0:
                return float(found)
            some = ", ".join(str(v) for v in self.values[:12]) + (", ..." if len(self.values) > 12 else "")
            close = nearest(str(word), [str(v) for v in self.values[:5000]])
            hint = close if close.startswith("did") else f"it has {some}"
            raise ConfigError(f"column {self.name!r} never holds {word!r}: {hint}")
        try:
            if self.column.kind == "number":
                return float(self.unrounded(float(word)))
            series = pd.Series([str(word).strip()] if isinstance(word, str) else [word])
            form = _form_of(self.column, series) if isinstance(word, str) else ""
            column = self.column if self.column.form or not form else Column(self.name, self.column.kind, form=form)
            return float(cells.moments(column, cells.plain(series))[0] / self.column.unit)
        except (ValueError, TypeError, DataError):
            wanted = f"a {self.column.kind}" + (f" like {self.column.example}" if self.column.example else "")
            raise ConfigError(f"column {self.name!r} cannot be {word!r}: it holds {wanted}") from None

    def unrounded(self, number: float) -> float:
        """A number in this column's steps, not yet on its grid."""
        decimals = self.column.decimals
        return number if decimals is None else round(number * 10.0**decimals, 6)

    def show(self, value: float) -> str:
        """One value as people write it."""
        if np.isnan(value):
            return "missing"
        return str(self.write(np.array([value])).iloc[0])

    def state(self) -> dict[str, Any]:
        return {"values": self.values} if self.listed else {}

    def _steps(self, values: np.ndarray) -> np.ndarray:
        """Whole numbers of steps; what lies between (held-out data with more decimals) goes to the nearest."""
        return np.rint(values * 10.0**self.column.decimals)

    def _written(self, stamps: pd.Series) -> pd.Series:
        """Moments in their text form; each distinct one is written once."""
        import pandas as pd

        codes, distinct = pd.factorize(stamps)
        words = pd.Series(distinct).dt.strftime(self.column.form).astype("str").array
        return pd.Series(words.take(codes, allow_fill=True))

    @cached_property
    def _index(self) -> pd.Index:
        import pandas as pd

        values = [str(v) for v in self.values] if _as_text(self.column) else np.array(self.values, np.float64)
        return pd.Index(values, dtype="str" if _as_text(self.column) else None)


def _as_text(column: Column) -> bool:
    """Whether listed values are compared as text; floats cannot tell very large whole numbers apart."""
    return column.dtype not in ("int", "float", "bool") or (column.dtype == "int" and column.kind == "category")


def _listed(column: Column, series: pd.Series) -> pd.Series:
    """Cells as listed values are compared: text, or float64 (True is 1)."""
    import pandas as pd

    tidy = cells.plain(series, mixed_allowed=True)
    if tidy.dtype == "boolean":
        tidy = tidy.astype("Float64").astype(np.float64) if column.dtype == "bool" else tidy
    if not _as_text(column):
        words = {"true": "1", "false": "0"}
        if cells.dtype_word(tidy) in ("str", "category"):
            tidy = tidy.astype("str").map(lambda v: words.get(v.lower(), v), na_action="ignore")
        return pd.Series(cells.numbers(column.name, tidy), series.index, name=series.name)
    if tidy.dtype.kind == "f" and column.dtype == "int":
        tidy = tidy.astype("Int64")
    return tidy if tidy.dtype == "str" else tidy.map(str, na_action="ignore").astype("str")


def _typed(values: list[Any], column: Column, absent: bool) -> Any:
    """Listed values as an array of the column's dtype; beside missing cells whole numbers become floats."""
    import pandas as pd

    match column.dtype:
        case "bool":
            return pd.array(values, dtype=object if absent else "bool")
        case "int":
            return pd.array(values, dtype="float64" if absent else "int64")
        case "float":
            return pd.array(values, dtype="float64")
        case _:
            return pd.array(values, dtype="str")


def _convert(words: pd.Index, column: Column) -> list[Any]:
    """Compared values back as plain Python ones of the column's dtype."""
    make = {"int": int, "float": float, "bool": bool}.get(column.dtype, str)
    return [make(w) for w in words]


def _number_or_nan(word: Any) -> float:
    try:
        return float({"true": 1, "false": 0}.get(str(word).strip().lower(), word))
    except (TypeError, ValueError):
        return float("nan")


def _form_of(column: Column, series: pd.Series) -> str:
    return column.form or cells.moment_form(column.name, series) or ""
