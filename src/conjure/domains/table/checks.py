"""Whether cells are such as training held, and whether rules hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.table.fields import Field
from conjure.domains.table.rules import Fixed, parse
from conjure.domains.table.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    from conjure.domains.table.codec import TableCodec


def valid(frame: pd.DataFrame, codec: TableCodec) -> dict[str, float]:
    """Column -> share of cells in [0, 1] that training could have held: right type, known value, within its range.

    The total of a sum may go beyond its range in training; a column that is absent has share 0.
    """
    out = {}
    for name, field in codec.fields.items():
        if name not in frame.columns:
            out[name] = 0.0
            continue
        try:
            known = field.read(field.known(frame[name]))
        except DataError:
            out[name] = 0.0
            continue
        low, high = codec.span(name)
        inside = np.isnan(known) | ((known >= low) & (known <= high))
        if field.listed:
            inside &= (field.known(frame[name]).astype("str") == frame[name].astype("str")).to_numpy()
        out[name] = float(inside.mean())
    return out


def broken(frame: pd.DataFrame, rules: tuple[str, ...], codec: TableCodec | None = None) -> dict[str, np.ndarray]:
    """Rule -> which rows break it, (rows,) bool; ConfigError for a fixed set without the codec that knows it."""
    fields = codec.fields if codec else _fields(frame, rules)
    out = {}
    for text in rules:
        parsed = parse((text,), fields)
        columns = {n: fields[n].read(frame[n]) for rule in parsed for n in rule.columns}
        bad = np.zeros(len(frame), bool)
        for rule in parsed:
            if not isinstance(rule, Fixed):
                bad |= ~rule.holds(columns)
            elif codec is None:
                raise ConfigError(f"rule {text!r} is judged against the pairs of training: give the codec")
            else:
                joint = next(j for j in codec.plan.joints if set(rule.columns) <= set(j.columns))
                bad |= ~joint.holds(rule.columns, columns)
        out[text] = bad
    return out


def rules_hold(frame: pd.DataFrame, rules: tuple[str, ...], codec: TableCodec | None = None) -> dict[str, float]:
    """Rule -> share of rows that obey it, in [0, 1]."""
    return {text: float(1 - bad.mean()) for text, bad in broken(frame, rules, codec).items()}


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables agree cell by cell, missing cells being alike."""
    return list(one.columns) == list(other.columns) and one.reset_index(drop=True).equals(other.reset_index(drop=True))


def _fields(frame: pd.DataFrame, rules: tuple[str, ...]) -> dict[str, Field]:
    schema = Schema.infer(frame, {"rules": rules})
    # An id or a text can stand in a unique key: its values are told apart like those of a category.
    return {c.name: Field.learn(c, frame[c.name]) for c in schema.columns}
