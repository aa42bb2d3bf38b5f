"""Tables: learn from a CSV or Parquet file, make more rows in its likeness, fill its gaps, score its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conjure.apps.app import App
from conjure.recipe import Recipe


def circuit() -> Recipe:
    """A hidden Chow-Liu tree over codes: exact likelihood and exact conditions on any columns."""
    return Recipe(
        domain="table",
        model="circuit",
        objective="expectation",
        training={"epochs": 15.0, "steps": 12_000, "batch": 128, "validate_every": 100},
        held_out=0.05,
    )


def columns() -> Recipe:
    """An autoregressive network over codes, in any column order."""
    return Recipe(
        domain="table",
        model="columns",
        objective="orderless",
        training={
            "epochs": 20.0,
            "batch": 256,
            "rate": 3e-3,
            "decay": 0.5,
            "average": 0.998,
            "patience": 5,
            "validate_every": 100,
        },
    )


def vae() -> Recipe:
    """A variational autoencoder over normal scores and codes, with a mixed likelihood."""
    return Recipe(
        domain="table",
        model="vae",
        objective="elbo",
        codec={"numbers": "values", "categories": 256},
        training={"epochs": 60.0, "batch": 512, "rate": 1e-3, "average": 0.999, "patience": 10, "validate_every": 100},
    )


def autoencoder() -> Recipe:
    """A code for each row, and rows for codes; by its error of reconstruction, a detector of odd rows."""
    return vae().with_settings(["model.name=autoencoder", "model.latent=8", "objective.name=reconstruction"])


def gan() -> Recipe:
    """A Wasserstein game over normal scores and codes."""
    return Recipe(
        domain="table",
        model="gan",
        objective="wasserstein",
        codec={"numbers": "values", "categories": 256},
        training={"epochs": 60.0, "batch": 512, "rate": 2e-4, "betas": (0.5, 0.9), "schedule": "constant"},
    )


def flow() -> Recipe:
    """Flow matching over normal scores and codes as real numbers; without a likelihood."""
    return Recipe(
        domain="table",
        model="flow",
        objective="matching",
        codec={"numbers": "values", "categories": 256},
        model_settings={"width": 512, "layers": 3},
        training={"epochs": 60.0, "batch": 512, "rate": 1e-3, "average": 0.999, "patience": 10, "validate_every": 100},
    )


def marginals() -> Recipe:
    """Two-way marginals and what they say of rows: the family for a privacy budget (--epsilon)."""
    return Recipe(
        domain="table",
        model="marginals",
        objective="entropy",
        codec={"bins": 16},
        training={"steps": 1, "threads": 1, "validate_every": 1_000_000},
        held_out=0.0,
    )


def small() -> Recipe:
    """Hundreds of rows, such as a trial's: what pairs of columns say, their ranks without shrinking."""
    return marginals()


def private_columns() -> Recipe:
    """The autoregressive network under a privacy budget, by noisy gradients."""
    return _private(columns(), 1e-2, width=96, layers=1, dropout=0.0)


def private_vae() -> Recipe:
    """The variational autoencoder under a privacy budget, by noisy gradients."""
    return _private(vae(), 3e-3, width=128, layers=1, latent=16)


def private_gan() -> Recipe:
    """The Wasserstein game under a privacy budget: noisy gradients for the critic, which alone sees data.

    The generator waits for five moves of the critic, whose single ones are mostly noise, and then takes a large step.
    """
    return replace(
        _private(gan(), 3e-3, width=128, layers=1),
        objective_settings={"critic_moves": 5, "critic_rate": 0.5, "width": 128, "layers": 1},
    )


def _private(plain: Recipe, rate: float, **sizes: Any) -> Recipe:
    """Few weights, large batches and many passes, which noise asks for; no held-out rows to choose a step by."""
    training = {k: v for k, v in plain.training.items() if k != "patience"}
    training |= {"rate": rate, "epochs": 30.0, "batch": 1024, "validate_every": 1_000_000, "threads": 1, "decay": 0.0}
    return replace(plain, codec={"bins": 16}, model_settings=sizes, training=training, held_out=0.0)


def independent() -> Recipe:
    """Every column by itself: the baseline."""
    return Recipe(
        domain="table",
        model="independent",
        objective="counting",
        training={"epochs": 1.0, "batch": 4096, "validate_every": 1_000_000},
    )


def default() -> Recipe:
    """The family that validation chose."""
    return circuit()


APP = App(
    "tables",
    "Synthetic tables from a CSV or Parquet file of yours",
    "table",
    {
        "default": default,
        "circuit": circuit,
        "columns": columns,
        "vae": vae,
        "autoencoder": autoencoder,
        "gan": gan,
        "flow": flow,
        "marginals": marginals,
        "small": small,
        "private": marginals,
        "private-columns": private_columns,
        "private-vae": private_vae,
        "private-gan": private_gan,
        "independent": independent,
    },
    "default",
)
