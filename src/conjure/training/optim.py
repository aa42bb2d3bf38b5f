"""Optimizers and the schedule of their rate."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def schedule(fraction: float, shape: str, warmup: float) -> float:
    """The rate's factor in [0, 1] when `fraction` of the run is done: linear warm-up, then the shape down to zero."""
    if warmup and fraction < warmup:
        return max(fraction / warmup, 1e-3)
    rest = min(1.0, (fraction - warmup) / max(1e-9, 1 - warmup))
    match shape:
        case "constant":
            return 1.0
        case "linear":
            return 1.0 - rest
        case _:
            return 0.5 * (1 + math.cos(math.pi * rest))


def make_optimizer(player: nn.Module, training: Any, settings: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer of one player. Matrices decay; vectors, biases and embeddings named so do not.

    `settings` are the objective's wishes: rate (a factor), betas, decay.
    """
    rate = training.rate * settings.get("rate", 1.0)
    betas = tuple(settings.get("betas", training.betas))
    decay = settings.get("decay", training.decay)
    named = [(n, p) for n, p in player.named_parameters() if p.requires_grad]
    hidden = [p for n, p in named if p.ndim == 2 and training.optimizer == "muon" and _hidden(n)]
    chosen = {id(p) for p in hidden}
    wide = [p for _, p in named if p.ndim >= 2 and id(p) not in chosen]
    thin = [p for _, p in named if p.ndim < 2]
    groups = [{"params": wide, "weight_decay": decay}, {"params": thin, "weight_decay": 0.0}]
    for group in groups:
        group["initial"] = rate
    groups = [g for g in groups if g["params"]]
    if not hidden:
        return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=1e-8, fused=True)
    initial = training.muon_rate * settings.get("rate", 1.0)
    groups.insert(0, {"params": hidden, "weight_decay": decay, "initial": initial, "muon": True})
    return Muon(groups, rate, betas)


def _hidden(name: str) -> bool:
    return not any(word in name for word in ("embed", "head", "position"))


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal, for the matrices inside a network; AdamW for the groups without `muon`.

    The update of a matrix is the nearest semi-orthogonal matrix to its Nesterov momentum, found by five
    Newton-Schulz steps (Jordan et al. 2024), scaled by sqrt(max(1, rows / columns)).
    Matrices of one shape are stacked, so that the steps are few large products.
    """

    def __init__(self, groups: list[dict[str, Any]], rate: float, betas: tuple[float, ...], momentum: float = 0.95):
        super().__init__(groups, {"lr": rate, "betas": betas, "momentum": momentum, "eps": 1e-8, "muon": False})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                (self._orthogonal if group["muon"] else self._adamw)(group, params)

    def _orthogonal(self, group: dict[str, Any], params: list[Tensor]) -> None:
        alike: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
            alike[tuple(p.shape)].append(p)
        beta = group["momentum"]
        for shape, same in alike.items():
            momenta = [self.state[p]["momentum"] for p in same]
            grads = [p.grad for p in same]
            torch._foreach_lerp_(momenta, grads, 1 - beta)
            ahead = torch._foreach_lerp(grads, momenta, beta)
            whole = [a.full_tensor() if isinstance(a, DTensor) else a for a in ahead]
            updates = orthogonalise(torch.stack(whole)).to(same[0].dtype)
            scale = -group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
            torch._foreach_mul_(same, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(same, [_like(u, p) for u, p in zip(updates.unbind(0), same)], alpha=scale)

    def _adamw(self, group: dict[str, Any], params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p].update(step=torch.zeros(()), first=torch.zeros_like(p), second=torch.zeros_like(p))
        states = [self.state[p] for p in params]
        grads = [p.grad for p in params]
        beta1, beta2 = group["betas"]
        first, second = [s["first"] for s in states], [s["second"] for s in states]
        for s in states:
            s["step"] += 1
        count = float(states[0]["step"])
        torch._foreach_lerp_(first, grads, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, grads, grads, value=1 - beta2)
        root = torch._foreach_sqrt(second)
        torch._foreach_div_(root, math.sqrt(1 - beta2**count))
        torch._foreach_add_(root, group["eps"])
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(params, first, root, value=-group["lr"] / (1 - beta1**count))


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices (N, R, C) with singular values pushed towards one, without a decomposition.

    The quintic a x + b x^3 + c x^5 of Jordan et al. 2024 lands singular values in about [0.7, 1.2].
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _like(update: Tensor, parameter: Tensor) -> Tensor:
    if isinstance(parameter, DTensor):
        return distribute_tensor(update, parameter.device_mesh, parameter.placements)
    return update


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Each group's rate becomes its own initial rate times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial"] * factor
