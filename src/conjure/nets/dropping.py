"""Dropout whose random numbers cost little: a byte an element."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def drop(x: Tensor, share: float) -> Tensor:
    """x with about this share of its elements zero and the rest scaled up (Srivastava et al. 2014, sec. 4).

    On CPUs drawing a float an element takes longer than the matrices between; a byte does, so that the share
    is rounded to 1/256 (and the scale with it).
    """
    if not x.is_cpu:
        return F.dropout(x, share)
    dropped = round(256 * share)
    numbers = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
    kept = (numbers[: x.numel()] >= dropped).view(x.shape).to(x.dtype)
    return x * kept.mul_(256 / (256 - dropped))
