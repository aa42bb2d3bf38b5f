"""Keys of several columns: what may be one, what refers to one, and columns that number rows within the others."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.linked import keys
from conjure.domains.linked.ties import Link, Ties

if TYPE_CHECKING:
    import pandas as pd

MOST = 4  # columns of a key that is found; more can be declared
OFFERED = 8  # columns of two tables alike by name, beyond which no key is looked for


def shared(table: str, frames: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    """The fewest columns that tell the rows of a table apart and stand together in another, where they repeat."""
    frame = frames[table]
    for size in range(2, MOST + 1):
        for other, theirs in frames.items():
            names = [str(n) for n in frame.columns if str(n) in theirs.columns and _may_be(frame[n])]
            if other == table or not size <= len(names) <= OFFERED:
                continue
            for key in combinations(names, size):
                mine, refers = keys.joint(*([keys.plain(f[c]) for c in key] for f in (frame, theirs)))
                if (mine < 0).any() or len(np.unique(mine)) < len(mine):
                    continue
                present = refers[refers >= 0]
                if len(np.unique(present)) < len(present) and np.isin(present, mine).all():
                    return key
    return ()


def refers(
    child: tuple[str, pd.DataFrame], parent: tuple[str, pd.DataFrame], named: dict[str, tuple[str, ...]]
) -> bool:
    """Whether a table has the columns of another's key by name, and all rows' stand there together.

    All, since several columns may be called alike by chance; what has orphans is declared.
    """
    (table, frame), (other, theirs) = child, parent
    key = named[other]
    if table == other or named[table] == key or not set(key) <= set(map(str, frame.columns)):
        return False
    mine, known = keys.joint(*([keys.plain(f[c]) for c in key] for f in (frame, theirs)))
    present = mine[mine >= 0]
    return bool(len(present)) and bool(np.isin(present, known).all())


def direct(links: list[Link], named: dict[str, tuple[str, ...]]) -> list[Link]:
    """The links without those that others imply: items name an order and, with a line, a line of that order."""
    kept = []
    for link in links:
        wider = [k for k in links if k.child == link.child and k is not link and set(link.columns) < set(k.columns)]
        if not any(_through(link, k, links, named) for k in wider):
            kept.append(link)
    return kept


def check_shared(ties: Ties) -> None:
    """ConfigError for two references of a table by one column that does not name the same row of a third table in both.

    Where it does (a firm's people and a firm's jobs), rows of the second are chosen among those that agree.
    """
    for one, other in combinations(ties.links, 2):
        for column in set(one.columns) & set(other.columns) if one.child == other.child else ():
            ends = {ties.origin(k.parent, ties.keys[k.parent][k.columns.index(column)]) for k in (one, other)}
            table, named = next(iter(ends))
            if len(ends) > 1 or ties.keys[table] != (named,):
                raise ConfigError(
                    f"{one.child}.{one.column} refers to {one.parent!r} and {other.column} to {other.parent!r}, by the "
                    f"same column {column!r}, which is no reference to one table in both: add that table and declare "
                    f"them, or declare one of the two alone, [tables.{one.child}] parents = {{ ... }}"
                )


def counter(frame: pd.DataFrame, key: tuple[str, ...], links: list[Link]) -> str:
    """The part of a key of several columns that numbers rows alike in the other parts from one start on, "" without."""
    free = [c for c in key if not any(c in link.columns for link in links)]
    if len(key) < 2:
        return ""
    return next((c for c in free if _counts(frame, [o for o in key if o != c], c)), "")


def counted(frame: pd.DataFrame, links: list[Link]) -> tuple[str, ...]:
    """A reference with a column that numbers its rows, or two references that never repeat together: the key; else ().

    That they never repeat must be more than chance: pairs dealt at random would repeat six times at least.
    """
    taken = {c for link in links for c in link.columns}
    for link in links:
        for column in map(str, frame.columns):
            if column not in taken and _counts(frame, list(link.columns), column):
                return (*link.columns, column)
    for one, other in combinations(links, 2):
        a, b = (keys.joint([keys.plain(frame[c]) for c in k.columns])[0] for k in (one, other))
        met = (np.bincount(b) / len(b)) ** 2
        expected = float((np.bincount(a) * (np.bincount(a) - 1.0) / 2).sum() * met.sum())
        if expected >= 6 and len(np.unique(a * (int(b.max()) + 1) + b)) == len(frame):
            return (*one.columns, *other.columns)
    return ()


def _through(link: Link, wider: Link, links: list[Link], named: dict[str, tuple[str, ...]]) -> bool:
    """Whether the row that a wider reference means has the same reference to the same table."""
    if wider.parent == link.parent:
        return False
    above = dict(zip(wider.columns, named[wider.parent]))
    meant = tuple(above[c] for c in link.columns)
    return any(k.child == wider.parent and k.parent == link.parent and k.columns == meant for k in links)


def _may_be(series: pd.Series) -> bool:
    return series.dtype.kind not in "bf" and not series.isna().any()


def _counts(frame: pd.DataFrame, within: list[str], column: str) -> bool:
    """Whether a column is 1, 2, 3 ... (or from another start on) in the rows of each group."""
    values = frame[column]
    if values.dtype.kind not in "iu" or values.isna().any():
        return False
    numbers = values.to_numpy(np.int64)
    start = numbers.min()
    sizes = np.bincount(numbers - start) if np.ptp(numbers) < len(numbers) else np.zeros(1)
    if len(sizes) < 2 or (np.diff(sizes) > 0).any() or not sizes.all():  # a start in every group, fewer seconds ...
        return False
    groups = keys.joint([keys.plain(frame[c]) for c in within])[0]
    order = np.lexsort((numbers, groups))
    heads = np.diff(groups[order], prepend=-2) != 0
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(heads, np.arange(len(order)), 0))
    return bool((numbers[order] - start == place).all())
