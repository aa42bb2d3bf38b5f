"""Waves as spectra frame by frame, and back: a windowed Fourier transform whose frames add up to the wave again."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Spectra(nn.Module):
    """The short-time Fourier transform with a Hann window of `window` samples every `hop`, and its inverse.

    A wave of F hops gives F frames. The inverse adds windowed frames up and divides by the windows' squares, which is
    exact for spectra of a wave and the least-squares wave for any others (Griffin & Lim 1984, eq. 6).

    Shapes: waves (B, F hop), spectra (B, F, window / 2 + 1), complex.
    """

    def __init__(self, hop: int, window: int):
        super().__init__()
        self.hop, self.edge = hop, (window - hop) // 2
        self.register_buffer("window", torch.hann_window(window), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        size = len(self.window)
        frames = F.pad(wave.float(), (self.edge, size - self.hop - self.edge)).unfold(1, size, self.hop)
        return torch.fft.rfft(frames * self.window)

    def inverse(self, spectra: Tensor) -> Tensor:
        frames = torch.fft.irfft(spectra, len(self.window)) * self.window
        total, weight = self._added(frames), self._added(self.window.square().expand(1, spectra.shape[1], -1))
        return total / weight

    def _added(self, frames: Tensor) -> Tensor:
        """Overlapping frames (B, F, window) added up, (B, F hop)."""
        count, size = frames.shape[1:]
        whole = F.fold(frames.mT, (1, (count - 1) * self.hop + size), (1, size), stride=(1, self.hop))
        return whole[:, 0, 0, self.edge : self.edge + count * self.hop]


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
