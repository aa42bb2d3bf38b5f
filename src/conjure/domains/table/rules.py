"""Rules that every row obeys, as people write them: parsed, and judged row by row.

`end >= start`, `a + b == total`, `0 <= share <= 1`, `unique: name, date`, `fixed: city, country`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.domains.table.fields import Field
from conjure.domains.table.schema import MOMENTS

SIGNS = re.compile(r"<=|>=|==|<|>|=")
TOLERANCE = 1e-9  # of sums of numbers that follow no decimal grid


@dataclass(frozen=True)
class Linear:
    """Sum of coefficient x column, compared with zero by `sign`: ==, >= or >. `first` is the column to derive.

    `factors` bring every column to one unit: the finest decimals or the shortest time among them.
    """

    text: str
    terms: tuple[tuple[int, str], ...]
    sign: str
    factors: tuple[float, ...]
    exact: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.terms)

    def residual(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """The sum, NaN where a column is missing; of an equation without a grid, 0 where it is within rounding."""
        parts = [c * f * columns[n] for (c, n), f in zip(self.terms, self.factors)]
        total = np.sum(parts, axis=0)
        if self.sign == "==" and not self.exact:
            close = np.abs(total) <= TOLERANCE * np.sum(np.abs(parts), axis=0)
            total = np.where(close, 0.0, total)
        return total

    def holds(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Row by row; a rule says nothing about a row where one of its columns is missing."""
        value = self.residual(columns)
        match self.sign:
            case "==":
                met = value == 0
            case ">=":
                met = value >= 0
            case _:
                met = value > 0
        return met | np.isnan(value)


