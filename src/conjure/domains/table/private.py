"""A codec learnt under differential privacy: kinds, ranges, categories and bins from noisy counts alone.

What is not known beforehand is asked of the ledger. Values that too few rows share become empty cells; so do
cells that a column's kind does not fit. Rules and ids' patterns would tell about single rows: there are none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.core.privacy import Ledger
from conjure.domains.protocol import Encoded
from conjure.domains.table import cells, people, refining
from conjure.domains.table.binning import Binning
from conjure.domains.table.codec import TableCodec
from conjure.domains.table.fields import Field
from conjure.domains.table.plan import Plan
from conjure.domains.table.reading import MARKS
from conjure.domains.table.schema import MOMENTS, Column, Schema, declared_columns, load

if TYPE_CHECKING:
    import pandas as pd

ROWS, KINDS, CODES = 0.001, 0.02, 0.1  # shares of the budget: how many rows, kinds of columns, codes of columns
MOST_DECIMALS = 6
PUBLIC = {"M": "datetime"}  # kinds that a column's dtype says by itself; all others are told from cells, one by one


def learn(frame: pd.DataFrame, config: TableCodec.Config, ledger: Ledger) -> tuple[TableCodec, float]:
    """The codec, and about how many rows there are; ConfigError for rules, DataError where nothing shows clearly."""
    declared = load(config.schema)
    if declared.get("rules") or config.rules:
        raise ConfigError("rules are learnt from single rows, which a privacy budget forbids: leave codec.rules out")
    if config.numbers == "values":
        config = replace(config, numbers="bins")
    about, _ = ledger.counts("number of rows", np.array([float(len(frame))]), ledger.part(ROWS))
    rows = max(float(about[0]), 2.0)
    columns = _kinds(frame, declared_columns(declared, list(frame.columns)), ledger)
    learnt = [c for c in columns if c.learnt]
    asked = sum(1 if Field(c).listed else refining.ROUNDS for c in learnt)
    mu = ledger.part(CODES) / max(1, asked) ** 0.5
    questions = sum(Field(c).listed for c in learnt)
    fields, coders, found = {}, {}, []
    for column in columns:
        if column.kind == "faker":
            found.append(column)
            continue
        made = (
            _learnt(column, frame[column.name], (ledger, mu, questions, rows, config.bins)) if column.learnt else None
        )
        if made is None:
            found.append(replace(column, kind="id" if column.kind in ("category", "id") else "text", dtype="int"))
            continue
        fields[column.name], coders[column.name] = made
        found.append(made[0].column)
    if not fields:
        raise DataError(f"no column shows anything clearly at this budget: about {rows:,.0f} rows are too few")
    schema = Schema(tuple(found))
    fixed: dict[str, Any] = {c.name: {"first": 1} for c in found if c.kind == "id"}
    fixed |= {c.name: people.kept(locale=config.locale) for c in found if c.kind == "faker"}
    parts = {"fields": fields, "coders": coders, "fixed": fixed, "plan": Plan(fields)}
    return TableCodec(config, schema, parts), rows


def encode(frame: pd.DataFrame, codec: TableCodec) -> Encoded:
    """Codes of rows, each by itself: a cell that the codec does not know is empty, or takes the usual code."""
    x = []
    for name, coder in codec.coders.items():
        values = _values(codec.fields[name].column, codec.fields[name].values, frame[name])
        usual = 0.0 if codec.fields[name].listed else coder.middle
        x.append(coder.encode(values if coder.missing else np.where(np.isnan(values), usual, values)))
    return Encoded(torch.from_numpy(np.column_stack(x)))


def _kinds(frame: pd.DataFrame, declared: dict[str, dict[str, Any]], ledger: Ledger) -> list[Column]:
    """Every column's kind: as declared, as its dtype says, or as most of its cells vote, a cell a vote."""
    asked = [n for n in map(str, frame.columns) if n not in declared and frame[n].dtype.kind not in PUBLIC]
    mu = ledger.part(KINDS) / max(1, len(asked)) ** 0.5
    out = []
    for name in map(str, frame.columns):
        series = frame[name]
        if name in declared:
            out.append(_declared(name, declared[name]))
        elif name not in asked:
            out.append(Column(name, PUBLIC[series.dtype.kind], dtype="datetime"))
        else:
            votes = _votes(series)
            counts, scale = ledger.counts(
                f"kind of {name!r}", np.bincount(votes, minlength=len(VOTES)).astype(float), mu
            )
            out.append(_elected(name, counts, scale))
    return out


