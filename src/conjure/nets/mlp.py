"""Fully connected networks, residual or plain, for vectors without neighbourhoods."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ResMLP(nn.Module):
    """A residual perceptron: linear in, blocks x + W2 silu(W1 norm(x)), linear out.

    Critics go without `norm`: it bends their slope, and on a ring of eight Gaussians modes were lost with it.

    Shapes: (B, inputs) to (B, outputs).
    """

    def __init__(self, inputs: int, outputs: int, width: int, layers: int, norm: bool = True):
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_Block(width, norm) for _ in range(layers))
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.leave = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        for block in self.blocks:
            h = h + block(h)
        return self.leave(F.silu(self.norm(h)))


class MLP(nn.Sequential):
    """The plain perceptron: `layers` hidden layers of rectified units.

    Shapes: (B, inputs) to (B, outputs).
    """

    def __init__(self, inputs: int, outputs: int, width: int, layers: int):
        parts: list[nn.Module] = []
        for _ in range(layers):
            parts += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        super().__init__(*parts, nn.Linear(inputs, outputs))


class _Block(nn.Module):
    def __init__(self, width: int, norm: bool):
        super().__init__()
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.widen, self.mix = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.silu(self.widen(self.norm(x))))
