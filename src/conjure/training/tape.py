"""The gradient of each example of a batch by itself, at about the cost of the whole batch's.

What flowed into a layer and what flows back out of it say both the norm of an example's gradient and the clipped
sum of all (Goodfellow 2015; Li et al. 2022, section 4), so that no example's own gradient is ever written down.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from conjure.core.errors import ConfigError


@dataclass
class Use:
    """One use of a parameter: its kind, what came in (with an embedding's weights) and what came out of it."""

    kind: str
    came: Tensor
    weight: Tensor | None
    out: Tensor


class Tape(TorchFunctionMode):
    """Notes every use of a module's parameters under `with`, in linear maps, norms, embeddings and vectors.

    Valid where nothing mixes examples and the first dimension of what comes in is that of examples, `rows` of them or
    a multiple (then places i, i + rows, ... are example i's). A slope taken by autograd inside the loss would pass by.
    """

    def __init__(self, player: nn.Module, rows: int):
        super().__init__()
        self.rows, self.names = rows, {id(p): n for n, p in player.named_parameters() if p.requires_grad}
        self.params = {n: p for n, p in player.named_parameters() if p.requires_grad}
        self.uses: dict[str, list[Use]] = defaultdict(list)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "__get__" or not any(
            id(a) in self.names for a in (*args, *kwargs.values())
        ):
            return func(*args, **kwargs)
        if func is F.linear:
            return self._linear(*args, **kwargs)
        if func is F.layer_norm:
            return self._norm(*args, **kwargs)
        if func is F.embedding_bag and kwargs.get("mode") == "sum":
            return self._embedding(*args, **kwargs)
        return func(*map(self._vector, args), **{k: self._vector(a) for k, a in kwargs.items()})

    def squares(self, each: Tensor) -> Tensor:
        """The squared norm of each example's gradient over all parameters, (rows,), of losses `each` (rows,)."""
        self.back = self._backward(each)
        total = each.new_zeros(self.rows, dtype=torch.float32)
        for name in self.uses:
            total += self._square(name)
        return total

    def summed(self, weights: Tensor) -> dict[str, Tensor]:
        """sum_i weights_i gradient_i by parameter, once `squares` has been asked."""
        sums = {}
        for name, uses in self.uses.items():
            parts = [self._part(name, use, self._weighed(self.back[id(use.out)], weights)) for use in uses]
            sums[name] = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
        return sums

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        out = F.linear(x, weight, bias)
        self._note(weight, "matrix", x, out)
        self._note(bias, "vector", x, out)
        return out

    def _norm(self, x: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
        out = F.layer_norm(x, shape, weight, bias, eps)
        self._note(weight, "scale", F.layer_norm(x.detach(), shape, eps=eps), out)
        self._note(bias, "vector", x, out)
        return out

    def _embedding(self, index: Tensor, table: Tensor, **how: Any) -> Tensor:
        per_sample_weights = how.get("per_sample_weights")
        places = index.sort(1).values
        if bool((places[:, 1:] == places[:, :-1]).any()):
            raise ConfigError("an example looks one vector up twice: its gradient's norm is not told apart")
        out = F.embedding_bag(index, table, per_sample_weights=per_sample_weights, mode="sum")
        weight = torch.ones_like(index, dtype=out.dtype) if per_sample_weights is None else per_sample_weights.detach()
        self._note(table, "table", index, out, weight)
        return out

    def _vector(self, a: Any) -> Any:
        """A vector used elementwise: each example gets its own copy of it."""
        if id(a) not in self.names:
            return a
        if a.ndim != 1:
            raise ConfigError(f"{self.names[id(a)]} is used as no linear map, norm or embedding: examples mix in it")
        own = a.detach().expand(self.rows, -1).clone().requires_grad_()
        self._note(a, "vector", own, own)
        return own

    def _note(self, parameter: Any, kind: str, came: Tensor, out: Tensor, weight: Tensor | None = None) -> None:
        if id(parameter) in self.names and out.requires_grad:
            self.uses[self.names[id(parameter)]].append(Use(kind, came.detach(), weight, out))

    def _backward(self, each: Tensor) -> dict[int, Tensor]:
        """What flows back into every output noted, by its identity; ConfigError where a parameter was used unseen."""
        outs = {id(use.out): use.out for uses in self.uses.values() for use in uses}
        unseen = {n: p for n, p in self.params.items() if n not in self.uses}
        found = torch.autograd.grad(each.sum(), [*outs.values(), *unseen.values()], allow_unused=True)
        for name, grad in zip(unseen, found[len(outs) :]):
            if grad is not None:
                raise ConfigError(f"{name} is used in a way that hides which example moves it")
        return {k: torch.zeros_like(out) if g is None else g for (k, out), g in zip(outs.items(), found)}

    def _folded(self, t: Tensor) -> Tensor:
        """(places rows, ..., D) as (rows, places ..., D)."""
        return t.reshape(-1, self.rows, *t.shape[1:]).transpose(0, 1).reshape(self.rows, -1, t.shape[-1])

    def _weighed(self, back: Tensor, weights: Tensor) -> Tensor:
        return back * weights.repeat(len(back) // self.rows).view(-1, *[1] * (back.ndim - 1))

    def _square(self, name: str) -> Tensor:
        """Of one parameter over all its uses, (rows,)."""
        uses, kind = self.uses[name], self.uses[name][0].kind
        back = [self._folded(self.back[id(u.out)]) for u in uses]
        if kind == "table":
            if len(uses) > 1:
                raise ConfigError(f"{name} is looked up twice in one loss: its gradient's norm is not told apart")
            return back[0].square().sum((1, 2)) * uses[0].weight.square().sum(1)  # type: ignore[union-attr]
        if kind == "vector":
            return torch.cat(back, 1).sum(1).square().sum(1)
        came = [self._folded(u.came) for u in uses]
        if kind == "scale":
            return torch.cat([a * b for a, b in zip(came, back)], 1).sum(1).square().sum(1)
        a, b = torch.cat(came, 1), torch.cat(back, 1)  # (rows, T, in) and (rows, T, out)
        if a.shape[1] == 1:
            return a.square().sum((1, 2)) * b.square().sum((1, 2))
        a, b = a.double(), b.double()  # what uses say may cancel, and the rest must not be rounding
        return ((a @ a.mT) * (b @ b.mT)).sum((1, 2)).clamp_min(0).float()

    def _part(self, name: str, use: Use, back: Tensor) -> Tensor:
        """The sum of gradients over examples that one use of a parameter makes."""
        flat = back.reshape(-1, back.shape[-1])
        match use.kind:
            case "matrix":
                return flat.T @ use.came.reshape(-1, use.came.shape[-1])
            case "vector":
                return flat.sum(0)
            case "scale":
                return (flat * use.came.reshape(-1, use.came.shape[-1])).sum(0)
            case _:
                table = self.params[name].detach().requires_grad_()
                with torch.enable_grad():
                    out = F.embedding_bag(use.came, table, per_sample_weights=use.weight, mode="sum")
                return torch.autograd.grad(out, table, back)[0]
