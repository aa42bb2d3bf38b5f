"""Rows of columns as real numbers that a flow can carry."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from conjure.core.space import Columns
from conjure.nets.columns import Layout

HEIGHT = 2.0  # how far a code's own number stands above those of the column's other codes


class Analog(nn.Module):
    """A category as one number a code, of mean 0 when all are as frequent and the highest at its own; numbers as
    they are (the one-hot form of "analog bits", Chen et al. 2023, section 2).

    Shapes: rows (B, K), wide (B, W).
    """

    def __init__(self, space: Columns):
        super().__init__()
        self.layout = Layout(space)
        of_codes = [(HEIGHT, HEIGHT / size) if size else (1.0, 0.0) for size in space.sizes for _ in range(size or 1)]
        height, mean = torch.tensor(of_codes).unbind(1)
        self.register_buffer("height", height, persistent=False)
        self.register_buffer("mean", mean, persistent=False)

    @staticmethod
    def width(space: Columns) -> int:
        """W of a space."""
        return sum(size or 1 for size in space.sizes)

    def widen(self, x: Tensor) -> Tensor:
        return self.layout.widen(x).to(self.height) * self.height - self.mean

    def narrow(self, wide: Tensor) -> Tensor:
        return self.layout.narrow(wide + self.mean)
