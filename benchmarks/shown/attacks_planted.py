"""Planted leaks: which attack finds which, and how often each cries wolf."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    names = list(next(iter(found["figures"].values())))
    made = [
        f"**Leaks planted into rows of Adult** ({found['machine']}, {found['day']}, commit {found['commit']}): share "
        f"of {found['runs']} runs in which an attack says leak; under *nothing* that is a false alarm.",
        "",
        "| planted | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    made += [
        f"| {leak} | " + " | ".join(f"{row[n]:.2f}" for n in names) + " |" for leak, row in found["figures"].items()
    ]
    return [*made, "", "`python benchmarks/attacks_planted.py`"]
