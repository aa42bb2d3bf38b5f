"""Grids of tokens pixel by pixel, each from those above it and to its left within reach: a masked convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.errors import ConfigError
from conjure.core.space import Columns, Space, Tokens
from conjure.models.conditions import codes
from conjure.models.protocol import Model
from conjure.nets.columns import ColumnEmbedding
from conjure.nets.likelihoods import pick
from conjure.nets.mlp import MLP

ROWS = 1024  # pictures written side by side
FEW = 8  # numbers that stand for a token


class Pixels(Model):
    """log P(x | given) = sum_i log P(x_i | the pixels before i in its window, its place, given), exact.

    Pixels are in reading order; the window is `reach` rows up and `reach` columns to either side. One masked
    convolution reads it for all pixels at once (the first layer, "mask A", of van den Oord et al. 2016, fig. 1; they
    widen the view by further ones), a perceptron does the rest at each pixel, which makes a draw cheap too.
    """

    spaces: ClassVar = (Tokens,)
    given_spaces: ClassVar = (Columns,)
    methods: ClassVar = ("log_prob", "mean_nats")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """reach: rows up and columns to either side; layers of the perceptron, of `width` units each."""

        reach: int = 6
        width: int = 64
        layers: int = 2

    def __init__(self, space: Tokens, given: Columns | None, config: Config):
        super().__init__(space, given, config)
        r, width = config.reach, config.width
        self.seen = r * (2 * r + 1) + r  # pixels of the window before its own
        few = 1 if space.vocab == 2 else min(space.vocab, FEW)
        self.embed = nn.Embedding(space.vocab, few) if few > 1 else None  # black and white are -1 and 1, outside is 0
        self.window = nn.Parameter(torch.randn(width, few, self.seen) * (few * self.seen) ** -0.5)
        self.embed_row, self.embed_column = (nn.Parameter(0.1 * torch.randn(n, width)) for n in space.shape)
        self.label = ColumnEmbedding(given, width) if given else None
        self.net = MLP(width, space.vocab, width, config.layers)

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Config) -> str | None:
        if isinstance(space, Tokens) and len(space.shape) != 2:
            return "Pixels models grids of tokens (H, W), such as grey pictures with codec.encoding=tokens"
        if config.reach < 1 or config.layers < 0:
            return "model.reach is at least 1, model.layers at least 0"
        return super().refuses(space, given, config)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x | given) in nats, (B,); pixels where mask (B, H, W) is False do not count, but are seen."""
        nats = F.cross_entropy(self._logits(x, given), x.flatten(), reduction="none").view(len(x), -1)
        return -(nats if mask is None else nats * mask.flatten(1)).sum(1)

    def mean_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Mean of -log P over all pixels that count, (): what training needs."""
        targets = x.flatten() if mask is None else x.flatten().masked_fill(~mask.flatten(), -100)
        return F.cross_entropy(self._logits(x, given), targets)

    @torch.no_grad()
    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Pixel by pixel from the top. Without labels `given` may be a frame (N or 1, H, W) with -1 to be drawn."""
        labels, frame = None, torch.full((n, *self.space.shape), -1)  # type: ignore[union-attr]
        if self.given is not None:
            labels = codes(self, n, given)
        elif given is not None:
            if given[0].numel() != frame[0].numel():
                raise ConfigError("a frame for Pixels has a token, or -1, for every pixel")
            frame = given.reshape(-1, *frame.shape[1:]).expand(n, -1, -1)
        parts = []
        for start in range(0, n, ROWS):
            rows = slice(start, start + ROWS)
            parts.append(self._write(frame[rows].to(self.device), None if labels is None else labels[rows], rng))
        return torch.cat(parts)

    def _logits(self, x: Tensor, given: Tensor | None) -> Tensor:
        """Logits of every pixel under those before it, float (B H W, V)."""
        r = self.config.reach
        kernel = F.pad(self.window, (0, r + 1)).unflatten(2, (r + 1, 2 * r + 1))  # own and later pixels: zero
        seen = F.pad(self._numbers(x), (r, r, r, 0))
        h = F.conv2d(seen.to(memory_format=torch.channels_last), kernel).permute(0, 2, 3, 1)  # (B, H, W, D)
        h = h + (self.embed_row.unsqueeze(1) + self.embed_column).to(h)
        if self.label is not None:
            h = h + self.label(given)[:, None, None].to(h)
        return self.net(F.relu(h).flatten(0, 2)).float()

    def _numbers(self, x: Tensor) -> Tensor:
        """Tokens (B, H, W) as the numbers that the convolution reads (B, few, H, W)."""
        return 2.0 * x.unsqueeze(1) - 1 if self.embed is None else self.embed(x).permute(0, 3, 1, 2)

    def _write(self, frame: Tensor, labels: Tensor | None, rng: torch.Generator | None) -> Tensor:
        r, (height, width) = self.config.reach, frame.shape[1:]
        label = 0 if self.label is None else self.label(labels)
        flat = self.window.flatten(1)
        seen = self.window.new_zeros(len(frame), self.window.shape[1], height + r, width + 2 * r)
        out = frame.clone()
        for i in range(height):
            for j in range(width):
                before = seen[:, :, i : i + r + 1, j : j + 2 * r + 1].flatten(2)[:, :, : self.seen]
                h = F.linear(before.flatten(1), flat) + self.embed_row[i] + self.embed_column[j] + label
                p = self.net(F.relu(h)).float().softmax(1)
                drawn = pick(p, rng)
                out[:, i, j] = torch.where(out[:, i, j] < 0, drawn, out[:, i, j])
                seen[:, :, i + r, j + r] = self._numbers(out[:, i : i + 1, j : j + 1])[:, :, 0, 0]
        return out
