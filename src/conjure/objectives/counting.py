"""Counting: the exact maximum of a likelihood whose model is a table of counts, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from conjure.core.batch import Batch
from conjure.objectives.protocol import Move, Objective


class Counting(Objective):
    """Shows each batch to the model, which counts; there is no gradient and so no optimizer step.

    A relative frequency is the maximum-likelihood estimate of a probability (Jurafsky and Martin 2024, eq.
    3.11). One pass over the data is all: more would count everything again. `validate` gives nats a symbol where
    the model has `mean_nats`, else nats an example.
    """

    needs = ("observe", "log_prob")
    pure = False

    @dataclass(frozen=True)
    class Config:
        """Nothing to set."""

    def moves(self, batch: Batch) -> Iterator[Move]:
        self.model.observe(_everybody(batch.x))
        yield Move("model", torch.zeros((), device=batch.x.device))

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        if quick := getattr(self.model, "mean_nats", None):
            return {"loss": quick(batch.x, batch.given, batch.mask)}
        return {"loss": -self.model.log_prob(batch.x, batch.given, batch.mask).mean()}


def _everybody(x: Tensor) -> Tensor:
    """The rows of all processes: counts, unlike gradients, are not averaged for us."""
    if not dist.is_initialized():
        return x
    parts: list[Tensor | None] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, x)
    return torch.cat([p.to(x.device) for p in parts if p is not None])