@dataclass(frozen=True)
class Bound:
    """One column between two values, in its own units; `open_low` and `open_high` leave the end itself out."""

    text: str
    column: str
    low: float = -np.inf
    high: float = np.inf
    open_low: bool = False
    open_high: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def holds(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        x = columns[self.column]
        above = (x > self.low) if self.open_low else (x >= self.low)
        below = (x < self.high) if self.open_high else (x <= self.high)
        return (above & below) | np.isnan(x)


@dataclass(frozen=True)
class Fixed:
    """Only combinations of these columns that training has."""

    text: str
    columns: tuple[str, ...]

    def holds(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return np.ones(len(columns[self.columns[0]]), bool)


@dataclass(frozen=True)
class Unique:
    """No two rows alike in all of these columns; rows where one is missing do not count."""

    text: str
    columns: tuple[str, ...]

    def holds(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """False for every row that repeats an earlier one."""
        import pandas as pd

        keys = pd.DataFrame({n: columns[n] for n in self.columns})
        return ~(keys.duplicated() & keys.notna().all(axis=1)).to_numpy()


Rule = Linear | Bound | Fixed | Unique


def parse(texts: tuple[str, ...], fields: dict[str, Field], ids: tuple[str, ...] = ()) -> list[Rule]:
    """Rules over learnt columns; ConfigError names what cannot be read.

    A key that contains one of `ids` is left out: ids are made anew, each different from the others.
    """
    texts = tuple(t for t in texts if not (t.strip().startswith("unique:") and set(_names(t)) & set(ids)))
    return [rule for text in texts for rule in _parse(text, fields)]


def _parse(text: str, fields: dict[str, Field]) -> list[Rule]:
    word, colon, _ = text.partition(":")
    if colon and word.strip() in ("unique", "fixed"):
        names = _names(text)
        for name in names:
            _field(text, name, fields)
        if word.strip() == "fixed" and len(names) < 2:
            raise ConfigError(f"rule {text!r}: a fixed set needs at least two columns")
        return [Unique(text, names) if word.strip() == "unique" else Fixed(text, names)]
    sides, signs = SIGNS.split(text), SIGNS.findall(text)
    if not signs or "=" in signs:
        hint = "write == for equal" if "=" in signs else "write it like 'end >= start', 'a + b == total', 'unique: id'"
        raise ConfigError(f"rule {text!r} cannot be read: {hint}")
    return [_comparison(text, left, sign, right, fields) for left, sign, right in zip(sides, signs, sides[1:])]


def _names(text: str) -> tuple[str, ...]:
    """The columns that `unique:` or `fixed:` lists."""
    return tuple(n.strip().strip("`\"'") for n in text.partition(":")[2].split(","))


def _comparison(text: str, left: str, sign: str, right: str, fields: dict[str, Field]) -> Rule:
    if sign in ("<", "<="):
        left, right, sign = right, left, {"<": ">", "<=": ">="}[sign]
    sides = [_terms(text, side, fields) for side in (left, right)]
    for k, (mine, other) in enumerate((sides, sides[::-1])):
        if mine is None:
            return _bound(text, (left, right)[k], k == 0, sign, other, fields)
    terms = [(1 * c, n) for c, n in sides[0]] + [(-c, n) for c, n in sides[1]]
    if len({n for _, n in terms}) < len(terms):
        raise ConfigError(f"rule {text!r} names a column twice")
    if len(sides[1]) == 1 and (len(sides[0]) > 1):  # the lone column is the one to derive
        terms = [terms[-1], *terms[:-1]]
    return _linear(text, tuple(terms), sign, fields)


def _bound(text: str, literal: str, upper: bool, sign: str, other: list | None, fields: dict[str, Field]) -> Bound:
    """`literal sign column` (upper) or `column sign literal`."""
    if not other or len(other) != 1 or other[0][0] != 1:
        raise ConfigError(
            f"rule {text!r} cannot be read: {literal.strip()!r} is no column; {_nearest(literal, fields)}"
        )
    name = other[0][1]
    field = _field(text, name, fields)
    if field.listed:
        raise ConfigError(f"rule {text!r}: column {name!r} is a {field.column.kind} and has no order")
    try:
        value = field.parse(literal.strip())
    except ConfigError:
        raise ConfigError(
            f"rule {text!r}: {literal.strip()!r} is neither a column nor a value of {name!r}; "
            f"{_nearest(literal, fields)}"
        ) from None
    if sign == "==":
        return Bound(text, name, value, value)
    if upper:
        return Bound(text, name, high=value, open_high=sign == ">")
    return Bound(text, name, low=value, open_low=sign == ">")


def _linear(text: str, terms: tuple[tuple[int, str], ...], sign: str, fields: dict[str, Field]) -> Linear:
    columns = [_field(text, n, fields).column for _, n in terms]
    kinds = {"time" if c.kind == "time" else "moment" if c.kind in MOMENTS else c.kind for c in columns}
    if len(kinds) > 1 or kinds & {"category", "boolean"}:
        told = ", ".join(f"{c.name!r} is a {c.kind}" for c in columns)
        raise ConfigError(f"rule {text!r} compares what has no common measure: {told}")
    if kinds != {"number"}:
        if len(terms) != 2 or sum(c for c, _ in terms) != 0:
            raise ConfigError(f"rule {text!r}: moments can be compared, not added")
        unit = min(c.unit for c in columns)
        return Linear(text, terms, sign, tuple(float(c.unit // unit) for c in columns), True)
    exact = all(c.decimals is not None for c in columns)
    finest = max((c.decimals or 0) for c in columns) if exact else 0
    return Linear(text, terms, sign, tuple(10.0 ** (finest - (c.decimals or 0)) for c in columns), exact)


def _terms(text: str, side: str, fields: dict[str, Field]) -> list[tuple[int, str]] | None:
    """(coefficient, column) of a side such as `a + b - c`; None when it holds no column (a value, then)."""
    rest, found, coefficient = side.strip(), [], 1
    names = sorted(fields, key=len, reverse=True)
    while rest:
        name = next((n for n in names for q in (n, f"`{n}`", f'"{n}"', f"'{n}'") if _starts(rest, q)), None)
        if name is None:
            if found:
                raise ConfigError(f"rule {text!r} cannot be read at {rest!r}: {_nearest(rest, fields)}")
            return None
        quoted = rest[0] in "`\"'" and not rest.startswith(name)
        rest = rest[len(name) + 2 * quoted :].strip()
        found.append((coefficient, name))
        if rest and rest[0] not in "+-":
            raise ConfigError(f"rule {text!r} cannot be read at {rest!r}: only + and - join columns")
        coefficient = -1 if rest.startswith("-") else 1
        if rest and not (rest := rest[1:].strip()):
            raise ConfigError(f"rule {text!r} ends after a sign")
    return found


def _starts(text: str, word: str) -> bool:
    after = text[len(word) : len(word) + 1]
    return text.startswith(word) and not (after.isalnum() or after == "_")


def _field(text: str, name: str, fields: dict[str, Field]) -> Field:
    if name not in fields:
        raise ConfigError(f"rule {text!r}: no learnt column is called {name!r}: {nearest(name, list(fields))}")
    return fields[name]


def _nearest(word: str, fields: dict[str, Field]) -> str:
    return nearest(word.strip(), list(fields))
