"""All tables of a database as their models see them: what each row is told, chosen from the data, and the frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.linked import choosing
from conjure.domains.linked import clock as clocks
from conjure.domains.linked.database import LinkedTables
from conjure.domains.linked.relation import BEFORE, MATCHED, POSITION, Relation, declaration, names_in, timed_rules
from conjure.domains.linked.ties import Link
from conjure.domains.table import ids
from conjure.domains.table.fields import Field
from conjure.domains.table.schema import Schema

if TYPE_CHECKING:
    import pandas as pd


class Relations:
    """The tables of a database in its order, each with the frame that its model learns from."""

    def __init__(self, database: LinkedTables, known: dict[str, Relation] | None = None):
        self.database, self.known = database, dict(known or {})
        self._own: dict[str, pd.DataFrame] = {}
        self._moments: dict[str, dict[str, np.ndarray]] = {}

    @classmethod
    def learn(cls, database: LinkedTables, declared: dict[str, Any], most: int) -> Relations:
        """What each table's rows are told, chosen from the data; `most` columns a table. `declared` is by table."""
        made = cls(database)
        for table in database.ties.tables:
            made._learn(table, declared.get(table, {}), most)
        return made

    def frame(self, table: str) -> pd.DataFrame:
        """What the model of a table learns from, rows in the order of the table."""
        relation = self.known[table]
        return self._wide(table, relation, [*relation.context, *relation.told[len(relation.context) :]])

    def wide(self, table: str, names: list[str]) -> pd.DataFrame:
        """A table's own columns and others, such as `previous amount` or `customer_id.country`."""
        return self._wide(table, self.known[table], names)

    def order(self, table: str) -> tuple[np.ndarray, np.ndarray]:
        """(rows parent by parent, in time where there is one; which of them come first)."""
        relation, link = self.known[table], self.database.ties.owner(table)
        n = len(self.database.frames[table])
        if link is None:
            return np.arange(n), np.ones(n, bool)
        place = self.database.place(link)
        frame = self.database.frames[table]
        times = np.zeros(n)
        if relation.clock:
            times = relation.clock.units(frame[relation.clock.time.name])
        elif counter := self.database.ties.counters.get(table):
            times = frame[counter].to_numpy(np.int64)
        order = np.lexsort((times, place))
        return order, np.diff(place[order], prepend=-2) != 0

    def _learn(self, table: str, declared: dict[str, Any], most: int) -> None:
        database, ties = self.database, self.database.ties
        frame = database.frames[table]
        anew = ties.anew(table)
        plain = frame[[c for c in frame.columns if c not in anew]]
        schema = Schema.infer(plain, _settings(plain, declared))
        relation = Relation(table, tuple(map(str, frame.columns)))
        self.known[table] = relation
        relation.ratio = len(frame) / len(database)
        key = ties.keys[table]
        if len(key) == 1 and not any(key[0] in link.columns for link in ties.of(table)):
            relation.key = {"name": key[0], "pattern": ids.learn(frame[key[0]])}
        if counter := ties.counters.get(table):
            relation.first = int(frame[counter].min())
        if time := ties.times.get(table):
            relation.clock = clocks.learn(plain, schema, time)
            timed_rules(table, relation.clock, schema, plain)
            relation.clock = replace(relation.clock, anchor=self._anchor(table))
        relation.dates = tuple(clocks.bare(c) for c in schema.columns if c.kind in ("date", "datetime"))
        own = self._own_frame(table)
        known = {c.name: c for c in schema.columns}
        kinds = {n: declaration(known[n]) for n in own.columns if n in known}
        kinds |= {n: {"kind": "number", "decimals": 0} for n in own.columns if n not in known}
        if relation.clock and not relation.clock.anchor:
            kinds[relation.clock.first] = declaration(relation.clock.time)
        rules = [r for r in schema.rules if not (relation.clock and names_in(relation.clock.taken, r))]
        relation.declared = {"columns": kinds, "rules": rules}
        relation.own = tuple(own.columns)
        self._choose(table, relation, most)

    def _choose(self, table: str, relation: Relation, most: int) -> None:
        """What the rows are told, and by which columns parents are matched."""
        own = self._learnt(relation)
        offered = self._offered(table)
        matched = {}
        for link in self.database.ties.matched(table):
            if ancestor := self._same_as(table, link):
                relation.implied[link.column] = ancestor
                continue
            parent = self.known[link.parent]
            names = [n for n in self._learnt(parent) if parent.counts.get(n) != (table, link.column)]
            matched[link.column] = [f"{link.column}.{n}" for n in names]
        wanted = [n for names in matched.values() for n in names]
        wide = self._wide(table, relation, [*offered, *wanted])
        chosen = choosing.choose(wide, [*own, *wanted], offered, most)
        relation.wanted = {
            column: tuple(choosing.choose(wide, [*own, *chosen], names, MATCHED)) for column, names in matched.items()
        }
        if not own and not chosen and POSITION in offered:
            chosen = [POSITION]  # a table of keys alone
        relation.context = tuple(chosen)
        for name in relation.told:
            relation.declared["columns"][name] = self._kind_of(table, name)

    def _learnt(self, relation: Relation) -> list[str]:
        kinds = relation.declared["columns"]
        return [n for n in relation.own if kinds[n]["kind"] not in ("id", "text", "constant", "faker")]

    def _offered(self, table: str) -> list[str]:
        """Columns of the owner and its owners, of the row before, and the position."""
        link = self.database.ties.owner(table)
        if link is None:
            return []
        above, at, prefix = [], link, f"{link.column}."
        while at is not None:
            above += [prefix + n for n in self._learnt(self.known[at.parent])]
            at = self.database.ties.owner(at.parent)
            prefix += f"{at.column}." if at else ""
        return [*above, *(BEFORE + n for n in self._learnt(self.known[table])), POSITION]

    def _kind_of(self, table: str, name: str) -> dict[str, Any]:
        relation = self.known[table]
        if name == POSITION:
            return {"kind": "number", "decimals": 0}
        if name in relation.own:
            return relation.declared["columns"][name]
        if name.startswith(BEFORE):
            return relation.declared["columns"][name.removeprefix(BEFORE)]
        link, rest = self._through(table, name)
        return self._kind_of(link.parent, rest)

    def _through(self, table: str, name: str) -> tuple[Link, str]:
        """The link that a told column comes along, and what it is called there."""
        for link in self.database.ties.of(table):
            if name.startswith(f"{link.column}."):
                return link, name.removeprefix(f"{link.column}.")
        raise KeyError(name)

    def _wide(self, table: str, relation: Relation, names: list[str]) -> pd.DataFrame:
        own = self._own_frame(table)
        order, heads = self.order(table)
        columns = {n: own[n] for n in own.columns}
        for name in names:
            if name in columns:
                raise ConfigError(f"table {table!r} has a column {name!r}, a name that is needed: call it otherwise")
            columns[name] = self._column(table, name, order, heads)
        import pandas as pd

        return pd.DataFrame(columns)

    def _column(self, table: str, name: str, order: np.ndarray, heads: np.ndarray) -> Any:
        import pandas as pd

        own = self._own_frame(table)
        if name == POSITION:
            position = np.empty(len(order), np.int64)
            position[order] = np.arange(len(order)) - np.flatnonzero(heads)[np.cumsum(heads) - 1]
            return position
        if name.startswith(BEFORE):
            before = np.empty(len(order), np.int64)
            before[order] = np.where(heads, -1, np.roll(order, 1))
            return _taken(own[name.removeprefix(BEFORE)], before)
        link, rest = self._through(table, name)
        if rest in (above := self._own_frame(link.parent)).columns:
            return _taken(above[rest], self.database.place(link))
        column = self._column(link.parent, rest, *self.order(link.parent))
        return _taken(pd.Series(column), self.database.place(link))

    def _own_frame(self, table: str) -> pd.DataFrame:
        if table not in self._own:
            self._own[table] = self._build(table)
        return self._own[table]

    def _build(self, table: str) -> pd.DataFrame:
        """A table's own columns: as they are, times apart, whether references are set, and how many children."""
        import pandas as pd

        database, relation = self.database, self.known[table]
        frame, ties = database.frames[table], database.ties
        taken = ties.anew(table) | (relation.clock.taken if relation.clock else set())
        columns: dict[str, Any] = {str(c): frame[c] for c in frame.columns if str(c) not in taken}
        if relation.clock:
            since = self._since(table, relation.clock.anchor)
            columns |= relation.clock.apart(frame, *self.order(table), since)
        for link in ties.matched(table):
            name, there = f"{link.column} is set", database.place(link) >= 0
            if name in relation.own or (not relation.own and there.any() and not there.all()):
                columns[name] = there.astype(np.int64)
        for link in ties.links:
            if link.parent == table:
                name = (
                    f"count({link.child})"
                    if ties.owners.get(link.child) == link.column
                    else (f"count({link.child}.{link.column})")
                )
                relation.counts[name] = (link.child, link.column)
                columns[name] = database.numbers(table, link)
        if clash := [n for n in relation.counts if n in frame.columns]:
            raise ConfigError(f"table {table!r} has a column {clash[0]!r}, a name that is needed: call it otherwise")
        return pd.DataFrame(columns)

    def moments(self, table: str) -> dict[str, np.ndarray]:
        """All columns of dates of a table in microseconds."""
        if table not in self._moments:
            frame = self.database.frames[table]
            found = {c.name: Field(c).read(frame[c.name]) * c.unit for c in self.known[table].dates}
            self._moments[table] = found
        return self._moments[table]

    def _since(self, table: str, anchor: str) -> np.ndarray | None:
        """The owner's moment that first times are counted from, for each row."""
        link = self.database.ties.owner(table)
        return self.moments(link.parent)[anchor][self.database.place(link)] if anchor and link else None

    def _anchor(self, table: str) -> str:
        relation, link = self.known[table], self.database.ties.owner(table)
        if relation.clock is None or link is None or relation.clock.time.kind not in ("date", "datetime"):
            return ""
        frame = self.database.frames[table]
        order, heads = self.order(table)
        first = order[heads]
        times = relation.clock.units(frame[relation.clock.time.name])[first] * relation.clock.time.unit
        place = self.database.place(link)[first]
        return clocks.anchored(times, {n: m[place] for n, m in self.moments(link.parent).items()})

    def _same_as(self, table: str, link: Link) -> str:
        """The ancestor whose row a reference always is, "" where it is free."""
        at, place = self.database.ties.owner(table), None
        while at is not None:
            above = self.database.place(at)
            place = above if place is None else above[place]
            if at.parent == link.parent and np.array_equal(place, self.database.place(link)):
                return at.parent
            at = self.database.ties.owner(at.parent)
        return ""


def _taken(series: pd.Series, at: np.ndarray) -> pd.Series:
    """A column's cells at places, empty at -1."""
    import pandas as pd

    if (at >= 0).all():
        return series.iloc[at].reset_index(drop=True)
    return (
        pd.Series(series.array.take(at, allow_fill=True))
        if not isinstance(series.dtype, np.dtype)
        else (series.iloc[np.maximum(at, 0)].reset_index(drop=True).where(at >= 0))
    )


def _settings(frame: pd.DataFrame, declared: dict[str, Any]) -> dict[str, Any]:
    return {k: declared[k] for k in ("columns", "rules") if k in declared}
