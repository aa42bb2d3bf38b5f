"""Parts for several voices at once: what each voice sounds, how a frame enters a network, how its notes leave it.

Tokens are integers: 0 is silence, with `marks` = 2 also 1, "goes on sounding"; from `marks` on they are heights in
semitones. B examples, T frames, V voices, D channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conjure.nets.recurrent import Recurrence

REACH = 24  # semitones from a note to those it says something about
LEAP = 24  # the widest step of a voice that is told from wider ones
PERIODS = (8, 6)  # frames: places are known modulo these, where no condition tells them


def sounding(x: Tensor, marks: int) -> Tensor:
    """The token each voice sounds in each frame, "goes on" replaced by what it began with; (B, T, V) in and out."""
    if marks < 2:
        return x
    at = torch.arange(x.shape[1], device=x.device)[:, None]
    begun = torch.where(x == 1, -1, at).cummax(1).values
    return torch.where(begun < 0, 0, x.gather(1, begun.clamp(min=0)))


class Shared(nn.Module):
    """Dropout of the same channels at every place of an example, which a state cannot average away
    (Gal and Ghahramani 2016, section 4). Shapes (B, ..., D) in and out.
    """

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 2), x.shape[-1], device=x.device) >= self.share
        return x * (kept / (1 - self.share))


class Tables(nn.Module):
    """A learned vector for each token of each column, summed over columns: integers (..., K) to (..., D)."""

    def __init__(self, columns: int, size: int, width: int, scale: float = 0.05):
        super().__init__()
        self.size = size
        self.embed = nn.Embedding(columns * size, width)
        nn.init.normal_(self.embed.weight, std=scale)
        self.register_buffer("starts", torch.arange(columns) * size, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.each(x).sum(-2)

    def each(self, x: Tensor) -> Tensor:
        """Before the sum, (..., K, D)."""
        return self.embed(x + self.starts)


class Ahead(nn.Module):
    """What is given of each frame and of all later ones: a network that reads the condition backwards.

    Shapes: given (B, T, C), result (B, T, D).
    """

    def __init__(self, channels: int, vocab: int, width: int):
        super().__init__()
        self.tables = Tables(channels, vocab, width)
        self.back = Recurrence("gru", 1, width)

    def forward(self, given: Tensor) -> Tensor:
        here = self.tables(given)
        later, _ = self.back(here.flip(1))
        return here + later.flip(1)


class FrameReader(nn.Module):
    """The frames before as vectors: tokens, what sounded, and by which step each voice came there.

    Shapes: before, sounded and earlier (B, T, V), result (B, T, D).
    """

    def __init__(self, voices: int, vocab: int, width: int, marks: int):
        super().__init__()
        self.vocab, self.marks = vocab, marks
        self.tokens = Tables(voices, vocab + 1, width)
        self.sounds = Tables(voices, vocab + 1, width) if marks > 1 else None
        self.steps = Tables(voices, 2 * LEAP + 2, width)

    def forward(self, before: Tensor, sounded: Tensor, earlier: Tensor) -> Tensor:
        """`before` holds `vocab` where there was no frame; sounded is its sounding tokens, earlier the frame before."""
        both = (sounded >= self.marks) & (earlier >= self.marks) & (before < self.vocab)
        steps = torch.where(both, (sounded - earlier).clamp(-LEAP, LEAP) + LEAP + 1, 0)
        x = self.tokens(before) + self.steps(steps)
        return x if self.sounds is None else x + self.sounds(sounded)


class Others(nn.Module):
    """What other voices sound in a frame, where it is written or given, as steps from the note this voice leaves.

    A chord is thus completed alike in every key. Shapes: tokens, now, before and told (..., V), result (..., V, D).
    """

    def __init__(self, voices: int, width: int, marks: int):
        super().__init__()
        self.voices, self.marks, self.span = voices, marks, 2 * REACH + 1
        self.states = 3 + 2 * self.span  # unknown, silent, no note to count from; steps to notes begun, to notes held
        self.embed = nn.Embedding(voices * voices * self.states, width)
        nn.init.normal_(self.embed.weight, std=0.05)
        at = torch.arange(voices)
        self.register_buffer("starts", (at[:, None] * voices + at) * self.states, persistent=False)
        self.register_buffer("written", at[None, :] < at[:, None], persistent=False)
        self.register_buffer("later", at[None, :] > at[:, None], persistent=False)

    def forward(self, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """told holds tokens that are given, -1 elsewhere; of tokens and now only voices before one's own are read."""
        return self._sums(self._indices(tokens, now, before, told) + self.starts)

    def of(self, voice: int, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """The same for one voice alone, (..., D)."""
        return self._sums(self._indices(tokens, now, before, told)[..., voice, :] + self.starts[voice])

    def _sums(self, index: Tensor) -> Tensor:
        return F.embedding_bag(index.flatten(0, -2), self.embed.weight, mode="sum").unflatten(0, index.shape[:-1])

    def _indices(self, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """Which state each voice (last) is in for each voice that is written (last but one)."""
        given = torch.where(told == 1, before, told)
        heard = torch.where(self.written, now.unsqueeze(-2), torch.where(self.later, given.unsqueeze(-2), -1))
        held = torch.where(self.written, tokens.unsqueeze(-2), told.unsqueeze(-2)) == 1
        own = before.unsqueeze(-1)
        step = (heard - own).clamp(-REACH, REACH) + REACH + 3 + self.span * held
        step = torch.where(own < self.marks, 2, step)
        step = torch.where(heard < self.marks, 1, step)
        return torch.where(heard < 0, 0, step)


class NoteWriter(nn.Module):
    """Logits of a frame's notes one after the other, from the state of the frame and the notes written before.

    Half of a logit belongs to the height itself; the other half to its distance from the note this voice sounded
    before, and from the note of the voice written just before, so that a step learnt in one key is known in all.
    """

    def __init__(self, voices: int, vocab: int, sizes: tuple[int, int], marks: int, dropout: float):
        super().__init__()
        inputs, hidden = sizes
        self.others = Others(voices, hidden, marks) if marks > 1 else None
        self.vocab, self.marks, self.span = vocab, marks, 2 * REACH + 1
        self.enter = nn.Linear(inputs, hidden)
        self.written = Tables(voices, vocab, hidden)
        self.heard = Tables(voices, vocab, hidden) if marks > 1 else None
        self.scale = nn.Parameter(torch.ones(voices, hidden))
        self.shift = nn.Parameter(torch.zeros(voices, hidden))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.mix = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, vocab)
        self.head_steps = nn.Linear(hidden, 2 * self.span)
        self.drop = Shared(dropout)
        for head in (self.head, self.head_steps):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, state: Tensor, x: Tensor, now: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """Logits (B, T, V, vocab) of x (B, T, V), whose sounding tokens are `now`; `before` sounded a frame earlier,
        `told` are tokens that are given, -1 elsewhere.
        """
        notes = self._notes(x, now)
        sums = torch.cat([torch.zeros_like(notes[..., :1, :]), notes[..., :-1, :].cumsum(-2)], -2)
        if self.others is not None:
            sums = sums + self.others(x, now, before, told)
        near = torch.cat([torch.zeros_like(now[..., :1]), now[..., :-1]], -1)
        voice = slice(None)
        return self._logits(self.enter(state).unsqueeze(-2), sums, voice, torch.stack([before, near], -1))

    def begin(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """The state of one frame as `next` reads it, and the sum of no notes: both (B, D)."""
        entered = self.enter(state)
        return entered, torch.zeros_like(entered)

    def next(self, voice: int, begun: tuple[Tensor, Tensor], frame: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """Logits (B, vocab) of one voice. begun: see `begin`, with the notes written since; frame: x, now, before and
        told of `forward` for this frame alone (B, V), of which x and now are read up to this voice.
        """
        entered, sums = begun
        _, now, before, _ = frame
        if self.others is not None:
            sums = sums + self.others.of(voice, *frame)
        last = now[:, voice - 1] if voice else torch.zeros_like(now[:, 0])
        near, some = torch.stack([before[:, voice], last], 1), slice(voice, voice + 1)
        return self._logits(entered.unsqueeze(1), sums.unsqueeze(1), some, near.unsqueeze(1)).squeeze(1)

    def note(self, voice: int, x: Tensor, now: Tensor) -> Tensor:
        """What a note written adds to the sum, (B, D), of tokens and sounding tokens (B,)."""
        start = voice * self.vocab
        y = self.written.embed(x + start)
        return y if self.heard is None else y + self.heard.embed(now + start)

    def _notes(self, x: Tensor, now: Tensor) -> Tensor:
        y = self.written.each(x)
        return y if self.heard is None else y + self.heard.each(now)

    def _logits(self, entered: Tensor, sums: Tensor, voice: slice, near: Tensor) -> Tensor:
        z = F.gelu(self.norms[0](entered * self.scale[voice] + self.shift[voice] + sums))
        z = self.drop(F.gelu(self.norms[1](z + self.mix(self.drop(z)))))
        return self.head(z) + self._by_steps(z, near)

    def _by_steps(self, z: Tensor, near: Tensor) -> Tensor:
        """The half that distances have a say in: near (..., V, 2) are the notes they are counted from."""
        steps = F.pad(self.head_steps(z).unflatten(-1, (2, self.span)), (0, 1))  # the last one: nothing to say
        to = torch.arange(self.vocab, device=z.device) - near.unsqueeze(-1) + REACH
        known = (near.unsqueeze(-1) >= self.marks) & (to >= 0) & (to < self.span)
        known[..., : self.marks] = False
        return steps.gather(-1, torch.where(known, to, self.span)).sum(-2)
