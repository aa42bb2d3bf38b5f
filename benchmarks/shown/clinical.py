"""Small clinical tables: how often made rows tell the same of survival and of effects as the patients."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    tables = ", ".join(f"{name} ({next(iter(ways.values()))['rows']})" for name, ways in found["tables"].items())
    seeds = next(iter(next(iter(found["tables"].values())).values()))["seeds"]
    made = [
        f"**Clinical tables** ({found['machine']}, {found['day']}, commit {found['commit']}), {seeds} seeds of: "
        f"{tables}, "
        "rows in brackets. Share of cases (95 % interval): survival curves that a log-rank test does not tell from the "
        "patients', hazard and odds ratios inside the patients' own 95 % interval.",
        "",
        "| rows | survival curves | ratios | every case |",
        "|---|---|---|---|",
    ]
    for way, row in found["all"].items():
        made.append(f"| {way} | " + " | ".join(_cell(row[k]) for k in ("survival", "ratio", "every case")) + " |")
    return [*made, "", "`python benchmarks/clinical.py`"]


def _cell(share: dict[str, float]) -> str:
    return f"{share['share']:.3f} ({share['low']:.3f} to {share['high']:.3f}) of {share['cases']}"
