"""Piano rolls: a melody of Bach's with the voices that a small model wrote to it, and with Bach's own."""

from __future__ import annotations

from matplotlib import pyplot as plt

import conjure
from conjure import composing
from conjure.domains.music import corpus
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece, Pieces, bar_lines
from conjure.domains.music.view import COLOURS

SETTINGS = ["training.steps=150", "training.threads=1", "model.width=96", "model.hidden=128", "training.batch=8"]
RULES = {"parallels": "no", "end": "tonic", "range": "voices"}


def draw() -> plt.Figure:
    """The held-out chorale is the last one; the model never saw it."""
    found, _ = corpus.read("chorales")
    fitting = Pieces(tuple(p for p in found if p.end <= 48 * TICKS))
    held, learnt = fitting[-1], fitting[:-1]
    model = conjure.fit("music", learnt, settings=[*SETTINGS, "held_out=0.05"])
    written = composing.harmonize(model.artifact, held, RULES, seed=1)
    figure, axes = plt.subplots(2, 1, figsize=(11, 5.2), sharex=True, sharey=True, layout="constrained")
    roll(axes[0], written, "the melody is given (blue), the model wrote the other three voices")
    roll(axes[1], held, f"Bach ({held.name})")
    axes[1].set_xlabel("quarter notes")
    return figure


def roll(axis: plt.Axes, one: Piece, title: str) -> None:
    """Notes as bars, a colour a voice."""
    for note in one.notes:
        span = [(note[START] / TICKS, note[LENGTH] / TICKS - 0.08)]
        axis.broken_barh(span, (note[PITCH] - 0.45, 0.9), color=COLOURS[note[PART] % len(COLOURS)])
    for tick, _ in bar_lines(one):
        axis.axvline(tick / TICKS, color="#ccc", lw=0.6, zorder=0)
    axis.set_title(title, fontsize=10)
    axis.set_ylabel("pitch")
