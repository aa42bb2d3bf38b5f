"""A writer of frames asked note by note, as policy optimisation asks (`objectives/rollout.py`): cells in reading order.

The family itself is in `models/chords.py`; what is here only reads its parts in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from conjure.models.chords import Chords


@dataclass
class Writing:
    """How far n grids are written. past: the frame before, what sounded in it, and a frame earlier, each (N, 1, V);
    frame: tokens of this frame so far, with what they sound, each (N,); entered and sums: see `NoteWriter.begin`.
    """

    given: Tensor | None
    ahead: Tensor | None
    past: tuple[Tensor, Tensor, Tensor]
    state: tuple[Tensor, ...] | Tensor | None
    entered: Tensor
    sums: Tensor
    frame: list[tuple[Tensor, Tensor]]
    count: int = 0


def begin(model: Chords, n: int, given: Tensor | None) -> Writing:
    """n grids of which nothing is written, under conditions (N, T, C) of exactly the frames to come."""
    voices = model.space.shape[1]  # type: ignore[union-attr]
    silent = torch.zeros(n, 1, voices, dtype=torch.long, device=model.device)
    past = (torch.full_like(silent, model.writer.vocab), silent, silent)
    nothing = silent.new_zeros(0)
    ahead = None if given is None or model.ahead is None else model.ahead(given)
    writing = Writing(given, ahead, past, None, nothing, nothing, [])
    _turn(model, writing)
    return writing


def read(model: Chords, tokens: Tensor, writing: Writing) -> Tensor:
    """Logits (N, vocab) of the note after further ones (N, k), which the writing then holds."""
    for token in tokens.unbind(1):
        voice, near = len(writing.frame), token
        if model.config.marks > 1:
            near = torch.where(token == 1, writing.past[1][:, 0, voice], token)
        writing.sums = writing.sums + model.writer.note(voice, token, near, _home(model, writing, len(tokens)))
        writing.frame.append((token, near))
        if len(writing.frame) == model.space.shape[1]:  # type: ignore[union-attr]
            x, now = (torch.stack(column, 1).unsqueeze(1) for column in zip(*writing.frame))
            writing.past = (x, now, writing.past[1])
            writing.count, writing.frame = writing.count + 1, []
            _turn(model, writing)
    voice = len(writing.frame)
    before = writing.past[1][:, 0]
    rest = [(torch.zeros_like(before[:, 0]),) * 2] * (before.shape[1] - voice)
    x, now = (torch.stack(column, 1) for column in zip(*writing.frame, *rest))
    frame = (x, now, before, _told(writing, before), _home(model, writing, len(tokens)))
    logits = model.writer.next(voice, (writing.entered, writing.sums), frame)
    if model.config.sets:
        near = now[:, voice - 1] if voice else now[:, 0]
        logits = logits.masked_fill(model.barred(near[:, None, None], voice)[:, 0, 0], -torch.inf)
    return logits


def _told(writing: Writing, before: Tensor) -> Tensor:
    """Tokens of this frame that are given, -1 elsewhere, (N, V); past the last frame nothing is asked."""
    if writing.given is None:
        return torch.full_like(before, -1)
    return writing.given[:, min(writing.count, writing.given.shape[1] - 1), -before.shape[1] :] - 1


def _home(model: Chords, writing: Writing, n: int) -> Tensor:
    """What the condition says of this frame's key, (N,)."""
    if writing.given is None:
        return model.home(None, (n,))
    return model.home(writing.given[:, min(writing.count, writing.given.shape[1] - 1)], (n,))


def _turn(model: Chords, writing: Writing) -> None:
    """Go on to the next frame; past the last one its condition stands still, and nothing is asked of it."""
    t = writing.count
    ahead = None if writing.ahead is None else writing.ahead[:, min(t, writing.ahead.shape[1] - 1)].unsqueeze(1)
    home = _home(model, writing, len(writing.past[0])).unsqueeze(1)
    entered = model.entered((*writing.past, home), t, ahead)
    y, writing.state = model.trunk(entered, writing.state)
    writing.entered, writing.sums = model.writer.begin(torch.cat([y, entered], 2)[:, 0])


def trace(model: Chords, x: Tensor, given: Tensor | None, real: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """log P of marked cells at a temperature (n,), and the states of their frames (n, D).

    x and real (B, L): cells in reading order, or (B, T, V).
    """
    grid, where = _grid(model, x), _grid(model, real)
    states, logits = model.read_frames(grid, given)
    nats = F.cross_entropy(logits[where].float() / temperature, grid[where], reduction="none")
    return -nats, states.unsqueeze(2).expand(*grid.shape, -1)[where]


def states(model: Chords, x: Tensor, given: Tensor | None, real: Tensor) -> Tensor:
    """The states alone, (n, D)."""
    grid, where = _grid(model, x), _grid(model, real)
    return model.read_states(grid, given)[0].unsqueeze(2).expand(*grid.shape, -1)[where]


def _grid(model: Chords, x: Tensor) -> Tensor:
    """Cells (B, L) as frames (B, T, V), the last one filled up."""
    voices = model.space.shape[1]  # type: ignore[union-attr]
    x = x.flatten(1)
    return F.pad(x, (0, -x.shape[1] % voices)).unflatten(1, (-1, voices))
