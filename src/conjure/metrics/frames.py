"""Tables side by side: every column as numbers or as codes of one shared list of words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conjure.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category"]
NUMBERS = ("number", "datetime", "date", "time")
CATEGORIES = ("category", "boolean")


@dataclass(frozen=True)
class Grid:
    """One table: floats (rows, numbers) with NaN for missing, codes (rows, categories) with -1 for missing.

    `names` and `words` are shared by all tables that were laid side by side.
    """

    numbers: np.ndarray
    codes: np.ndarray
    names: tuple[tuple[str, ...], tuple[str, ...]]  # of the numbers, of the categories
    words: tuple[tuple[str, ...], ...]  # of each category, in the order of their codes

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, where: np.ndarray) -> Grid:
        return Grid(self.numbers[where], self.codes[where], self.names, self.words)

    def without(self, name: str) -> Grid:
        """All columns but one."""
        kept = [[k for k, n in enumerate(side) if n != name] for side in self.names]
        names = tuple(tuple(side[k] for k in keep) for side, keep in zip(self.names, kept))
        return Grid(self.numbers[:, kept[0]], self.codes[:, kept[1]], names, tuple(self.words[k] for k in kept[1]))  # type: ignore[arg-type]

    def frame(self, most: int = 256) -> pd.DataFrame:
        """As gradient-boosted trees take it: categories as such, of each the `most` frequent, the rest as one."""
        import pandas as pd

        columns: dict[str, Any] = {f"number {k}": column for k, column in enumerate(self.numbers.T)}
        for k, codes in enumerate(self.codes.T):
            present, counts = np.unique(codes[codes >= 0], return_counts=True)
            frequent = np.sort(present[np.argsort(-counts, kind="stable")][:most])
            place = np.searchsorted(frequent, codes)
            known = np.isin(codes, frequent)
            place = np.where(known, place, np.where(codes < 0, -1, len(frequent)))
            columns[f"category {k}"] = pd.Categorical.from_codes(place, categories=range(len(frequent) + 1))
        return pd.DataFrame(columns)


def join(*grids: Grid) -> Grid:
    """Tables that lie side by side, one below the other."""
    first = grids[0]
    return Grid(
        np.concatenate([g.numbers for g in grids]), np.concatenate([g.codes for g in grids]), first.names, first.words
    )


def kinds(frame: pd.DataFrame, told: dict[str, str]) -> dict[str, Kind]:
    """Which columns are judged, and as what: by the kind they were told to be, else by their dtype.

    Keys and free text, told as "id" and "text", and constants are left out: they are made, not learnt.
    """
    found: dict[str, Kind] = {}
    for name in map(str, frame.columns):
        kind = told.get(name)
        if kind is None:
            kind = "number" if frame[name].dtype.kind in "iufM" else "category"
        if kind in NUMBERS:
            found[name] = "number"
        elif kind in CATEGORIES:
            found[name] = "category"
    return found


def side_by_side(frames: list[pd.DataFrame | None], told: dict[str, Kind], forms: dict[str, str]) -> list[Grid | None]:
    """The tables as grids over the same columns and words; DataError where one lacks a column."""
    import pandas as pd

    present = [f for f in frames if f is not None]
    for frame in present:
        if missing := [name for name in told if name not in frame.columns]:
            raise DataError(f"a table to compare has no column {missing[0]!r}; all need the same columns")
    numbers = [name for name, kind in told.items() if kind == "number"]
    categories = [name for name, kind in told.items() if kind == "category"]
    floats = [_stack([_floats(f[n], forms.get(n, "")) for n in numbers], len(f), float) for f in present]
    codes: list[list[np.ndarray]] = [[] for _ in present]
    words = []
    for name in categories:
        joined = pd.concat([_words(f[name]) for f in present], ignore_index=True)
        together, known = pd.factorize(joined, sort=True)
        words.append(tuple(known))
        for side, part in zip(codes, np.split(together, np.cumsum([len(f) for f in present])[:-1])):
            side.append(part)
    names = (tuple(numbers), tuple(categories))
    made = iter(
        Grid(number, _stack(code, len(frame), np.int64), names, tuple(words))
        for number, code, frame in zip(floats, codes, present)
    )
    return [None if frame is None else next(made) for frame in frames]


def _stack(columns: list[np.ndarray], rows: int, kind: Any) -> np.ndarray:
    return np.column_stack(columns).astype(kind) if columns else np.zeros((rows, 0), kind)


def _floats(series: pd.Series, form: str) -> np.ndarray:
    """Numbers as they are, moments as seconds; what is neither is missing."""
    import pandas as pd

    if series.dtype.kind in "iufb":
        return series.to_numpy(np.float64, na_value=np.nan)
    if series.dtype.kind != "M":
        numbers = pd.to_numeric(series, errors="coerce")
        if not form and numbers.notna().any():
            return numbers.to_numpy(np.float64, na_value=np.nan)
        series = pd.to_datetime(series, format=form or None, errors="coerce", utc=True)
    moments = series.dt.tz_convert(None) if series.dt.tz is not None else series
    return ((moments - pd.Timestamp(0)) / pd.Timedelta(seconds=1)).to_numpy(np.float64)


def _words(series: pd.Series) -> pd.Series:
    """Values as words, so that 1, 1.0 and "1" are one category; missing stays missing."""
    import pandas as pd

    codes, values = pd.factorize(series)
    texts = np.array([_word(v) for v in values] + [None], dtype=object)
    return pd.Series(texts[codes], dtype=object)


def _word(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