VOTES = ("empty", "words", *range(MOST_DECIMALS + 1), "any number", *cells.FORMS)  # what a cell may be


def _votes(series: pd.Series) -> np.ndarray:
    """What each cell looks like by itself, as a place in VOTES, (rows,)."""
    import pandas as pd

    places, distinct = pd.factorize(series.astype("str").where(series.notna()))
    kinds = np.ones(len(distinct), np.int64)
    words = pd.Series(distinct, dtype="str")
    numbers = pd.to_numeric(words, errors="coerce").to_numpy(np.float64)
    is_number = np.isfinite(numbers)
    digits = np.full(len(distinct), 2 + MOST_DECIMALS + 1)
    for d in reversed(range(MOST_DECIMALS + 1)):
        near = np.abs(np.where(is_number, numbers, 0.5) * 10.0**d)
        digits[is_number & (np.abs(near - np.round(near)) < 1e-6 * np.maximum(1, near * 1e-9))] = 2 + d
    kinds[is_number] = digits[is_number]
    first = 2 + MOST_DECIMALS + 2
    for k, form in enumerate(cells.FORMS):
        left = np.flatnonzero(kinds == 1)
        if not len(left) or not words.iloc[left].str.contains(r"\d").any():
            break
        fits = pd.to_datetime(words.iloc[left], format=form, errors="coerce", utc="%z" in form).notna().to_numpy()
        kinds[left[fits]] = first + k
    kinds[words.isin(MARKS).to_numpy()] = 0  # a reader drops these or not by what other rows hold
    return np.where(places < 0, 0, kinds[places] if len(kinds) else 0)


def _elected(name: str, votes: np.ndarray, scale: float) -> Column:
    """The kind that most cells that are not empty voted for."""
    first = 2 + MOST_DECIMALS + 2
    words, numbers, moments = votes[1], votes[2:first].sum(), votes[first:].max()
    if words >= max(numbers, moments):
        return Column(name, "category")
    if moments > numbers:
        form = cells.FORMS[int(votes[first:].argmax())]
        return _moment(Column(name, "date", form=form))
    clear = [d for d in range(MOST_DECIMALS + 2) if votes[2 + d] > refining.CLEAR * scale]
    decimals = max(clear, default=0)
    return Column(
        name, "number", dtype="float" if decimals else "int", decimals=None if decimals > MOST_DECIMALS else decimals
    )


def _declared(name: str, settings: dict[str, Any]) -> Column:
    """A column as the schema says, which is public."""
    kind = settings.get("kind", "number")
    if kind == "constant":
        raise ConfigError(f"column {name!r} is declared constant: leave it out of the table, or declare a category")
    if kind in MOMENTS:
        if "form" not in settings:
            raise ConfigError(f"column {name!r}: under a privacy budget a {kind} needs its form in the schema")
        return _moment(Column(name, kind, form=settings["form"]))
    if kind == "number":
        decimals = settings.get("decimals", 0)
        return Column(name, kind, dtype="float" if decimals else "int", decimals=decimals)
    return Column(name, kind, provider=settings.get("faker", "") or "name" if kind == "faker" else "")


def _moment(column: Column) -> Column:
    """With the kind and the unit that its form speaks of."""
    form = column.form
    kind = "time" if "%Y" not in form else "datetime" if "%H" in form else "date"
    seconds = 86_400 if "%H" not in form else 1 if "%S" in form else 60
    return replace(column, kind=kind, unit=1 if "%f" in form else seconds * 1_000_000)


