"""The autoregressive Transformer over tokens: texts, and grids of levels read row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Columns, Space, Tokens
from conjure.models.decoding import Choice, write
from conjure.models.protocol import Model
from conjure.nets.attention import Memory
from conjure.nets.ngrams import Ngrams
from conjure.nets.transformer import Sizes, Transformer

ROWS = 256  # sequences written side by side, so that memory does not grow with n
PLACES = 1 << 14  # places whose logits are held at once in scoring


@dataclass
class Reading:
    """How far n sequences have been read: tokens (N, T) so far and each block's keys and values of them."""

    tokens: Tensor
    memories: list[Memory]
    given: Tensor | None


class Decoder(Model):
    """P(x | given) as the product of P(x_t | x_<t, given), by a causal Transformer.

    Over a space of fixed shape a learned start symbol stands before the first token, and every token has
    learned places (row and column of a grid); over a stream the first token of an example is context.
    A condition of Columns (class labels) is a sum of learned vectors, added at every place.
    """

    spaces = (Tokens,)
    given_spaces = (Columns,)
    methods = ("log_prob", "mean_nats")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """groups: heads of keys and values (0 = as many as heads); slots: rows of each n-gram table."""

        layers: int = 2
        width: int = 128
        heads: int = 2
        groups: int = 0
        expansion: float = 4.0
        positions: Literal["rotary", "none"] = "rotary"
        ngrams: tuple[int, ...] = ()
        slots: int = 16_381
        ngram_dropout: float = 0.3
        dropout: float = 0.0

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Decoder.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if isinstance(given, Columns) and not given.discrete:
            return "Decoder takes labels (categories) as its condition, not numbers"
        if config.width % config.heads or (config.width // config.heads) % 2:
            return f"model.width {config.width} should be an even multiple of model.heads {config.heads}"
        if config.groups and config.heads % config.groups:
            return f"model.heads {config.heads} should be a multiple of model.groups {config.groups}"
        return None

    def __init__(self, space: Tokens, given: Columns | None, config: Decoder.Config):
        super().__init__(space, given, config)
        c = config
        self.embed = nn.Embedding(space.vocab + (not space.stream), c.width)
        self.ngrams = Ngrams(space.vocab + 1, c.ngrams, c.slots, c.width, c.ngram_dropout) if c.ngrams else None
        self.places = nn.ModuleDict()
        if not space.stream:
            self.places.update({f"embed_{a}": nn.Embedding(size, c.width) for a, size in enumerate(space.shape)})
        self.labels = nn.ModuleDict()
        if given is not None:
            self.labels.update({f"embed_{k}": nn.Embedding(size, c.width) for k, size in enumerate(given.sizes)})
        groups, rotary = c.groups or c.heads, c.positions == "rotary"
        self.trunk = Transformer(
            Sizes(c.layers, c.width, c.heads, groups, space.length, c.expansion, c.dropout, rotary)
        )
        self.head = nn.Linear(c.width, space.vocab, bias=False)
        nn.init.zeros_(self.head.weight)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x | given) in nats, (B,): a sum over places; over a stream, of x[:, 1:] given x[:, 0]."""
        hidden, targets, counted = self._predict(x, given, mask)
        parts = zip(hidden.flatten(0, 1).split(PLACES), targets.flatten().split(PLACES))
        nats = torch.cat([F.cross_entropy(self.head(h).float(), t, reduction="none") for h, t in parts])
        nats = nats.view(targets.shape)
        return -(nats if counted is None else nats * counted).sum(1)

    def mean_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Mean of -log P over all targets that count, (): what training needs, and no more."""
        hidden, targets, counted = self._predict(x, given, mask)
        logits, targets = self.head(hidden).float().flatten(0, 1), targets.flatten()
        if counted is None:
            return F.cross_entropy(logits, targets)
        return F.cross_entropy(logits, targets.masked_fill(~counted.flatten(), -100), ignore_index=-100)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        given: Tensor | None = None,
        rng: torch.Generator | None = None,
        choice: Choice | None = None,
    ) -> Tensor:
        """n sequences, drawn token by token with remembered keys and values.

        Without labels, `given` is a frame (N or 1, T): tokens to keep, and -1 where one is to be drawn.
        A stream has no beginning of its own: without a frame its first token is drawn evenly.
        """
        space: Tokens = self.space  # type: ignore[assignment]
        frame, labels = self._frame(n, given, rng)
        parts = []
        for start in range(0, n, ROWS):
            rows = slice(start, start + ROWS)
            some = None if labels is None else labels[rows]
            written = torch.stack(list(write(self, frame[rows], given=some, choice=choice, rng=rng, end=space.end)), 1)
            missing = frame.shape[1] - written.shape[1]  # all had ended before the last place
            parts.append(F.pad(written, (0, missing), value=space.end or 0))
        x = torch.cat(parts)
        return x if space.stream else x.unflatten(1, space.shape)

    def begin(self, n: int, given: Tensor | None = None) -> Reading:
        """A fresh reading of n sequences, under labels (N, K) where the model takes them."""
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
        hidden = self._hidden(tokens, reading.given, reading)
        return self.head(hidden[:, -1])

    def _predict(self, x: Tensor, given: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """States to predict from (B, T, D), targets (B, T) and which of them count (None: all)."""
        space: Tokens = self.space  # type: ignore[assignment]
        x, counted = x.flatten(1), None if mask is None else mask.flatten(1)
        if space.stream:
            inputs, targets = x[:, :-1], x[:, 1:]
            counted = None if counted is None else counted[:, 1:]
        else:
            inputs, targets = torch.cat([self._start(x), x[:, :-1]], 1), x
        if space.end is not None:  # what follows the first end is certain
            ended = (x == space.end).cumsum(1) - (x == space.end).long() > 0
            counted = ~ended if counted is None else counted & ~ended
        return self._hidden(inputs, given), targets, counted

    def _hidden(self, tokens: Tensor, given: Tensor | None, reading: Reading | None = None) -> Tensor:
        """The trunk's last state at each token (B, T, D), of tokens that follow those in `reading`."""
        before = reading.tokens if reading else None
        x = self.embed(tokens)
        if self.ngrams is not None:
            x = x + self.ngrams(tokens, before)
        if self.places:
            x = x + self._place(before.shape[1] if reading else 0, tokens.shape[1])
        if given is not None:
            x = x + sum(table(given[:, k]) for k, table in enumerate(self.labels.values())).unsqueeze(1)
        if reading:
            reading.tokens = torch.cat([reading.tokens, tokens], 1)
        return self.trunk(x, reading.memories if reading else None)

    def _place(self, start: int, count: int) -> Tensor:
        """The sum of the learned vectors of each axis at `count` places of the flattened shape, (T, D)."""
        at = torch.arange(start, start + count, device=self.device)
        shape = self.space.shape  # type: ignore[union-attr]
        return sum(
            table(at // math.prod(shape[axis + 1 :]) % shape[axis]) for axis, table in enumerate(self.places.values())
        )

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
            frame[:, 0] = torch.randint(space.vocab, (n,), generator=rng, device=self.device)
        return frame, labels
