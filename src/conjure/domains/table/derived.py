"""A column that a rule ties to others, as what remains once the others are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.table.binning import Ranges
from conjure.domains.table.rules import Linear

Arrays = dict[str, np.ndarray]
Asked = dict[str, tuple[Ranges, bool]]


@dataclass(frozen=True)
class Derived:
    """`target` = (residual - the other terms) / its coefficient; the model learns the residual.

    The residual is missing where any column of the rule is. `alone` says that training has rows with the
    target but not all others: then the target is learnt for those rows as a variable of its own.
    `settled` says that the residual is always zero, so that there is nothing to learn.
    """

    rule: Linear
    target: str
    alone: bool = False
    settled: bool = False
    least: float = 0.0  # the smallest residual of training
    low: float = -np.inf  # the target's range in training
    high: float = np.inf
    ends: tuple[tuple[str, float, float], ...] = ()  # the other columns' ranges in training

    @property
    def name(self) -> str:
        return f"{self.target} (by rule)"

    @property
    def alone_name(self) -> str:
        return f"{self.target} (alone)"

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(n for n in self.rule.columns if n != self.target)

    def learnt(self, columns: Arrays) -> Derived:
        """With what training says about residual and ranges; ConfigError when no row has all the columns."""
        residual, alone = self.apart(columns)
        if np.isnan(residual).all():
            raise ConfigError(f"rule {self.rule.text!r}: no row has all of {', '.join(self.rule.columns)}")
        settled = self.rule.sign == "==" and not np.isnan(residual).any()
        ends = tuple((n, float(np.nanmin(columns[n])), float(np.nanmax(columns[n]))) for n in self.others)
        low, high = float(np.nanmin(columns[self.target])), float(np.nanmax(columns[self.target]))
        held = bool((~np.isnan(alone)).any())
        return replace(
            self, alone=held, settled=settled, least=float(np.nanmin(residual)), low=low, high=high, ends=ends
        )

    def apart(self, columns: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """(residual, the target where it stands alone)."""
        residual = self.rule.residual(columns)
        return residual, np.where(np.isnan(residual), columns[self.target], np.nan)

    def together(self, columns: Arrays, grid: bool, limits: tuple[float, float], loose: set[str]) -> None:
        """Put the target into `columns`, which hold the others and the residual.

        Of an inequality the target keeps to its range in training as far as the rule lets it. To keep it within
        `limits`, which are declared or asked for, `loose` columns among the others give way.
        """
        residual = columns.get(self.name)
        if residual is None:
            residual = np.zeros(len(columns[self.others[0]]))
        value = self._solved(columns, residual, self.target, grid=grid)
        if self.rule.sign == "==" and np.isfinite(limits).any():
            self._shift(columns, value, limits, loose)
            value = self._solved(columns, residual, self.target, grid=grid)
        elif self.rule.sign != "==":
            value = np.clip(value, max(self.low, limits[0]), min(self.high, limits[1]))
            border = self._solved(columns, np.full(len(value), self.least), self.target, grid=grid)
            value = np.maximum(value, border) if self._part(self.target)[0] > 0 else np.minimum(value, border)
            kept = np.clip(value, *limits)
            for name in [n for n in self.others if n in loose and len(self.others) == 1]:
                least = np.full(len(value), self.least)
                given_way = self._solved({**columns, self.target: kept}, least, name, grid=grid)
                columns[name] = np.where(np.abs(kept - value) > 0, given_way, columns[name])
                value = kept
        if self.alone:
            absent = np.any([np.isnan(columns[n]) for n in self.others], axis=0)
            value = np.where(absent, columns[self.alone_name], value)
        columns[self.target] = value

    def _shift(self, columns: Arrays, value: np.ndarray, limits: tuple[float, float], loose: set[str]) -> None:
        """Move loose terms of a sum, each within its range in training, until the total is within its limits."""
        coefficient, factor = self._part(self.target)
        excess = (value - np.clip(value, *limits)) * factor
        for name, low, high in (e for e in self.ends if e[0] in loose):
            theirs, size = self._part(name)
            step = -theirs / coefficient * size  # change of the total, in the rule's unit, for one of theirs
            back = excess / step
            moved = columns[name] - np.where(back > 0, np.ceil(back - 1e-9), np.floor(back + 1e-9))
            moved = np.clip(moved if self.rule.exact else columns[name] - back, low, high)
            moved = np.where(np.abs(excess) > 0, moved, columns[name])
            excess = excess - (columns[name] - moved) * step
            excess = np.where(np.sign(excess) == np.sign(value - np.clip(value, *limits)), excess, 0.0)
            columns[name] = moved

    def mend(self, columns: Arrays, found: Arrays, variables: Arrays, grids: dict[str, bool]) -> None:
        """Where filled cells break the rule, compute one of them from the rule and the drawn residual, in place."""
        residual = variables.get(self.name, np.zeros(len(columns[self.target])))
        residual = np.where(np.isnan(residual), self.least, residual)
        for name in (*self.others[::-1], self.target):
            wrong = ~self.rule.holds(columns) & np.isnan(found[name])
            if wrong.any():
                solved = self._solved(columns, residual, name, grid=grids[name])
                columns[name] = np.where(wrong, solved, columns[name])

    def allow(self, asked: Asked) -> None:
        """What is asked of the target becomes what that asks of the residual and of the other column, in place.

        With `end >= start`, an end in a range needs a start before the range's last value; the end itself is
        then moved into the range by `together`. ConfigError for what cannot be passed on.
        """
        ranges, missing = asked.pop(self.target)
        if not ranges:
            asked[self.name] = ([], missing)
            if self.alone:
                asked[self.alone_name] = ([], missing)
            return
        if all(low > self.high or high < self.low for low, high in ranges):
            raise ConfigError(f"column {self.target!r} never takes such a value: see its range in the training data")
        if self.rule.sign == "==" or len(self.others) > 1 or len(ranges) > 1 or missing:
            passed_on = self.rule.sign != "==" and len(self.others) == 1
            what = "a single range of it" if passed_on else " and ".join(self.others)
            raise ConfigError(
                f"column {self.target!r} follows from the rule {self.rule.text!r}: condition on {what} instead"
            )
        (low, high), (other, least, most) = ranges[0], self.ends[0]
        sign, factor = self._part(self.target)
        theirs = self.rule.factors[self.rule.columns.index(other)]
        if sign > 0:  # target - other >= least
            span, reach = (-np.inf, (high * factor - self.least) / theirs), high * factor - least * theirs
        else:  # other - target >= least
            span, reach = ((low * factor + self.least) / theirs, np.inf), most * theirs - low * factor
        before, absent = asked.get(other, ([(-np.inf, np.inf)], False))
        cut = [(max(a, span[0]), min(b, span[1])) for a, b in before]
        asked[other] = ([(a, b) for a, b in cut if a <= b], absent)
        asked[self.name] = ([(-np.inf, max(reach, self.least))], False)

    def _part(self, name: str) -> tuple[int, float]:
        """(coefficient, factor) of a column."""
        at = self.rule.columns.index(name)
        return self.rule.terms[at][0], self.rule.factors[at]

    def _solved(self, columns: Arrays, residual: np.ndarray, target: str, *, grid: bool) -> np.ndarray:
        """The value of one column that leaves this residual; of an inequality, rounded on the safe side."""
        rest = np.zeros_like(residual)
        for (coefficient, name), factor in zip(self.rule.terms, self.rule.factors):
            if name != target:
                rest = rest + coefficient * factor * columns[name]
        coefficient, factor = self._part(target)
        value = (residual - rest) / (coefficient * factor)
        if grid and self.rule.sign != "==":
            value = np.ceil(value) if coefficient > 0 else np.floor(value)
        return value

    def state(self) -> dict[str, Any]:
        ends = [list(e) for e in self.ends]
        plain = {k: getattr(self, k) for k in ("target", "alone", "settled", "least", "low", "high")}
        return {"rule": self.rule.text, "columns": list(self.rule.columns), "ends": ends, **plain}

    @classmethod
    def from_state(cls, state: dict[str, Any], rules: list[Linear]) -> Derived:
        rule = next(r for r in rules if r.text == state["rule"] and list(r.columns) == state["columns"])
        ends = tuple((n, a, b) for n, a, b in state["ends"])
        rest = {k: state[k] for k in ("target", "alone", "settled", "least", "low", "high")}
        return cls(rule, ends=ends, **rest)


def ordered(rules: list[Linear], taken: set[str]) -> list[Derived]:
    """Which column each rule derives, equations first, in an order of computation; ConfigError where that cannot be.

    No column is derived twice or from itself; `taken` columns are not derived at all. An inequality that
    others already imply is left out.
    """
    chosen: list[Derived] = []

    def needs(name: str) -> set[str]:
        for d in chosen:
            if d.target == name:
                return set(d.others).union(*(needs(o) for o in d.others))
        return set()

    for rule in sorted(rules, key=lambda r: r.sign != "=="):
        if _implied(rule, chosen):
            continue
        for name in rule.columns:
            others = [n for n in rule.columns if n != name]
            if name in taken or any(d.target == name for d in chosen) or any(name in needs(o) for o in others):
                continue
            chosen.append(Derived(rule, name))
            break
        else:
            before = next((d.rule.text for d in chosen if set(d.rule.columns) & set(rule.columns)), "a fixed set")
            raise ConfigError(f"the rules {rule.text!r} and {before!r} together leave no column to derive: drop one")
    known: set[str] = {n for r in rules for n in r.columns} - {d.target for d in chosen}
    out: list[Derived] = []
    while len(out) < len(chosen):
        for d in chosen:
            if d not in out and set(d.others) <= known:
                out.append(d)
                known.add(d.target)
    return out


def _implied(rule: Linear, chosen: list[Derived]) -> bool:
    """Whether `greater >= less` follows from a chain of inequalities already taken."""
    if rule.sign == "==" or len(rule.terms) != 2:
        return False
    steps = {}
    for d in chosen:
        if d.rule.sign != "==" and len(d.rule.terms) == 2:
            great, less = sorted(d.rule.terms, reverse=True)
            steps.setdefault(great[1], []).append((less[1], d.rule.sign == ">"))
    great, less = (name for _, name in sorted(rule.terms, reverse=True))
    reached: set[tuple[str, bool]] = set()
    ahead = [(great, False)]
    while ahead:
        here = ahead.pop()
        if here not in reached:
            reached.add(here)
            ahead += [(name, strict or here[1]) for name, strict in steps.get(here[0], [])]
    return (less, True) in reached or (rule.sign == ">=" and (less, False) in reached)
