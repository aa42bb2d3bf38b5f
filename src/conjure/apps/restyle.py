"""Restyle: two styles of picture, no pairs; learn to turn each into the other."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def cycle() -> Recipe:
    """Translators and critics with cycle consistency, led by partners; minutes for pictures of 32 x 32 pixels."""
    return Recipe(
        domain="unpaired",
        model="cycle",
        objective="cycle",
        codec={"partners": "transport"},
        model_settings={"net": "unet"},
        objective_settings={"cycle": 2.0, "identity": 0.0, "partner": 20.0, "trust": 0.15, "channels": 16},
        training={
            "steps": 2000,
            "batch": 8,
            "rate": 2e-3,
            "average": 0.99,
            "clip": 0.0,
            "schedule": "linear",
            "validate_every": 200,
            "most_held_out": 512,
        },
    )


RECIPES = {"default": cycle, "cycle": cycle}
APP = App("restyle", "Two styles of picture, each into the other", "unpaired", RECIPES, "default")
