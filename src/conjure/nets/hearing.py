"""The critic of waves: it looks at their spectra at several resolutions, and says of every frame whether it is real."""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.spectra import magnitudes

QUIET = 1e-4  # magnitude added before the logarithm
SLOPE = 0.2


class SpectralCritic(nn.Module):
    """Scores of frames, (B, F) for each window, and the features behind them; waves (B, T).

    Log magnitudes at several resolutions (Defossez et al. 2022, sec. 3.4, of complex ones), the frequencies of a frame
    as channels of convolutions over time: far cheaper than pictures of them, on one core what one can afford.
    """

    def __init__(self, windows: tuple[int, ...], channels: int, layers: int = 3):
        super().__init__()
        self.windows = windows
        self.towers = nn.ModuleList()
        for window in windows:
            sizes = [window // 2 + 1, *[channels] * layers]
            convolutions = [nn.Conv1d(a, b, 3, padding=1) for a, b in itertools.pairwise(sizes)]
            self.towers.append(nn.ModuleList([*convolutions, nn.Conv1d(channels, 1, 3, padding=1, bias=False)]))

    def forward(self, wave: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        scores, features = [], []
        for window, tower in zip(self.windows, self.towers):
            x = (magnitudes(wave, window) + QUIET).log().mT / 4 + 1
            for layer in tower[:-1]:  # type: ignore[index]
                x = F.leaky_relu(layer(x), SLOPE)
                features.append(x)
            scores.append(tower[-1](x).sum(1))  # type: ignore[index]  # a view would slip past sharding
        return scores, features


def windows_within(windows: tuple[int, ...], length: int) -> tuple[int, ...]:
    """Those of the windows that a wave of so many samples has room for; at least the largest power of two that fits."""
    kept = tuple(w for w in windows if w <= length)
    return kept or (1 << (length.bit_length() - 1),)
