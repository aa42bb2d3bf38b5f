"""Music: learn from a folder of scores, compose more, go on, harmonise, fill in, vary."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe

WATCHED = {"validate_every": 100, "checkpoint_seconds": 60.0}


def chords() -> Recipe:
    """Voices on a grid, whole chords drawn jointly, any part of them given: composes, harmonises, fills in."""
    return Recipe(
        domain="music",
        model="chords",
        objective="infilling",
        model_settings={"width": 192, "hidden": 256, "dropout": 0.2},
        training={
            "minutes": 15.0,
            "batch": 16,
            "rate": 6e-3,
            "betas": (0.9, 0.98),
            "decay": 0.1,
            "warmup": 0.02,
            "average": 0.99,
            **WATCHED,
        },
    )


def roll() -> Recipe:
    """What keys sound at every quarter note, as the literature on piano rolls counts it."""
    return Recipe(
        domain="music",
        model="chords",
        objective="likelihood",
        codec={"layout": "sets", "step": 1},
        model_settings={"width": 192, "hidden": 256, "dropout": 0.3, "marks": 1, "sets": True},
        training={
            "minutes": 15.0,
            "batch": 16,
            "rate": 8e-3,
            "betas": (0.9, 0.98),
            "decay": 0.1,
            "warmup": 0.02,
            "average": 0.99,
            **WATCHED,
            "validate_every": 200,
        },
    )


APP = App(
    "music",
    "Scores like those of a folder of yours",
    "music",
    {"default": chords, "chords": chords, "roll": roll},
    "default",
)
