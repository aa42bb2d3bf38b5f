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
        objective_settings={"alone": 0.3},
        model_settings={"width": 192, "hidden": 256, "dropout": 0.2, "home": 2},  # voices.KEY
        training={
            "minutes": 15.0,
            "batch": 16,
            "rate": 6e-3,
            "betas": (0.9, 0.98),
            "decay": 0.1,
            "warmup": 0.05,
            "clip": 0.25,
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
            "warmup": 0.05,
            "clip": 0.25,
            "average": 0.99,
            **WATCHED,
            "validate_every": 200,
        },
    )


def events() -> Recipe:
    """Events of all instruments, drums and dynamics in one stream, by a decoder Transformer."""
    return Recipe(
        domain="music",
        model="decoder",
        objective="likelihood",
        codec={"layout": "events", "vocab": 1000},
        model_settings={"layers": 3, "width": 128, "heads": 4, "dropout": 0.1},
        training={
            "minutes": 15.0,
            "batch": 16,
            "optimizer": "muon",
            "muon_rate": 0.02,
            "rate": 0.01,
            "betas": (0.9, 0.95),
            "schedule": "linear",
            "warmup": 0.04,
            "clip": 0.0,
            "precision": "bf16",
            "validate_every": 200,
        },
    )


def recurrent() -> Recipe:
    """The same events by an LSTM, whose memory while writing stays small."""
    return Recipe(
        domain="music",
        model="recurrent",
        objective="likelihood",
        codec={"layout": "events", "vocab": 1000},
        training={"minutes": 15.0, "batch": 16, "rate": 4e-3, "schedule": "linear", "warmup": 0.04, **WATCHED},
    )


def melodies() -> Recipe:
    """A code for each passage of melody, and melodies for codes: `conjure interpolate` goes from one to another."""
    return Recipe(
        domain="music",
        model="vae",
        objective="elbo",
        codec={"layout": "melodies", "frames": 64},
        model_settings={"latent": 64, "width": 192, "layers": 1, "net": "recurrent"},
        objective_settings={"anneal": 0.5},
        training={"minutes": 15.0, "batch": 64, "rate": 2e-3, "warmup": 0.04, **WATCHED},
    )


def gan() -> Recipe:
    """Piano rolls of four bars as pictures, by a game of convolutions (in the spirit of MuseGAN)."""
    return Recipe(
        domain="music",
        model="gan",
        objective="wasserstein",
        codec={"layout": "rolls", "frames": 64},
        training={"minutes": 15.0, "batch": 64, "rate": 2e-4, "betas": (0.5, 0.9), "schedule": "constant", **WATCHED},
    )


APP = App(
    "music",
    "Scores like those of a folder of yours",
    "music",
    {
        "default": chords,
        "chords": chords,
        "roll": roll,
        "events": events,
        "recurrent": recurrent,
        "melodies": melodies,
        "gan": gan,
    },
    "default",
)
