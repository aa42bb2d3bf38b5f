"""What the critic brings to the codec of sounds, beside runs without it."""

from __future__ import annotations

from typing import Any

from shown.cells import cell

DISTANCES = ("SI-SDR (dB)", "log-spectral distance (dB)", "FD(band levels)")


def lines(found: dict[str, Any]) -> list[str]:
    """A table of runs, sentences of paired differences and of what is read back."""
    made = [
        f"**What the critic brings to the codec** ({found['steps']} steps, {found['seeds']} runs of each, held-out "
        f"sounds; {found['machine']}, {found['day']}, commit {found['commit']}).",
        "",
        "| | codec | steps | CPU-s | SI-SDR (dB) | log-spectral distance (dB) | FD(band levels) |",
        "|---" * 7 + "|",
    ]
    said = []
    for name, one in found["sets"].items():
        for arm, v in one.items():
            if arm == "read back":
                continue
            spent = sum(v["CPU-s"]) / len(v["CPU-s"])
            made.append(
                f"| {name} | {arm} | {v['steps']:,} | {spent:.0f} | {' | '.join(cell(v[k], 2) for k in DISTANCES)} |"
            )
            if gain := v.get("critic's gain"):
                told = ", ".join(f"{what} {cell(gain[what], 2)}" for what in DISTANCES[:2])
                said.append(f"{name}, {arm}: {told}")
        if heard := one.get("read back"):
            told = [f"{side} {cell(v['onsets'], 2)} and {cell(v['notes'], 2)}" for side, v in heard.items()]
            said.append(f"F1 of onsets and of notes that Basic Pitch reads back, first run: {', '.join(told)}")
    made += ["", "With the critic less without it, sound by sound: " + "; ".join(said) + "."]
    return [*made, "", "`python benchmarks/audio_codec.py --critic`"]
