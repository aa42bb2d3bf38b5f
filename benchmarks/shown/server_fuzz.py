"""Mutated archives and uploads."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    f = found["figures"]
    return [
        f"**Hostile archives and uploads** ({found['day']}, commit {found['commit']}): {f['cases']:,} mutated archives "
        f"and files sent to the server; crashes {f['crashes']}, files outside the root {f['escapes']}, left behind "
        f"{f['left']}.",
        "",
        "`python benchmarks/server_fuzz.py`",
    ]
