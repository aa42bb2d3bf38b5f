"""Text: learn from a corpus, write more of it, say how typical a text is."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def decoder() -> Recipe:
    """A small Transformer over characters: about two minutes on one core for a text of a megabyte."""
    return Recipe(
        domain="text",
        model="decoder",
        objective="likelihood",
        model_settings={"ngrams": (2, 3, 4, 5)},
        training={
            "steps": 2500,
            "batch": 16,
            "optimizer": "muon",
            "muon_rate": 0.02,
            "rate": 0.01,
            "betas": (0.9, 0.95),
            "schedule": "linear",
            "warmup": 0.04,
            "clip": 0.0,
            "precision": "bf16",
            "validate_every": 500,
        },
    )


def bpe() -> Recipe:
    """The same over byte pairs, which sees four times as far and accepts any text."""
    recipe = decoder()
    return recipe.with_settings(["codec.units=bpe", "codec.vocab=1024"])


def recurrent() -> Recipe:
    """An LSTM over characters: its memory while writing does not grow with what it has written."""
    return Recipe(
        domain="text",
        model="recurrent",
        objective="likelihood",
        training={
            "steps": 2500,
            "batch": 16,
            "rate": 0.004,
            "schedule": "linear",
            "warmup": 0.04,
            "clip": 1.0,
            "validate_every": 500,
        },
    )


def autoencoder() -> Recipe:
    """A code for each of many short texts (names, sentences), and texts for codes."""
    return Recipe(
        domain="text",
        model="autoencoder",
        objective="reconstruction",
        codec={"layout": "documents"},
        model_settings={"latent": 64, "layers": 1},
        training={"steps": 1500, "batch": 64, "rate": 3e-3, "warmup": 0.04, "validate_every": 100},
    )


def vae() -> Recipe:
    """The same with random codes, so that a code drawn anew means a text."""
    words = ["model.name=vae", "model.latent=32", "objective.name=elbo", "objective.anneal=0.5"]
    return autoencoder().with_settings(words)


def markov() -> Recipe:
    """An n-gram model with Kneser-Ney smoothing: the baseline, learnt in one pass."""
    return Recipe(
        domain="text",
        model="markov",
        objective="counting",
        codec={"context": 1024},
        training={"epochs": 1.0, "batch": 64, "validate_every": 1_000_000},
    )


APP = App(
    "text",
    "Text like that of a corpus of yours",
    "text",
    {
        "default": decoder,
        "decoder": decoder,
        "bpe": bpe,
        "recurrent": recurrent,
        "markov": markov,
        "autoencoder": autoencoder,
        "vae": vae,
    },
    "default",
)
