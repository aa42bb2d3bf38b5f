"""Tables laid out for a judge: each by itself, each row beside its parents' and the one before, numbers of children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conjure.domains.linked import checks
from conjure.domains.linked.relation import BEFORE
from conjure.domains.linked.relations import Relations
from conjure.domains.table.fields import Field

if TYPE_CHECKING:
    from conjure.domains.linked.codec import LinkedCodec
    from conjure.domains.linked.database import LinkedTables


def kinds(codec: LinkedCodec) -> dict[str, Any]:
    """What the judge is told of columns: `tables` and `joined`, each table -> (kinds, forms); `across`, the pairs."""
    tables = {t: _told({**_fixed(codec, t), **_fields(codec, t, timed=True)}) for t in codec.ties.tables}
    joined, across = {}, {}
    for table in codec.ties.tables:
        groups = _pairs(codec, table)
        if groups:
            across[table] = groups
            names = {n for pairs in groups.values() for pair in pairs for n in pair}
            joined[table] = _told({n: _field(codec, table, n) for n in names})
    return {"tables": tables, "joined": joined, "across": across}


def lay(codec: LinkedCodec, database: LinkedTables) -> dict[str, Any]:
    """`tables` and `joined` frames by table, `owners` of their rows, `numbers` of children by what they are called,
    `integrity` in [0, 1]."""
    relations = Relations(database, codec.relations)
    joined = {}
    for table in codec.ties.tables:
        own = list(_fields(codec, table, timed=False))
        named = {n for pairs in _pairs(codec, table).values() for pair in pairs for n in pair}
        if named:
            joined[table] = relations.wide(table, sorted(named - set(own)))
    whole = checks.integrity(database.frames, database.ties)
    return {
        "tables": database.frames,
        "joined": joined,
        "owners": {t: database.place(link) for t in joined if (link := codec.ties.owner(t))},
        "numbers": {_called(codec, k): database.numbers(k.child, k) for k in codec.ties.links},
        "integrity": min(whole.values(), default=1.0),
    }


def _called(codec: LinkedCodec, link: Any) -> str:
    twice = sum((k.child, k.parent) == (link.child, link.parent) for k in codec.ties.links) > 1
    return f"{link.child} a {link.parent} row" + (f" by {link.column}" if twice else "")


def _pairs(codec: LinkedCodec, table: str) -> dict[str, list[tuple[str, str]]]:
    """Pairs of columns by what they say: a parent's with the row's own, the row's own with those of the row before."""
    own = list(_fields(codec, table, timed=False))
    groups: dict[str, list[tuple[str, str]]] = {}
    for link in codec.ties.of(table):
        above = list(_fields(codec, link.parent, timed=False))
        counts = codec.relations[link.parent].counts
        above = [n for n in above if n not in counts]
        if own and above:
            groups[f"{table} with {link.parent} ({link.column})"] = [
                (f"{link.column}.{a}", b) for a in above for b in own
            ]
    relation = codec.relations[table]
    if own and codec.ties.owner(table) and (relation.clock or relation.lagged):
        first = relation.clock.first if relation.clock else ""
        now = [n for n in own if n != first]
        groups[f"{table}, row after row"] = [(BEFORE + a, b) for a in now for b in now]
    return groups


def _fields(codec: LinkedCodec, table: str, *, timed: bool) -> dict[str, Field]:
    """The learnt columns of a table: as its model has them, or with times as they are."""
    learnt = codec.front if table == codec.ties.root else codec.tables[table].codec
    relation = codec.relations[table]
    if not timed:
        return {n: learnt.fields[n] for n in relation.own if n in learnt.fields and n not in relation.counts}
    clock = relation.clock
    found = {n: f for n, f in learnt.fields.items() if n in relation.columns}
    return found | ({c.name: Field(c) for c in (clock.time, *clock.spans)} if clock else {})


def _fixed(codec: LinkedCodec, table: str) -> dict[str, Field]:
    """Columns that are made anew, keys among them: told, so that they are not judged."""
    learnt = codec.front if table == codec.ties.root else codec.tables[table].codec
    plain = next(iter(learnt.fields.values())).column
    return {n: Field(replace(plain, name=n, kind="id", form="")) for n in codec.ties.anew(table)} | {
        c.name: Field(c) for c in learnt.schema.columns if not c.learnt
    }


def _field(codec: LinkedCodec, table: str, name: str) -> Field:
    own = _fields(codec, table, timed=False)
    if name in own:
        return own[name]
    if name.startswith(BEFORE) and name.removeprefix(BEFORE) in own:
        return own[name.removeprefix(BEFORE)]
    link = next(k for k in codec.ties.of(table) if name.startswith(f"{k.column}."))
    return _field(codec, link.parent, name.removeprefix(f"{link.column}."))


def _told(fields: dict[str, Field]) -> tuple[dict[str, str], dict[str, str]]:
    return {n: f.column.kind for n, f in fields.items()}, {n: f.column.form for n, f in fields.items()}
