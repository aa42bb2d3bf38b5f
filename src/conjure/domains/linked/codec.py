"""Linked tables as the rows of their root: what a model of the root draws, and what models of the others make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, ConjureError, DataError
from conjure.domains.linked import laying
from conjure.domains.linked.corpus import as_objects
from conjure.domains.linked.database import LinkedTables, apart, together
from conjure.domains.linked.growing import Growth
from conjure.domains.linked.made import Learnt
from conjure.domains.linked.relation import Relation
from conjure.domains.linked.relations import Relations
from conjure.domains.linked.ties import Ties
from conjure.domains.linked.unlinked import unlinked
from conjure.domains.protocol import Encoded
from conjure.domains.table.codec import TableCodec
from conjure.domains.table.schema import load

if TYPE_CHECKING:
    import pandas as pd

BATCH = 4096  # rows scored at a time
TABLE = ("numbers", "bins", "distinct", "categories", "locale")  # settings that each table's codec takes


class LinkedCodec:
    """P(database) = product over tables, over rows, of P(row | its owner, the row before it).

    The space is that of the root's rows, each with its numbers of children; `decode` draws the children with the
    other tables' models, which were fitted before and are frozen.
    """

    @dataclass(frozen=True)
    class Config(TableCodec.Config):
        """As of a table. schema: [tables.NAME] with key, parents, owner, time, columns, rules; entity, time: columns of
        one table of events; context: the most columns that a row is told of its owner and the row before."""

        entity: str = ""
        time: str = ""
        context: int = 12

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.context < 0:
                raise ConfigError("codec.context is a number of columns, 0 or more")
            if self.time and not self.entity:
                raise ConfigError("codec.time orders the events of an entity: name its column too, codec.entity=COLUMN")

    def __init__(self, config: LinkedCodec.Config, ties: Ties, flat: tuple[str, ...], relations: dict[str, Relation]):
        self.config, self.ties, self.flat, self.relations = config, ties, flat, relations
        self.tables: dict[str, Learnt] = {}
        self.given_space = None

    @classmethod
    def tied(cls, database: LinkedTables, config: LinkedCodec.Config) -> LinkedCodec:
        """What each table's rows are told, from training tables; no table is learnt yet. DataError, ConfigError."""
        if config.numbers != "bins":
            raise ConfigError(
                "linked tables need a family that can be given columns: fit a circuit or columns model "
                "(codec.numbers=bins)"
            )
        found = Relations.learn(database, declared(config, database), config.context)
        return cls(config, database.ties, database.flat, found.known)

    def frames(self, database: LinkedTables) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
        """(table, codec settings, what its model learns from): the root last, the others in order."""
        relations = Relations(database, self.relations)
        for table in [t for t in self.ties.tables if t != self.ties.root] + [self.ties.root]:
            yield table, self.settings(table), relations.frame(table)

    def settings(self, table: str) -> dict[str, Any]:
        """The codec settings of one table."""
        given = self.relations[table].declared
        schema = {"columns": given.get("columns", {}), "rules": list(given.get("rules", ()))}
        return {**{k: getattr(self.config, k) for k in TABLE}, "schema": schema}

    def having(self, table: str, codec: TableCodec, model: Any) -> None:
        """Take the codec and the model of a table."""
        model.eval().requires_grad_(False)
        self.tables[table] = Learnt(self.relations[table], codec, model)

    def root(self, codec: TableCodec) -> None:
        """Take the codec of the root's rows, whose model is the artifact's own."""
        self.front, self.space = codec, codec.space

    def learn(self, database: LinkedTables) -> LinkedCodec:
        """The codec of the root's rows, from training tables."""
        root = self.ties.root
        frame = Relations(database, self.relations).frame(root)
        self.root(TableCodec.learn(frame, fill(TableCodec.Config, self.settings(root), "codec")))
        return self

    @property
    def notes(self) -> list[str]:
        """What a user should know of columns that are not modelled as they are, table by table."""
        codecs = {t: k.codec for t, k in self.tables.items()} | {self.ties.root: self.front}
        mine = {t: set(self.relations[t].own) for t in codecs}
        return [
            f"Table {t!r}: {note}."
            for t, codec in codecs.items()
            for note in codec.notes
            if any(repr(n) in note for n in mine[t])
        ]

    def describe(self) -> str:
        """The root's columns; those of the other tables were shown when they were fitted."""
        return f"table {self.ties.root}\n{self.front.describe()}"

    def adapt(self, database: LinkedTables) -> LinkedTables:
        """Held-out data, in which values that training never had are replaced when it is encoded."""
        return replace(self.own(database), lenient=True)

    def encode(self, database: LinkedTables) -> Encoded:
        """Codes (B, K) of the root's rows, each with its numbers of children."""
        database = self.own(database)
        return self.front.encode(self._frame(self._relations(database), self.ties.root, self.front, database.lenient))

    def decode(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Any:
        """A DataFrame a table by name (of a table of events that table alone): the root's rows and all below them."""
        rng = rng or torch.Generator().manual_seed(0)
        root, asked = self.ties.root, self._asked(given or {})
        mine = asked.get(root, {})
        growth = Growth(self.ties, {**self.tables, root: Learnt(self.relations[root], self.front, None)}, rng)  # type: ignore[arg-type]
        for table in self.ties.tables:
            link = self.ties.owner(table)
            if table == root:
                growth.root(table, self.front.apart(self.front.drawn(x, rng, mine), growth.source, mine), len(x))
            elif link is None:
                wanted = asked.get(table, {})
                growth.free(table, len(x), self.tables[table].codec.condition(wanted, 1), wanted)
            else:
                growth.children(table, link)
        return as_objects(LinkedTables(growth.frames(), self.ties, self.flat))

    def fits(self, x: Tensor, rng: torch.Generator, given: dict[str, Any]) -> np.ndarray | None:
        """Root rows that meet conditions on columns that a rule computes; None without such conditions."""
        return self.front.fits(x, rng, self._asked(given).get(self.ties.root, {}))

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Evidence on the root's codes from words on `table.column` (or a column of the root alone)."""
        return self.front.condition(self._asked(given).get(self.ties.root, {}), n)

    def log_prob(self, model: Any, database: LinkedTables) -> Tensor:
        """log P(a root's row and all rows below it) in nats, (rows of the root,).

        Of a reference to a parent that does not own the row, what is told of that parent counts, not which of like
        ones it is. Tables of other roots are given, and count for nothing.
        """
        database = self.own(database)
        relations = self._relations(database)
        total = np.zeros(len(database))
        for table in self.ties.tree(self.ties.root):
            learnt = Learnt(self.relations[table], self.front, model) if table == self.ties.root else self.tables[table]
            frame = self._frame(relations, table, learnt.codec, database.lenient)
            np.add.at(total, database.rooted(table), _nats(learnt, frame))
        return torch.from_numpy(total)

    def unlinked(self, n: int, seed: int) -> Any:
        """n rows of the root and all tables beside it with every column by itself and parents at random."""
        return as_objects(unlinked(self, n, seed))

    def own(self, objects: Any) -> LinkedTables:
        """Tables as they are read or made (or the table of events) as a database with the ties of training."""
        if isinstance(objects, LinkedTables):
            if not self.flat:
                return objects.under(self.ties)
            return replace(self.own(together(objects)), lenient=objects.lenient)
        if not self.flat:
            return LinkedTables(objects, self.ties)
        root, child = self.ties.root, next(t for t in self.ties.tables if t != self.ties.root)
        constant = tuple(c for c in self.relations[root].columns if c != root)
        if lost := [c for c in self.flat if c not in objects.columns]:
            raise DataError(f"the table has no column {lost[0]!r}, which training had")
        made = apart(objects[list(self.flat)], child, root, self.ties.times.get(child, ""), constant)
        return replace(made, ties=self.ties)

    @property
    def judging(self) -> dict[str, Any]:
        """How a report lays made and real tables side by side."""
        return {"lay": lambda objects: laying.lay(self, self.own(objects)), **laying.kinds(self)}

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "ties": self.ties.state(),
            "flat": list(self.flat),
            "relations": {t: r.state() for t, r in self.relations.items()},
            "root": self.front.state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], tables: dict[str, tuple[TableCodec, Any]]) -> LinkedCodec:
        relations = {t: Relation.from_state(r) for t, r in state["relations"].items()}
        config = fill(cls.Config, state["config"], "codec")
        made = cls(config, Ties.from_state(state["ties"]), tuple(state["flat"]), relations)
        if missing := [t for t in made.ties.tables if t not in tables and t != made.ties.root]:
            raise DataError(f"the table {missing[0]!r} is missing")
        for table, (codec, model) in tables.items():
            made.having(table, codec, model)
        made.root(TableCodec.from_state(state["root"]))
        return made

    def _relations(self, database: LinkedTables) -> Relations:
        for table, relation in self.relations.items():
            there = [str(c) for c in database.frames[table].columns]
            if lost := [c for c in relation.columns if c not in there]:
                raise DataError(
                    f"table {table!r} has no column {lost[0]!r}, which training had: {nearest(lost[0], there)}"
                )
        return Relations(database, self.relations)

    def _frame(self, relations: Relations, table: str, codec: TableCodec, lenient: bool) -> pd.DataFrame:
        frame = relations.frame(table)
        return codec.adapt(frame) if lenient else frame

    def _asked(self, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Conditions by table; ConfigError for one on a table whose rows are drawn below others."""
        out: dict[str, dict[str, Any]] = {}
        for word, wanted in given.items():
            table, dot, column = word.partition(".")
            if not dot or table not in self.ties.tables or word in self.front.fields:
                table, column = self.ties.root, word
            if table not in self.ties.roots:
                raise ConfigError(
                    f"conditions are on the root ({', '.join(self.ties.roots)}); rows of {table!r} are drawn below "
                    f"{self.ties.owner(table).parent!r}"  # type: ignore[union-attr]
                )
            out.setdefault(table, {})[column] = wanted
        return out


def declared(config: LinkedCodec.Config, database: LinkedTables) -> dict[str, Any]:
    """What is declared of columns and rules, by table."""
    schema = load(config.schema, several=not database.flat)
    if not database.flat:
        if config.rules:
            raise ConfigError("rules of linked tables are by table: [tables.NAME] rules = [...] in a schema file")
        return schema.get("tables", {})
    own, events = database.ties.tables
    columns, rules = schema.get("columns", {}), [*schema.get("rules", ()), *config.rules]
    by = {t: {"columns": {n: c for n, c in columns.items() if n in database.frames[t].columns}} for t in (own, events)}
    if lost := [n for n in columns if n not in database.flat]:
        raise ConfigError(
            f"the schema names a column {lost[0]!r} that the table lacks: {nearest(lost[0], database.flat)}"
        )
    by[own]["columns"].pop(own, None)
    for table in by:
        by[table]["columns"].pop(own, None)
        by[table]["rules"] = [] if table == own else rules
    return by


@torch.no_grad()
def _nats(learnt: Learnt, frame: pd.DataFrame) -> np.ndarray:
    """log P(row | what it is told), (rows,)."""
    codec, model, relation = learnt.codec, learnt.model, learnt.relation
    try:
        x = codec.encode(frame).x
    except ConjureError as error:
        raise type(error)(f"table {relation.table!r}: {error}") from None
    known = torch.tensor([v.name in relation.context for v in codec.plan.variables])
    names = {v.name for v in codec.plan.variables if v.name not in relation.told}
    parts = []
    for rows in x.split(BATCH):
        nats = model.log_prob(rows).double()
        if known.any():
            nats = nats - model.log_prob(rows, mask=known.expand(len(rows), -1)).double()
        parts.append(nats.numpy())
    return np.concatenate(parts) + codec.log_density(frame, names)
