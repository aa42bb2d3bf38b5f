"""The autoregressive Transformer over tokens: texts, and grids of levels read row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from conjure.core.errors import ConfigError
from conjure.core.space import Columns, Space, Tokens
from conjure.models.autoregression import Autoregression
from conjure.nets.attention import Memory, waves
from conjure.nets.ngrams import Ngrams
from conjure.nets.rounding import round_matrix
from conjure.nets.transformer import Sizes, Transformer
from conjure.nets.writing import Writing


@dataclass
class Reading:
    """How far n sequences have been read: `count` tokens, each block's keys and values of them, and `written`,
    room for all tokens (N, length); `writing` is made once one token at a time is read.
    """

    written: Tensor
    memories: list[Memory]
    given: Tensor | None
    count: int = 0
    writing: Writing | None = None

    @property
    def tokens(self) -> Tensor:
        """The tokens read so far, (N, T)."""
        return self.written[:, : self.count]

    def take(self, tokens: Tensor) -> None:
        """Note tokens (N, T) as read."""
        self.written[:, self.count : self.count + tokens.shape[1]] = tokens
        self.count += tokens.shape[1]

    def forget(self) -> None:
        """Start again, in the same memory."""
        self.count = 0
        for memory in self.memories:
            memory.filled = 0


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
        room = torch.empty(n, self.space.length, dtype=torch.long, device=self.device)  # type: ignore[union-attr]
        return Reading(room, self.trunk.memories(n, self.embed.weight), given)

    def read(self, tokens: Tensor, reading: Reading) -> Tensor:
        """Logits (N, V) after further tokens (N, T); a full memory starts again from its later half."""
        space: Tokens = self.space  # type: ignore[assignment]
        if not space.stream and not reading.count:
            tokens = torch.cat([self._start(tokens), tokens], 1)
        if reading.count + tokens.shape[1] > space.length:
            tokens = torch.cat([reading.tokens, tokens], 1)[:, -max(1, space.length // 2) :]
            reading.forget()
        x = self._entered(tokens, reading.given, reading)
        reading.take(tokens)
        if tokens.shape[1] == 1:
            if reading.writing is None and Writing.serves(self.trunk, x):
                reading.writing = Writing(self.trunk, self.head, reading.memories)
            if reading.writing is not None:
                return reading.writing(x[:, 0])
        return self.logits(self.trunk(x, reading.memories)[:, -1])

    def round_weights(self, kind: str = "int8") -> None:
        """Round the weights of all large matrices to bytes, each row in steps of its own (`nets/rounding.py`).

        Scores and samples are then those of the rounded model; writing a few sequences reads the bytes, a quarter
        of the memory. For use only: training goes on from numbers that no longer move.
        """
        if kind != "int8":
            raise ConfigError(f"a Decoder keeps its weights in fp32 or int8, not {kind}")
        for linear in (m for m in self.modules() if isinstance(m, nn.Linear)):
            round_matrix(linear)

    def _hidden(self, tokens: Tensor, given: Tensor | None, reading: Reading | None = None) -> Tensor:
        return self.trunk(self._entered(tokens, given, reading), reading.memories if reading else None)

    def _entered(self, tokens: Tensor, given: Tensor | None, reading: Reading | None) -> Tensor:
        """What the trunk is shown of tokens (B, T) that follow those in `reading`, (B, T, D)."""
        start = reading.count if reading else 0
        x = self._enter(tokens, given, start)
        if self.waves is not None:
            x = x + self.waves[start : start + tokens.shape[1]]
        if self.ngrams is not None:
            x = x + self.ngrams(tokens, reading.tokens[:, -self.ngrams.reach :] if reading else None)
        return x
