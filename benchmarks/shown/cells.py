"""A figure with its interval, as a cell of a table."""

from __future__ import annotations


def cell(value: dict[str, float] | None, digits: int = 3) -> str:
    """Mean, with half of its 95 % interval where there were repetitions."""
    if value is None:
        return "-"
    mean = f"{value['mean']:.{digits}f}"
    return mean if "low" not in value else f"{mean} ± {(value['high'] - value['low']) / 2:.{digits}f}"
