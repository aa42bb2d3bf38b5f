"""Calls of tools by a model of random weights: how many parse, fit their schema, come the same when streamed."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    calling = [n for name, n in found["choices"].items() if name != "none"]
    cut = sum(n["cut"] for n in calling) / sum(n["asked"] for n in calling)
    made = [
        f"**Calls of tools**, {found['schemas']:,} random JSON Schemas, a language model of random weights behind "
        f"`conjure serve`; {100 * cut:.0f} % of the answers that may call ended at their limit of tokens "
        f"({found['day']}, commit {found['commit']}).",
        "",
        "| tool_choice | answers | calls | parse | fit their schema | streamed = whole |",
        "|---|---|---|---|---|---|",
    ]
    for name, n in found["choices"].items():
        shares = " | ".join(f"{100 * n[k] / n['asked']:.4g} %" for k in ("parse", "valid", "equal"))
        made.append(f"| {name} | {n['asked']:,} | {n['calls']:,} | {shares} |")
    return [*made, "", "`python benchmarks/tool_schemas.py`"]
