"""Beam search: the likeliest sequences a causal model finds when it keeps a few beginnings in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from conjure.core.space import Space
from conjure.nets.attention import Memory

RUN = 4  # tokens of a run that may not come again and again


@dataclass(frozen=True)
class Beam:
    """width: beginnings kept; penalty: the power of length that log-probabilities are divided by.

    A sequence of L tokens is worth log P / ((5 + L) / 6)^penalty (Wu et al. 2016, eq. 14): without it short
    ones win. `repeats` is how often a run of four tokens may stand in one sequence, 0 for any number.
    """

    width: int = 5
    penalty: float = 1.0
    repeats: int = 2

    def worth(self, nats: Tensor, length: int) -> Tensor:
        return nats / ((5 + length) / 6) ** self.penalty


class Searched(Protocol):
    """What can be searched: `begin` takes how many sequences share each row of the given.

    A reading's `follow(rows, going)` makes it that of these sequences (N,), of the given's rows `going` (A,).
    """

    space: Space

    def begin(self, n: int, given: Tensor | None = None, copies: int = 1) -> Any: ...

    def read(self, tokens: Tensor, reading: Any) -> Tensor: ...


@dataclass
class Hand:
    """The beginnings in hand of A sentences under way, W each: their rows of the result, tokens and log P (A, W)."""

    rows: Tensor
    tokens: Tensor  # (A, W, t)
    nats: Tensor
    ended: Tensor  # how many have ended so far, (A,)


@torch.no_grad()
def search(model: Searched, given: Tensor, beam: Beam) -> Tensor:
    """The best ended sequence found for each row of the given (B, S), (B, t) padded with the end token.

    A sentence is done when as many have ended as there are beginnings in hand, or when none of these can beat
    the best that has ended, whatever follows: its rows then leave the batch. At the last place what has not
    ended counts as it stands.
    """
    space, count, width = model.space, len(given), beam.width
    places, end = space.length, space.end  # type: ignore[union-attr]
    device = given.device
    best = torch.full((count,), -torch.inf, device=device)
    answers = torch.full((count, places), end or 0, device=device)
    reading = model.begin(count * width, given, width)
    nats = torch.full((count, width), -torch.inf, device=device)
    nats[:, 0] = 0.0  # all beginnings are alike at first: only one of them counts
    step = torch.empty(count * width, 0, dtype=torch.long, device=device)
    rows = torch.arange(count, device=device)
    hand = Hand(rows, step.view(count, width, 0), nats, torch.zeros_like(rows))
    for length in range(1, places + 1):
        odds = model.read(step, reading).float().log_softmax(-1).unflatten(0, (-1, width))
        odds = without_repeats(odds, hand.tokens, beam.repeats)
        totals, chosen = (hand.nats[:, :, None] + odds).flatten(1).topk(min(2 * width, width * odds.shape[-1]), 1)
        parents, tokens = chosen // odds.shape[-1], chosen % odds.shape[-1]
        ends = torch.full_like(tokens, length == places, dtype=torch.bool)
        if end is not None:
            ends |= tokens == end
        ended = ends & totals.isfinite()
        ended[:, width:] = False  # what a search of this width would not have kept does not count
        worth = beam.worth(totals, length).masked_fill(~ended, -torch.inf)
        top, at = worth.max(1)
        better = (top > best[hand.rows]).nonzero().flatten()
        if len(better):
            rows, place = hand.rows[better], at[better]
            best[rows] = top[better]
            answers[rows] = end or 0
            answers[rows, : length - 1] = hand.tokens[better, parents[better, place]]
            answers[rows, length - 1] = tokens[better, place]
        if length == places:
            break
        kept, order = totals.masked_fill(ends, -torch.inf).topk(width, 1)
        parents, tokens = parents.gather(1, order), tokens.gather(1, order)
        reachable = beam.worth(kept[:, 0], places)  # log P only falls: no beginning will be worth more than this
        hand.ended = hand.ended + ended.sum(1)
        going = ((reachable > best[hand.rows]) & kept[:, 0].isfinite() & (hand.ended < width)).nonzero().flatten()
        if not len(going):
            break
        hand, step = onward(hand, (kept, parents, tokens), going, reading)
    return answers


def onward(hand: Hand, chosen: tuple[Tensor, Tensor, Tensor], going: Tensor, reading: Any) -> tuple[Hand, Tensor]:
    """The hand after a step, and the tokens to read next (A W, 1); what is remembered follows the beginnings."""
    nats, parents, tokens = (part[going] for part in chosen)
    width = parents.shape[1]
    rows = (going[:, None] * width + parents).flatten()
    reading.follow(rows, going)
    before = hand.tokens[going[:, None], parents]
    return Hand(hand.rows[going], torch.cat([before, tokens[..., None]], 2), nats, hand.ended[going]), tokens.flatten()[
        :, None
    ]


def follow(memory: Memory, rows: Tensor) -> None:
    """Make a memory that of these rows of it (N,), N no more than it has; only what is filled is moved."""
    filled, n = memory.filled, len(rows)
    for name in ("keys", "values"):
        stored = getattr(memory, name)
        moved = stored[:, :, :filled][rows]
        stored = stored[:n]
        stored[:, :, :filled] = moved
        setattr(memory, name, stored)


def without_repeats(odds: Tensor, tokens: Tensor, most: int) -> Tensor:
    """Log-probabilities (A, W, V) without the tokens that would make a run of four stand more than `most` times."""
    length = tokens.shape[2]
    if not most or length < RUN - 1 + most:
        return odds
    last = tokens[:, :, None, length - RUN + 1 :]
    same = (tokens.unfold(2, RUN - 1, 1)[:, :, :-1] == last).all(-1)  # (A, W, places a next token is known for)
    if not bool((same.sum(-1) >= most).any()):
        return odds
    following = tokens[:, :, RUN - 1 :]
    times = torch.zeros_like(odds).scatter_add(2, following, same.to(odds.dtype))
    return odds.masked_fill(times >= most, -torch.inf)
