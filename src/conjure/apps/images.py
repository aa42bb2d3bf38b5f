"""Images: learn from a folder of pictures, draw more like them, by class where there are classes."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def vae() -> Recipe:
    """A variational autoencoder: fast, and it scores pictures."""
    return Recipe(
        domain="image",
        model="vae",
        objective="elbo",
        model_settings={"latent": 32, "width": 256},
        objective_settings={"anneal": 0.2},
        training={"steps": 3000, "batch": 128, "rate": 2e-3, "average": 0.998, "validate_every": 250},
    )


def gan() -> Recipe:
    """A Wasserstein game: sharper pictures, no likelihood."""
    return Recipe(
        domain="image",
        model="gan",
        objective="wasserstein",
        model_settings={"latent": 64, "width": 256},
        training={"steps": 1500, "batch": 320, "rate": 5e-4, "average": 0.995, "clip": 0.0, "validate_every": 100},
    )


def decoder() -> Recipe:
    """A Transformer over pixels as 16 levels, row by row: an exact likelihood, for small pictures."""
    return Recipe(
        domain="image",
        model="decoder",
        objective="likelihood",
        codec={"encoding": "tokens", "levels": 16},
        model_settings={"width": 64, "layers": 2, "heads": 2},
        training={"steps": 600, "batch": 64, "rate": 3e-3, "average": 0.99, "validate_every": 100},
    )


APP = App(
    "images",
    "Images like those of yours",
    "image",
    {"default": vae, "vae": vae, "gan": gan, "decoder": decoder},
    "default",
)
