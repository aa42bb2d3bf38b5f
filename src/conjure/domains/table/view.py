"""Rows of a table for the terminal and the page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from conjure.domains.table.checks import broken

if TYPE_CHECKING:
    import pandas as pd

    from conjure.domains.table.codec import TableCodec

WHOLE = True
STYLE = (  # on any ground, by day and by night
    "<style>.rows{border-collapse:collapse;font:13px system-ui,sans-serif}.rows th,.rows td{padding:2px 8px;"
    "border-bottom:1px solid #8884;text-align:right;white-space:nowrap}.rows th{background:#8882}"
    ".rows td.text{text-align:left}.rows td.none{opacity:.6}.rows tr.broken td{background:#e336}</style>"
)


def to_text(frame: pd.DataFrame, limit: int = 20) -> str:
    """The first rows as aligned text."""
    shown = frame.head(limit).to_string(index=False, na_rep="")
    rest = len(frame) - limit
    return f"{shown}\n... and {rest:,} more rows" if rest > 0 else shown


def to_html(frame: pd.DataFrame, limit: int = 50, rules: tuple[str, ...] = (), codec: TableCodec | None = None) -> str:
    """The first rows as a self-contained HTML table; rows that break a rule are marked and say which."""
    marks = broken(frame, rules, codec) if rules else {}
    numeric = [frame[c].dtype.kind in "iuf" for c in frame.columns]
    lines = ["".join(f"<th>{html.escape(str(c))}</th>" for c in frame.columns)]
    body = []
    for at, row in enumerate(frame.head(limit).itertuples(index=False, name=None)):
        told = "; ".join(rule for rule, bad in marks.items() if bad[at])
        opening = f'<tr class="broken" title="breaks {html.escape(told)}">' if told else "<tr>"
        body.append(opening + "".join(_cell(v, n) for v, n in zip(row, numeric)) + "</tr>")
    counts = "".join(
        f"<p>{html.escape(r)}: broken by {int(bad.sum())} of {len(bad)} rows</p>" for r, bad in marks.items()
    )
    rest = f"<p>{len(frame) - limit:,} more rows</p>" if len(frame) > limit else ""
    return f'{STYLE}<table class="rows"><tr>{lines[0]}</tr>{"".join(body)}</table>{rest}{counts}'


def _cell(value: object, numeric: bool) -> str:
    if value is None or value != value:
        return '<td class="none">missing</td>'
    if numeric:
        return f"<td>{value:g}</td>" if isinstance(value, float) else f"<td>{value}</td>"
    return f'<td class="text">{html.escape(str(value))}</td>'
