"""Images: learn from a folder of pictures, draw more like them, by class where there are classes."""

from __future__ import annotations

from dataclasses import replace

from conjure.apps.app import App
from conjure.recipe import Recipe


def vae() -> Recipe:
    """A variational autoencoder: half a minute for small pictures, and it scores them."""
    return Recipe(
        domain="image",
        model="vae",
        objective="elbo",
        objective_settings={"anneal": 0.2},
        training={
            "steps": 1200,
            "batch": 128,
            "rate": 2e-3,
            "decay": 0.1,
            "average": 0.998,
            "validate_every": 100,
        },
    )


def gan() -> Recipe:
    """A game of a generator and a critic: sharp pictures soon, no likelihood."""
    return Recipe(
        domain="image",
        model="gan",
        objective="minmax",
        objective_settings={"penalty": 0.3, "penalty_every": 8, "channels": 16},
        training={
            "steps": 2000,
            "batch": 32,
            "rate": 2e-3,
            "average": 0.995,
            "clip": 0.0,
            "precision": "bf16",
            "validate_every": 250,
        },
    )


def autoencoder() -> Recipe:
    """A code without noise: the sharpest reconstructions; `model.latent_sides` makes it a smaller picture."""
    return replace(vae(), model="autoencoder", objective="reconstruction", objective_settings={})


def pixels() -> Recipe:
    """Black and white pixel by pixel, each from those before it nearby: an exact likelihood within a minute."""
    return Recipe(
        domain="image",
        model="pixels",
        objective="likelihood",
        codec={"encoding": "tokens", "levels": 2},
        training={"steps": 1200, "batch": 32, "rate": 3e-3, "warmup": 0.03, "clip": 0.0, "validate_every": 200},
    )


def decoder() -> Recipe:
    """A Transformer over pixels in 16 levels, row by row: an exact likelihood, for small pictures."""
    return Recipe(
        domain="image",
        model="decoder",
        objective="likelihood",
        codec={"encoding": "tokens", "levels": 16},
        model_settings={"width": 64, "layers": 2, "heads": 2, "ngrams": (), "dropout": 0.1},
        training={"steps": 400, "batch": 64, "rate": 3e-3, "average": 0.99, "validate_every": 100},
    )


def flow() -> Recipe:
    """Flow matching: the clearest pictures, by class where there are classes; minutes for 28 x 28 pixels."""
    return Recipe(
        domain="image",
        model="flow",
        objective="matching",
        model_settings={"width": 256, "channels": 32, "path": "rectified", "solver": "adams", "evaluations": 32},
        training={"steps": 1500, "batch": 128, "rate": 2e-3, "average": 0.998, "validate_every": 250},
    )


def latent() -> Recipe:
    """A flow over the codes of a vae or autoencoder fitted first (latent diffusion): needs --through DIR."""
    return Recipe(
        domain="image",
        model="flow",
        objective="matching",
        model_settings={"width": 256, "layers": 4, "channels": 64, "evaluations": 32},
        training={"steps": 3000, "batch": 256, "rate": 2e-3, "average": 0.998, "validate_every": 250},
        through="?",
    )


RECIPES = {
    "default": vae,
    "vae": vae,
    "autoencoder": autoencoder,
    "gan": gan,
    "decoder": decoder,
    "pixels": pixels,
    "flow": flow,
    "latent": latent,
}
APP = App("images", "Images like those of yours", "image", RECIPES, "default")
