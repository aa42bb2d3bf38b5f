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
from conjure.domains.table import cells, coding, ids, words
from conjure.domains.table.binning import Allowed, Ranges
from conjure.domains.table.derived import Asked
from conjure.domains.table.fields import Field
from conjure.domains.table.normal import NormalScores
from conjure.domains.table.plan import Plan
from conjure.domains.table.schema import Schema, load

if TYPE_CHECKING:
    import pandas as pd


class TableCodec:
    """Every column as codes ("bins"), or numbers as normal scores beside codes for the rest ("values")."""

    @dataclass(frozen=True)
    class Config:
        """bins: codes for the values of a number that are not common; distinct: up to so many values get a code
        each; categories: most codes of a category, rarer values sharing the last eighth; schema: a TOML file or a dict.
        """

        numbers: Literal["bins", "values"] = "bins"
        bins: int = 64
        distinct: int = 256
        categories: int = 1000
        schema: str | dict[str, Any] | None = None
        rules: tuple[str, ...] = ()

        def __post_init__(self) -> None:
            if self.bins < 2 or self.distinct < 2 or self.categories < 8:
                raise ConfigError("codec.bins and codec.distinct are at least 2, codec.categories at least 8")

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
        declared["rules"] = [*declared.get("rules", ()), *config.rules]
        schema = Schema.infer(frame, declared)
        learnt = [c for c in schema.columns if c.learnt]
        if not learnt:
            kinds = ", ".join(f"{c.name!r} is {c.kind}" for c in schema.columns[:4])
            raise DataError(f"no column is left to learn from: {kinds}")
        fields = {c.name: Field.learn(c, frame[c.name]) for c in learnt}
        fixed = {c.name: _aside(c.kind, frame[c.name]) for c in schema.columns if c.kind in ("id", "constant")}
        columns = {n: f.read(frame[n]) for n, f in fields.items()}
        plan = Plan.learn(fields, schema.rules, columns, cells.rows(frame))
        arrays = plan.forward(columns, cells.rows(frame))
        coders = {
            v.name: coding.learn(v.name, arrays[v.name], config, listed=v.listed, grid=v.grid) for v in plan.variables
        }
        return cls(config, schema, {"fields": fields, "coders": coders, "fixed": fixed, "plan": plan})

    @property
    def notes(self) -> list[str]:
        """What a user should know about columns that are not modelled as they are."""
        said = []
        for c in self.schema.columns:
            if c.kind == "constant":
                what = f"always {self.fixed[c.name]!r}" if self.fixed[c.name] is not None else "always empty"
                said.append(f"column {c.name!r} is {what}: it is copied to every row, not learnt")
            elif c.kind == "id":
                said.append(f"column {c.name!r} is an id: new ones are made in its pattern, none is learnt")
            elif c.kind == "text":
                said.append(f"column {c.name!r} is free text: it is left out (declare it a category to keep it)")
        return said

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
        columns = self.plan.known({n: f.read(out[n]) for n, f in self.fields.items()})
        arrays = self.plan.forward(columns, cells.rows(frame))
        for name, values in arrays.items():
            if not self.coders[name].missing:
                arrays[name] = np.where(np.isnan(values), self.coders[name].middle, values)
        filled = self.plan.backward(arrays, {})
        for name, field in self.fields.items():
            new = np.isnan(columns[name]) & ~np.isnan(filled[name])
            changed = new | (columns[name] != field.read(out[name])) & ~np.isnan(columns[name])
            if changed.any():
                out[name] = field.write(np.where(new, filled[name], columns[name])).set_axis(frame.index)
        return out

    def decode(
        self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A DataFrame with the columns, dtypes and forms of training; values are drawn inside their codes by rng."""
        import pandas as pd

        codes = x.cpu().numpy()
        asked = self._asked(given or {})
        allowed = self._allowed(asked)
        arrays = {}
        for k, v in enumerate(self.plan.variables):
            coder, first = self.coders[v.name], self.firsts[k]
            if isinstance(coder, NormalScores):
                arrays[v.name] = coder.draw(codes[:, first : self.firsts[k + 1]])
                continue
            u = torch.rand(len(codes), dtype=torch.float64, generator=rng).numpy()
            arrays[v.name] = coder.draw(codes[:, first].astype(np.int64), u, allowed.get(v.name))
        columns = self.plan.backward(arrays, asked)
        source = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        out = {}
        for c in self.schema.columns:
            if c.learnt:
                out[c.name] = self.fields[c.name].write(columns[c.name])
            elif c.kind == "id":
                out[c.name] = ids.make(self.fixed[c.name], len(codes), source)
            elif c.kind == "constant":
                value = self.fixed[c.name]
                out[c.name] = pd.Series([np.nan if value is None else value] * len(codes))
        return pd.DataFrame(out)

    def condition(self, given: dict[str, Any], n: int) -> Tensor | None:
        """Evidence (1, sum of sizes) in [0, 1] from words on columns, None without any.

        A code that is partly allowed weighs the share of its probability that is.
        """
        if not given:
            return None
        self._needs_codes("be given columns")
        allowed = self._allowed(self._asked(given))
        parts = []
        for v in self.plan.variables:
            coder = self.coders[v.name]
            parts.append(coder.weights(allowed[v.name]) if v.name in allowed else np.ones(coder.size, np.float32))
        return torch.from_numpy(np.concatenate(parts)).unsqueeze(0)

    def evidence(self, frame: pd.DataFrame) -> Tensor:
        """Evidence (N, sum of sizes) for rows with empty cells to fill: what is there is certain, an empty cell open
        to all codes but the one for missing.
        """
        self._needs_codes("fill cells")
        arrays = self._arrays(frame, gaps=True)
        parts = []
        for v in self.plan.variables:
            coder, values = self.coders[v.name], arrays[v.name]
            open_to = np.ones(coder.size, np.float32)
            open_to[coder.codes :] = 0
            absent = np.isnan(values)
            part = np.where(absent[:, None], open_to, np.float32(0))
            part[np.flatnonzero(~absent), coder.encode(values[~absent])] = 1
            parts.append(part)
        return torch.from_numpy(np.concatenate(parts, 1))

    def log_density(self, frame: pd.DataFrame) -> np.ndarray:
        """log p(row | its codes) in nats, (rows,): what turns the probability of codes into one of the data.

        The convention: a category, a moment or a number with fixed decimals counts as a probability, any other
        number as a density per unit of its column. Unseen numbers get the little that `Binning.log_density` keeps.
        """
        arrays = self._arrays(frame)
        total = np.zeros(len(frame))
        for v in self.plan.variables:
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
        plan = Plan.from_state(state["plan"], schema.rules, fields)
        parts = {"fields": fields, "coders": coders, "fixed": state["fixed"], "plan": plan}
        return cls(fill(cls.Config, state["config"], "codec"), schema, parts)

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
        arrays = self.plan.forward({n: f.read(frame[n]) for n, f in self.fields.items()}, rows)
        for name, coder in self.coders.items():
            if not gaps and not coder.missing and len(bad := np.flatnonzero(np.isnan(arrays[name]))):
                raise DataError(
                    f"column {name!r}, row {rows[bad[0]]}: the cell is empty, which never happened in training"
                )
        return arrays

    def _needs_codes(self, what: str) -> None:
        if not self.space.discrete:
            raise ConfigError(
                f"a model of normal scores cannot {what}: fit a circuit or columns model (codec.numbers=bins)"
            )

    def _asked(self, given: dict[str, Any]) -> Asked:
        for name in given:
            if name not in self.fields:
                raise ConfigError(f"no learnt column is called {name!r}: {nearest(name, list(self.fields))}")
        asked = {name: words.read(self.fields[name], word) for name, word in given.items()}
        for name, (ranges, missing) in asked.items():
            if ranges and not missing and name in self.coders and self._nowhere(name, (ranges, missing)):
                raise ConfigError(f"column {name!r} cannot be {given[name]!r}: {self._possible(name)}")
        return asked

    def _allowed(self, asked: Asked) -> dict[str, Allowed]:
        found = {}
        for name, (ranges, missing) in self.plan.allow(asked).items():
            if name in self.coders:
                found[name] = self.coders[name].allow(ranges, missing)
            if self._nowhere(name, (ranges, missing)):
                raise ConfigError(f"no row can meet the conditions on {', '.join(asked)} together")
        return found

    def _nowhere(self, name: str, wanted: tuple[Ranges, bool]) -> bool:
        """Whether no code of a variable is allowed."""
        return name not in self.coders or not self.coders[name].weights(self.coders[name].allow(*wanted)).any()

    def _possible(self, name: str) -> str:
        field, coder = self.fields[name], self.coders[name]
        if field.listed:
            return "no empty cell was seen in training"
        half = 0.5 if coder.grid else 0.0
        low, high = field.show(coder.low[0] + half), field.show(coder.high[-1] - half)
        return f"in training it lies between {low} and {high}" + (" or is missing" if coder.missing else "")


def _aside(kind: str, series: pd.Series) -> Any:
    """What is kept of a column that is not learnt."""
    if kind == "id":
        return ids.learn(series)
    present = cells.plain(series).dropna()
    value = present.iloc[0] if len(present) else None
    return value.item() if isinstance(value, np.generic) else value if value is None else str(value)
