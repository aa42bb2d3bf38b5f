"""Forecasting: learn from a table of times and numbers, say what comes next, how sure that is, and draw futures."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def linear() -> Recipe:
    """A linear map of the history, solved for, under learnt spreads and correlations: seconds."""
    return Recipe(
        domain="series",
        model="forecaster",
        objective="margins",
        training={"epochs": 20.0, "steps": 150, "batch": 64, "rate": 1e-3, "validate_every": 25, "patience": 2},
        held_out=0.2,
    )


def transformer() -> Recipe:
    """The same, corrected by an encoder over the history and a decoder over the future: minutes."""
    return Recipe(
        domain="series",
        model="forecaster",
        objective="margins",
        model_settings={"trunk": "transformer"},
        training={
            "epochs": 20.0,
            "steps": 1000,
            "batch": 64,
            "rate": 1e-3,
            "warmup": 0.05,
            "average": 0.99,
            "validate_every": 50,
            "patience": 5,
            "most_held_out": 1000,
        },
        held_out=0.2,
    )


def default() -> Recipe:
    """The one that costs seconds."""
    return linear()


APP = App(
    "forecasting",
    "Forecasts with their uncertainty, from a table of times and numbers",
    "series",
    {"default": default, "linear": linear, "transformer": transformer},
    "default",
)
