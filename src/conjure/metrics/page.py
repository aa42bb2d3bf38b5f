"""A report as one HTML page: no scripts, no other files, no network; readable on a phone, by day and by night."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conjure.metrics.extra import needs

if TYPE_CHECKING:
    from conjure.metrics.figure import Figure, Report

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1d2329; --quiet: #68727d; --line: #dde2e7; --page: #fbfbfa; --card: #fff;
        --ours: #c75f1d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --quiet: #97a1ab; --line: #343b42; --page: #16191c;
        --card: #1e2226; --ours: #f0975a; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto;
       max-width: 62rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
.said { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .4rem 1.2rem; }
.figure { display: grid; grid-template-columns: minmax(0, 1fr) repeat(3, 6.6rem); gap: .1rem 1rem; padding: .7rem 0;
          border-top: 1px solid var(--line); }
.figure > div { text-align: right; font-variant-numeric: tabular-nums; }
.figure > .what { text-align: left; } .what small, .unit { color: var(--quiet); display: block; font-size: .82rem; }
.ours { color: var(--ours); font-weight: 650; } .worn { opacity: .55; }
.tag { font-size: .72rem; border: 1px solid var(--line); border-radius: 1rem; padding: 0 .5rem; color: var(--quiet); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid var(--line); font-size: .92rem; }
img { max-width: 100%; height: auto; } li, figcaption { color: var(--quiet); font-size: .9rem; }
figure { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { .figure { grid-template-columns: repeat(3, 1fr); } .figure > .what { grid-column: 1 / -1; }
        .figure > div { text-align: left; } }
</style></head><body>
<h1>{{ report.title }}</h1>
{% if report.summary %}<div class="said">{% for line in report.summary %}<p>{{ line }}</p>{% endfor %}</div>{% endif %}
<h2>Figures</h2>
{% for f in report.figures %}
<div class="figure{{ ' worn' if f.saturated }}">
<div class="what"><b>{{ f.name }}</b>{% if f.saturated %} <span class="tag">saturated</span>{% endif %}
{%- if f.kind %} <span class="tag">{{ f.kind }}</span>{% endif %}
<small>{{ f.meaning }} ({{ span(f) }}; {{ aim(f) }})</small></div>
<div><span class="unit">ours</span><span class="ours">{{ number(f.ours) }}</span>
{%- if f.low is not none %}<span class="unit">{{ number(f.low) }} to {{ number(f.high) }}</span>{% endif %}</div>
<div><span class="unit">baseline</span>{{ number(f.baseline) }}</div>
<div><span class="unit">ceiling</span>{{ number(f.ceiling) }}</div>
</div>{% endfor %}
{% if report.samples %}<h2>Samples</h2><div class="scroll">{{ report.samples|safe }}</div>{% endif %}
{% for plot in report.plots %}<h2>{{ plot.title }}</h2><figure><img src="{{ plot.image }}" alt="{{ plot.title }}">
<figcaption>{{ plot.caption }}</figcaption></figure>{% endfor %}
{% for table in report.tables if table.rows %}<h2>{{ table.title }}</h2><div class="scroll"><table>
<tr>{% for name in table.header %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell if cell is string else number(cell) }}</td>
{%- endfor %}</tr>{% endfor %}</table></div>{% endfor %}
<h2>How to read this</h2><ul>
<li>Ours: the samples judged, with a 95 % interval over resampled rows; the model is not fitted again. Baseline: the
simplest model of the same data. Ceiling: what real data gets against other real data. Grey: saturated, that is, the
baseline does about as well as real data, so the figure ranks no models.</li>
{% for note in report.notes %}<li>{{ note }}</li>{% endfor %}</ul>
</body></html>
"""


def render(report: Report) -> str:
    """The page; ConfigError where jinja2 is missing."""
    needs("jinja2")
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE)
    return page.render(report=report, number=_number, span=_span, aim=_aim)


def _number(value: float | int | None) -> str:
    if value is None or not math.isfinite(value):
        return "not measured"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def _span(figure: Figure) -> str:
    low, high = (("-∞" if v < 0 else "∞") if math.isinf(v) else f"{v:g}" for v in figure.range)
    return f"{low} to {high}"


def _aim(figure: Figure) -> str:
    return {"up": "higher is better", "down": "lower is better"}.get(figure.direction, "best at 0.5")
