"""What ties tables together: primary and foreign keys, whose rows are drawn for whom, and time; declared or found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.linked import keys
from conjure.domains.table import cells

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = ("key", "parents", "owner", "time", "columns", "rules")
LOOKED_AT = 2_000  # rows that tell whether a column holds moments


@dataclass(frozen=True)
class Link:
    """A foreign key: `column` of `child` refers to the primary key of `parent`; `gaps` says that cells may be empty."""

    child: str
    column: str
    parent: str
    found: bool = False
    gaps: bool = False


@dataclass(frozen=True)
class Ties:
    """`tables` come after those they refer to. `owners` names, table by table, the foreign key along which its rows are
    drawn, parent by parent; a table without one is a root. `times` orders an owner's rows."""

    tables: tuple[str, ...]
    keys: dict[str, str]
    links: tuple[Link, ...]
    owners: dict[str, str]
    times: dict[str, str]
    root: str = ""

    def of(self, child: str) -> list[Link]:
        """The foreign keys of a table."""
        return [link for link in self.links if link.child == child]

    def owner(self, table: str) -> Link | None:
        """The link along which a table's rows are drawn."""
        return next((k for k in self.of(table) if k.column == self.owners.get(table)), None)

    def matched(self, table: str) -> list[Link]:
        """The other links, whose parents are chosen among rows already drawn."""
        return [link for link in self.of(table) if link.column != self.owners.get(table)]

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
            said = [f"key {self.keys[table]}"] if self.keys[table] else ["no key"]
            for link in self.of(table):
                how = "" if link.column == self.owners.get(table) else ", matched"
                told = ", found by name and values" if link.found else ""
                said.append(f"{link.column} -> {link.parent}.{self.keys[link.parent]}{how}{told}")
            said += [f"in order of {self.times[table]}"] if table in self.times else []
            lines.append(f"table {table}: {'; '.join(said)}" + (" (root)" if table == self.root else ""))
        return "\n".join(lines)

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Ties:
        links = tuple(Link(**link) for link in state["links"])
        return cls(**{**state, "tables": tuple(state["tables"]), "links": links})


def tie(frames: dict[str, pd.DataFrame], declared: dict[str, Any]) -> Ties:
    """From what is declared, {table: settings}, and otherwise from names and values.

    ConfigError for a declaration of what is not there, DataError for keys that are empty, repeated or orphans, and for
    tables that refer to each other in a circle.
    """
    _known(frames, declared)
    named = {
        t: declared.get(t, {}).get("key") or keys.primary(t, f) or keys.shared(t, frames) for t, f in frames.items()
    }
    for table, settings in declared.items():
        if "key" in settings:
            keys.check_primary(table, settings["key"], frames[table])
    links = []
    for table, frame in frames.items():
        settings = declared.get(table, {})
        if "parents" in settings:
            links += _declared(table, settings["parents"], named, frames)
        else:
            links += _found(table, frame, named, frames)
    if len(frames) > 1 and not links:
        raise DataError(
            f"no column of the tables {', '.join(frames)} was found to refer to another's key: declare "
            "[tables.CHILD] parents = { column = 'PARENT' } in a schema file (codec.schema=FILE)"
        )
    links = [replace(k, gaps=bool(frames[k.child][k.column].isna().any())) for k in links]
    order = _ordered(list(frames), links)
    owners = {t: o for t in order if (o := _owner(t, links, declared.get(t, {}).get("owner")))}
    ties = Ties(tuple(order), named, tuple(links), owners, {})
    times = {t: w for t in owners if (w := _time(t, frames[t], ties, declared.get(t, {}).get("time")))}
    sizes = {r: sum(len(frames[t]) for t in ties.tree(r)) for r in ties.roots}
    return replace(ties, times=times, root=max(sizes, key=lambda r: sizes[r]))


def _known(frames: dict[str, pd.DataFrame], declared: dict[str, Any]) -> None:
    for table, settings in declared.items():
        if table not in frames:
            raise ConfigError(f"the schema names a table {table!r} that is not there: {nearest(table, list(frames))}")
        if not isinstance(settings, dict):
            raise ConfigError(f"[tables.{table}] in the schema is a group of settings, not a value")
        for key in settings:
            if key not in SETTINGS:
                raise ConfigError(f"unknown key {key!r} in the schema of table {table!r}: {nearest(key, SETTINGS)}")
        named = [settings.get("key"), settings.get("time"), settings.get("owner"), *settings.get("parents", {})]
        for column in filter(None, named):
            if not isinstance(column, str):
                raise ConfigError(f"the schema of table {table!r} names a column {column!r}; a key is one column")
            _there(table, column, frames)


