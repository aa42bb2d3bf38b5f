"""Columns of which only combinations seen in training may occur, as one column of combinations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.table.binning import Ranges

Arrays = dict[str, np.ndarray]
Asked = dict[str, tuple[Ranges, bool]]


@dataclass(frozen=True)
class Joint:
    """`table` (M, columns) lists the combinations, the most frequent first; a missing cell is NaN."""

    columns: tuple[str, ...]
    table: np.ndarray

    @classmethod
    def learn(cls, names: tuple[str, ...], columns: Arrays) -> Joint:
        stacked = np.column_stack([columns[n] for n in names])
        marked = np.where(np.isnan(stacked), np.inf, stacked)  # numpy tells rows with NaN apart from themselves
        found, counts = np.unique(marked, axis=0, return_counts=True)
        return cls(names, np.where(np.isinf(found), np.nan, found)[np.argsort(-counts, kind="stable")])

    @property
    def name(self) -> str:
        return " + ".join(self.columns)

    def places(self, columns: Arrays) -> np.ndarray:
        """Each row's place in the table, float64; -1 where it is not there."""
        import pandas as pd

        rows = pd.MultiIndex.from_arrays([columns[n] for n in self.columns])
        return self._index.get_indexer(rows).astype(np.float64)

    def holds(self, names: tuple[str, ...], columns: Arrays) -> np.ndarray:
        """Row by row, whether the values of some of the columns stand together in the table."""
        import pandas as pd

        part = pd.MultiIndex.from_arrays([self.table[:, self.columns.index(n)] for n in names]).drop_duplicates()
        return part.get_indexer(pd.MultiIndex.from_arrays([columns[n] for n in names])) >= 0

    def partly(self, columns: Arrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For rows with some cells missing: (rows alike, places in the table that agree with what they have)."""
        stacked = np.column_stack([columns[n] for n in self.columns])
        rows = np.flatnonzero(np.isnan(stacked).any(axis=1))
        kinds, which = np.unique(stacked[rows], axis=0, return_inverse=True, equal_nan=True)
        whole = ~np.isnan(self.table).any(axis=1)
        for k, kind in enumerate(kinds):
            places = np.flatnonzero(whole & ((self.table == kind) | np.isnan(kind)).all(axis=1))
            if not len(places):
                raise DataError(
                    f"no combination of {', '.join(self.columns)} in training agrees with a row to be filled"
                )
            yield rows[which.ravel() == k], places

    def nearest(self, columns: Arrays) -> Arrays:
        """Rows outside the table replaced by the most frequent combination with the same first value, if any."""
        lost = self.places(columns) < 0
        out = {n: columns[n].copy() for n in self.columns}
        for value in np.unique(columns[self.columns[0]][lost]):
            same = np.flatnonzero(self.table[:, 0] == value)
            rows = lost & (columns[self.columns[0]] == value) if len(same) else lost
            for k, n in enumerate(self.columns):
                out[n][rows] = self.table[same[0] if len(same) else 0, k]
            lost &= ~rows
        return out

    def apart(self, places: np.ndarray) -> Arrays:
        """The columns of each row."""
        return {n: self.table[places.astype(np.int64), k] for k, n in enumerate(self.columns)}

    def allow(self, asked: Asked) -> None:
        """What is asked of the columns becomes what is asked of their combinations, in place."""
        if not any(n in asked for n in self.columns):
            return
        fine = np.ones(len(self.table), bool)
        for k, n in enumerate(self.columns):
            if n in asked:
                ranges, missing = asked.pop(n)
                x = self.table[:, k]
                inside = [(x >= low) & (x <= high) for low, high in ranges]
                fine &= np.any([*inside, np.isnan(x) & missing], axis=0)
        asked[self.name] = ([(float(p), float(p)) for p in np.flatnonzero(fine)], False)

    def state(self) -> dict[str, Any]:
        table = [[None if np.isnan(v) else v for v in row] for row in self.table.tolist()]
        return {"columns": list(self.columns), "table": table}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Joint:
        return cls(tuple(state["columns"]), np.array(state["table"], np.float64))

    @cached_property
    def _index(self) -> Any:
        import pandas as pd

        return pd.MultiIndex.from_arrays(list(self.table.T))


def merged(groups: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Groups that share a column as one group."""
    out: list[tuple[str, ...]] = []
    for group in groups:
        for other in [o for o in out if set(o) & set(group)]:
            out.remove(other)
            group = tuple(dict.fromkeys(other + group))
        out.append(group)
    return out
