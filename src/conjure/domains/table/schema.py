"""What each column of a table is: its kind and the form its values come in, inferred or declared."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.domains.table import cells, people

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("number", "category", "boolean", "datetime", "date", "time", "id", "text", "constant", "faker")
MOMENTS = ("datetime", "date", "time")
LEARNT = ("number", "category", "boolean", *MOMENTS)
FEW = 20  # rows below which a column of distinct values is not taken for an id or a text
KEY_NAME = re.compile(r"(^|[_\s.-])(id|uuid|guid|key|index|nr|no)$|^unnamed|[a-z]I[dD]$", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """One column. `dtype` is how its values come out: int, float, bool, str, category, datetime or date.

    `decimals` of a number is None when it follows no decimal grid; `single` says it was held in 32 bits.
    `unit` is the number of microseconds between possible moments, `form` their strftime form when they
    are text, `zone` their time zone. `missing` is the share of empty cells in training. `provider` is Faker's word for
    what stands in a column of people's names, addresses and the like.
    """

    name: str
    kind: str
    dtype: str = "str"
    decimals: int | None = None
    single: bool = False
    unit: int = 1
    form: str = ""
    zone: str = ""
    missing: float = 0.0
    distinct: int = 0
    example: str = ""
    provider: str = ""

    @property
    def learnt(self) -> bool:
        return self.kind in LEARNT

    @property
    def grid(self) -> bool:
        """Whether values are whole numbers of steps."""
        return self.kind != "number" or self.decimals is not None


@dataclass(frozen=True)
class Schema:
    """The columns of a table in order, and the rules its rows obey."""

    columns: tuple[Column, ...]
    rules: tuple[str, ...] = ()

    @classmethod
    def infer(cls, frame: pd.DataFrame, declared: dict[str, Any] | None = None) -> Schema:
        """From training data, `declared` (as in a schema file) taking precedence; DataError, ConfigError."""
        declared = declared or {}
        columns = declared_columns(declared, list(frame.columns))
        rules = tuple(declared.get("rules", ()))
        # A column that a rule ties to others is modelled even if it looks like an id or never changes.
        tying = "\n".join(r for r in rules if not r.strip().startswith("unique:"))
        tied = {n for n in map(str, frame.columns) if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", tying)}
        found = (_infer(str(n), frame[n], columns.get(str(n), {}), str(n) in tied) for n in frame.columns)
        return cls(tuple(found), rules)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise ConfigError(f"the table has no column {name!r}: {nearest(name, [c.name for c in self.columns])}")

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind == "id")

    def describe(self) -> str:
        """A small table for people: name, kind, distinct values, missing share, an example."""
        rows = [("column", "kind", "distinct", "missing", "example")]
        for c in self.columns:
            missing = f"{c.missing:.1%}" if c.missing else ""
            rows.append((c.name, _kind_in_words(c), f"{c.distinct:,}", missing, c.example[:24]))
        widths = [max(len(r[k]) for r in rows) for k in range(5)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"rule: {rule}" for rule in self.rules)])

    def notes(self, fixed: dict[str, Any]) -> list[str]:
        """One sentence for each column that is not learnt; `fixed` holds the values of constants."""
        said = []
        for c in self.columns:
            if c.kind == "constant":
                what = f"always {fixed[c.name]!r}" if fixed[c.name] is not None else "always empty"
                said.append(f"column {c.name!r} is {what}: it is copied to every row, not learnt")
            elif c.kind == "id":
                said.append(f"column {c.name!r} is an id: new ones are made in its pattern, none is learnt")
            elif c.kind == "text":
                said.append(f"column {c.name!r} is free text: it is left out (declare it a category to keep it)")
            elif c.kind == "faker":
                said.append(
                    f"column {c.name!r} tells who somebody is: none is learnt, Faker's {c.provider!r} makes new ones"
                    f"{people.needed()} (declare it a category to keep it)"
                )
        return said

    def state(self) -> dict[str, Any]:
        # An example is a real value: of what is not learnt none may be kept.
        kept = [c if c.learnt or c.kind == "constant" else replace(c, example="") for c in self.columns]
        plain = asdict(Column("", ""))
        rows = [{k: v for k, v in asdict(c).items() if v != plain[k]} for c in kept]
        return {"columns": rows, "rules": list(self.rules)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Schema:
        return cls(tuple(Column(**c) for c in state["columns"]), tuple(state["rules"]))


def load(schema: str | dict[str, Any] | None, *, several: bool = False) -> dict[str, Any]:
    """A declared schema from a TOML file's path or a dict, of `several` tables where it may be; ConfigError names an
    unreadable file or unknown key."""
    if schema is None:
        return {}
    if isinstance(schema, str):
        try:
            schema = tomllib.loads(Path(schema).read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read the schema file {schema}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"the schema file {schema} is not TOML: {error}") from None
    known = ["columns", "rules", "tables"]
    if unknown := [k for k in schema if k not in known]:
        raise ConfigError(f"unknown key {unknown[0]!r} in the schema: {nearest(unknown[0], known)}")
    if "tables" in schema and not several:
        raise ConfigError("the schema is of several tables ([tables.NAME]): give fit their folder, not one file")
    return dict(schema)


def declared_columns(declared: dict[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    known = ["kind", "decimals", "form", "faker"]
    columns = {k: {"kind": v} if isinstance(v, str) else dict(v) for k, v in declared.get("columns", {}).items()}
    for name, settings in columns.items():
        if "faker" in settings:
            settings["kind"] = "faker"
            people.check(name, settings["faker"])
    for name, settings in columns.items():
        if name not in names:
            raise ConfigError(f"the schema names a column {name!r} that the table lacks: {nearest(name, names)}")
        for key in settings:
            if key not in known:
                raise ConfigError(f"unknown key {key!r} in the schema of column {name!r}: {nearest(key, known)}")
        kind = settings.get("kind", "number")
        if kind not in KINDS:
            raise ConfigError(f"column {name!r} is declared {kind!r}: {nearest(str(kind), KINDS)}")
    return columns


def _infer(name: str, series: pd.Series, declared: dict[str, Any], tied: bool) -> Column:
    kind, objects = declared.get("kind", ""), series.dtype == object
    series = cells.plain(series, mixed_allowed=kind in ("category", "text", "id"))
    present = series.dropna()
    distinct = int(present.nunique())
    column = Column(
        name,
        kind,
        missing=round(1 - len(present) / max(1, len(series)), 6),
        distinct=distinct,
        dtype=cells.dtype_word(series),
        example=str(present.iloc[0]) if len(present) else "",
    )
    if kind == "faker":
        return replace(column, provider=declared.get("faker") or people.recognised(name, present) or "name")
    if distinct == 0 or (distinct == 1 and not kind and not tied and len(present) == len(series)):
        return replace(column, kind="constant")
    if not kind and not tied and (provider := people.recognised(name, present)):
        return replace(column, kind="faker", provider=provider)
    column = _as_declared(column, present, declared) if kind else replace(_guess(column, present, tied), **declared)
    return replace(column, dtype="date") if objects and column.dtype == "datetime" else column


def _guess(column: Column, present: pd.Series, tied: bool) -> Column:
    """The kind that the values suggest."""
    unique = not tied and column.distinct == len(present) and len(present) >= FEW and not column.missing
    match column.dtype:
        case "bool":
            return replace(column, kind="boolean")
        case "int" | "float":
            return _number(column, present, unique)
        case "datetime":
            return cells.moment(column, present)
    cells.check_one_type(column.name, present)
    if found := cells.moment_form(column.name, present):
        return cells.moment(replace(column, form=found), present)
    words = set(present.unique()[:3])
    if column.distinct == 2 and {str(w).lower() for w in words} in cells.TWO:
        return replace(column, kind="boolean")
    if column.dtype == "category" and not unique:
        return replace(column, kind="category")
    return replace(column, kind=_kind_of_text(column, present, unique))


def _number(column: Column, present: pd.Series, unique: bool) -> Column:
    values = present.to_numpy(np.float64)
    if column.dtype == "int":
        span = values.max() - values.min() + 1
        # So many whole numbers in so short a span do not all differ by chance.
        if unique and (span <= 2 * len(values) or KEY_NAME.search(column.name)):
            return replace(column, kind="id")
        if column.distinct == 2 and set(values) == {0.0, 1.0}:
            return replace(column, kind="boolean")
        if np.abs(values).max() > 2.0**53:  # floats cannot count so far; such numbers are names
            return replace(column, kind="id" if unique else "category")
        return replace(column, kind="number", decimals=0)
    decimals, single = cells.decimals(values)
    return replace(column, kind="number", decimals=decimals, single=single)


def _kind_of_text(column: Column, present: pd.Series, unique: bool) -> str:
    sample = present.iloc[:2000].astype(str)
    words = float((sample.str.count(r"\s+") + 1).mean())
    if unique and words < 2 and (KEY_NAME.search(column.name) or cells.one_pattern(sample)):
        return "id"
    often_new = column.distinct > 0.5 * len(present) and len(present) >= FEW
    if often_new and (words >= 3 or unique or float(sample.str.len().mean()) > 40):
        return "text"
    return "category"


def _as_declared(column: Column, present: pd.Series, declared: dict[str, Any]) -> Column:
    """A column of the declared kind; DataError where the values cannot be that."""
    kind = declared["kind"]
    if kind == "constant" and column.distinct > 1:
        raise DataError(f"column {column.name!r} is declared constant but holds {column.distinct} different values")
    if kind in MOMENTS:
        form = declared.get("form") or cells.moment_form(column.name, present)
        if not form and column.dtype != "datetime":
            raise DataError(f"column {column.name!r} is declared {kind} but holds {column.example!r}")
        return replace(cells.moment(replace(column, form=form or ""), present), kind=kind)
    if kind == "number":
        values = cells.numbers(column.name, present)
        found, single = cells.decimals(values)
        decimals = declared.get("decimals", found)
        return replace(column, kind=kind, decimals=decimals, single=single)
    return replace(column, kind=kind)


def _kind_in_words(column: Column) -> str:
    if column.kind == "number":
        if column.decimals is None:
            return "number"
        return f"number, {column.decimals} decimals" if column.decimals else "number, whole"
    if column.kind in MOMENTS:
        return f"{column.kind} {column.form}".strip()
    return {"id": "id (regenerated)", "text": "text (left out)", "constant": "constant"}.get(
        column.kind, f"{column.provider} (by Faker)" if column.kind == "faker" else column.kind
    )
