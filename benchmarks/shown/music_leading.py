"""Parallels of a composer's samples and of voices filled in, beside Bach's, and what masking them costs."""

from __future__ import annotations

from typing import Any

KINDS = ("parallel fifths", "parallel octaves", "together")


def lines(found: dict[str, Any]) -> list[str]:
    """A row for each way of drawing free samples, then for voices under given ones; the price in a sentence."""
    made = [
        f"**Voice leading of a composer of Bach's chorales** ({found['steps']} steps, {found['CPU-s'] / 60:.0f} "
        f"CPU-minutes of learning, {found['machine']}, {found['day']}, commit {found['commit']}): parallels per 100 "
        "chords, 95 % bootstrap intervals over pieces.",
        "",
        "| | fifths | octaves | together |",
        "|---" * 4 + "|",
    ]
    for name, rates in found["free"].items():
        made.append(f"| {'Bach, test part' if name == 'Bach' else '200 free samples, ' + name} | {_cells(rates)} |")
    for name in ("a voice filled in", "three voices under a soprano"):
        made += [f"| {name}: {who} | {_cells(rates[name])} |" for who, rates in found["given voices"].items()]
    if more := found.get("more steps"):
        made.append(f"| free samples, no mask, after {more['steps']} steps | {_cells(more['no mask'])} |")
    costs = found["what the mask costs"]
    told = [
        (
            f"{who}: {one['nats a quarter note']:.2f} nats a quarter note, "
            if "nats a quarter note" in one
            else f"{who}: "
        )
        + f"overlap with the test part {sum(one['overlap'].values()) / len(one['overlap']):.3f} (mean of "
        f"{len(one['overlap'])} statistics), "
        + (f"scale consistency {one['scale consistency']:.2f}, " if "scale consistency" in one else "")
        + f"{one['without a copied run']:.1%} without a copied run"
        for who, one in costs.items()
    ]
    return [*made, "", "; ".join(told) + ".", "", "`python benchmarks/music_leading.py`"]


def _cells(rates: dict[str, Any]) -> str:
    return " | ".join(f"{rates[k]['mean']:.2f} ({rates[k]['low']:.2f}-{rates[k]['high']:.2f})" for k in KINDS)
