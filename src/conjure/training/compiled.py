"""torch.compile around the methods that losses call, put on for a run and taken off before the weights are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def put_on(model: nn.Module) -> None:
    """Compile the methods; kept as attributes of the instance, so that they come off again."""
    for name in model.methods:  # type: ignore[union-attr]
        setattr(model, name, torch.compile(getattr(model, name)))


@contextmanager
def taken_off(model: nn.Module) -> Iterator[None]:
    """The methods as they were written inside the block, for shapes that a run does not have; back on after it."""
    kept = {name: model.__dict__.pop(name) for name in getattr(model, "methods", ()) if name in model.__dict__}
    try:
        yield
    finally:
        model.__dict__.update(kept)


def take_off(model: nn.Module) -> None:
    for name in getattr(model, "methods", ()):
        model.__dict__.pop(name, None)
