"""What is modelled: the learnt columns, or what stands in for them so that rules hold by construction.

Of `end >= start` the model sees start and the gap between them, of `a + b == total` a and b, of a fixed set of
pairs one joint column. Whatever values are drawn for these, the columns computed from them obey the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.table.derived import Arrays, Asked, Derived, ordered
from conjure.domains.table.fields import Field
from conjure.domains.table.joint import Joint, merged
from conjure.domains.table.rules import Bound, Fixed, Linear, Rule, Unique, parse
from conjure.domains.table.schema import Schema


@dataclass(frozen=True)
class Variable:
    """One thing to be coded. `listed` values have no order; those on a `grid` are whole numbers."""

    name: str
    listed: bool
    grid: bool


@dataclass
class Plan:
    """Between columns and variables, both as float64 arrays with NaN for missing."""

    fields: dict[str, Field]
    rules: list[Rule] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)  # in an order in which each can be computed
    joints: list[Joint] = field(default_factory=list)

    @classmethod
    def learn(cls, fields: dict[str, Field], schema: Schema, columns: Arrays, rows: np.ndarray) -> Plan:
        """From training rows, numbered `rows` for messages; DataError names the first row that breaks a rule."""
        texts, ids = schema.rules, schema.ids
        rules = parse(texts, fields, ids)
        for rule in rules:
            if len(bad := np.flatnonzero(~rule.holds(columns))):
                told = ", ".join(f"{n} = {fields[n].show(columns[n][bad[0]])}" for n in rule.columns)
                raise DataError(f"the rule {rule.text!r} does not hold in row {rows[bad[0]]} of the data: {told}")
        joints = [Joint.learn(names, columns) for names in merged(r.columns for r in rules if isinstance(r, Fixed))]
        taken = {n for j in joints for n in j.columns}
        linear = [r for r in rules if isinstance(r, Linear)]
        return cls(fields, rules, [d.learnt(columns) for d in ordered(linear, taken)], joints)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """In the order of the columns they stand for."""
        targets = {d.target: d for d in self.derived}
        joint = {n: j for j in self.joints for n in j.columns}
        out: list[Variable] = []
        for name, one in self.fields.items():
            if name in joint:
                if name == joint[name].columns[0]:
                    out.append(Variable(joint[name].name, True, True))
            elif name in targets:
                d = targets[name]
                grid = all(self.fields[n].column.grid for n in d.rule.columns)
                if not d.settled:
                    out.append(Variable(d.name, d.rule.sign == "==", grid))
                if d.alone:
                    out.append(Variable(d.alone_name, False, one.column.grid))
            else:
                out.append(Variable(name, one.listed, one.column.grid))
        return tuple(out)

    def forward(self, columns: Arrays, rows: np.ndarray, *, gaps: bool = False) -> Arrays:
        """Variables from columns; DataError for a row that breaks a rule or holds an unknown combination.

        With `gaps` a missing cell is one to be filled, and so is a combination of which a cell is missing.
        """
        out = dict(columns)
        for rule in self.rules:
            if isinstance(rule, Linear) and len(bad := np.flatnonzero(~rule.holds(columns))):
                raise DataError(f"the rule {rule.text!r} does not hold in row {rows[bad[0]]} of the data")
        for joint in self.joints:
            places = joint.places(columns)
            if gaps:
                places[np.any([np.isnan(columns[n]) for n in joint.columns], axis=0)] = np.nan
            if len(bad := np.flatnonzero(places < 0)):
                told = ", ".join(f"{n} = {self.fields[n].show(columns[n][bad[0]])}" for n in joint.columns)
                raise DataError(f"row {rows[bad[0]]}: training never had {told} together")
            out[joint.name] = places
        for d in self.derived:
            out[d.name], out[d.alone_name] = d.apart(columns)
        return {v.name: out[v.name] for v in self.variables}

    def partly(self, name: str, columns: Arrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of a variable of combinations: (rows, places in its table that agree with the cells these rows have)."""
        for joint in self.joints:
            if joint.name == name:
                yield from joint.partly(columns)

    def completed(self, found: Arrays, variables: Arrays) -> Arrays:
        """Columns with the missing cells of `found` filled from drawn variables so that the rules of a row hold."""
        drawn = self.backward(variables, {})
        out = {n: np.where(np.isnan(x), drawn[n], x) for n, x in found.items()}
        for joint in self.joints:
            for rows, places in joint.partly(found):
                kept = joint.places(out)[rows]
                fits = np.where(np.isin(kept, places), kept, places[0]).astype(np.int64)
                for k, n in enumerate(joint.columns):
                    out[n][rows] = joint.table[fits, k]
        for _ in range(len(self.derived) + 1):  # a column set right may put another wrong that depends on it
            for d in self.derived:
                d.mend(out, found, variables, {n: self.fields[n].column.grid for n in d.rule.columns})
        return out

    def known(self, columns: Arrays) -> Arrays:
        """Columns with combinations that training never had replaced by the likeliest with the same first value."""
        out = dict(columns)
        for joint in self.joints:
            out.update(joint.nearest(out))
        return out

    def backward(self, variables: Arrays, asked: Asked) -> Arrays:
        """Columns from variables, each derived one within what was asked of it."""
        out = dict(variables)
        for joint in self.joints:
            out.update(joint.apart(out[joint.name]))
        tight = {d.target for d in self.derived} | {n for j in self.joints for n in j.columns} | set(asked)
        loose = set(self.fields) - tight
        for d in self.derived:
            d.together(out, self.fields[d.target].column.grid, self._limits(d.target, asked), loose)
        return {n: out[n] for n in self.fields}

    def meets(self, asked: Asked, draw: Callable[[], Arrays]) -> np.ndarray | None:
        """Whether drawn rows hold what was asked of derived columns before they are moved to it; None if nothing was.

        Evidence cannot say it of such a column exactly, so whoever samples keeps the rows that meet it so.
        """
        targets = [d.target for d in self.derived if d.target in asked]
        if not targets:
            return None
        columns = self.backward(draw(), {})
        fine = np.ones(len(columns[targets[0]]), bool)
        for name in targets:
            ranges, missing = asked[name]
            inside = [(columns[name] >= low) & (columns[name] <= high) for low, high in ranges]
            fine &= np.any([*inside, np.isnan(columns[name]) & missing], axis=0)
        return fine

    def check(self, columns: Arrays) -> None:
        """ConfigError where rules and conditions contradict each other so that a drawn row breaks one."""
        for rule in self.rules:
            if not isinstance(rule, Unique) and not rule.holds(columns).all():
                raise ConfigError(f"the rule {rule.text!r} cannot be kept beside the other rules and conditions")

    def allow(self, asked: Asked) -> Asked:
        """What is asked of columns as what it asks of variables; ConfigError where that cannot be said."""
        out = dict(asked)
        for d in reversed(self.derived):
            if d.target in out:
                d.allow(out)
        for joint in self.joints:
            joint.allow(out)
        return out

    @property
    def unique(self) -> list[Unique]:
        """The rules about rows as against each other."""
        return [r for r in self.rules if isinstance(r, Unique)]

    def free(self, name: str) -> bool:
        """Whether a column can be redrawn without touching another."""
        bound = {n for r in self.rules if isinstance(r, (Linear, Fixed)) for n in r.columns}
        return name not in bound

    def _limits(self, name: str, asked: Asked) -> tuple[float, float]:
        """The range that a derived column keeps to, where its rule leaves it the choice."""
        low, high = self.declared(name)
        ranges = asked.get(name, ([], False))[0]
        return (max(low, ranges[0][0]), min(high, ranges[-1][1])) if ranges else (low, high)

    def declared(self, name: str) -> tuple[float, float]:
        """The range that rules give a column."""
        bounds = [r for r in self.rules if isinstance(r, Bound) and r.column == name]
        return max([-np.inf, *(b.low for b in bounds)]), min([np.inf, *(b.high for b in bounds)])

    def state(self) -> dict[str, Any]:
        return {"derived": [d.state() for d in self.derived], "joints": [j.state() for j in self.joints]}

    @classmethod
    def from_state(cls, state: dict[str, Any], schema: Schema, fields: dict[str, Field]) -> Plan:
        rules = parse(schema.rules, fields, schema.ids)
        linear = [r for r in rules if isinstance(r, Linear)]
        derived = [Derived.from_state(s, linear) for s in state["derived"]]
        return cls(fields, rules, derived, [Joint.from_state(s) for s in state["joints"]])
