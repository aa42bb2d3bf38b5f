"""One table as its model sees it: its own columns, how many children a row has, and what is told of other rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.linked.clock import Clock
from conjure.domains.table.fields import Field
from conjure.domains.table.schema import MOMENTS, Column, Schema

if TYPE_CHECKING:
    import pandas as pd

BEFORE = "previous "
POSITION = "position"
MATCHED = 6  # columns by which a row is matched with a parent that does not own it


@dataclass
class Relation:
    """`own` are the learnt columns of the row itself, `context` those it is told (of its owner and that one's owners,
    of the row before, its position), `wanted` those of parents to be matched, by foreign key."""

    table: str
    columns: tuple[str, ...]
    own: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    wanted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: dict[str, tuple[str, str]] = field(default_factory=dict)  # column -> (child, its foreign key)
    key: dict[str, Any] = field(default_factory=dict)  # of one column: name and pattern
    first: int = 1  # what a counter of rows starts from
    clock: Clock | None = None
    implied: dict[str, str] = field(default_factory=dict)  # foreign key -> ancestor it always agrees with
    dates: tuple[Column, ...] = ()
    ratio: float = 1.0  # rows for each row of the main root
    declared: dict[str, Any] = field(default_factory=dict)  # the schema of `frame`

    @property
    def lagged(self) -> bool:
        """Whether a row depends on the one before by more than its time."""
        return any(name.startswith(BEFORE) for name in self.context)

    @property
    def told(self) -> tuple[str, ...]:
        """All columns that are not the row's own."""
        return (*self.context, *(name for names in self.wanted.values() for name in names))

    def state(self) -> dict[str, Any]:
        kept = {k: v for k, v in self.__dict__.items() if k not in ("clock", "declared")}
        dates = [asdict(c) for c in self.dates]
        return {**kept, "clock": self.clock.state() if self.clock else None, "dates": dates}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Relation:
        lists = {k: tuple(state[k]) for k in ("columns", "own", "context")}
        lists["wanted"] = {k: tuple(v) for k, v in state["wanted"].items()}
        lists["counts"] = {k: tuple(v) for k, v in state["counts"].items()}
        clock = Clock.from_state(state["clock"]) if state["clock"] else None
        dates = tuple(Column(**c) for c in state["dates"])
        return cls(**{**state, **lists, "clock": clock, "dates": dates})


def declaration(column: Any) -> dict[str, Any]:
    """A column's kind as a schema says it."""
    said: dict[str, Any] = {"kind": column.kind}
    if column.kind == "number" and column.decimals is not None:
        said["decimals"] = column.decimals
    if column.kind in MOMENTS and column.form:
        said["form"] = column.form
    if column.kind == "faker":
        said["faker"] = column.provider
    return said


def names_in(columns: set[str], rule: str) -> bool:
    return any(name in rule for name in columns)


def timed_rules(table: str, clock: Clock, schema: Schema, frame: pd.DataFrame) -> None:
    """Rules that name a time are kept by how times are learnt, or refused; DataError for a row that breaks one."""
    spans = {c.name: c for c in clock.spans}
    for rule in schema.rules:
        if not names_in(clock.taken, rule):
            continue
        later, _, earlier = (word.strip() for word in rule.partition(">="))
        if later not in spans or earlier != clock.time.name:
            raise ConfigError(
                f"the rule {rule!r} names a time of table {table!r}, whose rows are ordered by {clock.time.name!r}: "
                f"of these columns only 'COLUMN >= {clock.time.name}' can be a rule"
            )
        passed = (
            Field(spans[later]).read(frame[later]) * spans[later].unit - clock.units(frame[earlier]) * clock.time.unit
        )
        if len(bad := np.flatnonzero(passed < 0)):
            raise DataError(f"table {table!r}: the rule {rule!r} does not hold in row {bad[0] + 1} of the data")
