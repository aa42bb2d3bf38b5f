"""Rows of all tables drawn from those of the root: children for their owner, one row after the other, partners matched.

What is drawn stays in arrays, as the codecs of the tables read their columns; cells are written once at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import ConfigError
from conjure.domains.linked import distinct, matching, writing
from conjure.domains.linked.made import Learnt, Made
from conjure.domains.linked.relation import BEFORE, POSITION, Relation
from conjure.domains.linked.ties import Link, Ties
from conjure.domains.table import telling
from conjure.domains.table.derived import Arrays
from conjure.domains.table.fields import Field
from conjure.domains.table.schema import MOMENTS

ROWS = 4096  # drawn at a time: evidence weighs every code of every column


class Growth:
    """One draw of a whole database."""

    def __init__(self, ties: Ties, tables: dict[str, Learnt], rng: torch.Generator):
        self.ties, self.tables, self.rng = ties, tables, rng
        self.source = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        self.made: dict[str, Made] = {}

    def root(self, table: str, columns: Arrays, n: int) -> None:
        """A root's rows, drawn already: what they refer to is matched."""
        made = Made(n, columns)
        self._matched(self.tables[table], made, np.arange(n), columns)
        self._keep(table, made)

    def free(self, table: str, n: int, evidence: Tensor | None, asked: dict[str, Any]) -> None:
        """Rows of another root, under conditions where there are any."""
        learnt = self.tables[table]
        made = Made(max(1, round(n * learnt.relation.ratio)), {})
        x = learnt.model.sample(made.rows, given=evidence, rng=self.rng)
        made.columns = learnt.codec.drawn(x, self.rng, asked)
        rows = np.arange(made.rows)
        self._matched(learnt, made, rows, made.columns)
        if learnt.relation.wanted and not asked:  # anew, given the parents that were there
            known = {n: self._told(learnt, made, n, rows) for names in learnt.relation.wanted.values() for n in names}
            made.columns = self._drawn(learnt, made.rows, known | self._set(learnt, made.columns), ())
        self._keep(table, made)

    def children(self, table: str, link: Link) -> None:
        """The rows of a table for each row of its owner."""
        learnt, owner = self.tables[table], self.made[link.parent]
        relation = learnt.relation
        numbers = np.nan_to_num(owner.columns[self._count(link)]).astype(np.int64)
        total = int(numbers.sum())
        place = np.repeat(np.arange(owner.rows), numbers)
        starts = np.cumsum(numbers) - numbers
        made = Made(total, {}, place={link.column: place})
        made.starts = np.zeros(total, bool)
        made.starts[starts[numbers > 0]] = True
        position = np.arange(total) - np.repeat(starts, numbers)
        made.columns = {n: np.full(total, np.nan) for n in learnt.codec.fields}
        if POSITION in made.columns:
            made.columns[POSITION] = position.astype(float)
        for column, ancestor in relation.implied.items():
            made.place[column] = self._ancestor(link, place, ancestor)
        for other in self.ties.matched(table):
            made.place.setdefault(other.column, np.full(total, -1, np.int64))
        for rows in self._turns(relation, position):
            if len(rows):
                self._turn(learnt, made, rows, first=bool(position[rows[0]] == 0))
        learnt.codec.apart(made.columns, self.source)
        self._keep(table, made)

    def frames(self) -> dict[str, Any]:
        """All tables as cells."""
        return writing.written(self.ties, self.tables, self.made, self.source)

    def _turns(self, relation: Relation, position: np.ndarray) -> list[np.ndarray]:
        """Rows that can be drawn at once: all, or all first ones, then the others, or then all second ones ..."""
        if not relation.lagged and not relation.clock:
            return [np.arange(len(position))]
        if not relation.lagged:
            return [np.flatnonzero(position == 0), np.flatnonzero(position > 0)]
        order = np.argsort(position, kind="stable")
        return np.split(order, np.cumsum(np.bincount(position))[:-1]) if len(position) else []

    def _turn(self, learnt: Learnt, made: Made, rows: np.ndarray, *, first: bool) -> None:
        relation = learnt.relation
        known = {n: self._told(learnt, made, n, rows) for n in relation.context}
        barred = []
        if relation.clock:
            absent, present = (relation.clock.gap, relation.clock.first)[:: 1 if first else -1]
            known[absent] = np.full(len(rows), np.nan)
            barred = [present]
        drawn = None
        if relation.wanted:
            drawn = self._drawn(learnt, len(rows), known, barred)
            self._matched(learnt, made, rows, drawn)
            known |= {n: self._told(learnt, made, n, rows) for names in relation.wanted.values() for n in names}
            known |= self._set(learnt, drawn)
        drawn = self._drawn(learnt, len(rows), known, barred)
        for name, values in drawn.items():
            if name not in relation.told:
                made.columns[name][rows] = values

    def _drawn(self, learnt: Learnt, n: int, known: Arrays, barred: Sequence[str]) -> Arrays:
        """Columns of n rows given what is known of them."""
        codec, parts = learnt.codec, []
        for start in range(0, n, ROWS):
            count, rows = min(ROWS, n - start), slice(start, start + ROWS)
            given = telling.told(codec, {k: v[rows] for k, v in known.items() if k in codec.fields}, barred)
            x = learnt.model.sample(count, given=given, rng=self.rng)
            parts.append(codec.drawn(x, self.rng))
        return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]} if parts else {}

    def _set(self, learnt: Learnt, drawn: Arrays) -> Arrays:
        """Whether references are set, as it was drawn."""
        return {n: drawn[n] for c in learnt.relation.wanted if (n := f"{c} is set") in drawn}

    def _matched(self, learnt: Learnt, made: Made, rows: np.ndarray, drawn: Arrays) -> None:
        """A row of each parent that does not own the table, for rows whose wanted columns are drawn."""
        codec = learnt.codec
        for column, names in learnt.relation.wanted.items():
            link = next(k for k in self.ties.matched(learnt.relation.table) if k.column == column)
            place = made.place.setdefault(column, np.full(made.rows, -1, np.int64))
            parent = self.made[link.parent]
            if not parent.rows:
                continue
            used = np.bincount(place[place >= 0], minlength=parent.rows)
            meant = np.nan_to_num(parent.columns[self._count(link)]).astype(np.int64)
            stubs = np.repeat(np.arange(parent.rows), np.maximum(meant - used, 0))
            if not len(stubs):
                stubs = (
                    np.repeat(np.arange(parent.rows), np.maximum(meant, 0)) if meant.sum() else np.arange(parent.rows)
                )
            wants = rows
            if (name := f"{column} is set") in drawn:
                wants = rows[drawn[name] > 0.5]
            inside = np.isin(rows, wants)
            told = [n for n in names if n in codec.fields]
            wanted = [codec.coders[n].encode(drawn[n][inside]) for n in told]
            offered = [codec.coders[n].encode(self._along(learnt, link, n, stubs)) for n in told]
            empty = [np.zeros((len(r), 0), np.int64) for r in (wants, stubs)]
            must = self._agreeing(link, made, wants)
            wanted, offered = [m for m, _ in must] + wanted, [o[stubs] for _, o in must] + offered
            both = [np.column_stack([e, *c]).astype(np.int64) for e, c in zip(empty, (wanted, offered))]
            found = matching.match(*both, self.source, len(must))
            place[wants] = np.where(found < 0, -1, stubs[found])
            if len(lost := np.flatnonzero(found < 0)):  # of those that agree all have as many as they should
                anyone = [np.column_stack(side) for side in ([m[lost] for m, _ in must], [o for _, o in must])]
                place[wants[lost]] = matching.match(*anyone, self.source, len(must))

    def _agreeing(self, link: Link, made: Made, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """By what rows and their partner must agree: (what each row has, (rows,); what each row of the parent has)."""
        out = []
        for column, other in self.ties.shared(link):
            have, offer = (
                self._named(k.parent, self.ties.keys[k.parent][k.columns.index(column)]) for k in (other, link)
            )
            place = made.place[other.column][rows]
            out.append((np.where(place < 0, -1, have[place]) + 1, offer + 1))
        return out

    def _named(self, table: str, column: str) -> np.ndarray:
        """The row of another table that each row of a table names by a column, reference by reference; its own."""
        for link in self.ties.of(table):
            if column in link.columns:
                above = self._named(link.parent, self.ties.keys[link.parent][link.columns.index(column)])
                place = self.made[table].place[link.column]
                return np.where(place < 0, -1, above[place]) if len(above) else place
        return np.arange(self.made[table].rows)

    def _told(self, learnt: Learnt, made: Made, name: str, rows: np.ndarray) -> np.ndarray:
        """What rows are told in a column of context, as their codec reads it."""
        codec = learnt.codec
        if name == POSITION or name not in codec.fields:
            return made.columns.get(name, np.zeros(made.rows))[rows]
        if name.startswith(BEFORE):
            own = name.removeprefix(BEFORE)
            if own not in codec.fields:
                return np.full(len(rows), np.nan)
            read = reading(codec.fields[own], codec.fields[name])
            assert made.starts is not None
            return np.where(made.starts[rows], np.nan, read(made.columns[own][rows - 1]))
        for link in self.ties.of(learnt.relation.table):
            if name.startswith(f"{link.column}."):
                return self._along(learnt, link, name, made.place[link.column][rows])
        raise KeyError(name)

    def _along(self, learnt: Learnt, link: Link, name: str, place: np.ndarray) -> np.ndarray:
        """A column of a parent, or of its owners, at places of the parent, as the child's codec reads it."""
        target, rest = learnt.codec.fields[name], name.removeprefix(f"{link.column}.")
        parent, at = self.tables[link.parent], self.made[link.parent]
        absent = place < 0
        while rest not in parent.relation.own:
            above = next(k for k in self.ties.of(parent.relation.table) if rest.startswith(f"{k.column}."))
            place, rest = at.place[above.column][place], rest.removeprefix(f"{above.column}.")
            parent, at = self.tables[above.parent], self.made[above.parent]
        if rest not in parent.codec.fields:
            return np.full(len(place), np.nan)
        values = reading(parent.codec.fields[rest], target)(at.columns[rest])
        return np.where(absent, np.nan, values[np.maximum(place, 0)]) if len(values) else np.full(len(place), np.nan)

    def _ancestor(self, link: Link, place: np.ndarray, wanted: str) -> np.ndarray:
        """The row of an ancestor that rows hang below."""
        while link.parent != wanted:
            above = self.ties.owner(link.parent)
            assert above is not None
            place, link = self.made[link.parent].place[above.column][place], above
        return place

    def _count(self, link: Link) -> str:
        """The column of the parent that says how many rows it has along a link."""
        counts = self.tables[link.parent].relation.counts
        return next(name for name, along in counts.items() if along == (link.child, link.column))

    def _keep(self, table: str, made: Made) -> None:
        """The rows with their moments, and with counts that never varied."""
        learnt = self.tables[table]
        for name in learnt.relation.counts:
            if name not in made.columns:
                made.columns[name] = np.full(made.rows, float(learnt.codec.fixed[name]))
        clock, fields = learnt.relation.clock, learnt.codec.fields
        if clock:
            link = self.ties.owner(table)
            assert link is not None
            assert made.starts is not None
            since = self.made[link.parent].moments[clock.anchor][made.place[link.column]] if clock.anchor else None
            needed = (clock.first, clock.gap, *(clock.span(c) for c in clock.spans))
            columns = {n: self._whole(learnt, made, n) for n in needed}
            if {clock.time.name} <= set(self.ties.keys[table]) <= {clock.time.name, *link.columns}:
                columns[clock.gap] = np.fmax(columns[clock.gap], 1)  # the key tells rows apart by their time
            made.moments = clock.moments(columns, made.starts, since)
        else:
            made.moments = {n: made.columns[n] * f.column.unit for n, f in fields.items() if f.column.kind in MOMENTS}
        whole = np.ones(made.rows, bool)
        for other in self.ties.of(table):
            if self.ties.shared(other) and not other.gaps:
                whole &= made.place[other.column] >= 0  # no partner agreed
        self.made[table] = made if whole.all() else distinct.only(made, whole)
        self.made[table] = distinct.told_apart(self.ties, self.tables, self.made, table, self.source)

    def _whole(self, learnt: Learnt, made: Made, name: str) -> np.ndarray:
        """A column of whole numbers in units of the clock's time, also one that never varied."""
        if name in made.columns:
            clock, column = learnt.relation.clock, learnt.codec.fields[name].column
            assert clock is not None
            return made.columns[name] * (column.unit / clock.time.unit if column.kind in MOMENTS else 1.0)
        value = learnt.codec.fixed.get(name)
        return np.full(made.rows, np.nan if value is None else float(value))


def reading(one: Field, other: Field) -> Any:
    """Values as one field reads them to values as another does."""
    if not one.listed and not other.listed:
        if one.column.kind in MOMENTS:
            return lambda values: np.floor(values * one.column.unit / other.column.unit)
        up = 10.0 ** (other.column.decimals or 0) / 10.0 ** (one.column.decimals or 0)
        return (lambda values: values * up) if other.column.decimals is None else (lambda values: np.rint(values * up))
    if not one.listed:
        raise ConfigError(f"column {one.name!r} is a {one.column.kind} and {other.name!r} a {other.column.kind}")
    places = other.read(other.known(one.write(np.arange(len(one.values), dtype=float))))

    def read(values: np.ndarray) -> np.ndarray:
        there = ~np.isnan(values)
        return np.where(there, places[np.where(there, values, 0).astype(np.int64)], np.nan)

    return read
