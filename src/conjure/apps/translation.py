"""Translation: learn from pairs of texts, turn new sources into targets."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def transformer() -> Recipe:
    """An encoder and a decoder of three blocks over joint byte pairs: 29,000 pairs in some 20 minutes on one core."""
    return Recipe(
        domain="pairs",
        model="seq2seq",
        objective="smoothing",
        codec={"vocab": 6000},
        model_settings={
            "layers": (3, 3),
            "width": 256,
            "heads": 4,
            "expansion": 2.0,
            "dropout": 0.1,
            "length_penalty": 1.4,
        },
        training={
            "epochs": 5.0,
            "batch": 128,
            "optimizer": "muon",
            "muon_rate": 0.02,
            "rate": 0.01,
            "betas": (0.9, 0.95),
            "schedule": "linear",
            "warmup": 0.04,
            "clip": 0.0,
            "precision": "bf16",
            "average": 0.99,
            "validate_every": 100,
        },
        held_out=0.02,
    )


def small() -> Recipe:
    """Two blocks in all, for a few thousand short pairs: a minute."""
    return transformer().with_settings(
        [
            "codec.vocab=512",
            "model.layers=[1, 1]",
            "model.width=128",
            "model.heads=2",
            "training.epochs=8",
            "training.batch=64",
            "held_out=0.1",
        ]
    )


APP = App(
    "translation",
    "Translations, or any text under another, as your pairs have them",
    "pairs",
    {"default": transformer, "transformer": transformer, "small": small},
    "default",
)
