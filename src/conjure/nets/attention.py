"""Attention: softmax(Q K^T / sqrt(d)) V with its positions and its memory; blocks around it live in transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.lora import stacked


class Turn(nn.Module):
    """Rotary positions: queries and keys turn by an angle proportional to their place (Su et al. 2021, eq. 34).

    The product of a query and a key then depends on their distance alone. Only the first half of the
    channels turns, the rest carries what does not depend on place. Shapes: (B, T, heads, D) in and out.
    """

    def __init__(self, channels: int, length: int, base: float = 10_000.0):
        super().__init__()
        pairs = channels // 2
        rates = base ** (-torch.arange(pairs // 2) / max(1, pairs // 2))
        angles = torch.outer(torch.arange(length), torch.cat([rates, torch.zeros(pairs - len(rates))]))
        self.register_buffer("cos", angles.cos().repeat(1, 2).unsqueeze(1), persistent=False)  # (T, 1, D)
        self.register_buffer("sin", torch.cat([angles.sin(), -angles.sin()], 1).unsqueeze(1), persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        places = slice(start, start + x.shape[1])
        cos, sin = self.cos[places].to(x.dtype), self.sin[places].to(x.dtype)
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat([second, first], -1) * sin


def waves(length: int, width: int) -> Tensor:
    """Fixed positions (T, D): sine and cosine of the place at falling rates (Vaswani et al. 2017, sec. 3.5)."""
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.outer(torch.arange(length), rates)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width]


class Memory:
    """Keys and values of the places already read, in storage laid out once: (B, heads, length, D) each."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor):
        self.keys, self.values = like.new_empty(shape), like.new_empty(shape)
        self.filled = 0
        self.packed: Tensor | None = None  # the attention's three matrices as one, while it writes

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values so far, the new ones (B, heads, T, D) last."""
        end = self.filled + keys.shape[2]
        self.keys[:, :, self.filled : end], self.values[:, :, self.filled : end] = keys, values
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(nn.Module):
    """Causal attention of several heads: softmax(Q K^T / sqrt(d_k)) V (Vaswani et al. 2017, eq. 1).

    `groups` heads of keys and values are shared by all `heads` of queries (Ainslie et al. 2023).
    Queries and keys are normalised first (Henry et al. 2020), which keeps the softmax from saturating
    at high learning rates; `SHARPNESS` then stands for the scale they would have grown to.
    The output matrix starts at zero, so that a block begins as the identity.
    """

    SHARPNESS = 1.2

    def __init__(self, width: int, heads: int, groups: int, turn: Turn | None):
        super().__init__()
        self.heads, self.groups, self.channels, self.turn = heads, groups, width // heads, turn
        self.query = nn.Linear(width, heads * self.channels, bias=False)
        self.key = nn.Linear(width, groups * self.channels, bias=False)
        self.value = nn.Linear(width, groups * self.channels, bias=False)
        self.out = nn.Linear(heads * self.channels, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        """x (B, T, D) at the places after those in memory; result (B, T, D)."""
        start = memory.filled if memory else 0
        q, k, v = (
            F.linear(x, self._packed(memory))
            .unflatten(-1, (-1, self.channels))
            .split([self.heads, self.groups, self.groups], -2)
        )
        q, k = (F.layer_norm(a, (self.channels,)) for a in (q, k))
        if self.turn is not None:
            q, k = self.turn(q, start), self.turn(k, start)
        q, k, v = (a.transpose(1, 2) for a in (q, k, v))  # (B, heads, T, D)
        if memory is not None:
            k, v = memory.extend(k, v)
        y = attend(q, k, v, self.SHARPNESS / self.channels**0.5)
        return self.out(y.transpose(1, 2).flatten(2))

    def _packed(self, memory: Memory | None) -> Tensor:
        """The matrices of queries, keys and values as one: one product instead of three."""
        if memory is None or torch.is_grad_enabled():
            return stacked(self.query, self.key, self.value)
        if memory.packed is None:
            memory.packed = stacked(self.query, self.key, self.value)
        return memory.packed


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """softmax(scale Q K^T) V where a query sees the keys up to its own place; the last query is the last key.

    Shapes: q (B, heads, T, D), k and v (B, groups, S, D) with S >= T, result (B, heads, T, D).
    """
    queries, keys = q.shape[2], k.shape[2]
    if q.is_cpu and q.dtype == torch.bfloat16 and queries == keys:
        return _attend_plainly(q, k, v, scale)
    shared = {"scale": scale, "enable_gqa": q.shape[1] != k.shape[1]}
    if queries == keys:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, **shared)
    seen = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril(keys - queries)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, **shared)


def _attend_plainly(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The formula written out: on CPUs the fused one's backward pass takes four times as long in bfloat16."""
    batch, heads, places, channels = q.shape
    if k.shape[1] != heads:
        k, v = (a.repeat_interleave(heads // a.shape[1], 1) for a in (k, v))
    q, k, v = (a.reshape(batch * heads, places, channels) for a in (q, k, v))
    unseen = q.new_full((places, places), -torch.inf).triu(1)
    weights = torch.baddbmm(unseen, q, k.mT, alpha=scale).softmax(-1)
    return (weights @ v).view(batch, heads, places, channels)
