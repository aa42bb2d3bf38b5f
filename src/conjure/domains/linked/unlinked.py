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
        whole = np.ones(rows, bool)
        for link in sorted(ties.of(table), key=lambda k: k.column != ties.owners.get(table)):
            parents = source.integers(len(frames[link.parent]), size=rows)
            named = dict(zip(link.columns, ties.keys[link.parent]))
            if agree := [c for c, _ in ties.shared(link)]:
                theirs = [made_keys[link.parent][named[c]] for c in agree]
                parents = _alike(*keys.joint([cells[c] for c in agree], theirs), source)
                whole &= parents >= 0
            for column, part in named.items():
                cells[column] = made_keys[link.parent][part].iloc[parents].reset_index(drop=True)
        if relation.key:
            cells[relation.key["name"]] = ids.make(relation.key["pattern"], rows, source)
        if counter := ties.counters.get(table):
            cells[counter] = keys.counted([cells[c] for c in ties.keys[table] if c != counter], relation.first)
        made = pd.DataFrame({c: cells[c] for c in relation.columns if c in cells})[whole]
        if len(ties.keys[table]) > 1:
            made = made.drop_duplicates([*ties.keys[table]])
        frames[table] = made.reset_index(drop=True)
        made_keys[table] = {c: frames[table][c] for c in ties.keys[table]}
    return LinkedTables(frames, ties, codec.flat)


def _alike(mine: np.ndarray, theirs: np.ndarray, source: np.random.Generator) -> np.ndarray:
    """A random place in `theirs` of what is alike, for each of `mine`; -1 where nothing is."""
    order = np.argsort(theirs, kind="stable")
    low, high = (np.searchsorted(theirs[order], mine, side) for side in ("left", "right"))
    chosen = low + (source.random(len(mine)) * (high - low)).astype(np.int64)
    return np.where(high > low, order[np.minimum(chosen, len(order) - 1)], -1)
