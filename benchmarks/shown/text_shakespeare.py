"""Characters of Shakespeare: ours at fractions of nanoGPT's CPU-seconds."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Characters of Shakespeare**, context 64, one thread ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). Loss in nats a character over the whole validation split; CPU-seconds of processes.",
        "",
        "| model | runs | validation loss | CPU-s | share of nanoGPT's |",
        "|---|---|---|---|---|",
    ]
    for name, s in found["figures"].items():
        title = "nanoGPT, its CPU setting" if name == "nanoGPT" else name
        numbers = [cell(s["loss"]), cell(s["cpu_seconds"], 0), cell(s.get("ratio"), 2)]
        made.append(f"| {title} | {s['loss']['n']} | " + " | ".join(numbers) + " |")
    return [*made, "", "`python benchmarks/text_shakespeare.py`"]
