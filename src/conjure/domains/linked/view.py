"""Rows of several tables for the terminal and the page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from conjure.domains.table import view

if TYPE_CHECKING:
    import pandas as pd

WHOLE = True
STYLE = "<style>.tables h4{font:600 14px system-ui,sans-serif;margin:12px 0 4px}</style>"


def to_text(made: dict[str, pd.DataFrame] | pd.DataFrame, limit: int = 10) -> str:
    """The first rows of every table as aligned text."""
    if not isinstance(made, dict):
        return view.to_text(made, limit)
    return "\n\n".join(f"{name}\n{view.to_text(frame, limit)}" for name, frame in made.items())


def to_html(made: dict[str, pd.DataFrame] | pd.DataFrame, limit: int = 20) -> str:
    """The first rows of every table as a self-contained page."""
    if not isinstance(made, dict):
        return view.to_html(made, limit)
    parts = [f"<h4>{html.escape(name)}</h4>{view.to_html(frame, limit)}" for name, frame in made.items()]
    return f'{STYLE}<div class="tables">{"".join(parts)}</div>'
