"""Embeddings of the last few tokens together, found by hashing; they know no order of learning or loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Ngrams(nn.Module):
    """The sum of one learned vector for each of the last 2, 3, ... tokens read as one word.

    A table of `slots` rows an order is shared by all n-grams whose code agrees modulo slots (hash
    embeddings: Svenstrup et al. 2017; in language models: Roy et al. 2022). It hands a small network the
    statistics that its first layers would else spend their steps on. The rows start at zero.
    """

    def __init__(self, vocab: int, orders: tuple[int, ...], slots: int, width: int):
        super().__init__()
        self.base, self.orders, self.slots = vocab + 1, orders, slots
        self.embed = nn.Parameter(torch.zeros(len(orders) * slots, width))

    @property
    def reach(self) -> int:
        """How many tokens before the current one are looked at."""
        return max(self.orders) - 1

    def forward(self, tokens: Tensor, before: Tensor | None = None) -> Tensor:
        """tokens (B, T), preceded by `before` (B, up to reach); result (B, T, D)."""
        known = tokens if before is None else torch.cat([before, tokens], 1)
        known = F.pad(known + 1, (max(0, self.reach + tokens.shape[1] - known.shape[1]), 0))  # 0: nothing was there
        rows, code, end = [], 0, known.shape[1]
        for back in range(self.reach + 1):
            # older tokens are higher digits, so that short n-grams of a small vocabulary have rows of their own
            code = code + known[:, end - tokens.shape[1] - back : end - back] * pow(self.base, back, 1 << 40)
            if back + 1 in self.orders:
                rows.append(code % self.slots + len(rows) * self.slots)
        return F.embedding(torch.stack(rows), self.embed).sum(0)
