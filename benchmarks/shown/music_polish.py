"""A composer before and after a rule polished it, beside a mask, practice alone and Bach."""

from __future__ import annotations

from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    """A row each: faults with their interval, what else changed, likelihood, distance."""
    steps, spent = found["steps"], found["polished"]["CPU-s"]
    made = [
        f"**A composer polished by a rule of voice leading** ({steps['fit']} steps of learning from 229 chorales in "
        f"{found['composer']['CPU-s'] / 60:.0f} CPU-minutes, then {steps['steps']} of PPO in {spent / 60:.1f}; "
        f"{found['machine']}, {found['day']}, commit {found['commit']}): 200 pieces of 8 bars; 77 test chorales.",
        "",
        "| | parallel fifths and octaves per 100 chords | chords a quarter note | test nats a quarter note "
        "| above before | nats a phrase from before |",
        "|---" * 6 + "|",
    ]
    for name in ("composer", "polished", "polished at no price", "remembering alone", "masked"):
        one = found[name]
        cells = (
            _rate(one["faults"]),
            f"{one['faults']['chords a quarter note']:.2f}",
            _number(one.get("nats a quarter note")),
            _rise(one.get("nats a quarter note above before")),
            _number(one.get("nats a phrase from before")),
        )
        made.append(f"| {name} | {' | '.join(cells)} |")
    for name, faults in found["faults of chorales"].items():
        made.append(f"| Bach, {name} part | {_rate(faults)} | {faults['chords a quarter note']:.2f} | | | |")
    return [*made, "", "`python benchmarks/music_polish.py`"]


def _rate(faults: dict[str, float]) -> str:
    return f"{faults['mean']:.2f} ({faults['low']:.2f} to {faults['high']:.2f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _rise(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['mean']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})"
