"""Ordinary differential equations dx/dt = f(x, t), solved with a fixed number of calls or to a tolerance.

A field takes x (B, ...), t (B,) and which rows of the batch these are, (B,); a row's path never depends on
the rows beside it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor, Tensor, Tensor], Tensor]

# Dormand & Prince 1980, table 2: stages, then the difference between the fifth and fourth order results.
NODES = (0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1)
STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
FAR = 1e6  # the size of an error that is not a number, so that its step shrinks
FIRST, SHORTEST = 0.05, 1e-4  # steps as parts of the span; a step of the shortest kind is taken whatever its error


def euler(f: Function, x: Tensor, span: tuple[float, float], calls: int) -> Tensor:
    """`calls` equal steps along the slope at their start: first order."""
    rows, step = torch.arange(len(x), device=x.device), (span[1] - span[0]) / calls
    for k in range(calls):
        x = x + step * f(x, x.new_full((len(x),), span[0] + k * step), rows)
    return x


def heun(f: Function, x: Tensor, span: tuple[float, float], calls: int) -> Tensor:
    """calls / 2 equal steps along the mean of the slopes at both ends: second order."""
    rows, steps = torch.arange(len(x), device=x.device), calls // 2
    step = (span[1] - span[0]) / steps
    for k in range(steps):
        t = x.new_full((len(x),), span[0] + k * step)
        slope = f(x, t, rows)
        x = x + step / 2 * (slope + f(x + step * slope, t + step, rows))
    return x


def adams(f: Function, x: Tensor, span: tuple[float, float], calls: int) -> Tensor:
    """`calls` steps along the slope at their start and the one before, extrapolated: second order at a call a step.

    Adams & Bashforth's rule of two slopes (Hairer, Norsett & Wanner 1993, sec. III.1, for uneven steps, III.5);
    the first step is Euler's. Steps are shorter towards both ends, where paths bend: times are half even, half
    cosine. Its error at ten calls was less than half of Heun's on pictures.
    """
    rows, length = torch.arange(len(x), device=x.device), span[1] - span[0]
    even = torch.arange(calls + 1, dtype=torch.float64) / calls
    times = (span[0] + length * (even + (1 - (math.pi * even).cos()) / 2) / 2).tolist()
    before, last = x, 0.0  # the slope and the length of the step before
    for start, end in itertools.pairwise(times):
        slope, step = f(x, x.new_full((len(x),), start), rows), end - start
        ahead = step / (2 * last) if last else 0.0
        x = x + step * (slope + ahead * (slope - before))
        before, last = slope, step
    return x


def adaptive(f: Function, x: Tensor, span: tuple[float, float], tolerance: float) -> Tensor:
    """Dormand & Prince's fifth order steps, each row at its own pace, as long as the error estimate allows.

    A step is taken when the root mean square of error / (tolerance (1 + |x|)) is at most one.
    """
    length, x = span[1] - span[0], x.clone()
    done, step = x.new_zeros(len(x)), x.new_full((len(x),), FIRST)  # parts of the span
    rows = torch.arange(len(x), device=x.device)
    while len(rows):
        h = torch.minimum(step[rows], 1 - done[rows])
        ends, error = _stages(f, x[rows], (span[0] + length * done[rows], length * h), rows)
        scale = tolerance * (1 + torch.maximum(x[rows].abs(), ends.abs()))
        size = (error / scale).flatten(1).square().mean(1).sqrt().nan_to_num(FAR, FAR)
        taken = (size <= 1) | (h <= SHORTEST)
        x[rows[taken]] = ends[taken]
        last = h >= 1 - done[rows]
        done[rows[taken]] += h[taken]
        step[rows] = (h * (0.9 * size.clamp(min=1e-6) ** -0.2).clamp(0.2, 5)).clamp(min=SHORTEST)
        rows = rows[~(taken & last)]
    return x


def _stages(f: Function, x: Tensor, where: tuple[Tensor, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    """One step from times and of lengths `where`, (B,) each: where it ends and the error estimate."""
    t, h = where
    wide = h.reshape(-1, *[1] * (x.ndim - 1))
    slopes: list[Tensor] = []
    at = x
    for node, weights in zip(NODES, STAGES):
        at = x + wide * sum((w * s for w, s in zip(weights, slopes)), torch.zeros_like(x))
        slopes.append(f(at, t + node * h, rows))
    return at, wide * sum(w * s for w, s in zip(ERROR, slopes))
