"""What a place in an episode is worth: the value network of policy optimisation, and the price of a reference."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from conjure.models.protocol import Model
from conjure.nets.lora import remove_lora

STEP, MOST = 0.1, 0.2  # of the adaptive coefficient (Ziegler et al. 2019, section 2.2)


class Critic(nn.Module):
    """What a place is worth, from a network of its own or from the policy's states; it also keeps the price of KL.

    A copy of an adapted policy is adapted likewise, or learns with all its weights where it is to be `whole`.
    """

    methods: ClassVar = ("values",)

    def __init__(self, trunk: Model | None, width: int, price: float, whole: bool = False):
        super().__init__()
        self.trunk = None if trunk is None else copy.deepcopy(trunk)
        if whole and self.trunk is not None:
            remove_lora(self.trunk)
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        nn.init.zeros_(self.head[2].weight)  # at first a place is worth nothing
        self.register_buffer("price", torch.tensor(float(price)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def values(self, x: Tensor, given: Tensor | None, real: Tensor, states: Tensor) -> Tensor:
        """The worth of each real place before its token is drawn, (n,)."""
        if self.trunk is not None:
            states = self.trunk.states(x, given, real)
        return self.head(states.float()).sum(1)  # a view would slip past sharding

    def adapt(self, kl: Tensor, target: float) -> None:
        """Move the price towards what keeps an episode `target` nats from the reference (Ziegler et al. 2019, 2.2)."""
        if target:
            error = (kl / target - 1).clamp(-MOST, MOST)
            self.price.mul_(1 + STEP * error)
