"""Seconds from a file of rounded weights to a model that can be asked."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Opening pretrained weights**, {found['what']}, one thread ({found['machine']}, {found['day']}, "
        f"commit {found['commit']}; transformers {found['transformers']}).",
        "",
        "| reader | CPU-seconds | MB at most |",
        "|---|---|---|",
    ]
    made += [f"| {name} | {cell(s['cpu'], 2)} | {cell(s['peak'], 0)} |" for name, s in found["figures"].items()]
    ratio = cell(found["ratio"], 1)
    return [*made, f"| times as quick | {ratio} | |", "", "`python benchmarks/opening_weights.py`"]
