"""The autoregressive Transformer over tokens: texts, and grids of levels read row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Space, Tokens
from conjure.models.autoregression import Autoregression
from conjure.nets.attention import Memory, waves
from conjure.nets.ngrams import Ngrams
from conjure.nets.transformer import Sizes, Transformer


@dataclass
class Reading:
    """How far n sequences have been read: tokens (N, T) so far and each block's keys and values of them."""

    tokens: Tensor
    memories: list[Memory]
    given: Tensor | None


class Decoder(Autoregression):
    """P(x | given) as the product of P(x_t | x_<t, given), by a causal Transformer.

    How it knows places: "rotary" turns queries and keys (Su et al. 2021), beside learned vectors of row and
    column where the shape is fixed; "learned" has those vectors alone, over streams too; "sinusoidal" adds
    fixed waves (Vaswani et al. 2017, sec. 3.5); "none" leaves only what the causal mask betrays.
    """

    @dataclass(frozen=True)
    class Config:
        """groups: heads of keys and values (0 = as many as heads); slots: rows of each n-gram table."""

        layers: int = 2
        width: int = 128
        heads: int = 2
        groups: int = 0
        expansion: float = 4.0
        positions: Literal["rotary", "learned", "sinusoidal", "none"] = "rotary"
        ngrams: tuple[int, ...] = ()
        slots: int = 16_381
        ngram_dropout: float = 0.3
        dropout: float = 0.0

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Decoder.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if config.width % config.heads or (config.width // config.heads) % 2:
            return f"model.width {config.width} should be an even multiple of model.heads {config.heads}"
        if config.groups and config.heads % config.groups:
            return f"model.heads {config.heads} should be a multiple of model.groups {config.groups}"
        return None

    def __init__(self, space: Tokens, given: Columns | None, config: Decoder.Config):
        c, rotary = config, config.positions == "rotary"
        super().__init__(space, given, config, c.positions == "learned" or (rotary and not space.stream))
        self.ngrams = Ngrams(space.vocab + 1, c.ngrams, c.slots, c.width, c.ngram_dropout) if c.ngrams else None
        fixed = waves(space.length, c.width) if c.positions == "sinusoidal" else None
        self.register_buffer("waves", fixed, persistent=False)
        groups = c.groups or c.heads
        self.trunk = Transformer(
            Sizes(c.layers, c.width, c.heads, groups, space.length, c.expansion, c.dropout, rotary)
        )
        self.head = nn.Linear(c.width, space.vocab, bias=False)
        nn.init.zeros_(self.head.weight)

    def begin(self, n: int, given: Tensor | None = None) -> Reading:
        empty = torch.empty(n, 0, dtype=torch.long, device=self.device)
        return Reading(empty, self.trunk.memories(n, self.embed.weight), given)

    def read(self, tokens: Tensor, reading: Reading) -> Tensor:
        """Logits (N, V) after further tokens (N, T); a full memory starts again from its later half."""
        space: Tokens = self.space  # type: ignore[assignment]
        if not space.stream and not reading.tokens.shape[1]:
            tokens = torch.cat([self._start(tokens), tokens], 1)
        if reading.tokens.shape[1] + tokens.shape[1] > space.length:
            tokens = torch.cat([reading.tokens, tokens], 1)[:, -max(1, space.length // 2) :]
            fresh = self.begin(len(tokens), reading.given)
            reading.tokens, reading.memories = fresh.tokens, fresh.memories
        return self.logits(self._hidden(tokens, reading.given, reading)[:, -1])

    def _hidden(self, tokens: Tensor, given: Tensor | None, reading: Reading | None = None) -> Tensor:
        before = reading.tokens if reading else None
        start = before.shape[1] if reading else 0
        x = self._enter(tokens, given, start)
        if self.waves is not None:
            x = x + self.waves[start : start + tokens.shape[1]]
        if self.ngrams is not None:
            x = x + self.ngrams(tokens, before)
        if reading:
            reading.tokens = torch.cat([reading.tokens, tokens], 1)
        return self.trunk(x, reading.memories if reading else None)
