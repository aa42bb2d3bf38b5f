"""Spectral normalisation: weights divided by their largest singular value, found by power iteration."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

SETTLE = 15  # rounds of the iteration before the first step


class Spectral(nn.Module):
    """W / sigma(W) for a weight seen as a matrix (rows, all else), sigma its largest singular value.

    One round of the power iteration each time the weight is used in training follows its slow change (Miyato et al.
    2018, algorithm 1). Both singular vectors are buffers, so a run taken up again goes on with them bit for bit.
    """

    def __init__(self, weight: Tensor):
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", F.normalize(torch.randn(matrix.shape[0]), dim=0))
        self.register_buffer("right", F.normalize(torch.randn(matrix.shape[1]), dim=0))
        for _ in range(SETTLE):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            if self.training:
                self._iterate(matrix.detach())
            return weight / (self.left.clone() @ matrix @ self.right.clone())

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.left.copy_(F.normalize(matrix @ self.right, dim=0))
        self.right.copy_(F.normalize(matrix.mT @ self.left, dim=0))


def constrain(net: nn.Module) -> nn.Module:
    """The same network, every linear map and convolution in it of slope at most one; returned for convenience."""
    for part in list(net.modules()):
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            parametrize.register_parametrization(part, "weight", Spectral(part.weight))
    return net
