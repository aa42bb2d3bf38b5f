"""Adult under differential privacy: what made rows teach, beside peers."""

from __future__ import annotations

from typing import Any

from shown.cells import cell

PEERS = {"mst": "MST", "aim": "AIM", "aim-short": "AIM, 32 rounds in place of 240"}


def called(name: str) -> str:
    """A peer with its package and how its numbers were told."""
    peer, _, kind = name.partition(", ")
    return f"{PEERS[peer]} (smartnoise-synth 1.0.8), numbers {kind}" if peer in PEERS else name


def lines(found: dict[str, Any]) -> list[str]:
    made = [
        f"**Adult under differential privacy**, epsilon {found['epsilon']:g}, delta {found['delta']:g} "
        f"({found['machine']}, {found['day']}, commit {found['commit']}). Income learnt from made rows by boosted "
        "trees, tested on real ones: AUC, one split and one fit a seed.",
        "",
        "| rows | runs | AUC | fit, CPU-s |",
        "|---|---|---|---|",
    ]
    for name, auc in sorted(found["tstr"].items(), key=lambda item: -item[1]["mean"]):
        seconds = [r["fit_cpu"] for r in found["runs"][name] if "fit_cpu" in r]
        spent = f"{sum(seconds) / len(seconds):.0f}" if seconds else "-"
        made.append(f"| {called(name)} | {auc['n']} | {cell(auc)} | {spent} |")
    for name, runs in found["runs"].items():
        for run in (r for r in runs if "stopped_after_cpu" in r):
            spent = (
                f"; by then {said[-1].rpartition('Used ')[2][:5]} of its budget was spent"
                if (said := run["said_last"])
                else ""
            )
            made += [
                "",
                f"{called(name)}, was stopped after {run['stopped_after_cpu']:.0f} CPU-s, seed {run['seed']}{spent}.",
            ]
    if audit := found.get("audit"):
        made += [
            "",
            f"Audit: {audit['canaries']} canaries, {audit['right']} of {audit['guesses']} guesses right, so epsilon is "
            f"at least {audit['lower']:.2f} (95 % confidence); claimed {audit['claimed']:g}.",
        ]
    return [*made, "", "`python benchmarks/privacy_adult.py`"]
