"""What a run puts on its model and takes off again: low-rank adapters, and states made anew in the backward pass."""

from __future__ import annotations

import torch
from torch import nn

from conjure.core.errors import ConfigError
from conjure.core.rng import derive
from conjure.nets.lora import add_lora
from conjure.training.settings import Training


def adapt(model: nn.Module, training: Training, seed: int) -> None:
    """Ready a model for a run of these settings; ConfigError where it cannot be."""
    able = [part for part in model.modules() if hasattr(part, "recompute")]
    if training.recompute and not able:
        raise ConfigError(f"training.recompute is not for a {type(model).__name__}: its states are few; leave it out")
    for part in able:
        part.recompute = training.recompute
    if training.lora is not None:
        torch.manual_seed(derive(seed, "lora"))
        add_lora(model, training.lora.rank, training.lora.alpha, training.lora.targets, training.lora.dropout)
