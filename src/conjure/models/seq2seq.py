"""The encoder-decoder Transformer: one sequence of tokens under another, as in translation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.errors import ConfigError
from conjure.core.space import Space, Tokens
from conjure.models.beam import Beam, follow, search
from conjure.models.decoding import Choice, write
from conjure.models.protocol import Model
from conjure.nets.attention import Memory
from conjure.nets.cross import CrossTransformer, Sources
from conjure.nets.dropping import drop
from conjure.nets.encoder import Encoder
from conjure.nets.transformer import Sizes

ROWS = 256  # sequences written side by side, so that memory does not grow with n
PART = 32  # pairs of about one length that are computed together, so that little of it is padding


@dataclass
class Reading:
    """How far n sequences have been read: tokens so far, each block's keys and values of them and of the given."""

    count: int
    memories: list[Memory]
    sources: Sources

    def follow(self, rows: Tensor, going: Tensor) -> None:
        """Become the reading of these of its sequences (N,), which stand under the given's rows `going` (A,)."""
        whole = len(rows) == self.memories[0].keys.shape[0]
        for memory in self.memories:
            follow(memory, rows)
        if not whole:
            self.sources = self.sources.rows(going)


class Seq2Seq(Model):
    """P(x | given) as the product of P(x_t | x_<t, given) by an encoder and a decoder (Vaswani et al. 2017).

    The encoder reads the whole of what is given, both ways; every place of the decoder looks at all of it.
    Where the spaces have an end token, what follows the first end is padding: it is seen by nobody and costs
    little, for a batch is computed in parts of about one length, each trimmed to its longest row.
    """

    spaces = (Tokens,)
    given_spaces = (Tokens,)
    methods = ("log_prob", "mean_nats", "smoothed_nats", "trace", "states", "read", "begin")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """layers: of the encoder and of the decoder; groups: heads of keys and values (0 = as many as heads).

        tied: one matrix of vectors serves the given, x and the output (Press and Wolf 2017), where their
        vocabularies are one. beams, length_penalty and repeats steer `best`: see `models.beam`.
        """

        layers: tuple[int, ...] = (3, 3)
        width: int = 256
        heads: int = 4
        groups: int = 0
        expansion: float = 4.0
        dropout: float = 0.1
        tied: bool = True
        beams: int = 5
        length_penalty: float = 1.0
        repeats: int = 2

        def __post_init__(self) -> None:
            if len(self.layers) != 2 or min(self.layers) < 1:
                raise ConfigError(f"model.layers is {list(self.layers)}: two numbers above zero, encoder and decoder")
            if self.beams < 1 or self.length_penalty < 0 or self.repeats < 0:
                raise ConfigError("model.beams is at least 1, model.length_penalty and model.repeats at least 0")

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Seq2Seq.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if given is None:
            return "Seq2Seq writes one sequence under another: it needs data with a given, such as pairs"
        if len(space.shape) > 1 or len(given.shape) > 1 or space.stream or given.stream:  # type: ignore[union-attr]
            return "Seq2Seq reads and writes sequences of their own, not grids or streams"
        if config.tied and space.vocab != given.vocab:  # type: ignore[union-attr]
            return f"model.tied needs one vocabulary, not {space.vocab} and {given.vocab}: use model.tied=false"  # type: ignore[union-attr]
        if config.width % config.heads or (config.width // config.heads) % 2:
            return f"model.width {config.width} should be an even multiple of model.heads {config.heads}"
        if config.groups and config.heads % config.groups:
            return f"model.heads {config.heads} should be a multiple of model.groups {config.groups}"
        return None

    def __init__(self, space: Tokens, given: Tokens, config: Seq2Seq.Config):
        super().__init__(space, given, config)
        c, groups = config, config.groups or config.heads
        readers, writers = c.layers
        self.embed = nn.Embedding(space.vocab + 1, c.width)  # the last row stands before the first token
        nn.init.normal_(self.embed.weight, std=0.02)
        self.embed_given = None if c.tied else nn.Embedding(given.vocab, c.width)
        self.encoder = Encoder(Sizes(readers, c.width, c.heads, groups, given.length, c.expansion, c.dropout))
        self.decoder = CrossTransformer(Sizes(writers, c.width, c.heads, groups, space.length, c.expansion, c.dropout))
        self.head = None if c.tied else nn.Linear(c.width, space.vocab, bias=False)
        if self.head is not None:
            nn.init.zeros_(self.head.weight)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x | given) in nats, (B,), over the places up to the first end."""
        counted = self._counted(x, mask)
        nats = torch.zeros(len(x), device=x.device)
        for rows, hidden, targets, some in self._parts(x, self._asked(given, len(x)), counted):
            each = F.cross_entropy(self.logits(hidden).float().mT, targets, reduction="none")
            nats = nats.index_put((rows,), (each * some).sum(1))
        return -nats

    def mean_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Mean of -log P over all targets that count, ()."""
        return self.smoothed_nats(x, given, mask, 0.0)

    def smoothed_nats(self, x: Tensor, given: Tensor | None, mask: Tensor | None, smoothing: float) -> Tensor:
        """The mean cross-entropy of targets that keep 1 - smoothing, the rest spread over the vocabulary, ()."""
        counted, total = self._counted(x, mask), torch.zeros((), device=x.device)
        for _, hidden, targets, some in self._parts(x, self._asked(given, len(x)), counted):
            logits = self.logits(hidden[some]).float()
            total = total + F.cross_entropy(logits, targets[some], reduction="sum", label_smoothing=smoothing)
        return total / counted.sum()

    def trace(self, x: Tensor, given: Tensor | None, real: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """log P of some tokens at a temperature (n,), and the states they are predicted from (n, D).

        real (B, T) marks the n tokens of x (B, T), none beyond the first end; only for these are logits made.
        """
        states = self.states(x, given, real)
        nats = F.cross_entropy(self.logits(states).float() / temperature, x[real], reduction="none")
        return -nats, states

    def states(self, x: Tensor, given: Tensor | None, real: Tensor) -> Tensor:
        """The states that marked tokens are predicted from, (n, D): see `trace`."""
        counted = self._counted(x, None)
        out = torch.zeros(*x.shape, self.config.width, device=x.device)
        for rows, hidden, _, _ in self._parts(x, self._asked(given, len(x)), counted):
            places = torch.arange(hidden.shape[1], device=x.device)
            out = out.index_put((rows[:, None], places), hidden.float())
        return out[real]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        given: Tensor | None = None,
        rng: torch.Generator | None = None,
        choice: Choice | None = None,
    ) -> Tensor:
        """n sequences, drawn token by token; ConfigError without a given, (N, S) or (1, S)."""
        space: Tokens = self.space  # type: ignore[assignment]
        given, parts = self._asked(given, n), []
        for start in range(0, n, ROWS):
            some = given[start : start + ROWS]
            frame = torch.full((len(some), space.length), -1, device=self.device)
            made = torch.stack(list(write(self, frame, given=some, choice=choice, rng=rng, end=space.end)), 1)
            parts.append(F.pad(made, (0, space.length - made.shape[1]), value=space.end or 0))
        return torch.cat(parts)

    @torch.no_grad()
    def best(self, given: Tensor, beam: Beam | None = None) -> Tensor:
        """The likeliest x found for each given (N, S) by beam search, (N, T)."""
        c, given = self.config, self._asked(given, len(given))
        beam = beam or Beam(c.beams, c.length_penalty, c.repeats)
        x = torch.full((len(given), self.space.length), self.space.end or 0, device=self.device)  # type: ignore[union-attr]
        for rows in by_length(self._lengths(given), max(1, ROWS // beam.width)):
            found = search(self, given[rows], beam)
            x[rows, : found.shape[1]] = found
        return x

    def begin(self, n: int, given: Tensor | None = None, copies: int = 1) -> Reading:
        """A fresh reading of n sequences, `copies` of them under each row of the given (n / copies, S)."""
        given = self._asked(given, n // copies)
        counts = self._counted_given(given)
        memories = self.decoder.memories(n, self.embed.weight)
        return Reading(0, memories, self.decoder.look(self.encode(given, counts), counts))

    def read(self, tokens: Tensor, reading: Reading) -> Tensor:
        """Logits (N, V) of the token after further tokens (N, T)."""
        if not reading.count:
            tokens = torch.cat([self._start(tokens), tokens], 1)
        reading.count += tokens.shape[1]
        return self.logits(self.decoder(self.embed(tokens), reading.sources, reading.memories)[:, -1])

    def encode(self, given: Tensor, counts: Tensor) -> Tensor:
        """What the encoder makes of the given (B, S), (B, S, D)."""
        x = (self.embed if self.embed_given is None else self.embed_given)(given)
        return self.encoder(self._drop(x), counts)

    def logits(self, hidden: Tensor) -> Tensor:
        """What each next token is worth (..., V) in states (..., D)."""
        if self.head is None:
            return F.linear(hidden, self.embed.weight[: self.space.vocab])  # type: ignore[union-attr]
        return self.head(hidden)

    def _parts(self, x: Tensor, given: Tensor, counted: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Rows of about one length: (which, states to predict from (P, T, D), targets (P, T), which of them count)."""
        seen = self._counted_given(given)
        wide = self._lengths(given)
        lengths = (counted * torch.arange(1, x.shape[1] + 1, device=x.device)).amax(1)
        for rows in by_length(lengths + wide, PART if x.is_cpu else 16 * PART):
            longest, widest = int(lengths[rows].max()), int(wide[rows].max())
            targets, some = x[rows, :longest], counted[rows, :longest]
            counts, source = seen[rows, :widest], given[rows, :widest]
            sources = self.decoder.look(self.encode(source, counts), counts)
            inputs = self.embed(torch.cat([self._start(targets), targets[:, :-1]], 1))
            yield rows, self.decoder(self._drop(inputs), sources), targets, some

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.config.dropout) if self.config.dropout and self.training else x

    def _asked(self, given: Tensor | None, n: int) -> Tensor:
        if given is None:
            raise ConfigError("this Seq2Seq writes under a condition: say what is given, such as --given source=...")
        return given.long().expand(n, -1).to(self.device)

    def _counted(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Which places of x count (B, T): those up to the first end, where the mask allows."""
        counted = up_to(x, self.space.end)  # type: ignore[union-attr]
        return counted if mask is None else counted & mask

    def _counted_given(self, given: Tensor) -> Tensor:
        return up_to(given, self.given.end)  # type: ignore[union-attr]

    def _lengths(self, given: Tensor) -> Tensor:
        return self._counted_given(given).sum(1)

    def _start(self, x: Tensor) -> Tensor:
        return x.new_full((len(x), 1), self.embed.num_embeddings - 1)


def up_to(x: Tensor, end: int | None) -> Tensor:
    """Whether a place stands before the first end or is it, (B, T) bool; everything without an end token."""
    if end is None:
        return torch.ones_like(x, dtype=torch.bool)
    ended = (x == end).long()
    return ended.cumsum(1) - ended == 0


def by_length(lengths: Tensor, size: int) -> list[Tensor]:
    """Row numbers (P,) in groups of at most `size`, neighbours in length (B,) together."""
    return list(lengths.argsort(stable=True).split(size))
