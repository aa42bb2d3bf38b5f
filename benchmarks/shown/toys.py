"""Modes of a ring and a grid."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Modes of a ring of 8 and a grid of 25 Gaussians** ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). Samples within three standard deviations of a mode (of the data: 0.989).",
        "",
        "| family, set | seeds with all modes | share of samples near a mode | CPU-s |",
        "|---|---|---|---|",
    ]
    for name, s in found["figures"].items():
        numbers = [cell(s["share"], 3), cell(s["cpu_seconds"], 0)]
        made.append(f"| {name} | {s['all modes']} of {s['seeds']} | " + " | ".join(numbers) + " |")
    return [*made, "", "`python benchmarks/toys.py`"]
