"""Finding what ties tables together: by what is declared, and otherwise by names and values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.linked import composite, keys
from conjure.domains.linked.ties import Link, Ties
from conjure.domains.table import cells

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = ("key", "parents", "owner", "time", "columns", "rules")
LOOKED_AT = 2_000  # rows that tell whether a column holds moments
Keys = dict[str, tuple[str, ...]]


def tie(frames: dict[str, pd.DataFrame], declared: dict[str, Any]) -> Ties:
    """From what is declared, {table: settings}, and otherwise from names and values.

    ConfigError for a declaration of what is not there, DataError for keys that are empty, repeated or orphans, and for
    tables that refer to each other in a circle.
    """
    _known(frames, declared)
    named = {t: _key(t, frames, declared.get(t, {})) for t in frames}
    links: list[Link] = []
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
    links = composite.direct(links, named)
    links = [replace(k, gaps=bool(frames[k.child][list(k.columns)].isna().to_numpy().any())) for k in links]
    for table, frame in frames.items():
        if not named[table] and "key" not in declared.get(table, {}):
            named[table] = composite.counted(frame, [k for k in links if k.child == table and not k.gaps])
    order = _ordered(list(frames), links)
    wanted = {t: _columns(t, s["owner"], frames) for t, s in declared.items() if s.get("owner")}
    owners = {t: o for t in order if (o := _owner(t, (links, named[t]), wanted.get(t, ())))}
    counters = {
        t: c for t in order if (c := composite.counter(frames[t], named[t], [k for k in links if k.child == t]))
    }
    ties = Ties(tuple(order), named, tuple(links), owners, {}, counters=counters)
    composite.check_shared(ties)
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
        named = [settings.get("key"), settings.get("owner"), *settings.get("parents", {})]
        for word in filter(None, named):
            _columns(table, word, frames)
        if time := settings.get("time"):
            if not isinstance(time, str):
                raise ConfigError(f"the schema of table {table!r} names a time {time!r}: it is one column")
            _there(table, time, frames)


def _columns(table: str, named: Any, frames: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    """The columns of a key as a schema names it: a column, several with commas between, or a list of columns."""
    if isinstance(named, str):
        named = [named] if named in frames[table].columns else [word.strip() for word in named.split(",")]
    if not isinstance(named, (list, tuple)) or not all(isinstance(word, str) for word in named):
        raise ConfigError(
            f"the schema of table {table!r} names a key {named!r}; a key is a column or a list of columns"
        )
    for column in named:
        _there(table, column, frames)
    if len(set(named)) < len(named):
        raise ConfigError(f"the schema of table {table!r} names a column twice in the key {', '.join(named)}")
    return tuple(named)


def _there(table: str, column: str, frames: dict[str, pd.DataFrame]) -> None:
    names = [str(n) for n in frames[table].columns]
    if column not in names:
        raise ConfigError(f"table {table!r} has no column {column!r}, which the schema names: {nearest(column, names)}")


def _key(table: str, frames: dict[str, pd.DataFrame], settings: dict[str, Any]) -> tuple[str, ...]:
    """The primary key: as declared, by its name, or by the name under which another table repeats it; () without."""
    if "key" in settings:
        if not settings["key"]:
            return ()
        key = _columns(table, settings["key"], frames)
        keys.check_primary(table, key, frames[table])
        return key
    if single := keys.primary(table, frames[table]) or keys.shared(table, frames):
        return (single,)
    return composite.shared(table, frames)


def _declared(child: str, parents: dict[str, str], named: Keys, frames: dict[str, pd.DataFrame]) -> list[Link]:
    links = []
    for word, target in parents.items():
        columns = _columns(child, word, frames)
        parent, dot, key = target.partition(".")
        if target in frames:
            parent, dot = target, ""
        if parent not in frames:
            raise ConfigError(
                f"{child}.{word} is declared to refer to {parent!r}, which is no table: {nearest(parent, list(frames))}"
            )
        if not dot and not named[parent] and set(columns) <= set(map(str, frames[parent].columns)):
            dot, key = ".", word  # called alike in both
        if dot:
            meant = _columns(parent, key, frames)
            if named[parent] and set(named[parent]) != set(meant):
                raise ConfigError(
                    f"table {parent!r} has the key {keys.called(named[parent])!r}; {child}.{word} refers to {key!r}"
                )
            keys.check_primary(parent, meant, frames[parent])
            columns = _in_order(columns, meant, named[parent])
            named[parent] = named[parent] or meant
        elif len(columns) > 1 and set(columns) == set(named[parent]):
            columns = named[parent]
        if not named[parent]:
            raise ConfigError(f"{child}.{word} refers to {parent!r}, which has no key: [tables.{parent}] key = ...")
        if len(columns) != len(named[parent]):
            raise ConfigError(
                f"{child}.{word} is {len(columns)} columns but the key of {parent!r}, {keys.called(named[parent])}, "
                f"has {len(named[parent])}: a reference has a column for each"
            )
        links.append(Link(child, columns, parent))
    return links


def _in_order(columns: tuple[str, ...], meant: tuple[str, ...], key: tuple[str, ...]) -> tuple[str, ...]:
    """Columns that refer to `meant`, part by part, in the order of the key."""
    if len(columns) != len(meant) or not key:
        return columns
    return tuple(columns[meant.index(part)] for part in key)


def _found(child: str, frame: pd.DataFrame, named: Keys, frames: dict[str, pd.DataFrame]) -> list[Link]:
    """Columns named after another table (or its key) most of whose values stand there."""
    links = [
        Link(child, key, parent, found=True)
        for parent, key in named.items()
        if len(key) > 1 and composite.refers((child, frame), (parent, frames[parent]), named)
    ]
    for column in map(str, frame.columns):
        fits = [
            parent
            for parent, key in named.items()
            if parent != child
            and len(key) == 1
            and keys.spelt(column) in keys.names_for(parent, key[0])
            # Two tables with the same key: the one whose key bears its own name is the parent.
            and not ((column,) == named[child] and keys.spelt(column) in keys.own_names(child))
            and keys.refers(frame[column], frames[parent][key[0]])
        ]
        if len(fits) > 1:
            raise DataError(
                f"{child}.{column} may refer to {' or '.join(fits)}: say which, "
                f"[tables.{child}] parents = {{ {column} = '{fits[0]}' }} in a schema file"
            )
        links += [Link(child, (column,), parent, found=True) for parent in fits]
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


def _owner(table: str, tied: tuple[list[Link], tuple[str, ...]], declared: tuple[str, ...]) -> str:
    """The foreign key along which rows are drawn: as declared, else one in the table's own key of several columns, else
    the first; none that a row leaves empty."""
    links, key = tied
    own = [link for link in links if link.child == table]
    if declared:
        chosen = [k for k in own if set(k.columns) == set(declared)]
        if not chosen:
            wider = [k.column for k in own if set(declared) < set(k.columns)]
            said = f"but {wider[0]} tells more: declare that" if wider else "but refers to no table"
            raise ConfigError(f"{table}.{keys.called(declared)} is declared its owner {said}")
        if chosen[0].gaps:
            raise DataError(f"{table}.{keys.called(declared)} is declared its owner but some rows leave it empty")
        return chosen[0].column
    full = sorted((k for k in own if not k.gaps), key=lambda k: not (len(key) > 1 and set(k.columns) <= set(key)))
    return full[0].column if full else ""


def _time(table: str, frame: pd.DataFrame, ties: Ties, declared: str | bool | None) -> str:
    """The column that orders a parent's rows: as declared, else the only one of dates, else a number in the key."""
    if declared is not None:
        return declared or ""
    anew = ties.anew(table)
    moments = [n for n in map(str, frame.columns) if n not in anew and _moment(n, frame)]
    if len(moments) == 1 and not frame[moments[0]].isna().any():
        return moments[0]
    rest = [c for c in ties.keys[table] if c not in anew]
    return rest[0] if len(rest) == 1 and not moments and frame[rest[0]].dtype.kind in "iu" else ""


def _moment(name: str, frame: pd.DataFrame) -> bool:
    head = frame[name].iloc[:LOOKED_AT]
    if head.dtype.kind == "M":
        return True
    if head.dtype.kind in "biuf":
        return False
    form = cells.moment_form(name, cells.plain(head, mixed_allowed=True).dropna())
    return bool(form and "%Y" in form)
