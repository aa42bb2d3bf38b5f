"""Video: learn from short clips, make more that move like them."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def flow() -> Recipe:
    """Flow matching on whole clips by a U-Net over space and time: the clearest motion."""
    return Recipe(
        domain="video",
        model="flow",
        objective="matching",
        model_settings={"width": 128, "channels": 24, "evaluations": 24},
        training={"steps": 1200, "batch": 48, "rate": 3e-3, "average": 0.995, "validate_every": 200},
    )


def frames() -> Recipe:
    """A variational autoencoder of single frames, for the recipe `latent` to go through."""
    return Recipe(
        domain="video",
        model="vae",
        objective="elbo",
        codec={"encoding": "frames", "labels": False},
        model_settings={"latent": 24, "width": 128, "channels": 16},
        objective_settings={"anneal": 0.2},
        training={"steps": 1500, "batch": 128, "rate": 2e-3, "average": 0.998, "validate_every": 250},
    )


def latent() -> Recipe:
    """A flow over the sequence of a clip's codes, through the `frames` fitted first: needs --through DIR."""
    return Recipe(
        domain="video",
        model="flow",
        objective="matching",
        model_settings={"width": 128, "layers": 4, "net": "transformer", "patch": 1, "evaluations": 24},
        training={"steps": 3000, "batch": 64, "rate": 2e-3, "average": 0.998, "validate_every": 250},
        through="?",
    )


def gan() -> Recipe:
    """A Wasserstein game over whole clips, for small ones: both players are perceptrons."""
    return Recipe(
        domain="video",
        model="gan",
        objective="wasserstein",
        model_settings={"width": 256},
        objective_settings={"width": 256},
        training={"steps": 1000, "batch": 128, "rate": 1e-3, "average": 0.995, "clip": 0.0, "validate_every": 100},
    )


RECIPES = {"default": flow, "flow": flow, "frames": frames, "latent": latent, "gan": gan}
APP = App("video", "Short clips that move like yours", "video", RECIPES, "default")
