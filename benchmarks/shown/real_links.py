"""Real tables with keys of several columns: whether every key and reference holds in what is made."""

from __future__ import annotations

from typing import Any

NAMES = {"flights": "Flights of January 2013 from New York", "baseball": "Batters and teams since 2000"}


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Real tables with keys of several columns** ({found['machine']}, {found['day']}, commit {found['commit']}): "
        "as many rows of the root as in training, one run. Last: total variation distance of the numbers of children "
        "to those of training.",
        "",
        "| reference | rows in training | made | mean a row | keys that repeat | children: ours | parents at random |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found["sets"].items():
        made.append(
            f"| *{NAMES[name]}*: fit {one['fit_cpu'] / 60:.1f} CPU-minutes, made in {one['sample_cpu']:.0f} CPU-s "
            "| | | | | | |"
        )
        for called, apart in one["children"].items():
            child, _, columns = called.partition(" by ")
            whole, unique = one["integrity"][f"{child}.{columns}"], one["unique"].get(child)
            repeat = "no key" if unique is None else f"{1 - unique:.0%}"
            rows = " | ".join(f"{one[side][child]:,}" for side in ("rows", "made"))
            made.append(
                f"| {called} | {rows} | {whole:.0%} | {repeat} | {apart['conjure']:.3f} "
                f"| {apart['parents at random']:.3f} |"
            )
    return [*made, "", "`python benchmarks/real_links.py`"]
