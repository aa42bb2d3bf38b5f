"""What a person may ask of a column: a value, a range, any of several, missing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.domains.table.binning import Allowed, Binning, Ranges
from conjure.domains.table.derived import Asked
from conjure.domains.table.fields import Field
from conjure.domains.table.plan import Plan

MISSING = "missing"


def asked(given: dict[str, Any], fields: dict[str, Field], coders: dict[str, Binning]) -> Asked:
    """What is wanted of each column; ConfigError for an unknown column or a value that cannot be."""
    for name in given:
        if name not in fields:
            raise ConfigError(f"no learnt column is called {name!r}: {nearest(name, list(fields))}")
    wanted = {name: read(fields[name], word) for name, word in given.items()}
    for name, (ranges, missing) in wanted.items():
        if name in coders and _nowhere(coders[name], ranges, missing):
            raise ConfigError(f"column {name!r} cannot be {given[name]!r}: {_possible(fields[name], coders[name])}")
    return wanted


def allowed(wanted: Asked, plan: Plan, coders: dict[str, Binning]) -> dict[str, Allowed]:
    """What that leaves of each variable; ConfigError when nothing is left of one."""
    found = {}
    for name, (ranges, missing) in plan.allow(wanted).items():
        if name not in coders or _nowhere(coders[name], ranges, missing):
            raise ConfigError(f"no row can meet the conditions on {', '.join(wanted)} together")
        found[name] = coders[name].allow(ranges, missing)
    return found


def _nowhere(coder: Binning, ranges: Ranges, missing: bool) -> bool:
    return not coder.weights(coder.allow(ranges, missing)).any()


def _possible(field: Field, coder: Binning) -> str:
    if field.listed:
        return "it was never missing in training"
    low, high = map(field.show, coder.span)
    return f"in training it lies between {low} and {high}" + (" or is missing" if coder.missing else "")


def read(field: Field, asked: Any) -> tuple[Ranges, bool]:
    """(ranges in the column's own units, whether missing is allowed); ConfigError for what cannot be.

    asked: "30", "30..40" (ends included, either may be left out), "a|b", "missing"; from Python also a
    number, None for missing, a (low, high) pair or a list of any of these.
    """
    if isinstance(asked, str):
        return _word(field, asked)
    if asked is None or (isinstance(asked, float) and math.isnan(asked)):
        return [], True
    if isinstance(asked, tuple) and len(asked) == 2:
        return [_range(field, *asked)], False
    if isinstance(asked, Iterable):
        parts = [read(field, part) for part in asked]
        return [r for ranges, _ in parts for r in ranges], any(missing for _, missing in parts)
    return [_point(field, asked)], False


def _word(field: Field, word: str) -> tuple[Ranges, bool]:
    if field.listed and word in field.values:
        return [_point(field, word)], False
    ranges: Ranges = []
    missing = False
    for part in word.split("|"):
        low, dots, high = part.partition("..")
        if part.strip() == MISSING:
            missing = True
        elif dots and not (field.listed and part.strip() in map(str, field.values)):
            ranges.append(_range(field, low.strip() or None, high.strip() or None))
        else:
            ranges.append(_point(field, part.strip()))
    return ranges, missing


def _point(field: Field, value: Any) -> tuple[float, float]:
    place = field.parse(value)
    return place, place


def _range(field: Field, low: Any, high: Any) -> tuple[float, float]:
    if field.listed:
        raise ConfigError(f"column {field.name!r} is a {field.column.kind}: ask for values (a|b), not for a range")
    first = -math.inf if low is None else field.parse(low)
    last = math.inf if high is None else field.parse(high)
    if first > last:
        raise ConfigError(f"column {field.name!r}: the range {low}..{high} is empty; the lower end comes first")
    return first, last
