"""Music's verbs beside an n-gram and Bach, and its speeds."""

from __future__ import annotations

from typing import Any

VOICES = ("soprano", "alto", "tenor", "bass")


def lines(found: dict[str, Any]) -> list[str]:
    """Accuracy of a hidden voice, faults and copies, then speeds in a sentence."""
    made = [
        f"**A hidden voice of the JSB test chorales filled in** (sixteenths, {found['CPU-s'] / 60:.0f} CPU-minutes of "
        f"learning, {found['machine']}, {found['day']}, commit {found['commit']}): share of frames with Bach's pitch, "
        "95 % bootstrap intervals over pieces.",
        "",
        "| | " + " | ".join(VOICES) + " |",
        "|---" * 5 + "|",
    ]
    for name, shares in found["hidden voice"].items():
        made.append(
            f"| {name} | " + " | ".join(f"{v['mean']:.3f} ({v['low']:.3f}-{v['high']:.3f})" for v in shares) + " |"
        )
    whole, speed, few = found["without a copied run"], found["speed"], found["66 tunes"]
    reads = [
        f"files {name} {v['times faster']:.0f} times as fast as pretty_midi" for name, v in found["reading"].items()
    ]
    chords = found["chord symbols"]
    told = (
        "Chord symbols to a soprano, one a half bar at most: Bach's root in "
        + ", ".join(
            f"{v['root']['mean']:.1%} ({who}, {v['root']['low']:.1%}-{v['root']['high']:.1%})"
            for who, v in chords.items()
        ),
        f"{whole['conjure']:.1%} of free samples without a run of 16 training notes in any key (Bach: "
        f"{whole['Bach']:.1%})",
        f"a model of 66 short tunes: self-BLEU {few['self-BLEU']:.3f}, the tunes' own {few['of the data']:.3f} "
        f"({few['ratio']:.2f} times)",
        f"{speed['quarter notes a second, one']:.0f} quarter notes written a CPU-second alone",
        f"{speed['quarter notes a second, sixteen']:.0f} sixteen side by side",
        f"first frame after {1000 * speed['first frame, s']:.0f} ms",
        f"sound at {speed['sound, share of real time']:.4f} of real time",
        f"reading {', '.join(reads)}",
    )
    made += ["", "; ".join(told) + "."]
    older = {name: commit for name, commit in found["measured"].items() if commit != found["commit"]}
    if older:
        made += ["", "Measured at other commits: " + ", ".join(f"{n} ({c})" for n, c in older.items()) + "."]
    return [*made, "", "`python benchmarks/music_verbs.py`"]
