"""What ties tables together: primary and foreign keys, whose rows are drawn for whom, and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from conjure.domains.linked import keys


@dataclass(frozen=True)
class Link:
    """A foreign key: `columns` of `child` refer to the primary key of `parent`, part by part; `gaps` says that cells
    may be empty."""

    child: str
    columns: tuple[str, ...]
    parent: str
    found: bool = False
    gaps: bool = False

    @property
    def column(self) -> str:
        """What the key is called: its column, or its columns with commas between."""
        return keys.called(self.columns)


@dataclass(frozen=True)
class Ties:
    """`tables` come after those they refer to. `keys` are the columns of primary keys, () without one. `owners` names,
    table by table, the foreign key along which its rows are drawn, parent by parent; a table without one is a root.
    `times` orders an owner's rows. `counters` are parts of a key that number the rows alike in the others."""

    tables: tuple[str, ...]
    keys: dict[str, tuple[str, ...]]
    links: tuple[Link, ...]
    owners: dict[str, str]
    times: dict[str, str]
    root: str = ""
    counters: dict[str, str] = field(default_factory=dict)

    def of(self, child: str) -> list[Link]:
        """The foreign keys of a table."""
        return [link for link in self.links if link.child == child]

    def owner(self, table: str) -> Link | None:
        """The link along which a table's rows are drawn."""
        return next((k for k in self.of(table) if k.column == self.owners.get(table)), None)

    def matched(self, table: str) -> list[Link]:
        """The other links, whose parents are chosen among rows already drawn."""
        return [link for link in self.of(table) if link.column != self.owners.get(table)]

    def shared(self, link: Link) -> list[tuple[str, Link]]:
        """Columns of a reference with another of the table, settled before, that has them too: both mean rows that
        agree in them."""
        order = sorted(self.of(link.child), key=lambda k: k.column != self.owners.get(link.child))
        before = order[: order.index(link)]
        return [
            (c, next(k for k in before if c in k.columns)) for c in link.columns if any(c in k.columns for k in before)
        ]

    def origin(self, table: str, column: str) -> tuple[str, str]:
        """The table and the column that a column's values come from, reference by reference."""
        for link in self.of(table):
            if column in link.columns:
                return self.origin(link.parent, self.keys[link.parent][link.columns.index(column)])
        return table, column

    def anew(self, table: str) -> set[str]:
        """Columns that are written from keys and never learnt: references, a key of one column, a counter."""
        key = self.keys[table]
        own = {*key} if len(key) == 1 else {*filter(None, [self.counters.get(table)])}
        return own.union(*(link.columns for link in self.of(table)))

    def tree(self, root: str) -> list[str]:
        """A root and all tables whose rows are drawn below it, parents first."""
        kept = [root]
        for table in self.tables:
            if (link := self.owner(table)) and link.parent in kept:
                kept.append(table)
        return kept

    @property
    def roots(self) -> list[str]:
        return [t for t in self.tables if t not in self.owners]

    def describe(self) -> str:
        """What was declared or found, a line a table."""
        lines = []
        for table in self.tables:
            said = [f"key {keys.called(self.keys[table])}"] if self.keys[table] else ["no key"]
            for link in self.of(table):
                how = "" if link.column == self.owners.get(table) else ", matched"
                told = ", found by name and values" if link.found else ""
                said.append(f"{link.column} -> {link.parent}.{keys.called(self.keys[link.parent])}{how}{told}")
            said += [f"{self.counters[table]} counted"] if table in self.counters else []
            said += [f"in order of {self.times[table]}"] if table in self.times else []
            lines.append(f"table {table}: {'; '.join(said)}" + (" (root)" if table == self.root else ""))
        return "\n".join(lines)

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Ties:
        links = tuple(Link(**{**link, "columns": tuple(link["columns"])}) for link in state["links"])
        kept = {t: tuple(key) for t, key in state["keys"].items()}
        return cls(**{**state, "tables": tuple(state["tables"]), "keys": kept, "links": links})
