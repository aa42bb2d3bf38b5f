"""Keys of tables: what may be one, what refers to one, and which row a reference means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.table import cells

if TYPE_CHECKING:
    import pandas as pd

GENERIC = ("id", "key", "uuid", "guid", "nr", "no", "number", "index", "code", "pk")
DOUBTFUL = 0.5  # share of repeated (or unknown) keys above which a column only looks like one


def plain(series: pd.Series) -> pd.Series:
    """Keys as they are compared: whole numbers as such also beside empty cells, all else as text."""
    series = cells.plain(series, mixed_allowed=True)
    if series.dtype.kind == "f" and (series.dropna() % 1 == 0).all():
        return series.astype("Int64")
    if series.dtype.kind in "iu":
        return series
    return series.map(str, na_action="ignore").astype("str")


def sort_of(series: pd.Series) -> str:
    """What keys of this column are, in a word."""
    return "whole numbers" if series.dtype.kind in "iu" else "text"


def spelt(name: str) -> str:
    """A name without case and marks."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def singular(table: str) -> str:
    """What one row of a table is called, where the name is a plural."""
    word = spelt(table)
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def own_names(table: str) -> list[str]:
    """What the primary key of a table may be called, the likeliest first."""
    words = dict.fromkeys((singular(table), spelt(table)))
    return ["id", *(w + tail for w in words for tail in ("id", "key", "uuid", "nr", "no", "code")), "uuid", "key"]


def names_for(table: str, key: str) -> set[str]:
    """What a column that refers to a table's key may be called."""
    words = {singular(table), spelt(table)}
    found = words | {w + tail for w in words for tail in ("id", spelt(key))}
    return found if spelt(key) in GENERIC else found | {spelt(key)}


def primary(table: str, frame: pd.DataFrame) -> str:
    """The column that tells the rows of a table apart by its name and its values, "" without one."""
    for wanted in own_names(table):
        for name in map(str, frame.columns):
            if spelt(name) == wanted and _mostly_unique(frame[name]):
                check_primary(table, name, frame)
                return name
    return ""


def shared(table: str, frames: dict[str, pd.DataFrame]) -> str:
    """A column that tells the rows of a table apart and stands by the same name in another table, where it repeats."""
    others = {str(n): f[n] for t, f in frames.items() if t != table for n in f.columns}
    for name in map(str, frames[table].columns):
        mine = frames[table][name]
        if name not in others or mine.dtype.kind in "bfM" or not mine.is_unique or mine.isna().any():
            continue
        if not others[name].is_unique and refers(others[name], mine):
            return name
    return ""


def check_primary(table: str, key: str, frame: pd.DataFrame) -> None:
    """DataError for an empty or repeated key, with the rows."""
    series = plain(frame[key])
    if len(bad := np.flatnonzero(series.isna())):
        raise DataError(f"table {table!r}, row {bad[0] + 1}: the primary key {key!r} is empty")
    if len(bad := np.flatnonzero(series.duplicated())):
        value = series.iloc[bad[0]]
        first = int(np.flatnonzero(series == value)[0])
        raise DataError(
            f"table {table!r}: the primary key {key} = {_said(value)} stands in rows {first + 1} and {bad[0] + 1}; "
            "each row needs a key of its own (or declare another column: key = ...)"
        )


def places(child: str, column: str, keyed: tuple[str, str], frames: dict[str, pd.DataFrame]) -> np.ndarray:
    """Which row of the parent each row of a child means, (rows,) int64, -1 where the cell is empty.

    keyed: (parent, its key). DataError for keys of another type, and for one that no row of the parent has.
    """
    import pandas as pd

    parent, key = keyed
    refers, known = plain(frames[child][column]), plain(frames[parent][key])
    absent = refers.isna().to_numpy()
    if not absent.all() and sort_of(refers) != sort_of(known):
        raise DataError(
            f"{child}.{column} holds {sort_of(refers)} (such as {_said(refers.dropna().iloc[0])}) but {parent}.{key}, "
            f"which it refers to, {sort_of(known)} (such as {_said(known.iloc[0])}): make them alike"
        )
    found = pd.Index(known).get_indexer(pd.Index(refers))
    found[absent] = -1
    if len(bad := np.flatnonzero((found < 0) & ~absent)):
        raise DataError(
            f"{child}.{column}, row {bad[0] + 1}: {_said(refers.iloc[bad[0]])} stands in no row of {parent}.{key} "
            f"({len(bad):,} such orphans): mend the key, or leave the cell empty where there is no parent"
        )
    return found.astype(np.int64)


def refers(child: pd.Series, parent: pd.Series) -> bool:
    """Whether most values of a column stand in another, or it only has its name by chance."""
    one, other = plain(child), plain(parent)
    present = one.dropna()
    if not len(present):
        return False
    return sort_of(one) != sort_of(other) or float(present.isin(set(other)).mean()) >= DOUBTFUL


def _mostly_unique(series: pd.Series) -> bool:
    return series.dtype.kind not in "bM" and float(series.duplicated().mean()) < DOUBTFUL


def _said(value: Any) -> str:
    """A key as people write it."""
    return repr(value.item() if isinstance(value, np.generic) else value)
