"""Planted leaks: which attack finds which, and how often each cries wolf."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    names = list(next(iter(found["figures"].values())))
    made = [
        f"**Leaks planted into rows of Adult** ({found['machine']}, {found['day']}, commit {found['commit']}): share "
        "of runs in which an attack says leak, with its 95 % interval; under *nothing* that is a false alarm.",
        "",
        "| planted | runs | " + " | ".join(names) + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for leak, row in found["figures"].items():
        cells = [f"{row[n]['share']:.2f} ({row[n]['low']:.2f} to {row[n]['high']:.2f})" for n in names]
        made.append(f"| {leak} | {row[names[0]]['runs']} | " + " | ".join(cells) + " |")
    return [*made, "", "`python benchmarks/attacks_planted.py`"]
