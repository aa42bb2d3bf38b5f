"""The levels of a codec's frames one after the other, and delayed side by side."""

from __future__ import annotations

from typing import Any

from shown.cells import cell

SHOWN = {
    "CPU-s": 0,
    "held-out nats": 1,
    "class accuracy": 3,
    "FD(band levels)": 1,
    "CPU-ms a sound": 1,
}


def lines(found: dict[str, Any]) -> list[str]:
    """A table of decoders."""
    made = [
        f"**Levels of a codec's frames, one after the other or delayed** (drums, {found['codec']} steps of the codec, "
        f"{found['seeds']} runs of each decoder; {found['machine']}, {found['day']}, commit {found['commit']}).",
        "",
        f"| decoder | steps | {' | '.join(SHOWN)} |",
        "|---" * (2 + len(SHOWN)) + "|",
    ]
    made += [
        f"| {arm} | {one['steps']['mean']:.0f} | {' | '.join(cell(one[k], places) for k, places in SHOWN.items())} |"
        for arm, one in found["arms"].items()
    ]
    return [*made, "", "`python benchmarks/audio_levels.py`"]
