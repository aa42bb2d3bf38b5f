"""From rewards to advantages: what reinforcement learning computes between a draw and a step, over real tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from conjure.objectives.everywhere import total


def masked_mean(x: Tensor, real: Tensor) -> Tensor:
    """The mean of x where `real`, (), over all processes; 0 where nothing is."""
    sums = total(torch.stack([(x * real).sum(), real.sum().to(x)]))
    return sums[0] / sums[1].clamp(min=1)


def divergence(log_probs: Tensor, reference: Tensor) -> Tensor:
    """An estimate of KL(policy || reference) at each token drawn by the policy, never negative (Schulman 2020, k3).

    exp(-d) - 1 + d, d = log policy - log reference: as right on average as d itself, which may be negative.
    """
    d = log_probs - reference
    return (-d).expm1() + d


def whiten(x: Tensor, real: Tensor) -> Tensor:
    """x with mean 0 and variance 1 over what is real, 0 elsewhere; shapes alike."""
    mean = masked_mean(x, real)
    variance = masked_mean((x - mean) ** 2, real)
    return (x - mean) * torch.rsqrt(variance + 1e-8) * real


def advantages(
    rewards: Tensor, values: Tensor, real: Tensor, discount: float = 1.0, trace: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalised advantages and the returns that values should have foretold (Schulman et al. 2016, eq. 16).

    A_t = sum over k of (discount · trace)^k delta_(t+k), delta_t = r_t + discount V_(t+1) - V_t. An episode ends with
    its last real token, after which nothing is worth anything. What is not real is skipped, wherever it stands.

    Shapes: all (B, T); `real` marks the tokens drawn. Both results are 0 where nothing is real.
    """
    out = torch.zeros_like(values)
    ahead, later = values.new_zeros(len(values)), values.new_zeros(len(values))  # V and A of the next real token
    for t in range(values.shape[1] - 1, -1, -1):
        here = real[:, t]
        delta = rewards[:, t] + discount * ahead - values[:, t]
        later = torch.where(here, delta + discount * trace * later, later)
        ahead = torch.where(here, values[:, t], ahead)
        out[:, t] = later * here
    return out, (out + values) * real


def others(rewards: Tensor, group: int) -> Tensor:
    """The mean of the known rewards of a prompt's other completions, (B group,) as rewards; 0 where there is none.

    It does not hang on the reward it is taken off, so that a gradient stays as it is on average (Kool et al. 2019).
    """
    table = rewards.view(-1, group)
    known = torch.isfinite(table)
    filled = table.nan_to_num(0.0, 0.0, 0.0) * known
    count = known.sum(1, keepdim=True) - known.int()
    return ((filled.sum(1, keepdim=True) - filled) / count.clamp(min=1)).flatten()


def surrogate(log_probs: Tensor, old: Tensor, gained: Tensor, clip: float) -> Tensor:
    """-min(r A, clip(r, 1 - clip, 1 + clip) A), elementwise, r = exp(log_probs - old) (Schulman et al. 2017, eq. 7)."""
    ratio = (log_probs - old).exp()
    return -torch.minimum(ratio * gained, ratio.clamp(1 - clip, 1 + clip) * gained)
