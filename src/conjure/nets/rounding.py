"""Matrices in signed bytes: each row is a whole number of its own steps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST = 127
BLOCK = 32  # neighbours that share a step, where steps are not of whole rows


def round_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Codes in -127 .. 127 (O, I) and the step of each row (O,): the largest weight of a row is 127 steps."""
    steps = weight.abs().amax(1).clamp_min(torch.finfo(weight.dtype).tiny) / MOST
    return (weight / steps.unsqueeze(1)).round().to(torch.int8), steps


def round_blocks(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Codes in -127 .. 127 (O, I) and the step of each block of 32 inputs (O, I / 32), I a multiple of 32.

    Steps are numbers that bfloat16 holds, so that they may be kept in two bytes.
    """
    blocks = weight.unflatten(1, (-1, BLOCK))
    steps = blocks.abs().amax(2) / MOST
    short = steps.bfloat16()  # to the nearest, so half of them are too small for 127 of them to reach the largest
    short = torch.where(short.float() < steps, (short.view(torch.int16) + 1).view(torch.bfloat16), short).float()
    short = short.clamp_min(2.0**-120)
    return (blocks / short.unsqueeze(2)).round().to(torch.int8).flatten(1), short


def blockwise(weight: Tensor) -> Tensor:
    """A matrix (O, I) as `round_blocks` keeps it; a last block that is not full is rounded as if filled with zeros."""
    codes, steps = round_blocks(F.pad(weight, (0, -weight.shape[1] % BLOCK)))
    return (codes.unflatten(1, (-1, BLOCK)) * steps.unsqueeze(2)).flatten(1)[:, : weight.shape[1]]


@torch.no_grad()
def round_matrix(linear: nn.Linear) -> None:
    """Round a matrix in place; the codes stay beside it for who multiplies by bytes.

    Whatever reads the weight then computes with the very numbers that the codes stand for.
    """
    codes, steps = round_rows(linear.weight)
    linear.weight.copy_(codes * steps.unsqueeze(1))
    linear.register_buffer("codes", codes, persistent=False)
    linear.register_buffer("steps", steps, persistent=False)
