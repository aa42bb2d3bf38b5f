"""The encoder: pre-norm blocks in which every place sees every other that counts; nothing here is causal."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.attention import Attention, Turn
from conjure.nets.dropping import drop
from conjure.nets.lora import stacked
from conjure.nets.transformer import Block, FeedForward, Sizes, norm

UNSEEN = -3e4  # added to the weight of a place that does not count: exp gives 0, and no row of them gives NaN


def hidden_from(counts: Tensor, kind: torch.dtype) -> Tensor:
    """What to add to attention weights (B, 1, 1, S) so that only places that count (B, S) are seen."""
    return torch.zeros(counts.shape, dtype=kind, device=counts.device).masked_fill(~counts, UNSEEN)[:, None, None]


def attend_fully(q: Tensor, k: Tensor, v: Tensor, scale: float, unseen: Tensor | None) -> Tensor:
    """softmax(scale Q K^T + unseen) V, every query over every key (Vaswani et al. 2017, eq. 1).

    Shapes: q (B, heads, T, D), k and v (B, groups, S, D), unseen (B, 1, 1, S) or None; result (B, heads, T, D).
    """
    batch, heads, places, channels = q.shape
    if not (q.is_cpu and q.dtype == torch.bfloat16):
        mask = None if unseen is None else unseen.to(q.dtype).expand(-1, -1, places, -1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=k.shape[1] != heads)
    if k.shape[1] != heads:  # written out, for the fused one is slow in bfloat16 on CPUs: see attention
        k, v = (a.repeat_interleave(heads // a.shape[1], 1) for a in (k, v))
    q, k, v = (a.reshape(batch * heads, -1, channels) for a in (q, k, v))
    if unseen is None:
        weights = (q * scale) @ k.mT
    else:
        added = unseen.to(q.dtype).expand(-1, heads, places, -1).reshape(batch * heads, places, -1)
        weights = torch.baddbmm(added, q, k.mT, alpha=scale)
    return (weights.softmax(-1) @ v).view(batch, heads, places, channels)


class FullAttention(Attention):
    """Attention of every place to every place that counts; matrices and normalisation as in the causal one."""

    def forward(self, x: Tensor, unseen: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """x (B, T, D), unseen (B, 1, 1, T) or None; result (B, T, D)."""
        packed = stacked(self.query, self.key, self.value)
        sizes = [self.heads, self.groups, self.groups]
        q, k, v = F.linear(x, packed).unflatten(-1, (-1, self.channels)).split(sizes, -2)
        q, k = (F.layer_norm(a, (self.channels,)) for a in (q, k))
        if self.turn is not None:
            q, k = self.turn(q), self.turn(k)
        q, k, v = (a.transpose(1, 2) for a in (q, k, v))  # (B, heads, T, D)
        y = attend_fully(q, k, v, self.SHARPNESS / self.channels**0.5, unseen)
        return self.out(y.transpose(1, 2).flatten(2))


class FullBlock(Block):
    """The trunk's block around an attention that is not causal."""

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout) if self.dropout and self.training else x


class Encoder(nn.Module):
    """A stack of blocks over vectors (B, T, D), of tokens or of anything else; the result has the same shape.

    `counts` (B, T) marks the places that are there: the others are seen by nobody, and what stands in them
    afterwards means nothing.
    """

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = s = sizes
        turn = Turn(s.width // s.heads, s.length) if s.rotary else None
        self.blocks = nn.ModuleList(
            FullBlock(
                FullAttention(s.width, s.heads, s.groups, turn),
                FeedForward(s.width, int(s.expansion * s.width)),
                s.dropout,
            )
            for _ in range(s.layers)
        )

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # as in the causal trunk
            x = x.to(torch.get_autocast_dtype(x.device.type))
        unseen = None if counts is None or bool(counts.all()) else hidden_from(counts, x.dtype)
        x = first = norm(x)
        for block in self.blocks:
            x = block(x, first, unseen)
        return norm(x)
