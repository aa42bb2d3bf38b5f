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
HOLD = 1  # the token "goes on", where there are two marks
SWAY = 4.0  # how many nats a weight of `Motions` is worth: rare cells are moved by few steps of training
LEAP = 24  # the widest step of a voice that is told from wider ones
DEGREES = 25  # of the scale, in major and minor, and none
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


def degrees(x: Tensor, home: Tensor, marks: int) -> Tensor:
    """Of each token the degree of the scale, from 1 (major) and 13 (minor); 0 for silence and where home is 0, unknown.

    home - 1 is 12 mode + the tonic's class, counted in tokens. Shapes: x (..., V), home (...), result (..., V).
    """
    known = (x >= marks) & (home > 0).unsqueeze(-1)
    at = (home - 1).clamp(min=0).unsqueeze(-1)
    return torch.where(known, (x - at) % 12 + at // 12 * 12 + 1, 0)


class FrameReader(nn.Module):
    """The frames before as vectors: tokens, what sounded, its degrees, and by which step each voice came there.

    Shapes: before, sounded and earlier (B, T, V), home (B, T), result (B, T, D).
    """

    def __init__(self, voices: int, vocab: int, width: int, marks: int, keyed: bool):
        super().__init__()
        self.degrees = Tables(voices, DEGREES, width) if keyed else None
        self.vocab, self.marks = vocab, marks
        self.tokens = Tables(voices, vocab + 1, width)
        self.sounds = Tables(voices, vocab + 1, width) if marks > 1 else None
        self.steps = Tables(voices, 2 * LEAP + 2, width)

    def forward(self, before: Tensor, sounded: Tensor, earlier: Tensor, home: Tensor) -> Tensor:
        """`before` holds `vocab` where there was no frame; sounded is its sounding tokens, earlier the frame before."""
        both = (sounded >= self.marks) & (earlier >= self.marks) & (before < self.vocab)
        steps = torch.where(both, (sounded - earlier).clamp(-LEAP, LEAP) + LEAP + 1, 0)
        x = self.tokens(before) + self.steps(steps)
        x = x if self.sounds is None else x + self.sounds(sounded)
        return x if self.degrees is None else x + self.degrees(degrees(sounded, home, self.marks))


class Company(nn.Module):
    """What each voice knows of others in a frame: which stand in it already, written before it or given."""

    def __init__(self, voices: int):
        super().__init__()
        at = torch.arange(voices)
        self.register_buffer("written", at[None, :] < at[:, None], persistent=False)
        self.register_buffer("later", at[None, :] > at[:, None], persistent=False)

    def heard(self, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """For each voice (last but one) what each other sounds, -1 where unknown, and whether it goes on."""
        given = torch.where(told == HOLD, before, told)
        heard = torch.where(self.written, now.unsqueeze(-2), torch.where(self.later, given.unsqueeze(-2), -1))
        return heard, torch.where(self.written, tokens.unsqueeze(-2), told.unsqueeze(-2)) == HOLD


class Others(Company):
    """What other voices sound in a frame, where it is written or given, and sounded in the last, as steps from the note
    this voice leaves.

    A chord is thus completed alike in every key. Shapes: tokens, now, before and told (..., V), result (..., V, D).
    """

    def __init__(self, voices: int, width: int, marks: int):
        super().__init__(voices)
        self.voices, self.marks, self.span = voices, marks, 2 * REACH + 1
        self.states = 3 + 2 * self.span  # unknown, silent, no note to count from; steps to notes begun, to notes held
        self.chords = 1 + self.span  # of the last frame: nothing to count, steps
        self.embed = nn.Embedding(voices * voices * (self.states + self.chords), width)
        nn.init.normal_(self.embed.weight, std=0.05)
        at = torch.arange(voices)
        pairs = at[:, None] * voices + at
        starts = torch.cat([pairs * self.states, voices * voices * self.states + pairs * self.chords], 1)
        self.register_buffer("starts", starts, persistent=False)  # (V, 2 V)

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
        heard, held = self.heard(tokens, now, before, told)
        own = before.unsqueeze(-1)
        step = (heard - own).clamp(-REACH, REACH) + REACH + 3 + self.span * held
        step = torch.where(own < self.marks, 2, step)
        step = torch.where(heard < self.marks, 1, step)
        now_ = torch.where(heard < 0, 0, step)
        last, both = before.unsqueeze(-2), (before.unsqueeze(-2) >= self.marks) & (own >= self.marks)
        return torch.cat([now_, torch.where(both, (last - own).clamp(-REACH, REACH) + REACH + 1, 0)], -1)


class Motions(Company):
    """What a voice's step does to its interval with each other one: a weight for every way from interval to interval.

    Logits of the steps -REACH to REACH of a voice, and of going on: the sum over other voices whose notes are known of
    W[pair, interval before, interval after, motion of the other, own motion]. Intervals count modulo the octave;
    motions are going on, the same note again, up, down. What is done together by two voices (thirds, parallel fifths)
    is thus learnt at once for all keys, heights and chords: a factor of two variables (Lafferty et al. 2001, eq. 3).

    Shapes: tokens, now, before and told (..., V), result (..., V, 2 REACH + 2).
    """

    def __init__(self, voices: int, marks: int):
        super().__init__(voices)
        self.voices, self.marks = voices, marks
        self.weight = nn.Parameter(torch.zeros(voices * voices, 12 * 12 * 4 * 4))
        steps = torch.arange(-REACH, REACH + 1)
        own, other = _motions(steps), _motions(torch.arange(-12, 13))
        interval = torch.arange(12)[:, None, None]
        after = (
            interval
            + torch.cat([steps, steps.new_zeros(1)])
            - torch.cat([torch.arange(-12, 13), steps.new_zeros(1)])[:, None]
        ) % 12
        places = ((interval * 12 + after) * 4 + other[:, None]) * 4 + own
        self.register_buffer("places", places.flatten(0, 1), persistent=False)  # (12 * 26, 2 REACH + 2)

    def forward(self, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """Arguments as `Others` takes them."""
        states, known = self._states(tokens, now, before, told)
        table = self.weight[:, self.places.flatten()].view(-1, self.places.shape[1])  # (V * V * 312, steps)
        table = torch.cat([table, table.new_zeros(1, table.shape[1])])
        at = torch.arange(self.voices**2, device=states.device).view(self.voices, self.voices) * len(self.places)
        index = torch.where(known, states + at, len(table) - 1)
        return SWAY * F.embedding_bag(index.flatten(0, -2), table, mode="sum").unflatten(0, index.shape[:-1])

    def of(self, voice: int, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> Tensor:
        """The same for one voice alone, (..., 2 REACH + 2)."""
        states, known = (t[..., voice, :] for t in self._states(tokens, now, before, told))
        weights = self.weight.unflatten(0, (self.voices, self.voices))[voice]  # (V, ways)
        found = weights[torch.arange(self.voices, device=states.device)[:, None], self.places[states]]
        return SWAY * (found * known.unsqueeze(-1)).sum(-2)

    def _states(self, tokens: Tensor, now: Tensor, before: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """For each voice (last but one) and other voice which row of `places`, and whether there is anything to say."""
        heard, held = self.heard(tokens, now, before, told)
        own, last = before.unsqueeze(-1), before.unsqueeze(-2)
        known = (heard >= self.marks) & (own >= self.marks) & (last >= self.marks)
        moved = heard - last
        folded = moved.sign() * ((moved.abs() - 1) % 12 + 1)  # at most an octave, up or down
        return (own - last) % 12 * 26 + torch.where(held, 25, folded + 12), known


def _motions(steps: Tensor) -> Tensor:
    """Motions of steps, and of going on at the end: 0 goes on, 1 the same note again, 2 up, 3 down."""
    return torch.cat([torch.where(steps == 0, 1, torch.where(steps > 0, 2, 3)), steps.new_zeros(1)])


class NoteWriter(nn.Module):
    """Logits of a frame's notes one after the other, from the state of the frame and the notes written before.

    Half of a logit belongs to the height itself; the other half to its distance from the note this voice sounded
    before, and from the note of the voice written just before, so that a step learnt in one key is known in all.
    """

    def __init__(self, voices: int, vocab: int, sizes: tuple[int, int], marks: tuple[int, bool], dropout: float):
        """marks: tokens that are no heights, and whether the key is told."""
        super().__init__()
        (inputs, hidden), (marks, keyed) = sizes, marks
        self.others = Others(voices, hidden, marks) if marks > 1 else None
        self.motions = Motions(voices, marks) if marks > 1 else None
        self.vocab, self.marks, self.span = vocab, marks, 2 * REACH + 1
        self.enter = nn.Linear(inputs, hidden)
        self.written = Tables(voices, vocab, hidden)
        self.heard = Tables(voices, vocab, hidden) if marks > 1 else None
        self.degrees = Tables(voices, DEGREES, hidden) if keyed else None
        self.head_degrees = nn.Linear(hidden, 12) if keyed else None
        self.scale = nn.Parameter(torch.ones(voices, hidden))
        self.shift = nn.Parameter(torch.zeros(voices, hidden))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.mix = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, vocab)
        self.head_steps = nn.Linear(hidden, 2 * self.span)
        self.drop = Shared(dropout)
        for head in filter(None, (self.head, self.head_steps, self.head_degrees)):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, state: Tensor, x: Tensor, around: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """Logits (B, T, V, vocab) of x (B, T, V). around: its sounding tokens, those a frame earlier, tokens that are
        given, -1 elsewhere, each (B, T, V), and home (B, T), see `degrees`.
        """
        now, before, told, home = around
        notes = self._notes(x, now, home)
        sums = torch.cat([torch.zeros_like(notes[..., :1, :]), notes[..., :-1, :].cumsum(-2)], -2)
        if self.others is not None:
            sums = sums + self.others(x, now, before, told)
        near = torch.cat([torch.zeros_like(now[..., :1]), now[..., :-1]], -1)
        motions = None if self.motions is None else self.motions(x, now, before, told)
        entered = self.enter(state).unsqueeze(-2)
        return self._logits((entered, sums), slice(None), (torch.stack([before, near], -1), home), motions)

    def begin(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """The state of one frame as `next` reads it, and the sum of no notes: both (B, D)."""
        entered = self.enter(state)
        return entered, torch.zeros_like(entered)

    def next(self, voice: int, begun: tuple[Tensor, Tensor], frame: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, vocab) of one voice. begun: see `begin`, with the notes written since; frame: x and what is around
        it, as in `forward`, for this frame alone (B, V) and (B,), of which x and now are read up to this voice.
        """
        entered, sums = begun
        _, now, before, _, home = frame
        motions = None
        if self.others is not None and self.motions is not None:
            sums = sums + self.others.of(voice, *frame[:4])
            motions = self.motions.of(voice, *frame[:4]).unsqueeze(1)
        last = now[:, voice - 1] if voice else torch.zeros_like(now[:, 0])
        near, some = torch.stack([before[:, voice], last], 1).unsqueeze(1), slice(voice, voice + 1)
        return self._logits((entered.unsqueeze(1), sums.unsqueeze(1)), some, (near, home), motions).squeeze(1)

    def note(self, voice: int, x: Tensor, now: Tensor, home: Tensor) -> Tensor:
        """What a note written adds to the sum, (B, D), of tokens and sounding tokens (B,)."""
        start = voice * self.vocab
        y = self.written.embed(x + start)
        y = y if self.heard is None else y + self.heard.embed(now + start)
        if self.degrees is None:
            return y
        return y + self.degrees.embed(degrees(now.unsqueeze(-1), home, self.marks)[..., 0] + DEGREES * voice)

    def _notes(self, x: Tensor, now: Tensor, home: Tensor) -> Tensor:
        y = self.written.each(x)
        y = y if self.heard is None else y + self.heard.each(now)
        return y if self.degrees is None else y + self.degrees.each(degrees(now, home, self.marks))

    def _logits(
        self, said: tuple[Tensor, Tensor], voice: slice, near: tuple[Tensor, Tensor], motions: Tensor | None
    ) -> Tensor:
        entered, sums = said
        z = F.gelu(self.norms[0](entered * self.scale[voice] + self.shift[voice] + sums))
        z = self.drop(F.gelu(self.norms[1](z + self.mix(self.drop(z)))))
        logits = self.head(z) + self._by_steps(z, near[0], motions)
        return logits if self.head_degrees is None else logits + self._by_degrees(self.head_degrees(z), near[1])

    def _by_degrees(self, found: Tensor, home: Tensor) -> Tensor:
        """The part that degrees of the scale have a say in: found (..., V, 12), home (...)."""
        tokens = torch.arange(self.vocab, device=home.device)
        degree = (tokens - (home - 1).unsqueeze(-1)) % 12  # (..., vocab)
        known = (home > 0).unsqueeze(-1) & (tokens >= self.marks)
        index = degree.unsqueeze(-2).expand(*found.shape[:-1], -1)
        return found.gather(-1, index) * known.unsqueeze(-2)

    def _by_steps(self, z: Tensor, near: Tensor, motions: Tensor | None) -> Tensor:
        """The half that distances have a say in: near (..., V, 2) are the notes they are counted from."""
        steps = self.head_steps(z).unflatten(-1, (2, self.span))
        if motions is not None:
            steps = steps + F.pad(motions[..., :-1].unsqueeze(-2), (0, 0, 0, 1))
        steps = F.pad(steps, (0, 1))  # the last one: nothing to say
        to = torch.arange(self.vocab, device=z.device) - near.unsqueeze(-1) + REACH
        known = (near.unsqueeze(-1) >= self.marks) & (to >= 0) & (to < self.span)
        known[..., : self.marks] = False
        found = steps.gather(-1, torch.where(known, to, self.span)).sum(-2)
        if motions is None:
            return found
        return found + F.pad(motions[..., -1:], (HOLD, self.vocab - HOLD - 1))
