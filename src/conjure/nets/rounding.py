"""Matrices in signed bytes: each row is a whole number of its own steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOST = 127


def round_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Codes in -127 .. 127 (O, I) and the step of each row (O,): the largest weight of a row is 127 steps."""
    steps = weight.abs().amax(1).clamp_min(torch.finfo(weight.dtype).tiny) / MOST
    return (weight / steps.unsqueeze(1)).round().to(torch.int8), steps


@torch.no_grad()
def round_matrix(linear: nn.Linear) -> None:
    """Round a matrix in place; the codes stay beside it for who multiplies by bytes.

    Whatever reads the weight then computes with the very numbers that the codes stand for.
    """
    codes, steps = round_rows(linear.weight)
    linear.weight.copy_(codes * steps.unsqueeze(1))
    linear.register_buffer("codes", codes, persistent=False)
    linear.register_buffer("steps", steps, persistent=False)
