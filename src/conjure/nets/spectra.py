"""Waves as spectra frame by frame, and back."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MDCT(nn.Module):
    """The modified discrete cosine transform: a wave as `hop` real coefficients every `hop` samples.

    Windows of twice the length overlap by half, and what neighbours fold onto each other cancels (Princen & Bradley
    1986), so the transform is orthonormal: the inverse is its transpose, and squared errors are those of the wave.

    Shapes: waves (B, F hop), coefficients (B, F + 1, hop).
    """

    def __init__(self, hop: int):
        super().__init__()
        self.hop = hop
        n, k = (torch.arange(count, dtype=torch.float64) + 0.5 for count in (2 * hop, hop))
        window = torch.sin(math.pi * n / (2 * hop))[:, None]
        basis = window * torch.cos(math.pi / hop * (n[:, None] + hop / 2) * k) * math.sqrt(2 / hop)
        self.register_buffer("basis", basis.float(), persistent=False)  # (2 hop, hop)

    def forward(self, wave: Tensor) -> Tensor:
        blocks = F.pad(wave, (self.hop, self.hop)).unflatten(1, (-1, self.hop))
        return torch.cat([blocks[:, :-1], blocks[:, 1:]], 2) @ self.basis

    def inverse(self, coefficients: Tensor) -> Tensor:
        first, second = (coefficients @ self.basis.T).chunk(2, 2)
        return (second[:, :-1] + first[:, 1:]).flatten(1)


def magnitudes(wave: Tensor, window: int) -> Tensor:
    """|STFT| of waves (B, T), (B, F, window / 2 + 1), a sine of amplitude 1 being about 0.5; a hop is a quarter."""
    hann = torch.hann_window(window, device=wave.device)
    found = torch.stft(wave.float(), window, window // 4, window=hann / hann.sum(), return_complex=True)
    return (found.real.square() + found.imag.square() + 1e-12).sqrt().mT


class Blocks(nn.Module):
    """Residual blocks over time: each channel by itself along time, then all channels of a place (Liu et al. 2022).

    Shapes: (B, F, D) to (B, F, D).
    """

    def __init__(self, layers: int, width: int, reach: int = 7):
        super().__init__()
        self.along = nn.ModuleList(
            nn.Conv1d(width, width, reach, padding=reach // 2, groups=width) for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.mix = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)) for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for along, norm, mix in zip(self.along, self.norms, self.mix):
            x = x + mix(norm(along(x.mT).mT))
        return x
