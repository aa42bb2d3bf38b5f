"""Samples for many clients at once."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    f = found["figures"]
    return [
        f"**{f['clients']} clients ask for samples at once**, a small decoder, {f['tokens a sample']} tokens each, "
        f"{f['seconds']:g} s on loopback ({found['machine']}, {found['day']}, commit {found['commit']}).",
        "",
        "| what | figure |",
        "|---|---|",
        f"| answers; refused with 429; other errors | {f['answers']:,}; {f['refused with 429']}; {f['other errors']} |",
        f"| wait, median and 99 % | {f['p50']:.2f} s, {f['p99']:.2f} s |",
        f"| drawn together, mean | {f['drawn together, mean']:.0f} |",
        f"| median wait over the draw in process at that batch | {f['p50 over in process']:.2f} |",
        f"| answers a second over one client's | {f['batched over unbatched']:.1f} |",
        f"| resident memory before, after, at most | {f['megabytes before']:.0f}, {f['megabytes after']:.0f}, "
        f"{f['megabytes at most']:.0f} MB |",
        "",
        "`python benchmarks/server_load.py`",
    ]
