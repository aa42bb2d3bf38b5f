"""Writing token by token with a causal model: how a token is chosen, and the loop around the choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from conjure.core.errors import ConfigError


@dataclass(frozen=True)
class Choice:
    """How the next token is drawn; as it stands, from the model's own distribution.

    temperature divides the logits (0 takes the most probable token); top_k keeps that many tokens (0 = all);
    top_p keeps the fewest tokens that hold this much probability (Holtzman et al. 2020, eq. 2).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ConfigError("temperature and top_k are at least 0, top_p is above 0 and at most 1")

    def draw(self, logits: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """One token (B,) from logits (B, V)."""
        logits = logits.float()
        if self.temperature == 0:
            return logits.argmax(-1)
        if self.temperature != 1:
            logits = logits / self.temperature
        p = self._kept(logits)
        return (p / torch.empty_like(p).exponential_(generator=rng)).argmax(-1)  # torch.multinomial without its checks

    def _kept(self, logits: Tensor) -> Tensor:
        """Probabilities (B, V) with the tail cut off."""
        if self.top_k and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, -1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        p = logits.softmax(-1)
        if self.top_p < 1:
            falling, order = p.sort(-1, descending=True)
            beyond = falling.cumsum(-1) - falling >= self.top_p
            p = p.masked_fill(beyond.scatter(1, order, beyond), 0.0)
        return p


class Causal(Protocol):
    """What can be read token by token."""

    def begin(self, n: int, given: Tensor | None = None) -> Any:
        """A fresh reading of n sequences."""
        ...

    def read(self, tokens: Tensor, reading: Any) -> Tensor:
        """Logits (N, V) of the token after `tokens` (N, T), T may be 0 where the model has a start of its own."""
        ...


def write(
    model: Causal,
    frame: Tensor,
    *,
    given: Tensor | None = None,
    choice: Choice | None = None,
    rng: torch.Generator | None = None,
    end: int | None = None,
) -> Iterator[Tensor]:
    """Tokens (N,) place by place for a frame (N, T) in which -1 is to be drawn and the rest stays as it is.

    After its first `end` a sequence holds nothing but `end`; the iterator stops when all have ended.
    """
    choice, reading = choice or Choice(), model.begin(len(frame), given)
    ended = torch.zeros(len(frame), dtype=torch.bool, device=frame.device)
    kept = (frame >= 0).T.contiguous()  # (T, N): rows one after the other, as they are read
    whole, partly = kept.all(1).tolist(), kept.any(1).tolist()
    known = whole.index(False) if False in whole else len(whole)
    logits = model.read(frame[:, :known], reading)
    for place in range(frame.shape[1]):
        if place < known:
            token = frame[:, place]
        else:
            token = choice.draw(logits, rng)
            if partly[place]:
                token = torch.where(kept[place], frame[:, place], token)
        if end is not None:
            token = torch.where(ended, end, token)
            ended = ended | (token == end)
        yield token
        if end is not None and bool(ended.all()):
            return
        if known <= place < frame.shape[1] - 1:
            logits = model.read(token.unsqueeze(1), reading)
