"""What a study of raters looks like on the terminal and as JSON."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from conjure.feedback.audit import Audit
from conjure.feedback.study import STATISTICS, Study
from conjure.metrics.bootstrap import Interval


def study_lines(found: Study) -> list[str]:
    """Agreement by criterion, then the raters, then what is disputed."""
    lines = []
    for criterion, values in found.criteria.items():
        lines.append(criterion)
        lines += [f"  {text:<46} {interval_text(values[name])}" for name, text in STATISTICS.items() if name in values]
    lines.append(f"{'rater':<16} {'judged':>7} {'reliability':>20} {'ties':>6} {'checks':>7}  position")
    for w in found.raters:
        passed = f"{w.checks[0]}/{w.checks[1]}" if w.checks[1] else "-"
        place = "-" if w.position is None else f"{w.position.value:+.2f}"
        row = f"{w.name:<16} {w.judged:>7} {interval_text(w.reliability):>20} {_share(w.ties):>6} {passed:>7}  {place}"
        lines.append(row + (f"  careless? {w.careless}" if w.careless else ""))
    if found.disputed:
        lines.append(f"{len(found.disputed)} prompts are disputed, the first: {found.disputed[0][:60]!r}")
    return lines + [f"note: {note}" for note in found.notes]


def audit_lines(seen: Audit) -> list[str]:
    """How good a reward model is on held-out pairs, beside length alone and the raters' ceiling."""
    rows = {
        f"accuracy on {seen.pairs} held-out pairs": seen.accuracy,
        "  by length alone": seen.length,
        "  the other raters' majority": seen.others,
        "  ceiling by how far raters agree": seen.ceiling,
    }
    lines = [f"{name:<46} {interval_text(value)}" for name, value in rows.items() if value is not None]
    lines.append(f"{'calibration error, Brier score':<46} {seen.ece:.3f}, {seen.brier:.3f}")
    if not math.isnan(seen.length_bias):
        text = f"{seen.length_bias:+.2f}, of raters' ranks {seen.length_taste:+.2f}"
        lines.append(f"{'correlation of reward and length':<46} {text}")
    if not math.isnan(seen.doubt):
        lines.append(f"{'accuracy gained where members agree':<46} {seen.doubt:+.3f}")
    return lines + [f"  {name:<44} {interval_text(value)}" for name, value in seen.raters.items()]


def interval_text(value: Interval) -> str:
    """A value with its interval; "undefined" where it is not a number."""
    if math.isnan(value.value):
        return "undefined"
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def write_study(found: Study, path: Path) -> Path:
    """All of it as JSON, written beside and then renamed."""
    raters = [
        {
            "name": w.name,
            "judged": w.judged,
            "reliability": plain_interval(w.reliability),
            "checks": list(w.checks),
            "ties": None if math.isnan(w.ties) else w.ties,
            "position": None if w.position is None else plain_interval(w.position),
            "careless": w.careless,
        }
        for w in found.raters
    ]
    agreed = {name: {k: plain_interval(v) for k, v in values.items()} for name, values in found.criteria.items()}
    return write_json({"agreement": agreed, "raters": raters, "disputed": found.disputed, "notes": found.notes}, path)


def write_json(value: Any, path: Path) -> Path:
    """JSON to a file, written beside and then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(value, indent=1, ensure_ascii=False), "utf-8")
        return beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def plain_interval(value: Interval) -> dict[str, float | None]:
    """As JSON knows it: what is not a number is null."""
    return {k: None if math.isnan(v) else v for k, v in value._asdict().items()}


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0%}"
