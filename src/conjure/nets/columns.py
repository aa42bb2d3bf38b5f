"""Mixed columns as network inputs: embeddings of codes, and the wide form that gradients can flow through."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Columns


class Layout(nn.Module):
    """Where each column of a row (B, K) lies in its wide form (B, W): one place a code, one a number."""

    def __init__(self, space: Columns):
        super().__init__()
        self.space = space
        self.spans = [size or 1 for size in space.sizes]
        self.wide = sum(self.spans)  # W
        starts = torch.tensor([0, *self.spans[:-1]]).cumsum(0)
        self.register_buffer("starts", starts, persistent=False)
        self.register_buffer("is_number", torch.tensor([s == 0 for s in space.sizes]), persistent=False)

    def places(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each cell's place in the wide form, int64 (B, K), and what stands there, (B, K): 1 or the number."""
        index = self.starts + torch.where(self.is_number, 0, x).long()
        return index, torch.where(self.is_number, x.float(), 1.0)

    def widen(self, x: Tensor) -> Tensor:
        """Codes one-hot and numbers as they are: (B, K) to (B, W)."""
        index, value = self.places(x)
        return value.new_zeros(len(x), self.wide).scatter_(1, index, value)

    def narrow(self, wide: Tensor) -> Tensor:
        """The likeliest code of each category and the numbers: (B, W) to a row of the space (B, K)."""
        parts = wide.split(self.spans, dim=1)
        cells = [p[:, 0] if number else p.argmax(1) for p, number in zip(parts, self.numbers)]
        return torch.stack([c.long() if self.space.discrete else c.float() for c in cells], 1)

    @property
    def numbers(self) -> list[bool]:
        """Which columns are numbers."""
        return [size == 0 for size in self.space.sizes]


class ColumnEmbedding(nn.Module):
    """A row as the sum of its cells' vectors: a code looks its vector up, a number scales its own.

    The same as a linear map of the wide form, without building it.

    Shapes: (B, K) to (B, width).
    """

    def __init__(self, space: Columns, width: int):
        super().__init__()
        self.layout = Layout(space)
        self.embed = nn.Parameter(torch.randn(self.layout.wide, width) * len(space.columns) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        index, value = self.layout.places(x)
        return F.embedding_bag(index, self.embed, per_sample_weights=value.to(self.embed.dtype), mode="sum")
