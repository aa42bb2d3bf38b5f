"""Audio: learn from a folder of short sounds or loops, make more like them, by class where there are classes."""

from __future__ import annotations

from dataclasses import replace

from conjure.apps.app import App
from conjure.recipe import Recipe


def codec() -> Recipe:
    """A neural codec: sounds to a few integers a frame and back, with a critic that looks at spectra."""
    return Recipe(
        domain="audio",
        model="vq",
        objective="coding",
        codec={"labels": False},
        training={
            "minutes": 6.0,
            "batch": 16,
            "rate": 1e-3,
            "betas": (0.8, 0.99),
            "warmup": 0.02,
            "average": 0.99,
            "validate_every": 100,
        },
    )


def tokens() -> Recipe:
    """A decoder Transformer over the tokens of a `codec` fitted first: needs --through DIR."""
    return Recipe(
        domain="audio",
        model="decoder",
        objective="likelihood",
        model_settings={"width": 128, "layers": 3, "heads": 4, "dropout": 0.1},
        training={
            "minutes": 4.0,
            "batch": 16,
            "rate": 2e-3,
            "warmup": 0.04,
            "average": 0.99,
            "validate_every": 50,
        },
        through="?",
    )


def both() -> Recipe:
    """The codec, then the decoder through it, in one run: from a folder of sounds to new ones."""
    return replace(tokens(), first=codec().nested())


RECIPES = {"default": both, "codec": codec, "tokens": tokens}
APP = App("audio", "Short sounds like those of a folder of yours", "audio", RECIPES, "default")
