"""The policy as a run began, which a policy pays for leaving."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from conjure.models.protocol import Model
from conjure.nets.lora import adapters, without_lora


class Underneath(nn.Module):
    """An adapted policy without its adapters: a reference that costs no memory."""

    def __init__(self, model: Model):
        super().__init__()
        self.adapted = (model,)  # not a part: its weights are the policy's

    def trace(self, *words: Any) -> tuple[Tensor, Tensor]:
        with without_lora(self.adapted[0]):
            return self.adapted[0].trace(*words)  # type: ignore[operator]

    def log_prob(self, *words: Any, **named: Any) -> Tensor:
        with without_lora(self.adapted[0]):
            return self.adapted[0].log_prob(*words, **named)  # type: ignore[operator]


def reference_of(model: Model) -> Any:
    """A frozen copy of a policy; of one that is adapted (`nets/lora.py`) what its adapters are put on."""
    return Underneath(model) if adapters(model) else copy.deepcopy(model).requires_grad_(False)
