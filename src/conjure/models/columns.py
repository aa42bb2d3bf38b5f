"""Columns of codes one after the other in any order: one network gives every column's odds from any others known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.errors import ConfigError
from conjure.core.space import Columns, Space
from conjure.models.protocol import Model
from conjure.nets.likelihoods import uniform

CHUNK = 4096  # rows sampled at a time


class AnyOrder(Model):
    """log P(x) = sum_i log P(x_o(i) | x_o(1..i-1)) for any order o of the columns (Uria et al. 2014).

    What is known of a row is the sum of its known columns' vectors, so that the order in which they came
    does not matter. A residual perceptron turns the sum into features, and a linear head per column into
    logits, which stand on the columns' log-frequencies. Orders need not agree with each other: training
    makes them agree as far as it goes (Hoogeboom et al. 2022).
    """

    spaces = (Columns,)
    methods = ("log_prob", "conditional_nats")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """`layers` residual blocks of `width` channels; dropout falls on what is inside the blocks."""

        width: int = 192
        layers: int = 2
        dropout: float = 0.2

    def __init__(self, space: Columns, given: Space | None, config: Config):
        super().__init__(space, given, config)
        self.sizes = space.sizes
        wide = sum(self.sizes)  # W
        self.register_buffer("starts", torch.tensor([0, *self.sizes[:-1]]).cumsum(0))
        self.register_buffer("frequencies", torch.cat([torch.full((s,), 1 / s) for s in self.sizes]).log())
        self.nothing = nn.Parameter(torch.zeros(config.width))  # the sum of no vectors
        self.embed = nn.Parameter(torch.randn(wide, config.width) * len(self.sizes) ** -0.5)
        self.blocks = nn.ModuleList(Block(config.width, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Parameter(torch.zeros(wide, config.width))
        self.shift = nn.Parameter(torch.zeros(wide))

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        if isinstance(space, Columns) and not space.discrete:
            return "AnyOrder models columns of codes, not numbers (set codec.numbers to bins)"
        return super().refuses(space, given, config)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Start at the columns' own frequencies in training codes x (N, K), half a row added to every code."""
        for i, size in enumerate(self.sizes):
            counts = torch.bincount(x[:, i], minlength=size) + 0.5
            self.frequencies[self._span(i)] = (counts / counts.sum()).log()

    def conditional_nats(self, x: Tensor, known: Tensor) -> Tensor:
        """-log P(x_i | x_known) of every column i that is not known, 0 for the others.

        Shapes: codes x (B, K), known (B, K) bool, result (B, K).
        """
        features = self._features(self._state(x, known))
        wide = F.linear(features, self.head, self.shift) + self.frequencies  # (B, W)
        parts = wide.split(self.sizes, dim=1)
        nats = torch.stack([F.cross_entropy(p, x[:, i], reduction="none") for i, p in enumerate(parts)], 1)
        return nats.masked_fill(known, 0.0)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """log P(x | given) of codes (B, K) in nats (B,), exact for the columns' own order, the first one first.

        With evidence (B or 1, W) the order is that of `sample`. Columns where mask (B, K) is False are
        never revealed, so that what is left is the probability of the others.
        """
        total = x.new_zeros(len(x), dtype=torch.float32)

        def read(i: int, rows: Tensor, logits: Tensor) -> Tensor:
            nonlocal total
            codes = x[rows, i]
            total = total.index_add(0, rows, -F.cross_entropy(logits, codes, reduction="none").float())
            return codes

        self._walk(len(x), given, mask, read)
        return total

    @torch.no_grad()
    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Draw codes (N, K), column by column in their own order.

        Evidence `given` (N or 1, W) weighs the codes. Columns it pins to one code are known from the start,
        columns it restricts are drawn next among what it allows, the others last. With any columns pinned
        and at most one restricted this is exact for that order; with several restricted it is approximate,
        for an earlier one is then drawn without regard to how likely it makes the later ones' ranges.
        """
        out = torch.empty(n, len(self.sizes), dtype=torch.long, device=self.device)
        for start in range(0, n, CHUNK):
            part = out[start : start + CHUNK]
            evidence = given if given is None or len(given) == 1 else given[start : start + CHUNK]

            def draw(i: int, rows: Tensor, logits: Tensor, part: Tensor = part) -> Tensor:
                sums = logits.softmax(1).cumsum(1)
                point = uniform(sums[:, :1], rng) * sums[:, -1:]
                # right: a code of probability zero, whose sum is that of the code before, is never met
                codes = torch.searchsorted(sums, point, right=True).squeeze(1)
                last = (sums < sums[:, -1:]).sum(1)  # rounding may lift the point to the end of the last code
                codes = torch.minimum(codes, last)
                part[rows, i] = codes
                return codes

            pinned = self._walk(len(part), evidence, None, draw)
            if pinned is not None:
                part.copy_(torch.where(pinned[0], pinned[1], part))
        return out

    def _walk(
        self, n: int, given: Tensor | None, mask: Tensor | None, choose: Callable[[int, Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor] | None:
        """Reveal n rows column by column: choose(column, rows, logits) says with which codes.

        Returns which cells the evidence pins, and to which codes, (N, K) each.
        """
        count = len(self.sizes)
        everyone = torch.ones(n, count, dtype=torch.bool, device=self.device)
        turns, pins, weights = [everyone], None, None
        state = self.nothing.expand(n, -1)
        if given is not None:
            given = given.to(self.device).expand(n, -1)
            weights = given.split(self.sizes, dim=1)
            allowed = torch.stack([(w > 0).sum(1) for w in weights], 1)  # (N, K)
            if not bool((allowed > 0).all()):
                column = self.space.columns[int((allowed == 0).any(0).nonzero()[0])].name
                raise ConfigError(f"the condition leaves column {column!r} no possible value")
            codes = torch.stack([w.argmax(1) for w in weights], 1)
            pinned = allowed == 1
            free = torch.stack([(w == 1).all(1) for w in weights], 1) & ~pinned
            pins, turns = (pinned, codes), [~pinned & ~free, free]
            state = self._state(codes, pinned if mask is None else pinned & mask)
        for turn in turns:
            for i in range(count):
                rows = (turn[:, i] if mask is None else turn[:, i] & mask[:, i]).nonzero().squeeze(1)
                if not len(rows):
                    continue
                logits = self._logits(i, self._features(state[rows]))
                if weights is not None:
                    logits = logits + weights[i][rows].log()
                vectors = F.embedding(self.starts[i] + choose(i, rows, logits), self.embed)
                state = state.index_add(0, rows, vectors)
        return pins

    def _state(self, x: Tensor, known: Tensor) -> Tensor:
        """The sum of the known columns' vectors, (B, D), of codes x (B, K)."""
        weight = known.to(self.embed.dtype)
        return self.nothing + F.embedding_bag(x + self.starts, self.embed, per_sample_weights=weight, mode="sum")

    def _features(self, state: Tensor) -> Tensor:
        for block in self.blocks:
            state = state + block(state)
        return F.silu(self.norm(state))

    def _logits(self, i: int, features: Tensor) -> Tensor:
        """Column i's logits (B, size)."""
        span = self._span(i)
        return F.linear(features, self.head[span], self.shift[span]) + self.frequencies[span]

    def _span(self, i: int) -> slice:
        start = sum(self.sizes[:i])
        return slice(start, start + self.sizes[i])


class Block(nn.Module):
    """W2 silu(W1 norm(x)) with dropout before W2, which starts at zero; shapes (B, D) in and out."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        self.widen, self.mix = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.drop(F.silu(self.widen(self.norm(x)))))