def _there(table: str, column: str, frames: dict[str, pd.DataFrame]) -> None:
    names = [str(n) for n in frames[table].columns]
    if column not in names:
        raise ConfigError(f"table {table!r} has no column {column!r}, which the schema names: {nearest(column, names)}")


def _declared(
    child: str, parents: dict[str, str], named: dict[str, str], frames: dict[str, pd.DataFrame]
) -> list[Link]:
    links = []
    for column, target in parents.items():
        parent, dot, key = target.partition(".")
        if target in frames:
            parent, dot = target, ""
        if parent not in frames:
            raise ConfigError(
                f"{child}.{column} is declared to refer to {parent!r}, which is no table: "
                f"{nearest(parent, list(frames))}"
            )
        if dot:
            _there(parent, key, frames)
            if named[parent] and named[parent] != key:
                raise ConfigError(f"table {parent!r} has the key {named[parent]!r}; {child}.{column} refers to {key!r}")
            keys.check_primary(parent, key, frames[parent])
            named[parent] = key
        if not named[parent]:
            raise ConfigError(f"{child}.{column} refers to {parent!r}, which has no key: [tables.{parent}] key = ...")
        links.append(Link(child, column, parent))
    return links


def _found(child: str, frame: pd.DataFrame, named: dict[str, str], frames: dict[str, pd.DataFrame]) -> list[Link]:
    """Columns named after another table (or its key) most of whose values stand there."""
    links = []
    for column in map(str, frame.columns):
        fits = [
            parent
            for parent, key in named.items()
            if parent != child
            and key
            and keys.spelt(column) in keys.names_for(parent, key)
            # Two tables with the same key: the one whose key bears its own name is the parent.
            and not (column == named[child] and keys.spelt(column) in keys.own_names(child))
            and keys.refers(frame[column], frames[parent][key])
        ]
        if len(fits) > 1:
            raise DataError(
                f"{child}.{column} may refer to {' or '.join(fits)}: say which, "
                f"[tables.{child}] parents = {{ {column} = '{fits[0]}' }} in a schema file"
            )
        links += [Link(child, column, parent, found=True) for parent in fits]
    return links


def _ordered(tables: list[str], links: list[Link]) -> list[str]:
    """Tables after those they refer to; DataError names a circle."""
    order: list[str] = []

    def visit(table: str, path: list[str]) -> None:
        if table in path:
            circle = " -> ".join([*path[path.index(table) :], table])
            raise DataError(
                f"tables refer to each other in a circle, {circle}: declare the parents of one of them without that "
                "column ([tables.TABLE] parents = { ... })"
            )
        if table not in order:
            for link in links:
                if link.child == table:
                    visit(link.parent, [*path, table])
            order.append(table)

    for table in tables:
        visit(table, [])
    return order


def _owner(table: str, links: list[Link], declared: str | None) -> str:
    """The foreign key along which rows are drawn: as declared, else the first that no row leaves empty."""
    own = [link for link in links if link.child == table]
    if declared:
        chosen = [link for link in own if link.column == declared]
        if not chosen:
            raise ConfigError(f"{table}.{declared} is declared its owner but refers to no table")
        if chosen[0].gaps:
            raise DataError(f"{table}.{declared} is declared its owner but some rows leave it empty")
        return declared
    return next((link.column for link in own if not link.gaps), "")


def _time(table: str, frame: pd.DataFrame, ties: Ties, declared: str | bool | None) -> str:
    """The column that orders a parent's rows: as declared, else the only one of dates."""
    if declared is not None:
        return declared or ""
    taken = {ties.keys[table], *(link.column for link in ties.of(table))}
    moments = [n for n in map(str, frame.columns) if n not in taken and _moment(n, frame)]
    return moments[0] if len(moments) == 1 and not frame[moments[0]].isna().any() else ""


def _moment(name: str, frame: pd.DataFrame) -> bool:
    head = frame[name].iloc[:LOOKED_AT]
    if head.dtype.kind == "M":
        return True
    if head.dtype.kind in "biuf":
        return False
    form = cells.moment_form(name, cells.plain(head, mixed_allowed=True).dropna())
    return bool(form and "%Y" in form)
