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


def called(columns: tuple[str, ...]) -> str:
    """What a key is called: its column, or its columns with commas between."""
    return ", ".join(columns)


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
                check_primary(table, (name,), frame)
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


def check_primary(table: str, key: tuple[str, ...], frame: pd.DataFrame) -> None:
    """DataError for an empty or repeated key, with the rows."""
    parts = [plain(frame[c]) for c in key]
    for column, part in zip(key, parts):
        if len(bad := np.flatnonzero(part.isna())):
            raise DataError(f"table {table!r}, row {bad[0] + 1}: the primary key {column!r} is empty")
    codes = joint(parts)[0]
    if len(bad := np.flatnonzero(_again(codes))):
        first = int(np.flatnonzero(codes == codes[bad[0]])[0])
        value = _said(*(part.iloc[bad[0]] for part in parts))
        raise DataError(
            f"table {table!r}: the primary key {called(key)} = {value} stands in rows {first + 1} and {bad[0] + 1}; "
            "each row needs a key of its own (or declare another column, or several: key = ...)"
        )


def joint(*sides: list[pd.Series]) -> list[np.ndarray]:
    """Keys of several columns as codes, (rows,) int64 a side: alike where all parts are, -1 where one is empty."""
    import pandas as pd

    codes, absent = np.zeros(sum(len(side[0]) for side in sides), np.int64), False
    for part in zip(*sides):
        some = pd.concat(part, ignore_index=True)
        found, known = pd.factorize(some)
        absent |= found < 0
        codes = np.unique(codes * (len(known) + 1) + found, return_inverse=True)[1]
    return np.split(np.where(absent, -1, codes), np.cumsum([len(side[0]) for side in sides])[:-1])


def counted(parts: list[pd.Series], first: int) -> np.ndarray:
    """The numbers of rows within those that are alike in all parts, (rows,) int64, counted from `first` in order."""
    import pandas as pd

    codes = pd.Series(joint(parts)[0])
    return codes.groupby(codes).cumcount().to_numpy(np.int64) + first


def places(
    child: str, columns: tuple[str, ...], keyed: tuple[str, tuple[str, ...]], frames: dict[str, pd.DataFrame]
) -> np.ndarray:
    """Which row of the parent each row of a child means, (rows,) int64, -1 where the cells are empty.

    keyed: (parent, its key). DataError for keys of another type, for one that is empty in part, and for one that no row
    of the parent has.
    """
    import pandas as pd

    parent, key = keyed
    refers, known = [plain(frames[child][c]) for c in columns], [plain(frames[parent][c]) for c in key]
    gaps = np.column_stack([r.isna() for r in refers])
    absent = gaps.all(1)
    if len(bad := np.flatnonzero(gaps.any(1) & ~absent)):
        empty = columns[int(gaps[bad[0]].argmax())]
        raise DataError(
            f"table {child!r}, row {bad[0] + 1}: {empty!r} is empty, other parts of the reference to {parent!r} are "
            f"not: where there is no parent, leave all of {called(columns)} empty"
        )
    for column, part, one, other in zip(columns, key, refers, known):
        if not absent.all() and sort_of(one) != sort_of(other):
            raise DataError(
                f"{child}.{column} holds {sort_of(one)} (such as {_said(one.dropna().iloc[0])}) but {parent}.{part}, "
                f"which it refers to, {sort_of(other)} (such as {_said(other.iloc[0])}): make them alike"
            )
    theirs, mine = (known[0], refers[0]) if len(key) == 1 else joint(known, refers)
    if not (index := pd.Index(theirs)).is_unique:
        check_primary(parent, key, frames[parent])
    found = index.get_indexer(pd.Index(mine))
    found[absent] = -1
    if len(bad := np.flatnonzero((found < 0) & ~absent)):
        raise DataError(
            f"{child}.{called(columns)}, row {bad[0] + 1}: {_said(*(r.iloc[bad[0]] for r in refers))} stands in no row "
            f"of {parent}.{called(key)} ({len(bad):,} such orphans): mend the key, or leave the cell empty where there "
            "is no parent"
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


def _again(codes: np.ndarray) -> np.ndarray:
    """Which codes stand in a row before, (rows,) bool."""
    again = np.ones(len(codes), bool)
    again[np.unique(codes, return_index=True)[1]] = False
    return again


def _said(*values: Any) -> str:
    """A key as people write it."""
    return ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in values)
