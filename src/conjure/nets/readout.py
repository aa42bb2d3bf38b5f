"""The cross-entropy of a linear readout over a large vocabulary, made in pieces so that its logits are never kept."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PIECE = 256  # states whose logits are held at once


class _MeanNats(torch.autograd.Function):
    """The gradient is made beside the loss, piece by piece: each piece's logits are needed once."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1]]
        grad_states = torch.empty_like(states) if wanted[0] else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        for start in range(0, len(states), PIECE):
            rows = slice(start, start + PIECE)
            some, target = states[rows], targets[rows].unsqueeze(1)
            logits = some @ weight.T  # (piece, V)
            if not any(wanted):
                total += torch.logsumexp(logits.float(), 1).sum() - logits.gather(1, target).float().sum()
                continue
            top, at = logits.max(1, keepdim=True)
            p = torch.softmax(logits, 1, dtype=torch.float32)
            norm = top.float() - p.gather(1, at).log()  # log-sum-exp, from the largest logit and its probability
            total += (norm - logits.gather(1, target).float()).sum()
            p.scatter_add_(1, target, -torch.ones_like(norm))
            grad = p.to(weight.dtype)
            if grad_states is not None:
                torch.mm(grad, weight, out=grad_states[rows])
            if grad_weight is not None:
                grad_weight += (grad.T @ some).float()
        ctx.grads, ctx.weight_type = (grad_states, grad_weight), weight.dtype
        ctx.count = max(1, len(states))
        return total / ctx.count

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        factor = grads[0] / ctx.count
        states, weight = ctx.grads
        return (
            None if states is None else states * factor.to(states.dtype),
            None if weight is None else (weight * factor).to(ctx.weight_type),
            None,
        )


def nats(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(W h) at each target (n,), of states h (n, D) and W (V, D): (n,) in float32."""
    parts = zip(states.split(PIECE), targets.split(PIECE))
    found = [F.cross_entropy((some @ weight.T).float(), target, reduction="none") for some, target in parts]
    return torch.cat(found) if found else states.new_zeros(0)


def mean_nats(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log softmax(W h) at the targets (n,), of states h (n, D) and W (V, D); () in float32.

    Under autocast products are made in its type. Exact for the gradient too: nothing is sampled or approximated.
    """
    if torch.is_autocast_enabled(states.device.type):
        dtype = torch.get_autocast_dtype(states.device.type)
        states, weight = states.to(dtype), weight.to(dtype)
    with torch.autocast(states.device.type, enabled=False):
        return _MeanNats.apply(states, weight, targets)
