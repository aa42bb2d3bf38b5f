"""What is kept of columns that are not learnt, and rows as cells: the learnt, new ids, people who do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.domains.table import cells, ids, people
from conjure.domains.table.fields import Field
from conjure.domains.table.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

ASIDE = ("id", "constant", "faker")


def aside(column: Column, series: pd.Series, locale: str = people.LOCALE) -> Any:
    """What is kept of a column that is not learnt: an id's pattern, a constant, whether personal values repeat."""
    if column.kind == "id":
        return ids.learn(series)
    if column.kind == "faker":
        return people.learn(series, locale)
    present = cells.plain(series).dropna()
    value = present.iloc[0] if len(present) else None
    return value.item() if isinstance(value, np.generic) else value if value is None else str(value)


def written(
    schema: Schema,
    fields: dict[str, Field],
    fixed: dict[str, Any],
    made: tuple[dict[str, np.ndarray], int, np.random.Generator],
    only: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Rows as cells. made: learnt columns as their fields read them, how many rows, the source of what is made anew."""
    import pandas as pd

    columns, n, source = made
    out: dict[str, Any] = {}
    wanted = [c for c in schema.columns if only is None or c.name in only]
    for c in wanted:
        if c.learnt:
            out[c.name] = fields[c.name].write(columns[c.name])
        elif c.kind == "id":
            out[c.name] = ids.make(fixed[c.name], n, source)
        elif c.kind == "constant":
            out[c.name] = pd.Series([np.nan if fixed[c.name] is None else fixed[c.name]] * n)
    if personal := {c.name: (c.provider, fixed[c.name]) for c in wanted if c.kind == "faker"}:
        out |= people.make(personal, n, source, {k: v for k, v in out.items() if k in fields})
    return pd.DataFrame({c.name: out[c.name] for c in wanted if c.name in out})
