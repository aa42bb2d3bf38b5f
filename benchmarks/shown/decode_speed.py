"""Tokens a second of decoders of 10.65 M parameters."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Writing token by token**, 10.65 M parameters, 255 tokens, one core ({found['machine']}, {found['day']}, "
        f"commit {found['commit']}). Tokens a second of CPU; ratios are of neighbouring runs.",
        "",
        "| writer | runs | tokens a second |",
        "|---|---|---|",
    ]
    made += [f"| {name} | {s['n']} | {cell(s, 0)} |" for name, s in found["figures"].items()]
    made += ["", "| ratio | |", "|---|---|"]
    made += [f"| {name} | {cell(s, 2)} |" for name, s in found["ratios"].items()]
    if cost := found.get("int8"):
        made.append(f"| int8 costs, nats a character | {cost['difference']:+.4f} (of {cost['fp32']:.3f}) |")
    return [*made, "", "`python benchmarks/decode_speed.py`"]
