"""Embeddings of the last few tokens together, found by hashing; they know no order of learning or loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Ngrams(nn.Module):
    """The sum of one learned vector for each of the last 2, 3, ... tokens read as one word.

    A table of `slots` rows an order is shared by all n-grams whose code agrees modulo slots (hash
    embeddings: Svenstrup et al. 2017; in language models: Roy et al. 2022). It hands a small network the
    statistics that its first layers would else spend their steps on. The rows start at zero, so an n-gram
    never seen says nothing; in training each is left out now and then (`dropout`), as rare ones will be.
    """

    def __init__(self, vocab: int, orders: tuple[int, ...], slots: int, width: int, dropout: float = 0.0):
        super().__init__()
        self.base, self.orders, self.slots, self.dropout = vocab + 1, orders, slots, dropout
        self.table = nn.Embedding(len(orders) * slots, width)
        nn.init.zeros_(self.table.weight)

    @property
    def reach(self) -> int:
        """How many tokens before the current one are looked at."""
        return max(self.orders) - 1

    def forward(self, tokens: Tensor, before: Tensor | None = None) -> Tensor:
        """tokens (B, T), preceded by `before` (B, any); result (B, T, D)."""
        rows = self._rows(tokens, before)
        x = self.table(rows)  # (orders, B, T, D)
        if self.training and self.dropout:
            x = x * F.dropout(x.new_ones(rows.shape), self.dropout).unsqueeze(-1)
        return x.sum(0)

    def _rows(self, tokens: Tensor, before: Tensor | None) -> Tensor:
        """Table rows (orders, B, T) of the n-grams that end at each token."""
        count = tokens.shape[1]
        known = tokens if before is None else torch.cat([before, tokens], 1)
        known = F.pad(known + 1, (max(0, self.reach + count - known.shape[1]), 0))  # 0: nothing was there
        rows, code, end = [], 0, known.shape[1]
        for back in range(self.reach + 1):
            # older tokens are higher digits, so that short n-grams of a small vocabulary have rows of their own
            code = code + known[:, end - count - back : end - back] * pow(self.base, back, 1 << 40)
            if back + 1 in self.orders:
                rows.append(code % self.slots + len(rows) * self.slots)
        return torch.stack(rows)
