"""Series: learn windows of a time series, make more in their likeness, without a history to go on with."""

from __future__ import annotations

from typing import Any

from conjure.apps.app import App
from conjure.recipe import Recipe

WINDOWS = {"history": 0, "horizon": 24}


def vae() -> Recipe:
    """A variational autoencoder: half a minute, and it scores windows."""
    return _recipe("vae", "elbo", {"latent": 16}, {"rate": 1e-3, "average": 0.998})


def flow() -> Recipe:
    """Flow matching: the closest windows."""
    settings = {"width": 128, "layers": 2, "tolerance": 1e-2, "probes": 1}
    return _recipe("flow", "matching", settings, {"rate": 1e-3, "average": 0.998})


def gan() -> Recipe:
    """A Wasserstein game: no likelihood."""
    return _recipe("gan", "wasserstein", {}, {"rate": 2e-4, "betas": (0.5, 0.9), "schedule": "constant"})


def autoencoder() -> Recipe:
    """An autoencoder: windows as a few numbers and back."""
    return _recipe("autoencoder", "reconstruction", {}, {"rate": 1e-3})


def _recipe(model: str, objective: str, settings: dict[str, Any], training: dict[str, Any]) -> Recipe:
    return Recipe(
        domain="series",
        model=model,
        objective=objective,
        codec=dict(WINDOWS),
        model_settings=settings,
        training={"epochs": 40.0, "steps": 3000, "batch": 128, "validate_every": 100, **training},
        held_out=0.2,
    )


APP = App(
    "series",
    "Windows of time series like those of yours",
    "series",
    {"default": vae, "flow": flow, "vae": vae, "gan": gan, "autoencoder": autoencoder},
    "default",
)
