"""Distances of waves by ear: magnitudes of their spectra at several resolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from conjure.nets.spectra import magnitudes
from conjure.objectives.everywhere import average

QUIET = 3e-4  # magnitude added before the logarithm: what is far below it is silence, whatever it is


def spectral_distance(real: Tensor, made: Tensor, windows: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Spectral convergence and log-magnitude distance of waves (B, T), both (), means over resolutions.

    L_sc = ||S - S'||_F / ||S||_F and L_mag = E |log S - log S'| (Yamamoto et al. 2020, eqs. 4 and 5; their sum over
    resolutions is eq. 6). The first hears peaks, the second what lies between them.
    """
    converged, logs = [], []
    for window in windows:
        a, b = magnitudes(real, window), magnitudes(made, window)
        size = a.flatten(1).norm(dim=1)
        converged.append(((a - b).flatten(1).norm(dim=1) / (size + 1e-2 * average(size) + 1e-6)).mean())
        logs.append(F.l1_loss((b + QUIET).log(), (a + QUIET).log()))
    return torch.stack(converged).mean(), torch.stack(logs).mean()
