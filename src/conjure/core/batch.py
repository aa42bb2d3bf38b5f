"""What flows through training: examples, which of them count, what is given, and this step's randomness."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from conjure.core.rng import Noise

FIELDS = ("x", "mask", "given", "parts")


@dataclass(frozen=True)
class Batch:
    """B examples. `mask` (B, T) marks positions that count; `given` (B, ...) is the condition.

    `parts` (B, T) numbers the documents of a row, none of which sees another.
    """

    x: Tensor
    mask: Tensor | None = None
    given: Tensor | None = None
    noise: Noise = field(default_factory=lambda: Noise(0))
    parts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> Batch:
        moved = {k: v.to(device) for k in FIELDS if (v := getattr(self, k)) is not None}
        return replace(self, **moved)

    def rows(self, where: slice | Tensor) -> Batch:
        """Some of the examples, under the same noise source."""
        cut = {k: v[where] for k in FIELDS if (v := getattr(self, k)) is not None}
        return replace(self, **cut)
