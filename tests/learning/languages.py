"""Languages whose entropy is known, to learn from."""

from __future__ import annotations

import torch
from torch import Tensor


def chain(vocab: int, length: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A stream (S,) of a random first-order Markov chain, and its transition matrix (V, V)."""
    rng = torch.Generator().manual_seed(seed)
    odds = (2.0 * torch.randn(vocab, vocab, generator=rng)).softmax(1)
    steps = torch.multinomial(odds, length, replacement=True, generator=rng)  # (V, S): a draw ready for each state
    stream, state = torch.empty(length, dtype=torch.long), 0
    for t, column in enumerate(steps.T.tolist()):
        state = column[state]
        stream[t] = state
    return stream, odds


def truth(stream: Tensor, odds: Tensor) -> float:
    """Mean nats a token under the chain itself: no model can do better, bar luck."""
    return -odds[stream[:-1], stream[1:]].log().mean().item()
