"""Cells of a column: few plain dtypes, decimals, forms of dates; vectorised, errors name column and row."""

from __future__ import annotations

import datetime as dt
import numbers as abstract
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from conjure.domains.table.schema import Column

FORMS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    *(f"{day}{gap}{clock}" for clock in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%SZ", "%H:%M:%S%z")
      for day, gap in (("%Y-%m-%d", " "), ("%Y-%m-%d", "T"), ("%d/%m/%Y", " "), ("%m/%d/%Y", " "), ("%d.%m.%Y", " "))),
    "%H:%M",
    "%H:%M:%S",
    "%H:%M:%S.%f",
)  # fmt: skip
TWO = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"}, {"0", "1"}, {"on", "off"})
DAY = 86_400_000_000  # microseconds
UNITS = (DAY, 3_600_000_000, 60_000_000, 1_000_000, 1_000, 1)
MIXED = 0.5  # share of numbers (or dates) above which the other cells of a column are taken for mistakes


def row(series: pd.Series, position: int) -> int:
    """How people count: rows from 1, in the table as it was read."""
    label = series.index[position]
    return int(label) + 1 if isinstance(label, abstract.Integral) else position + 1


def rows(frame: pd.DataFrame) -> np.ndarray:
    """The number of every row, as `row` says it."""
    numbered = frame.index.dtype.kind in "iu"
    return frame.index.to_numpy() + 1 if numbered else np.arange(1, len(frame) + 1)


def plain(series: pd.Series, *, mixed_allowed: bool = False) -> pd.Series:
    """A column as one of bool, int, float, datetime64, str or category; DataError for mixed types or infinity."""
    import pandas as pd

    name = str(series.name)
    if series.dtype == object:
        series = _from_objects(series, mixed_allowed)
    kind = series.dtype.kind
    if kind in "mVSc":
        raise DataError(f"column {name!r} holds values of type {series.dtype}; turn them into numbers or text first")
    if kind in "fiu" and not isinstance(series.dtype, np.dtype):
        series = series.astype(np.float64 if kind == "f" or series.isna().any() else np.int64)
    if series.dtype == "boolean" and not series.isna().any():
        series = series.astype(bool)
    if series.dtype.kind == "f":
        if len(bad := np.flatnonzero(np.isinf(series.to_numpy()))):
            raise DataError(
                f"column {name!r} holds an infinite value in row {row(series, bad[0])}; "
                "give a number, or leave the cell empty"
            )
    elif isinstance(series.dtype, pd.CategoricalDtype) and series.cat.categories.dtype.kind not in "OUT":
        return plain(series.astype(series.cat.categories.dtype))
    return series


def dtype_word(series: pd.Series) -> str:
    """How a plain column's values are held, as `Column.dtype` says it."""
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return "category"
    return {"b": "bool", "i": "int", "u": "int", "f": "float", "M": "datetime"}.get(series.dtype.kind, "str")


def _from_objects(series: pd.Series, mixed_allowed: bool) -> pd.Series:
    import pandas as pd

    present = series.dropna()
    kinds = present.map(_word_for).to_numpy()
    found = sorted(set(kinds), key=lambda k: -(kinds == k).sum())
    if found == ["true or false"]:
        return series.astype("boolean")
    if found == ["a number"]:
        return pd.to_numeric(series.map(float, na_action="ignore"))
    if found == ["a date"]:
        return pd.to_datetime(series)
    if found == ["a time"]:
        return series.map(lambda t: t.isoformat(), na_action="ignore").astype("str")
    if len(found) > 1 and not mixed_allowed:
        odd = int(np.flatnonzero(kinds == found[1])[0])
        raise mixed(str(series.name), found[0], present, odd)
    return series.map(str, na_action="ignore").astype("str")


