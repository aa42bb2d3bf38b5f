"""Rows of a table to codes and back, and what a condition on columns means for the codes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from conjure.core.config import fill, nearest
from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Category, Columns
from conjure.domains.protocol import Encoded
from conjure.domains.table import cells, ids, words
from conjure.domains.table.binning import Allowed, Binning, frequent
from conjure.domains.table.fields import Field
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
        self.coders: dict[str, Binning] = parts["coders"]
        self.fixed: dict[str, Any] = parts["fixed"]  # patterns of ids, values of constants
        self.plan = Plan(self.fields)
        self.space = Columns(
            tuple(Category(v.name, self.coders[v.name].size, not v.listed) for v in self.plan.variables)
        )
        self.given_space = None

    @classmethod
    def learn(cls, frame: pd.DataFrame, config: TableCodec.Config) -> TableCodec:
        """Kinds, values and bins from training rows; DataError for a table that nothing can be learnt from."""
        if len(frame) < 2:
            raise DataError(f"the table has {len(frame)} row; at least 2 are needed to learn from")
        schema = Schema.infer(frame, load(config.schema))
        learnt = [c for c in schema.columns if c.learnt]
        if not learnt:
            kinds = ", ".join(f"{c.name!r} is {c.kind}" for c in schema.columns[:4])
            raise DataError(f"no column is left to learn from: {kinds}")
        fields = {c.name: Field.learn(c, frame[c.name]) for c in learnt}
        fixed = {c.name: _aside(c.kind, frame[c.name]) for c in schema.columns if c.kind in ("id", "constant")}
        arrays = Plan(fields).forward({n: f.read(frame[n]) for n, f in fields.items()})
        coders = {v.name: _coder(config, arrays[v.name], v.listed, v.grid) for v in Plan(fields).variables}
        return cls(config, schema, {"fields": fields, "coders": coders, "fixed": fixed})

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
        """Codes (B, K) int64; DataError names the column, row and value that training never had."""
        arrays = self._arrays(frame)
        codes = [self._codes(v.name, arrays[v.name], frame) for v in self.plan.variables]
        return Encoded(torch.from_numpy(np.stack(codes, 1)))

    def adapt(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Held-out rows with what training never had replaced: a category by the rarest, no value by a middle one."""
        out = frame.copy()
        for name, field in self.fields.items():
            out[name] = field.known(frame[name])
            coder = self.coders[name]
            if not coder.missing and out[name].isna().any():
                usual = field.write(np.array([np.floor(coder.low[coder.codes // 2] + 0.5)])).iloc[0]
                out[name] = out[name].fillna(usual)
        return out

    def decode(
        self, x: Tensor, rng: torch.Generator | None = None, given: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A DataFrame with the columns, dtypes and forms of training; values are drawn inside their codes by rng."""
        import pandas as pd

        codes = x.cpu().numpy()
        allowed = self._allowed(given or {})
        arrays = {}
        for k, v in enumerate(self.plan.variables):
            u = torch.rand(len(codes), dtype=torch.float64, generator=rng).numpy()
            arrays[v.name] = self.coders[v.name].draw(codes[:, k], u, allowed.get(v.name))
        columns = self.plan.backward(arrays)
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
        allowed = self._allowed(given)
        parts = []
        for v in self.plan.variables:
            coder = self.coders[v.name]
            parts.append(coder.weights(allowed[v.name]) if v.name in allowed else np.ones(coder.size, np.float32))
        return torch.from_numpy(np.concatenate(parts)).unsqueeze(0)

    def evidence(self, frame: pd.DataFrame) -> Tensor:
        """Evidence (N, sum of sizes) for rows with empty cells to fill: what is there is certain, an empty cell open
        to all codes but the one for missing.
        """
        arrays = self._arrays(frame)
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
            codes = self._codes(v.name, arrays[v.name], frame)
            total += self.coders[v.name].log_density(arrays[v.name], codes)
        return total

    def independent(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """n rows of codes, each column drawn from its training frequencies alone: the baseline."""
        drawn = [
            torch.multinomial(torch.from_numpy(c.counts).double(), n, True, generator=rng) for c in self._in_order()
        ]
        return torch.stack(drawn, 1)

    def independent_log_prob(self, codes: Tensor) -> Tensor:
        """log-probability of rows of codes under the baseline, (B,)."""
        logs = [torch.from_numpy(np.log(c.counts / c.counts.sum())) for c in self._in_order()]
        return torch.stack([log[codes[:, k].long()] for k, log in enumerate(logs)], 1).sum(1).float()

    def state(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "schema": self.schema.state(),
            "fields": {n: f.state() for n, f in self.fields.items()},
            "coders": {n: c.state() for n, c in self.coders.items()},
            "fixed": self.fixed,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TableCodec:
        schema = Schema.from_state(state["schema"])
        fields = {n: Field(schema[n], s.get("values")) for n, s in state["fields"].items()}
        coders = {n: Binning.from_state(s) for n, s in state["coders"].items()}
        parts = {"fields": fields, "coders": coders, "fixed": state["fixed"]}
        return cls(fill(cls.Config, state["config"], "codec"), schema, parts)

    def _in_order(self) -> list[Binning]:
        return [self.coders[v.name] for v in self.plan.variables]

    def _arrays(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        names = [str(n) for n in frame.columns]
        for name in self.fields:
            if name not in names:
                raise DataError(f"the table has no column {name!r}, which training had: {nearest(name, names)}")
        return self.plan.forward({n: f.read(frame[n]) for n, f in self.fields.items()})

    def _codes(self, name: str, values: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        coder = self.coders[name]
        if not coder.missing and len(bad := np.flatnonzero(np.isnan(values))):
            row = cells.row(frame[frame.columns[0]], int(bad[0]))
            raise DataError(f"column {name!r}, row {row}: the cell is empty, which never happened in training")
        return coder.encode(values)

    def _allowed(self, given: dict[str, Any]) -> dict[str, Allowed]:
        asked = {}
        for name, word in given.items():
            if name not in self.fields:
                known = list(self.fields)
                raise ConfigError(f"no learnt column is called {name!r}: {nearest(name, known)}")
            asked[name] = words.read(self.fields[name], word)
        found = {}
        for name, (ranges, missing) in self.plan.allow(asked).items():
            found[name] = self.coders[name].allow(ranges, missing)
            if not self.coders[name].weights(found[name]).any():
                raise ConfigError(f"column {name!r} cannot be {given[name]!r}: {self._possible(name)}")
        return found

    def _possible(self, name: str) -> str:
        field, coder = self.fields[name], self.coders[name]
        if field.listed:
            return "no empty cell was seen in training"
        half = 0.5 if coder.grid else 0.0
        low, high = field.show(coder.low[0] + half), field.show(coder.high[-1] - half)
        return f"in training it lies between {low} and {high}" + (" or is missing" if coder.missing else "")


def _coder(config: TableCodec.Config, values: np.ndarray, listed: bool, grid: bool) -> Binning:
    if not listed:
        return Binning.learn(values, config.bins, config.distinct, grid=grid)
    absent = np.isnan(values)
    counts = np.bincount(values[~absent].astype(np.int64))
    return Binning.categories(counts, frequent(counts, config.categories), int(absent.sum()))


def _aside(kind: str, series: pd.Series) -> Any:
    """What is kept of a column that is not learnt."""
    if kind == "id":
        return ids.learn(series)
    present = cells.plain(series).dropna()
    value = present.iloc[0] if len(present) else None
    return value.item() if isinstance(value, np.generic) else value if value is None else str(value)
