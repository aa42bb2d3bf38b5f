"""Optimizers and the schedule of their rate."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw


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
    factor = settings.get("rate", 1.0)
    rate, betas = training.rate * factor, tuple(settings.get("betas", training.betas))
    decay = settings.get("decay", training.decay)
    kinds: dict[str, list[Tensor]] = {"muon": [], "table": [], "wide": [], "thin": []}
    for name, p in player.named_parameters():
        if p.requires_grad:
            kinds[_kind(name, p, training.optimizer == "muon")].append(p)
    groups: list[dict[str, Any]] = [
        {"params": kinds["wide"], "weight_decay": decay, "initial": rate},
        {"params": kinds["thin"], "weight_decay": 0.0, "initial": rate},
    ]
    groups = [g for g in groups if g["params"]]
    for module in player.modules():  # another run may have left it so
        if isinstance(module, nn.Embedding):
            module.sparse = False
    if not kinds["muon"] and not kinds["table"]:
        return AdamW(groups, rate, betas)
    initial, half = training.muon_rate * factor, training.precision == "bf16"
    groups.insert(0, {"params": kinds["muon"], "weight_decay": decay, "initial": initial, "muon": True, "half": half})
    groups.insert(1, {"params": kinds["table"], "initial": training.table_rate * factor, "table": True})
    for module in player.modules():  # rows not looked up need no gradient; clipping and sharding know dense ones only
        if isinstance(module, nn.Embedding) and any(module.weight is p for p in kinds["table"]):
            module.sparse = not training.clip and not _sharded(module.weight)
    return Muon([g for g in groups if g["params"]], rate, betas)


def _kind(name: str, p: Tensor, muon: bool) -> str:
    """Which rule moves a parameter, by its shape and by the words in its name."""
    if p.ndim < 2:
        return "thin"
    if muon and "table" in name:
        return "table"
    return "muon" if muon and p.ndim == 2 and _hidden(name) else "wide"


def _hidden(name: str) -> bool:
    return not any(word in name for word in ("embed", "head", "position"))


TABLE_EPS = 1e-5  # rows whose gradient all but cancels would else move by the sign of rounding errors


def _bare(method: Any) -> Any:
    """A method of torch's optimizers without its guard against compilers, which imports them: 2 seconds and 70 MB."""
    return getattr(method, "__wrapped__", method)


class Optimizer(torch.optim.Optimizer):
    """One that loads no compiler."""

    add_param_group = _bare(torch.optim.Optimizer.add_param_group)
    zero_grad = _bare(torch.optim.Optimizer.zero_grad)


class AdamW(Optimizer):
    """Adam with decay apart from the gradient (Loshchilov and Hutter 2019, alg. 2), by torch's fused step."""

    def __init__(self, groups: list[dict[str, Any]], rate: float, betas: tuple[float, ...]):
        super().__init__(groups, {"lr": rate, "betas": betas, "eps": 1e-8, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if not self.state[p]:
                    count = torch.zeros((), device=p.device)
                    self.state[p].update(step=count, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
            first, second, counts = ([self.state[p][k] for p in params] for k in ("exp_avg", "exp_avg_sq", "step"))
            beta1, beta2 = group["betas"]
            how = {"beta1": beta1, "beta2": beta2, "lr": group["lr"], "weight_decay": group["weight_decay"]}
            how |= {"eps": group["eps"], "amsgrad": False, "maximize": False, "fused": True}
            adamw(params, [p.grad for p in params], first, second, [], counts, **how)


class Muon(Optimizer):
    """Momentum made orthogonal, for the matrices inside a network; AdamW for the groups without `muon`.

    The update of a matrix is the nearest semi-orthogonal matrix to its Nesterov momentum (Jordan et al. 2024),
    scaled by sqrt(max(1, rows / columns)). Matrices of one shape are stacked, so that the steps are few large
    products, in bfloat16 where `half`. A `table` group, of which a batch looks up few rows, follows Adagrad
    (Duchi et al. 2011, eq. 1 with its diagonal): without momentum, rows not looked up stay as they are.
    """

    def __init__(self, groups: list[dict[str, Any]], rate: float, betas: tuple[float, ...], momentum: float = 0.95):
        plain = {"muon": False, "table": False, "half": False, "weight_decay": 0.0}
        super().__init__(groups, {"lr": rate, "betas": betas, "momentum": momentum, "eps": 1e-8, **plain})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                rule = self._orthogonal if group["muon"] else self._adagrad if group["table"] else self._adamw
                rule(group, params)

    def _adagrad(self, group: dict[str, Any], params: list[Tensor]) -> None:
        for p in params:
            if "squares" not in self.state[p]:
                self.state[p]["squares"] = torch.zeros_like(p)
            squares = self.state[p]["squares"]
            if not p.grad.is_sparse:
                squares.addcmul_(p.grad, p.grad)
                p.addcdiv_(p.grad, squares.sqrt().add_(TABLE_EPS), value=-group["lr"])
                continue
            grad = p.grad.coalesce()
            rows, values = grad.indices()[0], grad.values()
            seen = squares.index_select(0, rows).addcmul_(values, values)
            squares.index_copy_(0, rows, seen)
            p.index_add_(0, rows, values / seen.sqrt_().add_(TABLE_EPS), alpha=-group["lr"])

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
            whole = [a.full_tensor() if _sharded(a) else a for a in ahead]
            stacked = torch.stack(whole)
            updates = orthogonalise(stacked.bfloat16() if group["half"] else stacked).to(same[0].dtype)
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


# The best quintic for each step when singular values start in [1e-3, 1] (Amsel et al. 2025, from their code).
POLAR = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


def orthogonalise(matrices: Tensor, steps: int = 4) -> Tensor:
    """Matrices (N, R, C) with singular values pushed towards one, without a decomposition.

    Each step maps singular values by a x + b x^3 + c x^5, which needs products alone ("Polar Express"). Four
    steps leave them in about [0.4, 1.6], which served as well as closer and costs less.
    """
    x = matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for a, b, c in POLAR[:steps]:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _like(update: Tensor, parameter: Tensor) -> Tensor:
    if _sharded(parameter):
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(update, parameter.device_mesh, parameter.placements)  # type: ignore[attr-defined]
    return update


def _sharded(x: Tensor) -> bool:
    """Whether a tensor is spread over processes (a DTensor, whose import takes a second and 50 MB)."""
    return hasattr(x, "device_mesh")


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Each group's rate becomes its own initial rate times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial"] * factor
