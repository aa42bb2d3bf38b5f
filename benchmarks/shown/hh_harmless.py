"""A reward model on real preferences beside length and a bag of words."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    where = f"{found['gpu']}, {found['machine']}" if found["gpu"] else found["machine"]
    if "members" in found:
        how = f"SmolLM2-135M with adapters, {found['members']} members"
        more = f"; calibration error {found['ece']:.3f}, Brier score {found['brier']:.3f}"
    else:
        how = (
            f"a logistic regression on states of the frozen SmolLM2-135M (layer {found['chosen']['depths'][-1]} of 30)"
        )
        more = ""
    others = list(next(iter(found["gained"].values())))
    made = [
        f"**Real preferences**: {found['pairs']} pairs of hh-rlhf's harmlessness part, judged on {found['test']} "
        f"held-out ones; {how} ({where}, {found['day']}, commit {found['commit']}{more}).",
        "",
        f"| | pairs told as people did | {' | '.join(f'better than {name} by' for name in others)} |",
        "|---" * (2 + len(others)) + "|",
    ]
    for name, value in found["accuracy"].items():
        gained = found["gained"].get(name)
        beside = ["" if gained is None else _points(gained[other]) for other in others]
        made.append(
            f"| {name} | {value['mean']:.1%} ({value['low']:.1%} to {value['high']:.1%}) | {' | '.join(beside)} |"
        )
    return [*made, "", "`python benchmarks/hh_harmless.py`"]


def _points(value: dict[str, float]) -> str:
    return f"{100 * value['mean']:+.1f} points ({100 * value['low']:+.1f} to {100 * value['high']:+.1f})"
