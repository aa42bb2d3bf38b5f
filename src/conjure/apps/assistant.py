"""The assistant: a language model of your own conversations or texts, from pretrained weights or from nothing."""

from __future__ import annotations

from conjure.apps.app import App
from conjure.recipe import Recipe


def lora() -> Recipe:
    """Pretrained weights, taught by low-rank adapters on every linear layer and merged: the gentlest on memory."""
    return Recipe(
        domain="chat",
        model="llm",
        objective="likelihood",
        codec={"pack": 1024},
        training={
            "epochs": 2.0,
            "batch": 2,
            "rate": 5e-4,
            "betas": (0.9, 0.99),
            "warmup": 0.05,
            "schedule": "linear",
            "precision": "bf16",
            "validate_every": 50,
            "most_held_out": 24,
            "lora": {"rank": 16, "alpha": 32.0},
        },
        start="?",
    )


def full() -> Recipe:
    """Pretrained weights, every one of them trained: for further pretraining on much text."""
    recipe = lora()
    training = {k: v for k, v in recipe.training.items() if k != "lora"}
    return Recipe("chat", "llm", "likelihood", codec=recipe.codec, training=training | {"rate": 5e-5}, start="?")


def small() -> Recipe:
    """From nothing: byte pairs and a model of four layers, for thousands of conversations of one kind."""
    return Recipe(
        domain="chat",
        model="llm",
        objective="likelihood",
        codec={"context": 512, "length": 64, "vocab": 2048},
        model_settings={"layers": 4, "width": 192, "heads": 3},
        training={
            "epochs": 10.0,
            "batch": 8,
            "optimizer": "muon",
            "muon_rate": 0.02,
            "rate": 0.003,
            "betas": (0.9, 0.95),
            "warmup": 0.04,
            "schedule": "linear",
            "precision": "bf16",
            "validate_every": 100,
            "most_held_out": 64,
        },
    )


APP = App(
    "assistant",
    "An assistant taught by your own conversations or texts",
    "chat",
    {"small": small, "lora": lora, "full": full},
    "small",
    "lora",
)
