"""Randomness as a function of (seed, name, step), so that a resumed run needs no saved generator.

One root seed gives every named stream its own seed; a draw in training takes the rows of this
process out of the draw for the whole batch, so that many processes see what one would see.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream called `names` under a root seed."""
    text = "/".join(str(n) for n in (seed, *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh torch generator for the stream called `names`."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


class Noise:
    """Random draws for one batch; with `world` processes each keeps rows rank, rank + world, ..."""

    def __init__(self, seed: int, *names: str | int, rank: int = 0, world: int = 1, device: str | torch.device = "cpu"):
        self.generator = generator(seed, *names, device=device)
        self.rank, self.world, self.device = rank, world, device

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, (B, ...) with B this process's rows."""
        return torch.randn(shape[0] * self.world, *shape[1:], generator=self.generator, device=self.device)[
            self.rank :: self.world
        ]

    def alike(self, *shape: int) -> Tensor:
        """Uniform on [0, 1), of `shape`, the same numbers in every process."""
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on [0, 1), (B, ...) with B this process's rows."""
        return torch.rand(shape[0] * self.world, *shape[1:], generator=self.generator, device=self.device)[
            self.rank :: self.world
        ]
