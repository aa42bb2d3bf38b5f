"""Made rows of all tables as cells: own columns, times, keys and what refers to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.domains.linked import keys
from conjure.domains.linked.made import Learnt, Made
from conjure.domains.linked.ties import Ties
from conjure.domains.table import ids
from conjure.domains.table.fields import Field

if TYPE_CHECKING:
    import pandas as pd


def written(
    ties: Ties, tables: dict[str, Learnt], made: dict[str, Made], source: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """A DataFrame a table, in the order of its training columns."""
    import pandas as pd

    out: dict[str, pd.DataFrame] = {}
    named: dict[str, dict[str, Any]] = {}
    for table in ties.tables:
        relation, rows = tables[table].relation, made[table]
        cells: dict[str, Any] = dict(tables[table].codec.written(rows.columns, rows.rows, source, relation.own))
        for link in ties.of(table):
            for column, part in zip(link.columns, ties.keys[link.parent]):
                cells[column] = _taken(named[link.parent][part], rows.place[link.column])
        if relation.key:
            cells[relation.key["name"]] = ids.make(relation.key["pattern"], rows.rows, source)
        for column in [relation.clock.time, *relation.clock.spans] if relation.clock else []:
            cells[column.name] = Field(column).write(rows.moments[column.name] / column.unit)
        if counter := ties.counters.get(table):
            others = [cells[c] for c in ties.keys[table] if c != counter]
            cells[counter] = pd.Series(keys.counted(others, relation.first))
        named[table] = {c: cells[c] for c in ties.keys[table]}
        out[table] = pd.DataFrame({n: cells[n] for n in relation.columns if n in cells})
    return out


def _taken(series: pd.Series, at: np.ndarray) -> pd.Series:
    """Keys at places, empty at -1."""
    if (at >= 0).all():
        return series.iloc[at].reset_index(drop=True)
    if series.dtype.kind in "iu":
        series = series.astype("Int64")
    import pandas as pd

    return pd.Series(series.array.take(at, allow_fill=True))
