"""Seconds of SmolLM2-135M beside other libraries."""

from __future__ import annotations

from typing import Any

from shown.cells import cell

COLUMNS = ("first token", "a token, batch 1", "a token, batch 8")


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**SmolLM2-135M**, a prompt of {found['prompt']} tokens, then {found['tokens']} more ({found['machine']}, "
        f"{found['day']}, commit {found['commit']}). Ratios are of neighbouring runs; below 1 is quicker.",
    ]
    for threads, part in found["threads"].items():
        clock = "CPU-milliseconds" if part["clock"] == "cpu" else "milliseconds"
        made += [
            "",
            f"| {threads} thread{'s' * (threads != '1')}, {clock} | {' | '.join(COLUMNS)} |",
            "|---|---|---|---|",
        ]
        for name, own in part["milliseconds"].items():
            made.append(f"| {name} | {' | '.join(cell(own.get(column), 1) for column in COLUMNS)} |")
        made += ["", "| ratio | |", "|---|---|"]
        made += [f"| {name} | {cell(value, 2)} |" for name, value in part["ratios"].items()]
    peers = ", ".join(found["peers"].values())
    return [*made, "", f"`python benchmarks/language_speed.py` ({peers})"]