def _word_for(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true or false"
    if isinstance(value, (abstract.Number,)) or type(value).__name__ == "Decimal":
        return "a number"
    if isinstance(value, dt.date):
        return "a date"
    if isinstance(value, dt.time):
        return "a time"
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"


def numbers(name: str, series: pd.Series) -> np.ndarray:
    """float64 with NaN for missing; DataError names the first cell that is no number."""
    import pandas as pd

    values = pd.to_numeric(series, errors="coerce")
    bad = np.flatnonzero((values.isna() & series.notna()).to_numpy())
    if len(bad):
        raise DataError(
            f"column {name!r} should hold numbers; row {row(series, bad[0])} holds {str(series.iloc[bad[0]])!r}"
        )
    out = values.to_numpy(np.float64, na_value=np.nan)
    if len(bad := np.flatnonzero(np.isinf(out))):
        raise DataError(f"column {name!r} holds an infinite value in row {row(series, bad[0])}")
    return out


def decimals(values: np.ndarray) -> tuple[int | None, bool]:
    """(decimals that every value keeps to, or None; whether that is so of the values in 32 bits)."""
    top = np.abs(values).max(initial=0.0)
    for single in (False, True):
        with np.errstate(over="ignore"):
            held = values.astype(np.float32) if single else values
        if single and not np.array_equal(held.astype(np.float64), values):
            break
        for places in range(10):
            if top * 10.0**places > (2.0**22 if single else 2.0**50):
                break
            rounded = np.rint(held.astype(np.float64) * 10.0**places) / 10.0**places
            if np.array_equal(rounded.astype(held.dtype), held):
                return places, single
    return None, False


def moments(column: Column, series: pd.Series) -> np.ndarray:
    """Microseconds since 1970 (of a time: since midnight), float64 with NaN; DataError names the first bad cell."""
    import pandas as pd

    if series.dtype.kind == "M":
        found = series
    else:
        found = pd.to_datetime(series, format=column.form or None, errors="coerce", utc="%z" in column.form)
    bad = np.flatnonzero((found.isna() & series.notna()).to_numpy())
    if len(bad):
        wanted = f" of the form {column.form}" if column.form else ""
        raise DataError(
            f"column {column.name!r} should hold a {column.kind}{wanted}; "
            f"row {row(series, bad[0])} holds {str(series.iloc[bad[0]])!r}"
        )
    if getattr(found.dtype, "tz", None) is not None:
        found = found.dt.tz_convert("UTC").dt.tz_localize(None)
    out = found.to_numpy("datetime64[us]").astype(np.int64).astype(np.float64)
    out[found.isna().to_numpy()] = np.nan
    return out % DAY if column.kind == "time" else out


def moment_form(name: str, present: pd.Series) -> str | None:
    """The one form that all cells of a column of text follow, or None; DataError when only most do."""
    import pandas as pd

    if present.dtype.kind in "biufM" or not len(present):
        return None
    distinct = present.drop_duplicates()
    head = distinct.iloc[:50].astype(str)
    if not head.str.contains(r"\d").mean() > MIXED or not head.str.contains(r"[-/:. ]").mean() > MIXED:
        return None
    shares = {f: float(pd.to_datetime(head, format=f, errors="coerce").notna().mean()) for f in FORMS}
    for form in sorted((f for f in FORMS if shares[f] > MIXED), key=lambda f: -shares[f]):
        parsed = pd.to_datetime(distinct, format=form, errors="coerce", utc="%z" in form).notna()
        if parsed.all():
            return form
    best = max(shares, key=shares.__getitem__)
    parsed = pd.to_datetime(present, format=best, errors="coerce").notna().to_numpy()
    if parsed.mean() > MIXED:
        odd = int(np.flatnonzero(~parsed)[0])
        raise mixed(name, f"a date of the form {best}", present, odd)
    return None


def check_one_type(name: str, present: pd.Series) -> None:
    """DataError when most cells of a column of text, but not all, are numbers."""
    import pandas as pd

    if not present.iloc[:: max(1, len(present) // 1000)].astype("str").str.contains(r"\d").any():
        return  # quickly said of the usual column of words
    are = pd.to_numeric(present.astype("str"), errors="coerce").notna().to_numpy()
    if MIXED < are.mean() < 1:
        raise mixed(name, "a number", present, int(np.flatnonzero(~are)[0]))


def mixed(name: str, most: str, present: pd.Series, odd: int) -> DataError:
    """The sentence for a column of two types."""
    return DataError(
        f"column {name!r} mixes types: most cells hold {most}, but row {row(present, odd)} holds "
        f"{present.iloc[odd]!r}; make them alike, or declare the column a category in a schema"
    )


def moment(column: Column, present: pd.Series) -> Column:
    """The column with its kind among date, time and datetime, and the coarsest unit its values keep to."""
    if column.form:
        day, clock = "%Y" in column.form, "%H" in column.form
        kind = "datetime" if day and clock else "date" if day else "time"
    else:
        kind = "datetime"
    column = replace(column, kind=kind, zone=str(getattr(present.dtype, "tz", None) or ""))
    values = moments(column, present)
    unit = next(u for u in UNITS if not (values % u).any())
    if not column.form and unit == DAY:
        kind = "date"
    return replace(column, kind=kind, unit=unit)


def one_pattern(sample: pd.Series) -> bool:
    """Whether strings have the same length and the same sort of character at every place."""
    shape = sample.str.replace(r"[0-9]", "0", regex=True).str.replace(r"[a-f]", "x", regex=True)
    lengths = sample.str.len()
    mixed = shape.str.replace(r"[0x]", "h", regex=True)
    return bool(lengths.nunique() == 1 and (shape.nunique() == 1 or mixed.nunique() == 1))