def _values(column: Column, listed: list[Any], series: pd.Series) -> np.ndarray:
    """Cells as `Field.read` places them, each by itself; NaN for what is empty or does not fit."""
    import pandas as pd

    if column.kind == "number":
        numbers = pd.to_numeric(series, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
        return numbers if column.decimals is None else np.rint(numbers * 10.0**column.decimals)
    if column.kind in MOMENTS:
        options = {"format": column.form, "utc": "%z" in column.form} if column.form else {}
        found = pd.to_datetime(series, errors="coerce", **options)
        found = found.dt.tz_localize(None) if found.dt.tz is not None else found
        out = found.to_numpy("datetime64[us]").astype(np.int64).astype(np.float64)
        out[found.isna().to_numpy()] = np.nan
        return np.floor((out % cells.DAY if column.kind == "time" else out) / column.unit)
    places = pd.Index(map(str, listed), dtype="str").get_indexer(_text(series)).astype(np.float64)
    return np.where(places < 0, np.nan, places)


def _text(series: pd.Series) -> pd.Series:
    """Cells as text, each by itself: a whole number is written alike whether or not an empty cell made it a float."""
    if series.dtype.kind == "f":
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        whole = np.isfinite(numbers) & (numbers == np.rint(numbers)) & (np.abs(numbers) < 2**53)
        words = series.astype("str").astype(object)
        words[whole] = [str(int(v)) for v in numbers[whole]]
        series = words.where(series.notna())
    return series.astype("str").where(series.notna()).astype("str")


def _learnt(
    column: Column, series: pd.Series, how: tuple[Ledger, float, int, float, int]
) -> tuple[Field, Binning] | None:
    """A column's field and coder from noisy counts; None where no value of it is shared by enough rows."""
    return (_category if Field(column).listed else _number)(column, series, how)


def _category(
    column: Column, series: pd.Series, how: tuple[Ledger, float, int, float, int]
) -> tuple[Field, Binning] | None:
    """Values whose noisy counts say that several rows share them, most frequent first."""
    ledger, mu, questions, rows, _ = how
    counts = _text(series).value_counts()
    noisy, scale = ledger.counts(f"values of {column.name!r}", counts.to_numpy(np.float64), mu)
    kept = np.flatnonzero(noisy > ledger.threshold(scale, questions))
    kept = kept[np.argsort(-noisy[kept])]
    if not len(kept):
        return None
    each = noisy[kept]
    rest = rows - each.sum()
    absent = int(rest) if rest > refining.CLEAR * scale * len(kept) ** 0.5 else 0
    values = [str(counts.index[k]) for k in kept]
    field = Field(replace(column, missing=absent / rows, distinct=len(kept), example=str(values[0])), values)
    return field, Binning.categories(each.astype(np.int64), np.arange(len(each)), absent)


def _number(
    column: Column, series: pd.Series, how: tuple[Ledger, float, int, float, int]
) -> tuple[Field, Binning] | None:
    """Bins of a number or moment, uniform inside."""
    ledger, mu, _, rows, most = how
    scale = 1 / mu
    noisy = lambda exact: ledger.counts(f"bins of {column.name!r}", exact, mu)[0]  # noqa: E731
    leaves, empty = refining.refine(_values(column, [], series), noisy, scale, grid=column.grid)
    found = refining.bins(leaves, scale, most, grid=column.grid)
    if not found:
        return None
    absent = int(empty) if empty > refining.CLEAR * scale else 0
    half = 0.5 if column.grid else 0.0
    borders = np.array([(leaf.low - half, leaf.high - half) for leaf in found])
    levels = 2.0 * np.arange(len(found))[:, None] + np.array([0.0, 1.0])
    counts = np.maximum([leaf.count for leaf in found] + [absent] * bool(absent), 1).astype(np.int64)
    field = Field(replace(column, missing=absent / rows, distinct=len(found)))
    return field, Binning(borders.ravel(), levels.ravel(), counts, grid=column.grid, missing=bool(absent))
