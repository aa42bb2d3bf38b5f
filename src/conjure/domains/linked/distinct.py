"""Keys of several columns in made rows: no two rows alike, as in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conjure.domains.linked.made import Learnt, Made
from conjure.domains.linked.ties import Ties

ROUNDS = 50  # of trading before rows that still repeat are left out


def told_apart(
    ties: Ties, tables: dict[str, Learnt], made: dict[str, Made], table: str, source: np.random.Generator
) -> Made:
    """The rows of a table, of which those with the key of a row before trade parts of it with others.

    What is traded are references to parents that do not own the row and columns of its own; a row stays below its owner
    and at its time. So each value is as frequent as before. Rows that no trade tells apart are left out.
    """
    key, mine = ties.keys[table], made[table]
    if len(key) < 2 or table in ties.counters or not mine.rows:
        return mine
    carriers = _carriers(ties, tables[table], mine, table)
    if not set(key) - {c for columns in carriers.values() for c in columns}:
        carriers.pop(next(iter(carriers)))  # all parts could move: the first stays
    moving = {c for columns in carriers.values() for c in columns}
    parts = {c: _part(ties, tables, made, table, c) for c in key}
    held, free = (_joined([parts[c] for c in key if (c in moving) == moves]) for moves in (False, True))
    if free is not None:
        taken = _trade(held, free, source)
        free = free[taken]
        for name in carriers:
            values = mine.place if name in mine.place else mine.columns
            values[name] = values[name][taken]
    kept = ~_again(held if free is None else _joined([held, free]))
    return mine if kept.all() else only(mine, kept)


def _carriers(ties: Ties, learnt: Learnt, mine: Made, table: str) -> dict[str, set[str]]:
    """What may be traded among rows, references and columns, with the parts of the key that go with it."""
    key, owner = ties.keys[table], ties.owner(table)
    found = {k.column: set(k.columns) & set(key) for k in ties.of(table) if k != owner}
    found = {name: parts for name, parts in found.items() if parts and name not in learnt.relation.implied}
    if not learnt.codec.schema.rules:  # a column traded by itself could break one
        referring = {c for k in ties.of(table) for c in k.columns}
        found |= {c: {c} for c in key if c in mine.columns and c not in referring}
    return found


def _part(ties: Ties, tables: dict[str, Learnt], made: dict[str, Made], table: str, column: str) -> np.ndarray:
    """A part of a key as codes, (rows,) int64, -1 where it is empty."""
    mine, relation = made[table], tables[table].relation
    for link in ties.of(table):
        if column in link.columns:
            key = ties.keys[link.parent]
            place = mine.place[link.column]
            if len(key) == 1 or not made[link.parent].rows:
                return place
            above = _part(ties, tables, made, link.parent, key[link.columns.index(column)])
            return np.where(place < 0, -1, above[np.maximum(place, 0)])
    if column == ties.counters.get(table):
        others = _joined([_part(ties, tables, made, table, c) for c in ties.keys[table] if c != column])
        order = np.argsort(others, kind="stable")
        heads = np.flatnonzero(np.diff(others[order], prepend=-2))
        place = np.empty(mine.rows, np.int64)
        place[order] = np.arange(mine.rows) - np.repeat(heads, np.diff(np.append(heads, mine.rows)))
        return place
    if relation.clock and column in relation.clock.taken:
        return np.unique(mine.moments[column], return_inverse=True)[1]
    if column in mine.columns:
        return np.unique(mine.columns[column], return_inverse=True)[1]
    constant = column in tables[table].codec.schema and tables[table].codec.schema[column].kind == "constant"
    return np.zeros(mine.rows, np.int64) if constant else np.arange(mine.rows)  # ids differ from each other


def _trade(held: np.ndarray, free: np.ndarray, source: np.random.Generator) -> np.ndarray:
    """Which row's free part each row takes, (rows,): a permutation after which few pairs (held, free) repeat."""
    taken, size = np.arange(len(held)), int(free.max()) + 2
    for _ in range(ROUNDS):
        pairs = held * size + free[taken]
        again = source.permutation(np.flatnonzero(_again(pairs)))
        if not len(again):
            break
        again = again[: len(held) // 2]
        others = source.permutation(np.setdiff1d(np.arange(len(held)), again))[: len(again)]
        again = again[: len(others)]
        new = np.column_stack([held[again] * size + free[taken[others]], held[others] * size + free[taken[again]]])
        seen, counts = np.unique(new, return_counts=True)
        good = ~np.isin(new, pairs).any(1) & ~np.isin(new, seen[counts > 1]).any(1)
        one, other = again[good], others[good]
        taken[one], taken[other] = taken[other], taken[one]
    return taken


def _joined(parts: list[np.ndarray]) -> Any:
    """Codes of several parts together, None of none."""
    if not parts:
        return None
    codes = np.zeros(len(parts[0]), np.int64)
    for part in parts:
        codes = np.unique(codes * (int(part.max()) + 2) + part + 1, return_inverse=True)[1]
    return codes


def _again(codes: np.ndarray) -> np.ndarray:
    """Which codes stand in a row before."""
    again = np.ones(len(codes), bool)
    again[np.unique(codes, return_index=True)[1]] = False
    return again


def only(made: Made, kept: np.ndarray) -> Made:
    """Some of the rows."""
    starts = None if made.starts is None else made.starts[kept]
    columns, moments, place = (
        {n: v[kept] for n, v in some.items()} for some in (made.columns, made.moments, made.place)
    )
    return replace(made, rows=int(kept.sum()), columns=columns, moments=moments, place=place, starts=starts)
