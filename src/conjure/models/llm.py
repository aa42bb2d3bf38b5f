"""The decoder-only Transformer in the shapes that published weights have: Llama, Mistral, Qwen, SmolLM, GPT-2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Columns, Space, Tokens
from conjure.models.autoregression import Autoregression, within
from conjure.nets import readout
from conjure.nets.language import Anatomy, Cache, LanguageTrunk
from conjure.nets.rounding import blockwise
from conjure.nets.stepping import Kind, Packed, Stepping, serves

PLACES = 8192  # that are scored at once, so that memory stays bounded
ROOM = 256  # places a fresh cache has; it is doubled when they are filled

_PACKED: WeakKeyDictionary[LLM, tuple[tuple, Packed]] = WeakKeyDictionary()  # not in the model: copies make their own


@dataclass
class Reading:
    """How far each of n sequences has been read: `counts` (N,) tokens, and each layer's keys and values of them.

    `stepping` reads on in C where that can be done: with the weights there were when the reading began.
    """

    caches: list[Cache]
    counts: Tensor
    given: Tensor | None = None
    stepping: Stepping | None = None

    @property
    def room(self) -> int:
        return self.caches[0].keys.shape[2]

    def rewind(self, row: int, count: int) -> None:
        """Forget what sequence `row` holds beyond its first `count` places."""
        self.counts[row] = min(count, int(self.counts[row]))

    def clear(self, row: int) -> None:
        """Forget sequence `row` and all that its storage holds: a NaN in it would spread even from where none looks."""
        for cache in self.caches:
            cache.keys[row].zero_()
            cache.values[row].zero_()
        self.counts[row] = 0

    def copy(self, source: int, target: int, count: int) -> None:
        """Make sequence `target` the first `count` places of sequence `source`."""
        for cache in self.caches:
            cache.keys[target, :, :count] = cache.keys[source, :, :count]
            cache.values[target, :, :count] = cache.values[source, :, :count]
        self.counts[target] = count


class LLM(Autoregression):
    """P(x | given) as the product of P(x_t | x_<t, given), by a causal Transformer whose weights others can read.

    For pretrained weights and what is fine-tuned from them; `decoder` is quicker to learn from nothing.
    """

    @dataclass(frozen=True)
    class Config:
        """The fields of `nets.language.Anatomy`; channels 0 = width / heads, hidden 0 = 8/3 of width in steps of 32.

        tied: the head is the embedding's own matrix.
        """

        layers: int = 2
        width: int = 128
        heads: int = 2
        groups: int = 0
        channels: int = 0
        hidden: int = 0
        norm: Literal["rms", "layer"] = "rms"
        epsilon: float = 1e-5
        gated: bool = True
        query_bias: bool = False
        out_bias: bool = False
        feed_bias: bool = False
        query_norm: bool = False
        positions: Literal["rotary", "learned"] = "rotary"
        base: float = 10_000.0
        stretch: tuple[float, ...] = ()
        unturned: tuple[int, ...] = ()
        window: int = 0
        tied: bool = True

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: LLM.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if not config.channels and config.width % config.heads:
            return f"model.width {config.width} should be a multiple of model.heads {config.heads}"
        if config.groups and config.heads % config.groups:
            return f"model.heads {config.heads} should be a multiple of model.groups {config.groups}"
        if config.positions == "learned" and len(space.shape) > 1:  # type: ignore[union-attr]
            return "model.positions=learned is for texts; grids of tokens take rotary, or the family 'decoder'"
        if config.stretch and len(config.stretch) != 4:
            return f"model.stretch has {len(config.stretch)} numbers; it takes factor, low, high and first length"
        return None

    def __init__(self, space: Tokens, given: Columns | None, config: LLM.Config):
        c = config
        super().__init__(space, given, config, c.positions == "learned")
        self.kind: Kind = "fp32"  # how the weights were rounded for use
        self.trunk = LanguageTrunk(
            Anatomy(
                *(c.layers, c.width, c.heads, c.groups or c.heads, c.channels or c.width // c.heads),
                c.hidden or -(-8 * c.width // 96) * 32,
                **{k: getattr(c, k) for k in ("norm", "epsilon", "gated", "query_bias", "out_bias", "feed_bias")},
                **{k: getattr(c, k) for k in ("query_norm", "base", "window")},
                rotary=c.positions == "rotary",
                stretch=tuple(c.stretch) or None,  # type: ignore[arg-type]
                unturned=tuple(c.unturned),
            )
        )
        self.head = None if c.tied else nn.Linear(c.width, space.vocab, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)  # as GPT-2 (Radford et al. 2019, sec. 2.3)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def begin(self, n: int, given: Tensor | None = None, room: int = ROOM) -> Reading:
        counts = torch.zeros(n, dtype=torch.long, device=self.device)
        stepping = Stepping(self._packed()) if serves(self.trunk) else None
        return Reading(self.trunk.caches(n, room, self.embed.weight), counts, given, stepping)

    def read(
        self,
        tokens: Tensor,
        reading: Reading,
        lengths: Tensor | None = None,
        rows: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, V) after further tokens (B, T), of which the first `lengths` (B,) of each row are real.

        rows (B,): which of the reading's sequences these are, without it all in their order; none twice.
        wanted (B,): of how many of each row's last tokens there are logits, one each without it: (sum of wanted, V).
        A text longer than the space is read on: its places grow beyond those seen in training.
        """
        space: Tokens = self.space  # type: ignore[assignment]
        rows = torch.arange(len(tokens), device=tokens.device) if rows is None else rows
        lengths = torch.full_like(rows, tokens.shape[1]) if lengths is None else lengths
        if not space.stream and not int(reading.counts[rows].max()):
            tokens, lengths = torch.cat([self._start(tokens), tokens], 1), lengths + 1
        places = reading.counts[rows, None] + torch.arange(tokens.shape[1], device=tokens.device)
        self._widen(reading, int(places.max()) + 1)
        given = None if reading.given is None else reading.given[rows]
        x = self._embedded(tokens, given, places)
        reading.counts[rows] += lengths
        real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        which = lengths.cumsum(0) - 1
        if wanted is not None:
            which = torch.cat([torch.arange(end - n, end) for end, n in zip((which + 1).tolist(), wanted.tolist())])
        if reading.stepping is not None and not torch.is_grad_enabled():
            slots = rows[:, None].expand_as(places)
            return reading.stepping(x[real], reading.caches, slots[real], places[real], which)
        hidden = self.trunk(x, places, caches=reading.caches, rows=rows)
        return self.logits(hidden[real][which.to(hidden.device)])

    @torch.no_grad()
    def round_weights(self, kind: Kind = "int8") -> None:
        """Round the weights of all matrices to bytes, 32 neighbours in steps of their own, or to bfloat16 ("bf16").

        Scores are then those of the rounded weights; writing reads a quarter or half of the memory. For use only:
        training goes on from numbers that no longer move.
        """
        tied = [] if self.head is not None else [self.embed]
        for part in [m for m in self.modules() if isinstance(m, nn.Linear)] + tied:
            part.weight.copy_(blockwise(part.weight) if kind == "int8" else part.weight.bfloat16().float())
        self.kind = kind

    def _packed(self) -> Packed:
        """The weights as C reads them, made anew when they changed."""
        shut = [at for at, part in enumerate(self.modules()) if not getattr(part, "active", True)]  # adapters left out
        now = (self.kind, *shut, *((p.data_ptr(), p._version) for p in self.parameters()))
        if self not in _PACKED or _PACKED[self][0] != now:
            self.release()
            _PACKED[self] = (now, Packed(self.trunk, self._readout, self.kind))
        return _PACKED[self][1]

    def release(self) -> None:
        """Let go of the copy of the weights that reading makes, as large as they are: a step would make it old."""
        _PACKED.pop(self, None)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x | given) in nats, (B,), of the tokens that count; some rows and some logits at a time."""
        parts, size = [], max(1, PLACES // max(1, x[0].numel()))
        for start in range(0, len(x), size):
            some = [None if t is None else t[start : start + size] for t in (x, given, mask)]
            if mask is not None and x.ndim == 2:  # nothing beyond the last token that counts is read
                end = 2 + int(some[2].any(0).nonzero().amax()) if some[2].any() else 2  # type: ignore[union-attr]
                some = [some[0][:, :end], some[1], some[2][:, :end]]  # type: ignore[index]
            hidden, targets, counted = self._predict(*some)  # type: ignore[arg-type]
            counted = torch.ones_like(targets, dtype=torch.bool) if counted is None else counted
            nats = readout.nats(hidden[counted], self._readout, targets[counted])
            parts.append(-torch.zeros(counted.shape, device=x.device).masked_scatter(counted, nats).sum(1))
        return torch.cat(parts)

    @property
    def _readout(self) -> Tensor:
        """The matrix (V, D) whose product with a state are its logits."""
        return self.embed.weight[: self.space.vocab] if self.head is None else self.head.weight  # type: ignore[union-attr]

    def mean_nats(
        self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None, parts: Tensor | None = None
    ) -> Tensor:
        """Mean of -log P over all targets that count, (); logits are made for these alone, some at a time.

        parts (B, T): numbers of the documents of a row, none of which sees another.
        """
        if parts is not None:
            mask = within(parts, mask)
        hidden, targets, counted = self._predict(x, given, mask, parts)
        where = slice(None) if counted is None else counted.flatten()
        return readout.mean_nats(hidden.flatten(0, 1)[where], self._readout, targets.flatten()[where])

    def _hidden(
        self, tokens: Tensor, given: Tensor | None, reading: Reading | None = None, parts: Tensor | None = None
    ) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        if parts is not None:
            starts = F.pad(parts[:, 1:] != parts[:, :-1], (1, 0), value=True)
            places = places - torch.where(starts, places, 0).cummax(1).values
        return self.trunk(self._embedded(tokens, given, places), None if parts is None else places, parts)

    def _embedded(self, tokens: Tensor, given: Tensor | None, places: Tensor) -> Tensor:
        """What the trunk is shown of tokens (B, T) at places (B, T), (B, T, D)."""
        x = self.embed(tokens)
        if self.places:
            last = self.space.length - 1  # type: ignore[union-attr]
            x = x + self.places["embed_0"](places.clamp(max=last))
        if given is not None:
            x = x + sum(table(given[:, k]) for k, table in enumerate(self.labels.values())).unsqueeze(1)
        return x

    def _widen(self, reading: Reading, needed: int) -> None:
        """Room for `needed` places; the storage doubles, so that copying costs little."""
        if needed <= reading.room:
            return
        room = max(needed, 2 * reading.room)
        for cache in reading.caches:
            n, groups, old, channels = cache.keys.shape
            for name in ("keys", "values"):
                wide = cache.keys.new_zeros(n, groups, room, channels)
                wide[:, :, :old] = getattr(cache, name)
                setattr(cache, name, wide)
