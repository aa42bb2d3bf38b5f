"""The running average of a model's weights: smoother samples than the last step's, at no cost in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from conjure.nets.lora import learnt


class Average:
    """Exponential moving average of all parameters (Polyak and Juditsky 1992 in its exponential form).

    The decay warms up as (1 + step) / (10 + step), so that a short run is not held at its start.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model, self.decay = model, decay
        self.shadow = {n: p.detach().clone() for n, p in _moving(model)}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        current = [p.detach() for _, p in _moving(self.model)]
        torch._foreach_lerp_(list(self.shadow.values()), current, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The averaged weights stand in the model inside the block; the trained ones return after it."""
        kept = weights(self.model)
        put(self.model, self.shadow)
        try:
            yield
        finally:
            put(self.model, kept)


def _moving(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters to average: of an adapted model those of its adapters."""
    kept = learnt(model)
    return [(n, p) for n, p in model.named_parameters() if n in kept]


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies of what is learnt of a model, parameters and buffers, by name, sharded as they are."""
    return {n: p.detach().clone() for n, p in learnt(model).items()}


@torch.no_grad()
def put(model: nn.Module, values: dict[str, Tensor]) -> None:
    """Values by name into the model, in place; names that `values` lacks stay as they are."""
    for name, p in model.state_dict().items():
        if name in values:
            p.copy_(values[name])
    reshard(model)


def reshard(model: nn.Module) -> None:
    """Let go of gathered weights, which would otherwise outlive the change of the shards under them."""
    if callable(let_go := getattr(model, "reshard", None)):  # FSDP's; to import its class takes a second and 50 MB
        let_go()
