"""What families that read a sequence from its first token share: targets, scores, labels, frames, the draw."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Columns, Space, Tokens
from conjure.models.decoding import Choice, write
from conjure.models.protocol import Model

ROWS = 256  # sequences written side by side, so that memory does not grow with n
PLACES = 1 << 14  # places whose logits are held at once in scoring


class Autoregression(Model, ABC):
    """P(x | given) as the product of P(x_t | x_<t, given); a family says how the past becomes a state.

    Over a space of fixed shape a learned start symbol stands before the first token; over a stream the
    first token of an example is context. A condition of Columns (class labels) is a sum of learned vectors,
    added at every place. `places` asks for a learned vector for each index of each axis of the shape.
    """

    spaces = (Tokens,)
    given_spaces = (Columns,)
    methods = ("log_prob", "mean_nats", "trace", "states", "read")
    score_kind = "exact"
    head: nn.Linear | None  # without one, a token's logit is the product with its own embedding

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Any) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if isinstance(given, Columns) and not given.discrete:
            return f"{cls.__name__} takes labels (categories) as its condition, not numbers"
        return None

    def __init__(self, space: Tokens, given: Columns | None, config: Any, places: bool):
        super().__init__(space, given, config)
        self.embed = nn.Embedding(space.vocab + (not space.stream), config.width)
        self.places, self.labels = nn.ModuleDict(), nn.ModuleDict()
        if places:
            self.places.update({f"embed_{a}": nn.Embedding(n, config.width) for a, n in enumerate(space.shape)})
        if given is not None:
            self.labels.update({f"embed_{k}": nn.Embedding(n, config.width) for k, n in enumerate(given.sizes)})

    @abstractmethod
    def begin(self, n: int, given: Tensor | None = None) -> Any:
        """A fresh reading of n sequences, under labels (N, K) where the model takes them."""

    @abstractmethod
    def read(self, tokens: Tensor, reading: Any) -> Tensor:
        """Logits (N, V) of the token after further tokens (N, T), which the reading then remembers."""

    @abstractmethod
    def _hidden(self, tokens: Tensor, given: Tensor | None, reading: Any = None) -> Tensor:
        """The state to predict from at each token (B, T, D), of tokens that follow those in `reading`."""

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x | given) in nats, (B,): a sum over places; over a stream, of x[:, 1:] given x[:, 0]."""
        hidden, targets, counted = self._predict(x, given, mask)
        parts = zip(hidden.flatten(0, 1).split(PLACES), targets.flatten().split(PLACES))
        nats = torch.cat([F.cross_entropy(self.logits(h).float(), t, reduction="none") for h, t in parts])
        nats = nats.view(targets.shape)
        return -(nats if counted is None else nats * counted).sum(1)

    def mean_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Mean of -log P over all targets that count, (): what training needs, and no more."""
        hidden, targets, counted = self._predict(x, given, mask)
        logits, targets = self.logits(hidden).float().flatten(0, 1), targets.flatten()
        if counted is None:
            return F.cross_entropy(logits, targets)
        return F.cross_entropy(logits, targets.masked_fill(~counted.flatten(), -100), ignore_index=-100)

    def trace(self, x: Tensor, given: Tensor | None, real: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """log P of some tokens at a temperature (n,), and the states they are predicted from (n, D).

        real (B, T) marks the n tokens of x (B, T); only for these are logits made.
        """
        states, targets = self._marked(x, given, real)
        parts = zip(states.split(PLACES), targets.split(PLACES))
        nats = [F.cross_entropy(self.logits(s).float() / temperature, t, reduction="none") for s, t in parts]
        return -torch.cat(nats), states

    def states(self, x: Tensor, given: Tensor | None, real: Tensor) -> Tensor:
        """The states that marked tokens are predicted from, (n, D): see `trace`."""
        return self._marked(x, given, real)[0]

    def _marked(self, x: Tensor, given: Tensor | None, real: Tensor) -> tuple[Tensor, Tensor]:
        hidden, targets, _ = self._predict(x, given, None)
        where = real.flatten(1)[:, -targets.shape[1] :]
        return hidden[where], targets[where]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        given: Tensor | None = None,
        rng: torch.Generator | None = None,
        choice: Choice | None = None,
        allow: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """n sequences, drawn token by token from what is remembered of those before.

        allow: which tokens may be drawn at all, bool (V,). kept: a frame (N or 1, *shape), tokens to keep, and -1 where
        one is to be drawn; without labels `given` may be one too. A stream has no beginning of its own: without a frame
        its first token is drawn evenly.
        """
        space: Tokens = self.space  # type: ignore[assignment]
        frame, labels = self._frame(n, given, rng)
        if kept is not None:
            frame = kept.flatten(1).expand(n, -1).to(self.device)
        if allow is not None:
            barred = tuple((token, -math.inf) for token in (~allow).nonzero().flatten().tolist())
            choice = replace(choice or Choice(), bias=barred)
        parts = []
        for start in range(0, n, ROWS):
            rows = slice(start, start + ROWS)
            some = None if labels is None else labels[rows]
            written = torch.stack(list(write(self, frame[rows], given=some, choice=choice, rng=rng, end=space.end)), 1)
            missing = frame.shape[1] - written.shape[1]  # all had ended before the last place
            parts.append(F.pad(written, (0, missing), value=space.end or 0))
        x = torch.cat(parts)
        return x if space.stream else x.unflatten(1, space.shape)

    def logits(self, hidden: Tensor) -> Tensor:
        """What each next token is worth (..., V) in states (..., D)."""
        if self.head is None:
            return F.linear(hidden, self.embed.weight[: self.space.vocab])  # type: ignore[union-attr]
        return self.head(hidden)

    def _enter(self, tokens: Tensor, given: Tensor | None, start: int) -> Tensor:
        """The learned vectors of tokens (B, T), of their places from `start` on and of the labels, (B, T, D)."""
        x = self.embed(tokens)
        if self.places:
            x = x + self._place(start, tokens.shape[1])
        if given is not None:
            x = x + sum(table(given[:, k]) for k, table in enumerate(self.labels.values())).unsqueeze(1)
        return x

    def _place(self, start: int, count: int) -> Tensor:
        """The sum of the learned vectors of each axis at `count` places of the flattened shape, (T, D)."""
        at = torch.arange(start, start + count, device=self.device)
        shape = self.space.shape  # type: ignore[union-attr]
        return sum(
            table(at // math.prod(shape[axis + 1 :]) % shape[axis]) for axis, table in enumerate(self.places.values())
        )

    def _predict(
        self, x: Tensor, given: Tensor | None, mask: Tensor | None, parts: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """States to predict from (B, T, D), targets (B, T) and which of them count (None: all).

        parts: documents of a row apart, for families whose states keep them so.
        """
        space: Tokens = self.space  # type: ignore[assignment]
        x, counted = x.flatten(1), self._counted(x.flatten(1), mask)
        if space.stream:
            inputs, targets = x[:, :-1], x[:, 1:]
        else:
            inputs, targets = torch.cat([self._start(x), x[:, :-1]], 1), x
        apart = {} if parts is None else {"parts": parts[:, :-1] if space.stream else parts}
        return self._hidden(inputs, given, **apart), targets, counted

    def _counted(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        """Which targets of x (B, T) count, (B, T) or (B, T - 1) of a stream; None: all."""
        space: Tokens = self.space  # type: ignore[assignment]
        counted = None if mask is None else mask.flatten(1)
        if space.stream:
            counted = None if counted is None else counted[:, 1:]
        if space.end is not None:  # what follows the first end is certain
            ended = (x == space.end).cumsum(1) - (x == space.end).long() > 0
            counted = ~ended if counted is None else counted & ~ended
        return counted

    def symbols(self, x: Tensor, mask: Tensor | None = None, parts: Tensor | None = None) -> Tensor:
        """How many targets `mean_nats` takes the mean of, ()."""
        counted = self._counted(x.flatten(1), mask if parts is None else within(parts, mask))
        return torch.tensor(x[:, int(self.space.stream) :].numel()) if counted is None else counted.sum()  # type: ignore[union-attr]

    def _start(self, x: Tensor) -> Tensor:
        return x.new_full((len(x), 1), self.embed.num_embeddings - 1)

    def _frame(self, n: int, given: Tensor | None, rng: torch.Generator | None) -> tuple[Tensor, Tensor | None]:
        """The frame to fill (N, T), and labels (N, K) or None."""
        space: Tokens = self.space  # type: ignore[assignment]
        labels = None
        if self.given is not None and given is not None:
            labels, given = given.long().expand(n, -1).to(self.device), None
        if given is not None:
            return given.flatten(1).expand(n, -1).to(self.device), labels
        frame = torch.full((n, space.length), -1, device=self.device)
        if space.stream:
            frame[:, 0] = torch.randint(space.vocab, (n,), generator=rng, device=rng.device if rng else None)
        return frame, labels


def within(parts: Tensor, mask: Tensor | None) -> Tensor:
    """The mask (B, T) without the first token of each document but a row's first: nothing before it foretells it."""
    first = parts[:, 1:] != parts[:, :-1]
    return F.pad(~first, (1, 0), value=True) & (True if mask is None else mask)
