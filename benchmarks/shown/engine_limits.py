"""Start-up, memory and sampling."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    f = found["figures"]
    fit, sample = f["fit"], f["sample 100,000 rows, whole command"]
    return [
        f"**Limits** ({found['machine']}, {found['day']}, commit {found['commit']}; wall seconds, medians).",
        "",
        "| what | figure |",
        "|---|---|",
        f"| `import conjure` | {f['import conjure']['median']:.2f} s |",
        f"| `conjure --help` | {f['conjure --help']['median']:.2f} s |",
        f"| fit of {fit['rows']:,} rows of Parquet, `--minutes {fit['minutes asked']:g}` | "
        f"{fit['wall_seconds']:.0f} s in all, {fit['peak_gigabytes']:.2f} GB resident at the peak |",
        f"| `conjure sample -n 100000 -o FILE.csv` | {sample['median']:.1f} s |",
        "",
        "`python benchmarks/engine_limits.py`",
    ]
