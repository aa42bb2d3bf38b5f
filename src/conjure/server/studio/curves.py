"""The losses of a fit as a picture: a line each over the steps, readable by day and by night."""

from __future__ import annotations

import html

WIDTH, HEIGHT, LEFT, BELOW = 720, 200, 56, 22
COLOURS = {"loss": "#2b6cb0", "held_out": "#c05621"}


def to_svg(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Lines of (step, value), from the least step and value to the most; "" before there are two points."""
    points = [point for line in curves.values() for point in line]
    if len(points) < 2:
        return ""
    steps, values = zip(*points)
    first, last, low, high = min(steps), max(steps), min(values), max(values)
    lines, names = [], []
    for at, (name, line) in enumerate(curves.items()):
        placed = " ".join(
            f"{LEFT + (WIDTH - LEFT - 8) * (x - first) / max(last - first, 1):.1f},"
            f"{8 + (HEIGHT - BELOW - 16) * (high - y) / max(high - low, 1e-12):.1f}"
            for x, y in line
        )
        colour = COLOURS.get(name, "#2f855a")
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{placed}"/>')
        words = html.escape(name.replace("_", " "))
        names.append(f'<text x="{WIDTH // 2 - 60 + 90 * at}" y="{HEIGHT - 4}" fill="{colour}">{words}</text>')
    numbers = [
        f'<text x="0" y="16">{high:.4g}</text><text x="0" y="{HEIGHT - BELOW - 4}">{low:.4g}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 4}">step {first:,.0f}</text>',
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 4}" text-anchor="end">{last:,.0f}</text>',
    ]
    style = "width:100%;font:12px system-ui,sans-serif;fill:currentColor"
    drawn = "".join([*lines, *names, *numbers])
    return f'<svg role="img" aria-label="Loss" viewBox="0 0 {WIDTH} {HEIGHT}" style="{style}">{drawn}</svg>'
