"""How soon the studio is there, and how light its first page."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    f = found["figures"]
    spread = f"{min(f['seconds']):.1f} to {max(f['seconds']):.1f}"
    return [
        f"**The studio's start**, from the command to its first page, {len(f['seconds'])} times, gradio {f['gradio']} "
        f"({found['machine']}, {found['day']}, commit {found['commit']}).",
        "",
        "| what | figure |",
        "|---|---|",
        f"| seconds until the page is there, median (all) | {f['median seconds']:.1f} ({spread}) |",
        f"| CPU-seconds of it | {f['median CPU-seconds']:.1f} |",
        f"| the first page beyond gradio's own files, before compression | {f[BEYOND] / 1e6:.2f} MB |",
        "",
        "`python benchmarks/studio_start.py`",
    ]


BEYOND = "bytes beyond gradio's own"
