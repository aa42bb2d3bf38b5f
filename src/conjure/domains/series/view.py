"""Series for the terminal and the page."""

from __future__ import annotations

import html

import numpy as np

from conjure.domains.series.corpus import quantile, to_frame
from conjure.domains.series.series import Series, SeriesSet
from conjure.domains.shown import MOST

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
ROWS = 20
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b7791f", "#c53030")
SIZE = (480, 120)
WHOLE = True


def to_text(objects: SeriesSet) -> str:
    """Every series as a line of bars a channel, and the first rows of the first in numbers."""
    lines = []
    for one in list(objects)[:ROWS]:
        for name, values in zip(objects.columns, _whole(objects, one).T):
            there = values[np.isfinite(values)]
            span = f"{there.min():.4g} .. {there.max():.4g}" if len(there) else "nothing there"
            lines.append(f"{one.name:<12} {name:<12} {_bars(values)} {span}")
    if len(objects) > ROWS:
        lines.append(f"... and {len(objects) - ROWS:,} more series")
    frame = to_frame(objects.having(objects.series[:1]))
    return "\n".join([*lines, "", frame.tail(ROWS).to_string(index=False, na_rep="")])


def to_html(objects: SeriesSet) -> str:
    """The first series as SVG pictures below each other, each under its name where there are several."""
    shown = list(objects)[:MOST]
    parts = [(f"<p>{html.escape(one.name)}</p>" if len(objects) > 1 else "") + to_svg(objects, one) for one in shown]
    rest = f"<p>{len(objects) - MOST:,} more</p>" if len(objects) > MOST else ""
    return "".join(parts) + rest


def to_svg(objects: SeriesSet, one: Series) -> str:
    """One series as a picture, a line a channel, each on its own scale; a forecast is dashed."""
    width, height = SIZE
    values = _whole(objects, one)
    across = np.linspace(4, width - 4, max(2, len(values)))
    lines = []
    for k, column in enumerate(values.T):
        low, high = (np.nanmin(column), np.nanmax(column)) if np.isfinite(column).any() else (0.0, 1.0)
        down = height - 4 - (height - 8) * (column - low) / max(high - low, 1e-12)
        for part, dash in ((slice(0, len(one)), ""), (slice(max(0, len(one) - 1), None), ' stroke-dasharray="4 3"')):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[part], down[part]) if np.isfinite(y))
            lines.append(f'<polyline fill="none" stroke="{COLOURS[k % len(COLOURS)]}"{dash} points="{points}"/>')
    size = f'viewBox="0 0 {width} {height}" style="width:{width}px;max-width:100%"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(lines)}</svg>'


def _whole(objects: SeriesSet, one: Series) -> np.ndarray:
    """A series with the median of its forecast."""
    return one.values if one.forecast is None else np.concatenate([one.values, quantile(objects, one, 0.5)])


def _bars(values: np.ndarray) -> str:
    """At most WIDTH bars; a gap is a blank."""
    parts = np.array_split(values, min(WIDTH, len(values)))
    means = np.array([p[np.isfinite(p)].mean() if np.isfinite(p).any() else np.nan for p in parts])
    if not np.isfinite(means).any():
        return " " * len(means)
    low, high = np.nanmin(means), np.nanmax(means)
    places = (means - low) / max(high - low, 1e-12) * (len(BARS) - 1)
    return "".join(" " if np.isnan(p) else BARS[round(float(p))] for p in places)
