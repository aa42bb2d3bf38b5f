"""torch.compile around the methods that losses call, put on for a run and taken off before the weights are used."""

from __future__ import annotations

import torch
from torch import nn


def put_on(model: nn.Module) -> None:
    """Compile the methods; kept as attributes of the instance, so that they come off again."""
    for name in model.methods:  # type: ignore[union-attr]
        setattr(model, name, torch.compile(getattr(model, name)))


def take_off(model: nn.Module) -> None:
    for name in getattr(model, "methods", ()):
        model.__dict__.pop(name, None)
