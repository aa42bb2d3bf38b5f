"""Glyphs of one font into the other."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**DejaVu Sans to Serif and back, without pairs** ({found['machine']}, {found['day']}, commit "
        f"{found['commit']}). Mean absolute error, 0 to 1, to the true glyph of 400 code points never seen; FD(pca64) "
        "between translations and the font; one thread, CPU-seconds of processes.",
        "",
        "| model | runs | into serif | into sans | FD into serif | FD into sans | CPU-s | error, share of the peer's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, s in found["figures"].items():
        numbers = [cell(s[k], 4) for k in ("into serif", "into sans")]
        numbers += [cell(s[k], 1) for k in ("FD into serif", "FD into sans")]
        numbers += [cell(s.get("cpu_seconds"), 0), cell(s.get("ratio"), 2)]
        made.append(f"| {name} | {s['error']['n']} | " + " | ".join(numbers) + " |")
    return [*made, "", "`python benchmarks/cyclegan_glyphs.py`"]
