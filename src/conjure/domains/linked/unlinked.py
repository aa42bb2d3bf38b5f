"""The baseline of linked tables: every column by itself, every child's parent at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.rng import derive, generator
from conjure.domains.linked import keys
from conjure.domains.linked.database import LinkedTables
from conjure.domains.table import ids
from conjure.domains.table.codec import TableCodec
from conjure.domains.table.fields import Field

if TYPE_CHECKING:
    from conjure.domains.linked.codec import LinkedCodec


def unlinked(codec: LinkedCodec, n: int, seed: int) -> LinkedTables:
    """n rows of the root, all other tables as large beside it as in training."""
    ties, source = codec.ties, np.random.default_rng(derive(seed, "unlinked"))
    import pandas as pd

    frames: dict[str, Any] = {}
    made_keys: dict[str, Any] = {}
    for table in ties.tables:
        relation = codec.relations[table]
        own: TableCodec = codec.front if table == ties.root else codec.tables[table].codec
        rows = max(2, round(n * relation.ratio))
        columns = own.drawn(own.independent(rows, generator(seed, "unlinked", table)), generator(seed, "inside", table))
        cells = dict(own.written(columns, rows, source, relation.own))
        if clock := relation.clock:
            moments = clock.alone(columns, rows, source)
            cells |= {c.name: Field(c).write(moments[c.name]) for c in (clock.time, *clock.spans)}
        for link in ties.of(table):
            parents = source.integers(len(frames[link.parent]), size=rows)
            for column, part in zip(link.columns, ties.keys[link.parent]):
                cells[column] = made_keys[link.parent][part].iloc[parents].reset_index(drop=True)
        if relation.key:
            cells[relation.key["name"]] = ids.make(relation.key["pattern"], rows, source)
        if counter := ties.counters.get(table):
            cells[counter] = keys.counted([cells[c] for c in ties.keys[table] if c != counter], relation.first)
        made_keys[table] = {c: cells[c] for c in ties.keys[table]}
        frames[table] = pd.DataFrame({c: cells[c] for c in relation.columns if c in cells})
    return LinkedTables(frames, ties, codec.flat)
