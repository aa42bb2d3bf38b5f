"""The n-gram model with Kneser-Ney smoothing, learnt by counting: the baseline of sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conjure.core.space import Space, Tokens
from conjure.models.protocol import Model


@dataclass(frozen=True)
class Level:
    """What one order knows: sorted n-gram codes with what is left of their counts, and their contexts.

    An n-gram's code has its newest token as the last digit, so the n-grams of one context are neighbours.
    `kept` (M,) are discounted counts and `sums` (M + 1,) their running sum, so that a context's words can be
    drawn from; for each context, `first` and `stop` bound its n-grams, `total` (C,) is its count before
    discounting and `saved` (C,) the share that the lower order spreads.
    """

    codes: Tensor
    kept: Tensor
    sums: Tensor
    contexts: Tensor
    first: Tensor
    stop: Tensor
    total: Tensor
    saved: Tensor


class Markov(Model):
    """Tokens given the last order - 1, by interpolated Kneser-Ney (Kneser and Ney 1995; Chen and Goodman 1998).

    P(w | h) = max(c(hw) - D, 0) / c(h) + D N(h.) / c(h) P(w | h'), where N(h.) counts the distinct words
    after h, h' is h without its oldest token, and below the highest order a count is the number of distinct
    tokens seen before (Chen and Goodman 1998, sec. 2.7). D = n1 / (n1 + 2 n2) from the n-grams counted once
    and twice, with one more of each so that D stays inside (0, 1). The lowest order spreads its share evenly.
    """

    spaces = (Tokens,)
    methods = ("log_prob",)
    score_kind = "exact"
    gradient = False

    @dataclass(frozen=True)
    class Config:
        """order: tokens in an n-gram."""

        order: int = 6

    codes: Tensor
    counts: Tensor

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Markov.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if config.order < 1 or (space.vocab + 1) ** config.order >= 2**63:  # type: ignore[union-attr]
            return f"model.order {config.order} should be at least 1 and small enough for one integer an n-gram"
        return None

    def __init__(self, space: Tokens, given: None, config: Markov.Config):
        super().__init__(space, given, config)
        self.base = space.vocab + 1  # the last digit stands for what lies before the first token
        self.register_buffer("codes", torch.empty(0, dtype=torch.long))
        self.register_buffer("counts", torch.empty(0, dtype=torch.long))
        self._new: list[Tensor] = []
        self._levels: list[Level] | None = None

    @property
    def device(self) -> torch.device:
        return self.codes.device

    def observe(self, x: Tensor) -> None:
        """Count the n-grams of examples (B, ...); they join the table at the next look-up, or once they are many."""
        codes, counted = self._read(x)
        self._new.append(codes[counted])
        self._levels = None
        if sum(map(len, self._new)) > 1_000_000 + len(self.codes):
            self._merge()

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x) in nats, (B,); over a stream, of x[:, 1:] given x[:, 0]."""
        codes, counted = self._read(x)
        if mask is not None:
            counted = counted & mask.flatten(1)[:, -counted.shape[1] :]
        return (self._probability(codes).log() * counted).sum(1).float()

    def mean_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Mean of -log P over all targets that count, ()."""
        codes, counted = self._read(x)
        if mask is not None:
            counted = counted & mask.flatten(1)[:, -counted.shape[1] :]
        return -self._probability(codes)[counted].log().mean().float()

    def sample(self, n: int, *, given: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """n sequences; `given` is a frame (N or 1, T) of tokens to keep, with -1 where one is to be drawn."""
        space: Tokens = self.space  # type: ignore[assignment]
        frame = torch.full((n, space.length), -1) if given is None else given.flatten(1).expand(n, -1)
        frame = frame.to(self.device)
        context = torch.full((n,), space.vocab, device=self.device)
        for _ in range(self.config.order - 2):
            context = context * self.base + space.vocab
        ended, written = torch.zeros(n, dtype=torch.bool, device=self.device), []
        for kept in frame.unbind(1):
            token = torch.where(kept >= 0, kept, self._draw(context, rng))
            if space.end is not None:
                token = torch.where(ended, space.end, token)
                ended = ended | (token == space.end)
            written.append(token)
            context = (context * self.base + token) % self.base ** (self.config.order - 1)
        x = torch.stack(written, 1)
        return x if space.stream else x.unflatten(1, space.shape)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """As torch's, after making room for however many n-grams were saved."""
        for name in ("codes", "counts"):
            if name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[name], device=self.device))
        self._new, self._levels = [], None
        return super().load_state_dict(state_dict, strict, assign)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self._merge()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The n-gram code of each target (B, T) and which targets count (B, T)."""
        space: Tokens = self.space  # type: ignore[assignment]
        x = x.flatten(1)
        padded = F.pad(x, (self.config.order - 1, 0), value=space.vocab)
        codes = torch.zeros_like(x)
        for back in reversed(range(self.config.order)):
            start = self.config.order - 1 - back
            codes = codes * self.base + padded[:, start : start + x.shape[1]]
        counted = torch.ones_like(x, dtype=torch.bool)
        if space.stream:
            return codes[:, 1:], counted[:, 1:]
        if space.end is not None:  # what follows the first end is certain
            counted = (x == space.end).cumsum(1) - (x == space.end).long() == 0
        return codes, counted

    def _merge(self) -> None:
        """Bring what was observed since into the table."""
        if not self._new:
            return
        fresh, counts = torch.cat(self._new).unique(return_counts=True)
        self._new = []
        self.codes, at = torch.cat([self.codes, fresh]).unique(return_inverse=True)
        self.counts = torch.zeros_like(self.codes).scatter_add_(0, at, torch.cat([self.counts, counts]))

    def _table(self) -> list[Level]:
        """All orders, the lowest first; below the highest they follow from the codes alone."""
        self._merge()
        if self._levels is None:
            codes, counts, levels = self.codes, self.counts, []
            for order in range(self.config.order, 0, -1):
                levels.append(self._level(codes, counts))
                codes, counts = (codes % self.base ** (order - 1)).unique(return_counts=True)
            self._levels = levels[::-1]
        return self._levels

    def _level(self, codes: Tensor, counts: Tensor) -> Level:
        once, twice = (counts == 1).sum() + 1, (counts == 2).sum() + 1
        discount = once / (once + 2.0 * twice)
        contexts, distinct = torch.unique_consecutive(codes // self.base, return_counts=True)
        stop = distinct.cumsum(0)
        kept = (counts - discount).double().clamp(min=0)
        owner = torch.repeat_interleave(torch.arange(len(contexts), device=codes.device), distinct)
        total = torch.zeros(len(contexts), dtype=torch.double, device=codes.device).scatter_add_(
            0, owner, counts.double()
        )
        left = torch.zeros_like(total).scatter_add_(0, owner, kept)
        return Level(
            codes, kept, F.pad(kept.cumsum(0), (1, 0)), contexts, stop - distinct, stop, total, 1 - left / total
        )

    def _probability(self, codes: Tensor) -> Tensor:
        """P(newest token | the others) of n-gram codes, float64 of the same shape."""
        p = torch.full(codes.shape, 1 / (self.base - 1), dtype=torch.double, device=codes.device)
        for order, level in enumerate(self._table(), 1):
            code = codes % self.base**order
            at, known = _find(level.contexts, code // self.base)
            word, seen = _find(level.codes, code)
            if not len(level.codes):
                continue
            own = torch.where(seen, level.kept[word], 0.0) / level.total[at]
            p = torch.where(known, own + level.saved[at] * p, p)
        return p

    def _draw(self, context: Tensor, rng: torch.Generator | None) -> Tensor:
        """One token (N,) after each context: the orders are a mixture, from the highest each is taken or passed on."""
        n, drawn = len(context), torch.full_like(context, -1)
        for order, level in reversed(list(enumerate(self._table(), 1))):
            u = torch.rand(2, n, generator=rng, dtype=torch.double, device=context.device)
            if not len(level.codes):
                continue
            at, known = _find(level.contexts, context % self.base ** (order - 1))
            taken = known & (drawn < 0) & (u[0] >= level.saved[at])
            low, high = level.sums[level.first[at]], level.sums[level.stop[at]]
            word = torch.searchsorted(level.sums, low + u[1] * (high - low), right=True) - 1
            word = word.clamp(min=level.first[at], max=level.stop[at] - 1)
            drawn = torch.where(taken, level.codes[word] % self.base, drawn)
        even = torch.randint(self.base - 1, (n,), generator=rng, device=context.device)
        return torch.where(drawn < 0, even, drawn)


def _find(table: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Where each wanted code stands in a sorted table, and whether it does."""
    if not len(table):
        return torch.zeros_like(wanted), torch.zeros_like(wanted, dtype=torch.bool)
    at = torch.searchsorted(table, wanted.contiguous()).clamp(max=len(table) - 1)
    return at, table[at] == wanted
