"""The likelihood of the JSB chorales beside the literature."""

from __future__ import annotations

from typing import Any

import stage

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    """A row a budget and way of averaging, then what was published, as TCN's code counts frames."""
    made = [
        f"**JSB chorales, nats a frame** over 88 keys, quarter notes, standard split, original keys, one thread "
        f"({found['machine']}, {found['day']}, commit {found['commit']}). All frames of the test part; in brackets "
        "without the first of each piece, as TCN's code counts. Published figures are on pieces moved to one tonic.",
        "",
        "| model | runs | test, nats a frame | validation | fit, CPU-s |",
        "|---|---|---|---|---|",
    ]
    for budget, runs in found["runs"].items():
        members, steps = budget.split(" x ")
        for name in runs[0]["test"]:
            whole = name.startswith(members)
            spent = stage.interval([sum(r["CPU-s"]) if whole else r["CPU-s"][0] for r in runs])
            test, later, valid = (
                stage.interval([r[part][name][kind] for r in runs])
                for part, kind in (("test", "all"), ("test", "later"), ("valid", "all"))
            )
            if len(runs) == 1:  # the interval over pieces
                test |= {k: runs[0]["test"][name][k] for k in ("low", "high") if k in runs[0]["test"][name]}
            title = f"**conjure** `--recipe roll`, {name} (members of {steps} steps)"
            row = [f"{cell(test, 2)} ({cell(later, 2)})", cell(valid, 2), cell(spent, 0)]
            made.append(f"| {title} | {len(runs)} | " + " | ".join(row) + " |")
    for run in found.get("TCN, run here", [])[:1]:
        made.append(f"| TCN, its published code, run here | 1 | ({run['later']:.2f}) | ({run['valid']:.2f}) | |")
    made += [f"| {name}, as published | | ({value:.2f}) | | |" for name, value in found["literature"].items()]
    return [*made, "", "`python benchmarks/music_jsb.py`"]
