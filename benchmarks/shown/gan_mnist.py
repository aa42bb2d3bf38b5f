"""Generators of digits and of clothes, at equal CPU-seconds."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    when = "; ".join(f"{name} {t['day']}, commit {t['commit']}" for name, t in found["taken"].items())
    made = [
        f"**Games on small pictures** at {found['seconds']:g} CPU-seconds each, one thread "
        f"({found['machine']}; {when}). FD(f): Frechet distance of 10,000 samples to the test set, "
        f"f = {found['features']}; it also says which samples under a label are of their class.",
        "",
        "| data | model | runs | FD(f) | to the best peer | of their class |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in found["figures"].items():
        for title, s in figures.items():
            numbers = [cell(s["fd"], 1), cell(s.get("ratio"), 2), cell(s.get("right"), 3)]
            made.append(f"| {name} | {title} | {s['fd']['n']} | " + " | ".join(numbers) + " |")
        bounds = found["references"][name]
        made.append(f"| {name} | independent pixels (baseline) | - | {bounds['pixels']:.1f} | - | - |")
        made.append(f"| {name} | real pictures (ceiling) | - | {bounds['real']:.1f} | - | {bounds['right']:.3f} |")
    return [*made, "", "`python benchmarks/gan_mnist.py`"]
