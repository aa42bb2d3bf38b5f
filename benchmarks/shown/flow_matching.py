"""Flow matching beside torchcfm: each set's rows."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Flow matching with the same networks** ({found['machine']}, {found['day']}, commit {found['commit']}). "
        "Points: 2-Wasserstein distance to held-out points; MNIST: FD(features of a classifier) to the test set. "
        "CPU-seconds of training, one thread; torchcfm draws by dopri5, ours by 100 and by 10 calls of the network.",
        "",
        "| set | model | runs | distance | at 10 calls | 10 against 100 | CPU-s | share of torchcfm's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in found["figures"].items():
        digits = 2 if name.startswith("MNIST") else 4
        for model, s in rows.items():
            shares = [cell(v, 2) for k, v in s.items() if k.startswith("cpu / ")]
            numbers = [cell(s[k], digits) if k in s else "-" for k in ("distance", "distance_at_10")]
            ends = [cell(s.get("at 10 / at 100"), 3), cell(s.get("cpu_seconds"), 1), " and ".join(shares) or "-"]
            made.append(f"| {name} | {model} | {s['distance']['n']} | " + " | ".join([*numbers, *ends]) + " |")
    return [*made, "", "`python benchmarks/flow_matching.py`"]
