"""Rows of a table for the terminal and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def to_text(frame: pd.DataFrame, limit: int = 20) -> str:
    """The first rows as aligned text."""
    shown = frame.head(limit).to_string(index=False, na_rep="")
    rest = len(frame) - limit
    return f"{shown}\n... and {rest:,} more rows" if rest > 0 else shown
