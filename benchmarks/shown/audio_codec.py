"""The codec of sounds beside mu-law, what Basic Pitch hears of it, and what a decoder of its tokens makes."""

from __future__ import annotations

from typing import Any

from shown.cells import cell


def lines(found: dict[str, Any]) -> list[str]:
    """A table of codes, a sentence of what is read back, a table of samples."""
    sets = found["sets"]
    minutes = ", ".join(f"{v['CPU-s'] / 60:.0f} on {name}" for name, v in sets.items())
    made = [
        f"**A codec of sounds and a decoder of its tokens** (held-out drum sounds by formula, and chorales played by "
        f"additive synthesis, 16 kHz; CPU-minutes of learning: {minutes}; {found['machine']}, {found['day']}, commit "
        f"{found['commit']}).",
        "",
        "| | code | bits a second | SI-SDR (dB) | log-spectral distance (dB) |",
        "|---" * 5 + "|",
    ]
    for name, one in sets.items():
        for who, v in one["written again"].items():
            distances = (cell(v[k], 2) for k in ("SI-SDR (dB)", "log-spectral distance (dB)"))
            made.append(f"| {name} | {who} | {v['bits a second']:,} | {' | '.join(distances)} |")
    kinds = sets["drums"]["written again"]["conjure"]["SI-SDR by class"]
    said = ", ".join(f"{kind}s {value:.1f}" for kind, value in kinds.items())
    made += ["", f"SI-SDR of the codec by kind of drum: {said} (of noise no wave is kept, its spectrum is)."]
    heard = sets["chorales"]["read back"]
    told = [f"{side} {cell(v['onsets'], 2)} and {cell(v['notes'], 2)}" for side, v in heard.items()]
    made += ["", f"Read back by Basic Pitch, F1 of onsets and of notes against the score: {'; '.join(told)}.", ""]
    made += ["| samples of | figure | ours | baseline | real |", "|---" * 5 + "|"]
    for name, one in sets.items():
        made += [
            f"| {name} | {figure} | {_row(v)} |" for figure, v in one["samples"].items() if v["ceiling"] is not None
        ]
    return [*made, "", "`python benchmarks/audio_codec.py`"]


def _row(value: dict[str, float | None]) -> str:
    ours = f"{value['ours']:.3f}" + (f" ± {(value['high'] - value['low']) / 2:.3f}" if value["low"] is not None else "")
    return " | ".join([ours, *("-" if value[k] is None else f"{value[k]:.3f}" for k in ("baseline", "ceiling"))])
