"""The recurrent network over tokens: writing costs the same at every place, however much went before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from conjure.core.space import Columns, Space, Tokens
from conjure.models.autoregression import Autoregression
from conjure.nets.recurrent import Recurrence, State


@dataclass
class Reading:
    """How far n sequences have been read: `count` tokens, and the state (None: nothing yet) they left."""

    count: int
    state: State | None
    given: Tensor | None


class Recurrent(Autoregression):
    """P(x | given) as the product of P(x_t | x_<t, given), where an LSTM's or a GRU's state stands for x_<t.

    Grids are read row by row and know their places by learned vectors of row and column; sequences count
    for themselves. With `tied` a token's logit is the product with its own embedding (Press and Wolf 2017).
    """

    @dataclass(frozen=True)
    class Config:
        """dropout: between layers, before the first and after the last."""

        cell: Literal["lstm", "gru"] = "lstm"
        layers: int = 1
        width: int = 256
        dropout: float = 0.0
        tied: bool = False

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Recurrent.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if config.layers < 1 or config.width < 1:
            return f"model.layers {config.layers} and model.width {config.width} should be at least 1"
        if not 0 <= config.dropout < 1:
            return f"model.dropout {config.dropout} should be at least 0 and below 1"
        return None

    def __init__(self, space: Tokens, given: Columns | None, config: Recurrent.Config):
        super().__init__(space, given, config, places=len(space.shape) > 1)
        c = config
        self.trunk = Recurrence(c.cell, c.layers, c.width, c.dropout)
        self.head = None if c.tied else nn.Linear(c.width, space.vocab, bias=False)
        if self.head is None:
            nn.init.normal_(self.embed.weight, std=c.width**-0.5)  # else the first logits would be far from even
        else:
            nn.init.zeros_(self.head.weight)

    def begin(self, n: int, given: Tensor | None = None) -> Reading:
        return Reading(0, None, given)

    def read(self, tokens: Tensor, reading: Reading) -> Tensor:
        if not self.space.stream and not reading.count:  # type: ignore[union-attr]
            tokens = torch.cat([self._start(tokens), tokens], 1)
        return self.logits(self._hidden(tokens, reading.given, reading)[:, -1])

    def _hidden(self, tokens: Tensor, given: Tensor | None, reading: Reading | None = None) -> Tensor:
        x = self._enter(tokens, given, reading.count if reading else 0)
        y, state = self.trunk(x, reading.state if reading else None)
        if reading:
            reading.count, reading.state = reading.count + tokens.shape[1], state
        return y
