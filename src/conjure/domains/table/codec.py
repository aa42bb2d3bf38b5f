"""Rows of a table to codes and back, and what a condition on columns means for the codes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Columns
from conjure.domains.protocol import Encoded
from conjure.domains.table import cells, coding, people, words, writing
from conjure.domains.table.binning import Allowed
from conjure.domains.table.derived import Arrays, Asked
from conjure.domains.table.fields import Field
from conjure.domains.table.keys import Redraw, Supply, make_unique
from conjure.domains.table.normal import NormalScores
from conjure.domains.table.plan import Plan
from conjure.domains.table.rules import Unique
from conjure.domains.table.schema import Schema, load

if TYPE_CHECKING:
    import pandas as pd


class TableCodec:
    """Every column as codes ("bins"), or numbers as normal scores beside codes for the rest ("values")."""

    @dataclass(frozen=True)
    class Config:
        """bins: codes for the values of a number that are not common; distinct: up to so many values get a code
        each; categories: most codes of a category, rarer values sharing the last eighth; schema: a TOML file or a dict;
        locale: whose names and addresses Faker makes.
        """

        FILES = ("schema",)
        numbers: Literal["bins", "values"] = "bins"
        bins: int = 64
        distinct: int = 256
        categories: int = 1000
        schema: str | dict[str, Any] | None = None
        rules: tuple[str, ...] = ()
        locale: str = people.LOCALE

        def __post_init__(self) -> None:
            if self.bins < 2 or self.distinct < 2 or self.categories < 8:
                raise ConfigError("codec.bins and codec.distinct are at least 2, codec.categories at least 8")
            people.check_locale(self.locale)

    def __init__(self, config: TableCodec.Config, schema: Schema, parts: dict[str, Any]):
        self.config, self.schema = config, schema
        self.fields: dict[str, Field] = parts["fields"]
        self.coders: dict[str, coding.Coder] = parts["coders"]
        self.fixed: dict[str, Any] = parts["fixed"]  # patterns of ids, values of constants
        self.plan: Plan = parts["plan"]
        spans = [self.coders[v.name].columns(v.name, v.listed) for v in self.plan.variables]
        self.space = Columns(tuple(column for span in spans for column in span))
        self.firsts = np.cumsum([0, *map(len, spans)])  # where each variable's columns start
        self.given_space = None

    @classmethod
    def learn(cls, frame: pd.DataFrame, config: TableCodec.Config) -> TableCodec:
        """Kinds, values and bins from training rows; DataError for a table that nothing can be learnt from."""
        if len(frame) < 2:
            raise DataError(f"the table has {len(frame)} row; at least 2 are needed to learn from")
        declared = load(config.schema)
        schema = Schema.infer(frame, declared | {"rules": [*declared.get("rules", ()), *config.rules]})
        learnt = [c for c in schema.columns if c.learnt]
        if not learnt:
            kinds = ", ".join(f"{c.name!r} is {c.kind}" for c in schema.columns[:4])
            raise DataError(f"no column is left to learn from: {kinds}")
        fields = {c.name: Field.learn(c, frame[c.name]) for c in learnt}
        fixed = {
            c.name: writing.aside(c, frame[c.name], config.locale) for c in schema.columns if c.kind in writing.ASIDE
        }
        columns = {n: f.read(frame[n]) for n, f in fields.items()}
        plan = Plan.learn(fields, schema, columns, cells.rows(frame))
        arrays = plan.forward(columns, cells.rows(frame))
        coders = {
            v.name: coding.learn(v.name, arrays[v.name], config, listed=v.listed, grid=v.grid) for v in plan.variables
        }
        return cls(config, schema, {"fields": fields, "coders": coders, "fixed": fixed, "plan": plan})

    @property
    def notes(self) -> list[str]:
        """What a user should know about columns that are not modelled as they are."""
        return self.schema.notes(self.fixed)

    def describe(self) -> str:
        return self.schema.describe()

    def encode(self, frame: pd.DataFrame) -> Encoded:
        """Codes (B, K) int64, beside scores float32; DataError names the column, row and value new to training."""
        arrays = self._arrays(frame)
        x = np.column_stack([self.coders[v.name].encode(arrays[v.name]) for v in self.plan.variables])
        return Encoded(torch.from_numpy(x if self.space.discrete else x.astype(np.float32)))

    def adapt(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Held-out rows with what training never had replaced: a category by the rarest, no value by a middle one."""
        out = frame.copy()
        for name, field in self.fields.items():
            out[name] = field.known(frame[name])
        read = {n: f.read(out[n]) for n, f in self.fields.items()}
        columns = self.plan.known(read)
        arrays = self.plan.forward(columns, cells.rows(frame))
        lost = [n for n, x in arrays.items() if not self.coders[n].missing and np.isnan(x).any()]
        for name in lost:
            arrays[name] = np.where(np.isnan(arrays[name]), self.coders[name].middle, arrays[name])
        filled = self.plan.backward(arrays, {}) if lost else columns
        for name, field in self.fields.items():
            new = np.where(np.isnan(columns[name]), filled[name], columns[name])
            if not np.array_equal(new, read[name], equal_nan=True):
                out[name] = field.write(new).set_axis(frame.index)
        return out

    def decode(
        self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A DataFrame with the columns, dtypes and forms of training; values are drawn inside their codes by rng."""
        columns = self.drawn(x, rng, given)
        source = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        return self.written(self.apart(columns, source, given), len(x), source)

    def drawn(self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None) -> Arrays:
        """The columns of codes as their fields read them, values drawn inside codes; rules of single rows hold."""
        asked = words.asked(given or {}, self.fields, self.coders)
        columns = self.plan.backward(self._drawn(x, rng, words.allowed(asked, self.plan, self.coders)), asked)
        self.plan.check(columns)
        return columns

    def apart(self, columns: Arrays, source: np.random.Generator, given: dict[str, Any] | None = None) -> Arrays:
        """The columns, changed in place where rows repeat what is to be unique."""
        if self.plan.unique:
            asked = words.asked(given or {}, self.fields, self.coders)
            for rule in self.plan.unique:
                make_unique(rule, columns, self._redraw(rule, asked), source)
        return columns

    def written(
        self, columns: Arrays, n: int, source: np.random.Generator, only: tuple[str, ...] | None = None
    ) -> pd.DataFrame:
        """n rows as cells, all columns or some: learnt ones, and what is made anew."""
        return writing.written(self.schema, self.fields, self.fixed, (columns, n, source), only)

    def fits(self, x: Tensor, rng: torch.Generator, given: dict[str, Any]) -> np.ndarray | None:
        """Rows that meet conditions on derived columns as drawn, (N,); None without such conditions."""
        asked = words.asked(given, self.fields, self.coders)
        return self.plan.meets(asked, lambda: self._drawn(x, rng, words.allowed(asked, self.plan, self.coders)))

    def complete(self, frame: pd.DataFrame, x: Tensor, rng: torch.Generator | None = None) -> pd.DataFrame:
        """Rows with their empty cells filled from x, drawn under `evidence(frame)`; all other cells stay as they are.

        Where a rule ties a filled cell to one that was there, the filled one is computed from the rule.
        """
        found = {n: f.read(frame[n]) for n, f in self.fields.items()}
        drawn = self._drawn(x, rng, {})
        full = self.plan.completed(found, drawn)
        out = frame.copy()
        for name, field in self.fields.items():
            if np.isnan(found[name]).any():
                out[name] = field.write(full[name]).set_axis(frame.index)
        return out

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Evidence (1, sum of sizes) in [0, 1] from words on columns, None without any.

        A code that is partly allowed weighs the share of its probability that is.
        """
        if not given:
            return None
        self._needs_codes("be given columns")
        asked = words.asked(given, self.fields, self.coders)
        allowed = words.allowed(asked, self.plan, self.coders)
        parts = []
        for v in self.plan.variables:
            coder = self.coders[v.name]
            parts.append(coder.weights(allowed[v.name]) if v.name in allowed else np.ones(coder.size, np.float32))
        return torch.from_numpy(np.concatenate(parts)).unsqueeze(0)

    def evidence(self, frame: pd.DataFrame, given: dict[str, Any] | None = None) -> Tensor:
        """Evidence (N, sum of sizes): what is there is certain, an empty cell may be any code but that for missing."""
        if given:
            raise ConfigError("complete takes no --given for tables: write what is known into the rows")
        self._needs_codes("fill cells")
        arrays = self._arrays(frame, gaps=True)
        columns = {n: f.read(frame[n]) for n, f in self.fields.items()}
        parts = []
        for v in self.plan.variables:
            coder, values = self.coders[v.name], arrays[v.name]
            open_to = np.ones(coder.size, np.float32)
            open_to[coder.codes :] = 0
            absent = np.isnan(values)
            part = np.where(absent[:, None], open_to, np.float32(0))
            part[np.flatnonzero(~absent), coder.encode(values[~absent])] = 1
            for rows, places in self.plan.partly(v.name, columns):
                part[rows] = coder.weights(coder.allow([(p, p) for p in places], False))
            parts.append(part)
        return torch.from_numpy(np.concatenate(parts, 1))

    def log_density(self, frame: pd.DataFrame, only: set[str] | None = None) -> np.ndarray:
        """log p(row | its codes) in nats, (rows,): what turns the probability of codes into one of the data.

        The convention: a category, a moment or a number with fixed decimals counts as a probability, any other
        number as a density per unit of its column; `only` counts some variables. Unseen numbers get the little that
        `Binning.log_density` keeps.
        """
        arrays = self._arrays(frame)
        total = np.zeros(len(frame))
        for v in self.plan.variables if only is None else [v for v in self.plan.variables if v.name in only]:
            total += self.coders[v.name].log_density(arrays[v.name])
        return total

    def independent(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """n rows in the space, each column drawn from its training frequencies alone: the baseline."""
        return coding.independent(self._marginals(), n, rng)

    def independent_log_prob(self, x: Tensor) -> Tensor:
        """log-probability of rows in the space under the baseline, (B,)."""
        return coding.independent_log_prob(self._marginals(), x)

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "schema": self.schema.state(),
            "fields": {n: f.state() for n, f in self.fields.items()},
            "coders": {n: c.state() for n, c in self.coders.items()},
            "fixed": self.fixed,
            "plan": self.plan.state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TableCodec:
        schema = Schema.from_state(state["schema"])
        fields = {n: Field(schema[n], s.get("values")) for n, s in state["fields"].items()}
        coders = {n: coding.from_state(s) for n, s in state["coders"].items()}
        plan = Plan.from_state(state["plan"], schema, fields)
        parts = {"fields": fields, "coders": coders, "fixed": state["fixed"], "plan": plan}
        return cls(fill(cls.Config, state["config"], "codec"), schema, parts)

    def _drawn(self, x: Tensor, rng: torch.Generator | None, allowed: dict[str, Allowed]) -> Arrays:
        """The variables' values, each drawn inside its code."""
        codes = x.cpu().numpy()
        arrays = {}
        for k, v in enumerate(self.plan.variables):
            coder, first = self.coders[v.name], self.firsts[k]
            if isinstance(coder, NormalScores):
                arrays[v.name] = coder.draw(codes[:, first : self.firsts[k + 1]])
            else:
                u = torch.rand(len(codes), dtype=torch.float64, generator=rng).numpy()
                arrays[v.name] = coder.draw(codes[:, first].astype(np.int64), u, allowed.get(v.name))
        return arrays

    def _marginals(self) -> coding.Marginals:
        spans = np.diff(self.firsts)
        counts = [self.coders[v.name].counts for v, span in zip(self.plan.variables, spans) for _ in range(span)]
        return list(zip(self.space.columns, counts))

    def _arrays(self, frame: pd.DataFrame, *, gaps: bool = False) -> dict[str, np.ndarray]:
        """The variables of rows; with `gaps`, an empty cell is something to fill, not a value of its own."""
        names = [str(n) for n in frame.columns]
        for name in self.fields:
            if name not in names:
                raise DataError(f"the table has no column {name!r}, which training had: {nearest(name, names)}")
        rows = cells.rows(frame)
        arrays = self.plan.forward({n: f.read(frame[n]) for n, f in self.fields.items()}, rows, gaps=gaps)
        for name, coder in self.coders.items():
            if not gaps and not coder.missing and len(bad := np.flatnonzero(np.isnan(arrays[name]))):
                raise DataError(
                    f"column {name!r}, row {rows[bad[0]]}: the cell is empty, which never happened in training"
                )
        return arrays

    def _redraw(self, rule: Unique, asked: Asked) -> Redraw:
        """The column of a key to draw again: the one with most values among those nothing else ties down."""
        free = [n for n in rule.columns if n not in asked and self.plan.free(n)]
        if not free:
            raise ConfigError(f"the rule {rule.text!r} needs a column free of other rules and of conditions")
        name = max(free, key=lambda n: self.schema[n].distinct)
        field = self.fields[name]
        supply = Supply(field.listed, field.column.grid, *self.span(name), self.plan.declared(name)[1])
        return Redraw(name, supply, len(free) == len(rule.columns))

    def span(self, name: str) -> tuple[float, float]:
        """The lowest and highest value of a learnt column, as its field reads it; without end for a sum's total."""
        for d in self.plan.derived:
            if d.target == name:
                return (d.low, d.high) if d.rule.sign != "==" else (-np.inf, np.inf)
        field = self.fields[name]
        return (0.0, len(field.values) - 1.0) if field.listed else self.coders[name].span

    def _needs_codes(self, what: str) -> None:
        if not self.space.discrete:
            raise ConfigError(
                f"a model of normal scores cannot {what}: fit a circuit or columns model (codec.numbers=bins)"
            )
