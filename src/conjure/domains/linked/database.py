"""Several tables as one object: their rows, what ties them, and whole parts of them with all that hangs below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import DataError
from conjure.domains.linked import keys
from conjure.domains.linked.ties import Link, Ties

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LinkedTables:
    """`frames` by table; `flat` lists the columns of the one table they were taken apart from, in its order.

    `lenient` data may hold values that training never had: they are replaced by what training knows.
    """

    frames: dict[str, pd.DataFrame]
    ties: Ties
    flat: tuple[str, ...] = ()
    lenient: bool = False

    def __len__(self) -> int:
        """Rows of the root: what is counted when objects are."""
        return len(self.frames[self.ties.root])

    def describe(self) -> str:
        """The ties that were found or declared, for people."""
        return self.ties.describe()

    @cached_property
    def places(self) -> dict[tuple[str, str], np.ndarray]:
        """(child, column) -> the parent's row for each row, (rows,) int64, -1 without one; DataError for orphans."""
        found = {}
        for link in self.ties.links:
            keyed = link.parent, self.ties.keys[link.parent]
            found[link.child, link.column] = keys.places(link.child, link.columns, keyed, self.frames)
        return found

    def checked(self) -> LinkedTables:
        """The same, once every key is known to mean a row."""
        assert self.places is not None
        return self

    def place(self, link: Link) -> np.ndarray:
        return self.places[link.child, link.column]

    def numbers(self, table: str, link: Link) -> np.ndarray:
        """How many rows each row of the parent has along a link, (rows of the parent,) int64."""
        at = self.place(link)
        return np.bincount(at[at >= 0], minlength=len(self.frames[link.parent]))

    def rooted(self, table: str) -> np.ndarray:
        """The row of its tree's root that each row hangs below, (rows,) int64."""
        link = self.ties.owner(table)
        if link is None:
            return np.arange(len(self.frames[table]))
        return self.rooted(link.parent)[self.place(link)]

    def under(self, ties: Ties, *, lenient: bool = False) -> LinkedTables:
        """The same tables with the ties of a codec; DataError for a table or a column that is not there."""
        for table in ties.tables:
            if table not in self.frames:
                raise DataError(f"there is no table {table!r}, which training had: {nearest(table, list(self.frames))}")
        made = replace(self, ties=ties, lenient=lenient or self.lenient)
        one, other = ([(k.child, k.columns, k.parent) for k in t.links] for t in (self.ties, ties))
        if sorted(one) == sorted(other):
            made.__dict__["places"] = self.places
        return made

    def kept(self, wanted: Callable[[np.ndarray], np.ndarray]) -> LinkedTables:
        """Some rows of the root with all that hangs below them; tables of other roots stay whole."""
        tree = self.ties.tree(self.ties.root)
        masks = {t: wanted(self.rooted(t)) if t in tree else np.ones(len(f), bool) for t, f in self.frames.items()}
        if lost := [t for t, mask in masks.items() if not mask.any()]:
            raise DataError(
                f"no row of table {lost[0]!r} is left in this part of the data: it is too small to be split"
            )
        made = replace(self, frames={t: f[masks[t]].reset_index(drop=True) for t, f in self.frames.items()})
        now = {t: np.append(np.where(mask, np.cumsum(mask) - 1, -1), -1) for t, mask in masks.items()}
        # A reference across trees, to a row that is in the other part, is none here.
        made.__dict__["places"] = {
            (k.child, k.column): now[k.parent][self.place(k)[masks[k.child]]] for k in self.ties.links
        }
        return made


def checked_frames(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables that can be worked on: named, with rows; DataError names the one that is not."""
    if not frames:
        raise DataError("there is no table: give a folder of CSV or Parquet files, or a dict of DataFrames")
    for name, frame in frames.items():
        if not name or name.startswith(".") or any(mark in name for mark in "/\\:\0"):
            raise DataError(f"a table cannot be called {name!r}: it names a file and a folder")
        if not frame.shape[1]:
            raise DataError(f"table {name!r} has no columns")
        if not len(frame):
            raise DataError(f"table {name!r} is empty: leave it out, or give it at least two rows")
    return frames


def apart(
    frame: pd.DataFrame, name: str, entity: str, time: str, constant: tuple[str, ...] | None = None
) -> LinkedTables:
    """One table of events as two: what is constant of each entity, and its events in order of time.

    constant: the columns that are so, where it is known; DataError for an entity in which one changes.
    """
    for column in filter(None, (entity, time)):
        if column not in frame.columns:
            raise DataError(f"the table has no column {column!r}; it has {', '.join(map(str, frame.columns[:12]))}")
        if len(bad := np.flatnonzero(frame[column].isna())):
            raise DataError(f"column {column!r}, row {bad[0] + 1}: the cell is empty; every event needs its {column}")
    codes, _ = keys.plain(frame[entity]).factorize()
    first = np.unique(codes, return_index=True)[1]
    if len(first) < 2:
        raise DataError(f"column {entity!r} holds {len(first)} value; at least 2 are needed to tell one from another")
    others = [c for c in frame.columns if c not in (entity, time)]
    same = [c for c in others if _constant(frame[c], codes, first)] if constant is None else list(constant)
    if bad := [c for c in same if not _constant(frame[c], codes, first)]:
        raise DataError(f"column {bad[0]!r} changes within a {entity!r}, which it never did in training")
    events = "events" if name == entity else name
    own = frame[[entity, *same]].iloc[first].reset_index(drop=True)
    rest = frame.drop(columns=same).reset_index(drop=True)
    link = Link(events, (entity,), entity)
    ties = Ties(
        (entity, events),
        {entity: (entity,), events: ()},
        (link,),
        {events: entity},
        {events: time} if time else {},
        entity,
    )
    return LinkedTables({entity: own, events: rest}, ties, tuple(map(str, frame.columns)))


def together(database: LinkedTables) -> pd.DataFrame:
    """The inverse of `apart`: each event with what is constant of its entity."""
    link = database.ties.links[0]
    own, rest = database.frames[link.parent], database.frames[link.child].reset_index(drop=True)
    same = own.drop(columns=[*link.columns]).iloc[database.place(link)].reset_index(drop=True)
    joined = rest.assign(**{str(c): same[c] for c in same.columns})
    return joined[list(database.flat)]


def _constant(series: pd.Series, codes: np.ndarray, first: np.ndarray) -> bool:
    """Whether a column says the same in all rows of an entity."""
    values = series.factorize()[0]
    return bool((values == values[first][codes]).all())
