"""Several voices at once, frame by frame: what sounds together is modelled jointly, note after note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.core.space import Space, Tokens
from conjure.models import notes
from conjure.models.decoding import Choice
from conjure.models.notes import Writing
from conjure.models.protocol import Model
from conjure.nets.chords import PERIODS, Ahead, FrameReader, NoteWriter, Shared, Tables, sounding
from conjure.nets.recurrent import Recurrence

ROWS = 256  # examples written side by side
EXAMPLES = 8  # examples computed at a time


@dataclass(frozen=True)
class Moment:
    """Where writing is: the first of the examples written side by side, frame and voice; x (N, T, V) tokens so far;
    now (N, V) what sounds in this frame (voices before this one), before (N, V) what sounded in the last.
    """

    first: int
    frame: int
    voice: int
    x: Tensor
    now: Tensor
    before: Tensor


Allow = Callable[[Moment], list[Tensor]]


class Chords(Model):
    """P(x | given) = prod_t prod_v P(x_tv | x_t,<v, x_<t, given): the chord-wise factorisation.

    A recurrent network carries the frames before; a small one writes the notes of a frame one after the other
    (Boulanger-Lewandowski et al. 2012 join them by a NADE). A condition has as many frames as x; it is read backwards,
    so that every note may know what is given later. Its last V columns are voices: a token of x plus one, or 0 where
    the cell is to be drawn.
    """

    spaces = (Tokens,)
    given_spaces = (Tokens,)
    methods = ("log_prob", "mean_nats", "trace", "states", "read", "begin")
    score_kind = "exact"

    @dataclass(frozen=True)
    class Config:
        """marks: tokens that are no heights, 1 (silence) or 2 (and "goes on"). sets: a frame is a set of notes,
        written from the highest down and filled up with 0. home: which column of the condition says the key, as
        `nets/chords.py: degrees` counts it; -1: none does.
        """

        cell: Literal["gru", "lstm"] = "gru"
        layers: int = 2
        width: int = 192
        hidden: int = 256
        dropout: float = 0.3
        marks: int = 2
        sets: bool = False
        home: int = -1

    @classmethod
    def refuses(cls, space: Space, given: Space | None, config: Chords.Config) -> str | None:
        if reason := super().refuses(space, given, config):
            return reason
        if len(space.shape) != 2 or space.stream or space.end is not None:  # type: ignore[union-attr]
            return "Chords models grids of tokens, frames by voices, without an end"
        if config.marks not in (1, 2) or (config.sets and config.marks != 1):
            return "model.marks is 1 or 2, and 1 where model.sets is true"
        if config.home >= 0 and (given is None or config.home >= given.shape[1] - space.shape[1]):  # type: ignore[union-attr]
            return "model.home is a column of the condition before those of the voices, or -1"
        if given is not None and (len(given.shape) != 2 or given.shape[1] < space.shape[1]):  # type: ignore[union-attr]
            return "Chords takes a condition frame by frame, whose last columns are the voices"
        return None

    def __init__(self, space: Tokens, given: Tokens | None, config: Chords.Config):
        super().__init__(space, given, config)
        c, voices, vocab = config, space.shape[1], space.vocab
        self.reader = FrameReader(voices, vocab, c.width, c.marks, c.home >= 0)
        self.periods = nn.ModuleList(Tables(1, p, c.width) for p in PERIODS)
        self.ahead = None if given is None else Ahead(given.shape[1], given.vocab, c.width)
        self.trunk = Recurrence(c.cell, c.layers, c.width)
        self.writer = NoteWriter(voices, vocab, (2 * c.width, c.hidden), (c.marks, c.home >= 0), c.dropout)
        self.drop = Shared(c.dropout)

    def log_prob(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Exact log P(x | given) in nats, (B,): the sum over cells where mask (B, T, V) is true."""
        return -self.cell_nats(x, given, mask).flatten(1).sum(1)

    def mean_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Mean of -log P over the cells that count, ()."""
        nats = self.cell_nats(x, given, mask)
        return nats.sum() / (nats.numel() if mask is None else mask.sum().clamp(min=1))

    def cell_nats(self, x: Tensor, given: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """-log P of every cell that counts, 0 elsewhere, (B, T, V)."""
        there = self._there(mask, given)
        lengths = torch.zeros(len(x)) if there is None else there.sum(1)
        order = lengths.argsort(stable=True)
        parts = []
        for rows in order.split(EXAMPLES):  # of about one length each, so that little is computed for nothing
            some = (None if t is None else t[rows] for t in (given, mask))
            parts.append(self._nats(x[rows], *some))
        return torch.cat(parts)[order.argsort()]

    def informed(self, x: Tensor, given: Tensor, known: Tensor) -> Tensor:
        """A condition with the cells of x where known (B, T, V) is true filled in."""
        voices = x.shape[2]
        return torch.cat([given[..., :-voices], torch.where(known, x + 1, given[..., -voices:])], 2)

    def begin(self, n: int, given: Tensor | None = None) -> Writing:
        """n grids to be written note by note, under a condition (N, T, C) of just the frames to come."""
        return notes.begin(self, n, given)

    def read(self, tokens: Tensor, writing: Writing) -> Tensor:
        """Logits (N, vocab) of the note after further ones (N, k), in the order of frames and of voices within them."""
        return notes.read(self, tokens, writing)

    def trace(self, x: Tensor, given: Tensor | None, real: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """log P of marked cells at a temperature (n,), and the states of their frames (n, D): see `notes.trace`."""
        return notes.trace(self, x, given, real, temperature)

    def states(self, x: Tensor, given: Tensor | None, real: Tensor) -> Tensor:
        """The states alone, (n, D): a frame's, before any of its notes."""
        return notes.states(self, x, given, real)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        given: Tensor | None = None,
        rng: torch.Generator | None = None,
        choice: Choice | None = None,
        allow: Allow | None = None,
    ) -> Tensor:
        """n grids, drawn note by note; what the condition's voices hold is kept.

        allow: asked before each note for masks (N, vocab) of tokens that may be drawn, the one that matters most
        first; a mask that would leave nothing is passed over for the examples where it would.
        """
        space: Tokens = self.space  # type: ignore[assignment]
        if given is not None:
            given = given.to(self.device).expand(n, -1, -1)
        elif self.given is not None:
            given = torch.zeros(n, space.shape[0], self.given.shape[1], dtype=torch.long, device=self.device)  # type: ignore[union-attr]
        parts = []
        for start in range(0, n, ROWS):
            rows = slice(start, min(n, start + ROWS))
            some = None if given is None else given[rows]
            parts.append(self._write(rows, some, rng, (choice or Choice(), allow)))
        return torch.cat(parts)

    def _write(
        self, rows: slice, given: Tensor | None, rng: torch.Generator | None, how: tuple[Choice, Allow | None]
    ) -> Tensor:
        """The grids of some rows, side by side."""
        n = rows.stop - rows.start
        frames, voices = self.space.shape  # type: ignore[union-attr]
        x = torch.zeros(n, frames, voices, dtype=torch.long, device=self.device)
        before = torch.full((n, 1, voices), self.writer.vocab, device=self.device)
        sounded = torch.zeros_like(before)
        earlier, state = sounded, None
        ahead = None if given is None or self.ahead is None else self.ahead(given)
        home = self.home(given, (n, frames))
        last = frames if given is None else _last((given[..., :-voices] > 0).any(2), frames)
        for t in range(last):
            past = (before, sounded, earlier, home[:, t : t + 1])
            entered = self.entered(past, t, None if ahead is None else ahead[:, t : t + 1])
            y, state = self.trunk(entered, state)
            found = torch.cat([y, entered], 2)[:, 0]
            kept = None if given is None else given[:, t, -voices:] - 1
            moment = Moment(rows.start, t, 0, x, torch.zeros_like(sounded[:, 0]), sounded[:, 0])
            self._write_frame(moment, (found, home[:, t]), kept, (*how, rng))
            before, earlier, sounded = x[:, t : t + 1], sounded, moment.now.unsqueeze(1)
        return x

    def _write_frame(
        self, moment: Moment, state: tuple[Tensor, Tensor], kept: Tensor | None, how: tuple[Choice, Allow | None, Any]
    ) -> None:
        """The notes of one frame, into moment.x and moment.now. state: that of the frame, and its home."""
        (choice, allow, rng), home = how, state[1]
        entered, sums = self.writer.begin(state[0])
        near = torch.zeros_like(moment.now[:, 0])
        told = torch.full_like(moment.now, -1) if kept is None else kept
        for v in range(moment.x.shape[2]):
            before = moment.before[:, v]
            frame = (moment.x[:, moment.frame], moment.now, moment.before, told, home)
            logits = self.writer.next(v, (entered, sums), frame)
            if self.config.sets:
                logits = logits.masked_fill(self.barred(near[:, None, None], v)[:, 0, 0], -torch.inf)
            if allow is not None:
                logits = _allowed(logits, allow(replace(moment, voice=v)))
            token = choice.draw(logits, rng)
            if kept is not None:
                token = torch.where(kept[:, v] >= 0, kept[:, v], token)
            moment.x[:, moment.frame, v] = token
            near = torch.where(token == 1, before, token) if self.config.marks > 1 else token
            moment.now[:, v] = near
            sums = sums + self.writer.note(v, token, near, home)

    def _nats(self, x: Tensor, given: Tensor | None, mask: Tensor | None) -> Tensor:
        """-log P of the cells of examples that fit in memory side by side."""
        frames = x.shape[1]
        used = _last(self._there(mask, given), frames)
        cut = x[:, :used]
        logits = self.read_frames(cut, None if given is None else given[:, :used])[1]
        nats = F.cross_entropy(logits.flatten(0, 2).float(), cut.flatten(), reduction="none").view(cut.shape)
        return F.pad(nats if mask is None else nats * mask[:, :used], (0, 0, 0, frames - used))

    def _there(self, mask: Tensor | None, given: Tensor | None) -> Tensor | None:
        """Frames that matter (B, T): that count, or whose condition says something; None: all."""
        if mask is None:
            return None
        there = mask.any(2)
        if given is None:
            return there
        return there | (given[..., : given.shape[2] - mask.shape[2]] > 0).any(2)

    def read_states(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """(the trunk's state at each frame (B, T, D), what it was shown (B, T, D)), of grids (B, T, V)."""
        now = sounding(x, self.config.marks)
        sounded, earlier = _later(now, 0), _later(_later(now, 0), 0)
        ahead = None if given is None or self.ahead is None else self.ahead(given)
        past = (_later(x, self.writer.vocab), sounded, earlier, self.home(given, x.shape[:2]))
        entered = self.entered(past, 0, ahead)
        return self.trunk(self.drop(entered))[0], entered

    def read_frames(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """(states (B, T, D), what every note is worth given those before it (B, T, V, vocab)) of grids (B, T, V)."""
        y, entered = self.read_states(x, given)
        now = sounding(x, self.config.marks)
        told = torch.full_like(x, -1) if given is None else given[..., -x.shape[2] :] - 1
        around = (now, _later(now, 0), told, self.home(given, x.shape[:2]))
        logits = self.writer(self.drop(torch.cat([y, entered], 2)), x, around)
        if self.config.sets:
            near = torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], 2)
            logits = logits.masked_fill(self.barred(near, None), -torch.inf)
        return y, logits

    def home(self, given: Tensor | None, shape: Sequence[int]) -> Tensor:
        """What the condition says of the key, (B, T); 0 where it says nothing."""
        if given is None or self.config.home < 0:
            return torch.zeros(*shape, dtype=torch.long, device=self.device)
        return given[..., self.config.home]

    def entered(self, past: tuple[Tensor, ...], start: int, ahead: Tensor | None) -> Tensor:
        """What the trunk is shown of frames from `start` on, (B, T, D)."""
        x = self.reader(*past)
        if ahead is not None:
            return x + ahead
        at = torch.arange(start, start + x.shape[1], device=x.device).unsqueeze(1)
        return x + sum(table(at % p) for table, p in zip(self.periods, PERIODS))

    def barred(self, near: Tensor, voice: int | None) -> Tensor:
        """Tokens that a set written from the highest note down cannot go on with; near (B, T, V), result with vocab."""
        tokens = torch.arange(self.writer.vocab, device=near.device)
        barred = (tokens >= near.unsqueeze(-1)) & (tokens > 0)
        first = torch.zeros(near.shape[2], dtype=torch.bool, device=near.device)
        first[0] = voice in (None, 0)
        return barred & ~first[:, None]


def _later(x: Tensor, fill: int) -> Tensor:
    """The frame before in the place of each frame."""
    return torch.cat([torch.full_like(x[:, :1], fill), x[:, :-1]], 1)


def _last(there: Tensor | None, frames: int) -> int:
    """Frames up to the last one that is there (B, T) for any example; all where nothing is said."""
    if there is None:
        return frames
    found = there.any(0).nonzero()
    return int(found.max()) + 1 if len(found) else 1


def _allowed(logits: Tensor, masks: list[Tensor]) -> Tensor:
    """Logits with what is not allowed at minus infinity; a mask that would leave nothing does not count there."""
    open_ = torch.ones_like(logits, dtype=torch.bool)
    for mask in masks:
        both = open_ & mask
        open_ = torch.where(both.any(1, keepdim=True), both, open_)
    return logits.masked_fill(~open_, -torch.inf)
