"""Low-rank adaptation of a network's matrices: W + (alpha / rank) B A, of which A and B alone are trained (LoRA)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.config import nearest
from conjure.core.errors import ConfigError
from conjure.nets.dropping import drop


class Adapted(nn.Linear):
    """A linear layer as it was, frozen, with a product of two thin matrices beside it (Hu et al. 2021, eq. 3).

    lora_A (rank, in) starts as Linear layers do, lora_B (out, rank) at zero, so that nothing changes at first.
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float, dropout: float):
        nn.Module.__init__(self)  # the weight is the old layer's own, not a new one
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.scale, self.dropout, self.active = scale, dropout, True
        self.lora_A = nn.Parameter(self.weight.new_empty(rank, self.in_features))
        self.lora_B = nn.Parameter(self.weight.new_zeros(self.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self._half: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.active:
            return super().forward(x)
        weight, bias, dtype = self.weight, self.bias, x.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            weight, bias = self._rounded(dtype), None if bias is None else bias.to(dtype)
        x, down, up = x.to(dtype), self.lora_A.to(dtype), self.lora_B.to(dtype)
        if self.dropout and self.training:
            return F.linear(x, weight, bias) + self.scale * F.linear(F.linear(drop(x, self.dropout), down), up)
        return _LowRank.apply(x, weight, bias, down, up, self.scale)

    def difference(self) -> Tensor:
        """What is added to the weight, (out, in)."""
        return self.scale * (self.lora_B @ self.lora_A)

    def plain(self) -> nn.Linear:
        """The layer without its adapter, its weight the same parameter."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        linear.weight, linear.bias = self.weight, self.bias
        return linear

    def _rounded(self, dtype: torch.dtype) -> Tensor:
        """The frozen weight in the type that products are made in, rounded once."""
        if self._half is None or self._half.dtype != dtype:
            self._half = self.weight.detach().to(dtype)
        return self._half


class _LowRank(torch.autograd.Function):
    """x W^T + b + s (x A^T) B^T, in place where autograd would make copies; W and b get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *beside: Any) -> Tensor:
        rows, (down, up, s) = x.flatten(0, -2), beside
        thin = rows @ down.T  # (n, rank)
        y = rows @ weight.T if bias is None else torch.addmm(bias, rows, weight.T)
        y.addmm_(thin, up.T, alpha=s)
        ctx.save_for_backward(rows, thin, weight, down, up)
        ctx.scale = s
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, thin, weight, down, up = ctx.saved_tensors
        grad = grads[0].flatten(0, -2)
        thinner = (grad @ up).mul_(ctx.scale)  # (n, rank): the gradient of x A^T
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(thinner, down).view(*grads[0].shape[:-1], -1)
        return grad_x, None, None, thinner.T @ rows, (grad.T @ thin).mul_(ctx.scale), None


def weight_of(linear: nn.Linear) -> Tensor:
    """A layer's matrix, with its adapter where it has one that is not disabled: what C code reads."""
    active = isinstance(linear, Adapted) and linear.active
    return linear.weight + linear.difference() if active else linear.weight


def stacked(*linears: nn.Linear) -> Tensor:
    """Matrices of one input below each other, adapters included (whose dropout is left out here)."""
    return torch.cat([weight_of(linear) for linear in linears])


def adapters(module: nn.Module) -> dict[str, Adapted]:
    """A module's adapted layers by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, Adapted)}


def add_lora(module: nn.Module, rank: int, alpha: float, targets: tuple[str, ...] = (), dropout: float = 0.0) -> None:
    """Adapt a module's linear layers in place and freeze everything else in it.

    targets: the last parts of the names of the layers ("query", "attention.out"); none = every linear layer but a
    head. alpha / rank scales what is added. ConfigError for a target that no layer is called.
    """
    layers = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear) and name != "head"}
    chosen = {n: part for n, part in layers.items() if not targets or any(f".{n}".endswith(f".{t}") for t in targets)}
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            raise ConfigError(f"no layer is called {target!r}: {nearest(target, _endings(layers))}")
    if adapters(module):
        raise ConfigError("these layers are adapted already: merge or remove their adapters first")
    for name, part in chosen.items():
        limit = min(part.in_features, part.out_features)
        if not 1 <= rank <= limit:
            raise ConfigError(f"a rank of {rank} does not fit layer {name}: 1 to {limit} would")
    module.requires_grad_(False)
    for name, part in chosen.items():
        _put(module, name, Adapted(part, rank, alpha / rank, dropout))


@torch.no_grad()
def put_lora(module: nn.Module, found: dict[str, tuple[Tensor, Tensor, float]]) -> None:
    """Adapt layers by name with given A (rank, in), B (out, rank) and scale, as another run left them."""
    module.requires_grad_(False)
    for name, (down, up, scale) in found.items():
        part = Adapted(module.get_submodule(name), len(down), scale, 0.0)  # type: ignore[arg-type]
        part.lora_A.copy_(down)
        part.lora_B.copy_(up)
        _put(module, name, part)


@torch.no_grad()
def merge_lora(module: nn.Module) -> None:
    """Add every adapter to its weight (Hu et al. 2021, sec. 4.1) and take it away: plain layers again, none frozen."""
    for part in adapters(module).values():
        part.weight += part.difference()
    remove_lora(module)


def remove_lora(module: nn.Module) -> None:
    """Take the adapters away unused: the layers as they were before `add_lora`, none frozen."""
    for name, part in adapters(module).items():
        _put(module, name, part.plain())
    module.requires_grad_(True)


@contextlib.contextmanager
def without_lora(module: nn.Module) -> Iterator[None]:
    """Inside the block the module is what it was before it was adapted: a reference policy that costs no memory."""
    found = list(adapters(module).values())
    were = [part.active for part in found]
    for part in found:
        part.active = False
    try:
        yield
    finally:
        for part, was in zip(found, were):
            part.active = was


def learnt(module: nn.Module) -> dict[str, Tensor]:
    """A module's state without what its adapters leave frozen; the whole state where nothing is adapted."""
    state = module.state_dict()
    if not adapters(module):
        return state
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {name: value for name, value in state.items() if name not in frozen}


def _put(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, part.train(module.training))


def _endings(layers: dict[str, nn.Linear]) -> list[str]:
    return sorted({name.rpartition(".")[2] for name in layers})
