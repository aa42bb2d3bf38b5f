"""Pictures for a report, as data URIs that read on light and dark pages alike."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from conjure.metrics.extra import needs
from conjure.metrics.figure import Plot
from conjure.metrics.frames import Grid

INK, REAL, MADE = "#808890", "#8a94a0", "#e07b39"
MOST, WORDS, BINS = 12, 8, 24
STRIP = 12


def columns(real: Grid, made: Grid) -> list[Plot]:
    """Each column's distribution, real beside made; the first dozen of them."""
    panels: list[Any] = [(n, _histogram, k) for k, n in enumerate(real.names[0])]
    panels += [(n, _bars, k) for k, n in enumerate(real.names[1])]
    panels = panels[:MOST]
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure, axes = _canvas(down, across, (3.2 * across, 2.1 * down))
    for axis, (name, draw, k) in zip(axes, panels):
        draw(axis, real, made, k)
        axis.set_title(name[:32], fontsize=9, color=INK)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    more = len(real.names[0]) + len(real.names[1]) - len(panels)
    caption = "Grey: held-out real rows. Orange: made rows." + (f" {more} more columns are not drawn." if more else "")
    return [Plot("Columns, real and made", caption, _svg(figure))]


def intervals(rows: list[tuple[str, float, float, float]], title: str, caption: str, line: float | None = None) -> Plot:
    """Figures by name (value, low, high) as points with their intervals; a line to compare with, such as chance."""
    figure, (axis,) = _canvas(1, 1, (7.2, 0.5 + 0.26 * len(rows)))
    at = np.arange(len(rows))[::-1]
    value, low, high = (np.array([row[k] for row in rows], float) for k in (1, 2, 3))
    if line is not None:
        axis.axvline(line, color=REAL, linewidth=1.2, linestyle="--")
    axis.hlines(at, low, high, color=MADE, linewidth=1.6)
    axis.plot(value, at, "o", color=MADE, markersize=4)
    axis.set_yticks(at, [row[0][:60].replace("$", r"\$") for row in rows])
    return Plot(title, caption, _svg(figure))


def strip(above: list[np.ndarray], below: list[np.ndarray], title: str, caption: str) -> Plot:
    """Two rows of pictures (uint8, H x W x C), each above its partner."""
    from PIL import Image

    height, width = above[0].shape[:2]
    zoom = max(1, 56 // max(height, width))
    rows = []
    for pictures in (above[:STRIP], below[:STRIP]):
        large = [np.broadcast_to(p, (height, width, 3)).repeat(zoom, 0).repeat(zoom, 1) for p in pictures]
        padded = [np.pad(p, ((2, 2), (2, 2), (0, 0)), constant_values=128) for p in large]
        rows.append(np.concatenate(padded, 1))
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, format="PNG")
    return Plot(title, caption, "data:image/png;base64," + base64.b64encode(file.getvalue()).decode())


def curves(lines: dict[str, tuple[np.ndarray, np.ndarray]], axes: tuple[str, str], title: str, caption: str) -> Plot:
    """Curves of a name each, over axes from 0 to 1."""
    figure, (axis,) = _canvas(1, 1, (5.2, 3.8))
    for name, (x, y) in lines.items():
        axis.step(x, y, where="post", label=name, linewidth=1.6)
    axis.set_xlabel(axes[0], color=INK, fontsize=8)
    axis.set_ylabel(axes[1], color=INK, fontsize=8)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.legend(fontsize=7, frameon=False, labelcolor=INK)
    return Plot(title, caption, _svg(figure))


def _histogram(axis: Any, real: Grid, made: Grid, k: int) -> None:
    x, y = (g.numbers[:, k][~np.isnan(g.numbers[:, k])] for g in (real, made))
    low, high = np.quantile(x, [0.005, 0.995]) if len(x) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for values, colour, filled in ((x, REAL, True), (y, MADE, False)):
        share = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(1, len(values))
        axis.stairs(share, edges, color=colour, fill=filled, alpha=0.6 if filled else 1.0, linewidth=1.6)


def _bars(axis: Any, real: Grid, made: Grid, k: int) -> None:
    size = len(real.words[k])
    shares = [np.bincount(g.codes[:, k][g.codes[:, k] >= 0], minlength=size) / len(g) for g in (real, made)]
    top = np.argsort(-shares[0], kind="stable")[:WORDS]
    at = np.arange(len(top))
    axis.bar(at - 0.2, shares[0][top], 0.4, color=REAL)
    axis.bar(at + 0.2, shares[1][top], 0.4, color=MADE)
    axis.set_xticks(at, [real.words[k][w][:10].replace("$", r"\$") for w in top], rotation=45, ha="right", fontsize=6)


def _canvas(down: int, across: int, size: tuple[float, float]) -> tuple[Any, np.ndarray]:
    needs("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = np.atleast_1d(figure.subplots(down, across)).ravel()
    for axis in axes:
        axis.patch.set_alpha(0)
        axis.tick_params(colors=INK, labelsize=7, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(INK)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib

    file = io.BytesIO()
    # A fixed salt and no date: the same samples give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "conjure", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
