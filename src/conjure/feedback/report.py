"""What a round came to, as JSON and as a page: win rate, reward against distance, samples side by side, warnings."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from conjure.feedback.audit import Audit
from conjure.feedback.shown import audit_lines, interval_text, plain_interval, write_json
from conjure.feedback.winning import Wins
from conjure.metrics import bootstrap
from conjure.metrics.bootstrap import Interval

FAR = 20.0  # nats an episode beyond which a learnt reward is seldom to be trusted (Gao et al. 2023, fig. 1)
SIDE_BY_SIDE = 12
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
:root { color-scheme: light dark; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
table { border-collapse: collapse; width: 100%; } .warn { color: #c02626; }
td, th { border: 1px solid #8886; padding: .3rem .5rem; vertical-align: top; text-align: left; }
"""


@dataclass(frozen=True)
class Lap:
    """A round: which was judged, which is next; the reward model's audit; how often people preferred the last policy to
    the first; the curve of held-out reward and distance; samples of the first and the new policy.
    """

    number: int
    judged: str
    next: str
    method: str
    audit: Audit
    notes: list[str]
    won: Wins | None
    held_out: tuple[str, ...]
    curve: list[dict[str, float]]
    samples: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def gain(self, name: str = "reward") -> Interval | None:
        """By how much samples of the new policy are rewarded more than those of the first; None where not known."""
        apart = [s[f"{name}_after"] - s[f"{name}_before"] for s in self.samples if f"{name}_after" in s]
        apart = [a for a in apart if math.isfinite(a)]
        return bootstrap.mean_interval(np.array(apart)) if len(apart) > 1 else None

    def over_optimised(self) -> list[str]:
        """Signs that the reward model is exploited rather than served."""
        out = []
        reward, gold = self.gain(), self.gain("gold")
        if reward and gold and reward.low > 0 and gold.high < 0:
            out.append("the learnt reward rose while the gold reward fell: raise objective.kl, or ask people again")
        if self.curve and self.curve[-1]["kl"] > FAR:
            out.append(f"the policy is {self.curve[-1]['kl']:.0f} nats from where it began: raise objective.kl")
        if self.won is not None and self.won.all.high < 0.5:
            out.append("people prefer the first writer to the last one: go back a round, or raise objective.kl")
        if self.audit.accuracy.low <= 0.5:
            out.append("the reward model is not told from chance on held-out pairs: ask people for more")
        if self.audit.length_bias - (0 if math.isnan(self.audit.length_taste) else self.audit.length_taste) > 0.3:
            out.append("the reward model likes length more than people do")
        return out

    def lines(self) -> list[str]:
        """For a terminal."""
        out = [f"round {self.number} ({self.judged}, {self.method})", *audit_lines(self.audit)]
        if self.won is not None:
            out.append(f"{'the last policy preferred to the first':<46} {interval_text(self.won.all)}")
            if self.won.held_out is not None:
                out.append(f"{'  by ' + ', '.join(self.held_out):<46} {interval_text(self.won.held_out)}")
        for name, text in (("reward", "reward gained"), ("gold", "gold reward gained")):
            if (gained := self.gain(name)) is not None:
                out.append(f"{text:<46} {interval_text(gained)}")
        return out + [f"note: {note}" for note in self.notes] + [f"warning: {line}" for line in self.warnings]


def write_report(lap: Lap, folder: Path) -> Path:
    """report.json and report.html in a round's folder."""
    won = lap.won and {
        "pairs": lap.won.pairs,
        "all": plain_interval(lap.won.all),
        "held_out": lap.won.held_out and plain_interval(lap.won.held_out),
    }
    gains = {name: value and plain_interval(value) for name in ("reward", "gold") for value in [lap.gain(name)]}
    kept = {
        k: getattr(lap, k) for k in ("number", "judged", "next", "method", "notes", "held_out", "curve", "warnings")
    }
    write_json(
        kept | {"audit": lap.audit.plain(), "won": won, "gained": gains, "samples": lap.samples}, folder / "report.json"
    )
    beside = folder / ".report.html"
    beside.write_text(page(lap), "utf-8")
    return beside.replace(folder / "report.html")


def page(lap: Lap) -> str:
    """A page without scripts or other files."""
    lines = "\n".join(lap.lines())
    rows = "".join(_row(sample) for sample in lap.samples[:SIDE_BY_SIDE])
    warned = "".join(f"<p class=warn>{html.escape(line)}</p>" for line in lap.warnings)
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Round {lap.number}</title><style>{STYLE}</style></head><body><h1>Round {lap.number}</h1>{warned}"
        f"<pre>{html.escape(lines)}</pre>{_drawn(lap.curve)}<h2>Samples</h2>"
        f"<table><tr><th>prompt</th><th>before</th><th>after</th></tr>{rows}</table></body></html>"
    )


def _row(sample: dict[str, Any]) -> str:
    cells = [f"<td><pre>{html.escape(str(sample['prompt']))}</pre></td>"]
    for name in ("before", "after"):
        value = sample.get(f"reward_{name}", math.nan)
        cells.append(f"<td><pre>{html.escape(str(sample[name]))}</pre><small>{value:.2f}</small></td>")
    return f"<tr>{''.join(cells)}</tr>"


def _drawn(curve: list[dict[str, float]]) -> str:
    """Held-out reward over the square root of the distance, as a picture in the page."""
    if len(curve) < 2:
        return ""
    x = np.sqrt([max(0.0, point["kl"]) for point in curve])
    y = np.array([point["reward"] for point in curve])
    wide, high = max(float(np.ptp(x)), 1e-9), max(float(np.ptp(y)), 1e-9)
    points = " ".join(
        f"{20 + 360 * (a - x.min()) / wide:.1f},{130 - 110 * (b - y.min()) / high:.1f}" for a, b in zip(x, y)
    )
    return (
        "<h2>Reward against distance</h2><svg viewBox='0 0 400 160' width=400 role=img>"
        f"<polyline points='{points}' fill=none stroke='#c75f1d' stroke-width=2 />"
        f"<text x=20 y=152 font-size=11 fill=currentColor>sqrt KL {x.min():.2f} to {x.max():.2f}; "
        f"reward {y.min():.2f} to {y.max():.2f}</text></svg>"
    )
