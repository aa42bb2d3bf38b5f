"""Which tokens a rule leaves or bars, before a note is drawn: masks (N, vocab) over N pieces written side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from conjure.domains.music import leading
from conjure.domains.music.grids import HOLD, LOWEST, SILENT
from conjure.domains.music.piece import TICKS

if TYPE_CHECKING:
    from conjure.domains.music.voices import Plan, Voices

LAST = TICKS  # the last quarter note is where the end is looked at


def endings(form: Voices, plans: list[Plan]) -> Tensor:
    """Where the end is (N, T): the last quarter note of each plan, and the frames that it repeats."""
    found = torch.zeros(len(plans), form.facts.frames, dtype=torch.bool)
    for row, plan in enumerate(plans):
        found[row, max(0, plan.frames - LAST * form.step // TICKS) : plan.frames] = True
        for frame in found[row].nonzero().flatten().tolist() if plan.form else ():
            if (source := plan.form.sources[frame]) >= 0:  # type: ignore[union-attr]
                found[row, source] = True
    return found


def repeating(plans: list[Plan], at: Any, vocab: int) -> Tensor:
    """What a form leaves of the tokens of this frame (N, vocab)."""
    found, x = np.ones((len(plans), vocab), bool), at.x.numpy()
    for row, plan in enumerate(plans):
        if plan.form:
            found[row] = plan.form.allowed(at.frame, at.voice, x[row : row + 1], vocab)[0]
    return torch.from_numpy(found)


def given_sounds(known: Tensor) -> Tensor:
    """What given voices sound (N, T, V): a pitch's token, or SILENT where nothing is given."""
    at = torch.arange(known.shape[1])[:, None]
    begun = torch.where(known == HOLD, -1, at).cummax(1).values
    return torch.where(begun < 0, SILENT, known.gather(1, begun.clamp(min=0))).clamp(min=SILENT)


def parallel(at: Any, others: list[tuple[int, Tensor]], intervals: tuple[int, ...], vocab: int) -> Tensor:
    """Which tokens (N, vocab) would make parallels with a voice whose note is known; intervals from the later voice up.

    at: where writing is (`models/chords.py`); others: voices with what they sound (N,).
    """
    tokens, before = torch.arange(vocab), at.before[:, at.voice]
    moved = (tokens >= LOWEST) & (tokens != before[:, None]) & (before >= LOWEST)[:, None]
    bad = torch.zeros_like(moved)
    for u, now in others:
        was, up = at.before[:, u], 1 if u < at.voice else -1
        there = (was >= LOWEST) & (now >= LOWEST) & (now != was)
        first = (was - before) * up % 12
        perfect = there & torch.isin(first, torch.tensor(intervals))
        same = (now[:, None] - tokens) * up % 12 == first[:, None]
        along = (tokens > before[:, None]) == (now > was)[:, None]
        bad |= moved & same & along & perfect[:, None]
    return bad


def crossed(before: Tensor, voice: int, others: list[tuple[int, Tensor]], vocab: int) -> Tensor:
    """Which tokens (N, vocab) would put a voice above one before it, or below one after it."""
    tokens = torch.arange(vocab).expand(len(before), -1).clone()
    tokens[:, HOLD] = before
    bad = torch.zeros(tokens.shape, dtype=torch.bool)
    for u, now in others:
        there = ((now >= LOWEST)[:, None]) & (tokens >= LOWEST)
        bad |= there & ((tokens > now[:, None]) if u < voice else (tokens < now[:, None]))
    return bad


def leapt(before: Tensor, vocab: int) -> Tensor:
    """Which tokens (N, vocab) are more than an octave from what a voice sounds."""
    tokens = torch.arange(vocab)
    wide = (tokens - before[:, None]).abs() > leading.LEAP
    return wide & (tokens >= LOWEST) & (before >= LOWEST)[:, None]
