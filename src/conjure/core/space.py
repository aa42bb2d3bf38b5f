"""What a model's tensors may hold: the one place where kinds of data and kinds of model meet.

A codec promises that everything it encodes lies in its space; a model promises the same of
everything it samples.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dense:
    """Real numbers in a box, float32 (B, *shape): images as (C, H, W), series as (T, C), latents as (D,)."""

    shape: tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf

    def contains(self, x: Tensor) -> bool:
        if tuple(x.shape[1:]) != self.shape or not x.is_floating_point():
            return False
        return bool(torch.isfinite(x).all() and (x >= self.low).all() and (x <= self.high).all())


@dataclass(frozen=True)
class Tokens:
    """Integers below `vocab`, int64 (B, *shape); after the first `end` token only `end` may follow.

    `shape` is the longest sequence, (T,), or a grid, (H, W), read row by row. In a `stream` examples are
    cut out of a longer sequence, of any length: T is then how far back a model looks, `end` is None, and
    the first token of an example is its context: what is modelled is P(x[1:] | x[0]).
    """

    vocab: int
    shape: tuple[int, ...]
    end: int | None = None
    stream: bool = False

    @property
    def length(self) -> int:
        return math.prod(self.shape)

    def contains(self, x: Tensor) -> bool:
        if (
            x.is_floating_point()
            or x.ndim != len(self.shape) + 1
            or any(a > b and not self.stream for a, b in zip(x.shape[1:], self.shape))
        ):
            return False
        if not bool((x >= 0).all() and (x < self.vocab).all()):
            return False
        if self.end is None:
            return True
        ended = (x.flatten(1) == self.end).cummax(1).values if x.numel() else x.flatten(1).bool()
        return bool((x.flatten(1)[ended] == self.end).all())


@dataclass(frozen=True)
class Category:
    """A column of codes 0 .. size-1; `ordered` when neighbours mean similar things (bins of a number)."""

    name: str
    size: int
    ordered: bool = False


@dataclass(frozen=True)
class Number:
    """A column of real numbers, roughly standard normal."""

    name: str


@dataclass(frozen=True)
class Columns:
    """One row of a table, (B, K): int64 when every column is a Category, float32 (codes as floats) otherwise."""

    columns: tuple[Category | Number, ...]

    @property
    def discrete(self) -> bool:
        return all(isinstance(c, Category) for c in self.columns)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes a column can take; 0 for a Number."""
        return tuple(c.size if isinstance(c, Category) else 0 for c in self.columns)

    def contains(self, x: Tensor) -> bool:
        if x.ndim != 2 or x.shape[1] != len(self.columns) or x.is_floating_point() == self.discrete:
            return False
        if not bool(torch.isfinite(x).all()):
            return False
        for k, size in enumerate(self.sizes):
            column = x[:, k]
            if size and not bool(((column >= 0) & (column < size) & (column == column.round())).all()):
                return False
        return True


Space = Dense | Tokens | Columns


def space_to_json(space: Space) -> dict[str, Any]:
    """A space as plain JSON; infinite bounds become null."""
    if isinstance(space, Columns):
        rows = [{"kind": type(c).__name__, **asdict(c)} for c in space.columns]
        return {"kind": "Columns", "columns": rows}
    fields = {k: (None if isinstance(v, float) and math.isinf(v) else v) for k, v in asdict(space).items()}
    return {"kind": type(space).__name__, **fields}


def space_from_json(state: dict[str, Any]) -> Space:
    """The inverse of `space_to_json`."""
    fields = {k: v for k, v in state.items() if k != "kind"}
    if state["kind"] == "Columns":
        kinds = {"Category": Category, "Number": Number}
        rows = (({k: v for k, v in c.items() if k != "kind"}, kinds[c["kind"]]) for c in fields["columns"])
        return Columns(tuple(kind(**row) for row, kind in rows))
    fields["shape"] = tuple(fields["shape"])
    if state["kind"] == "Tokens":
        return Tokens(**fields)
    low, high = fields["low"], fields["high"]
    return Dense(fields["shape"], -math.inf if low is None else low, math.inf if high is None else high)
