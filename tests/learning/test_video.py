"""A flow of clips learns a law of motion: a dot that goes one pixel a frame, wherever it is."""

from __future__ import annotations

import torch

from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.flow import Flow
from conjure.objectives.matching import Matching
from tests.learning.toys import learn

FRAMES, SIDE = 3, 12


def dots(n: int, seed: int) -> torch.Tensor:
    """A round spot that moves to the right by one pixel a frame; the field closes upon itself. (N, T, 1, H, W)"""
    rng = torch.Generator().manual_seed(seed)
    start, row = SIDE * torch.rand(n, 1, 1, 1, generator=rng), SIDE // 2
    t, at = torch.arange(FRAMES).view(1, -1, 1, 1), torch.arange(SIDE)
    gaps = [(at.view(1, 1, 1, -1) - start - t), (at.view(1, 1, -1, 1) - row)]
    away = sum(((gap + SIDE / 2) % SIDE - SIDE / 2) ** 2 for gap in gaps)
    return (2 * torch.exp(-away / 3) - 1).unsqueeze(2)


def steps(clips: torch.Tensor) -> torch.Tensor:
    """How far the brightest place moves to the right from frame to frame, around the field, (N, T - 1)."""
    angle = 2 * torch.pi * torch.arange(SIDE) / SIDE
    light = (clips.squeeze(2) + 1).sum(2)  # (N, T, W)
    phase = torch.atan2((light * angle.sin()).sum(2), (light * angle.cos()).sum(2)) * SIDE / (2 * torch.pi)
    return (phase.diff(dim=1) + SIDE / 2) % SIDE - SIDE / 2


def test_made_clips_move_at_the_right_speed():
    """Some ten seconds of training on one core."""
    torch.manual_seed(0)
    model = Flow(Dense((FRAMES, 1, SIDE, SIDE), -1, 1), None, Flow.Config(width=32, channels=8, evaluations=16))
    data = Encoded(dots(2000, 0)), Encoded(dots(64, 1))
    learn(Matching(model, Matching.Config()), data, steps=200, batch=32, rate=8e-3, average=0.97, validate_every=200)
    made = model.sample(64, rng=torch.Generator().manual_seed(0))
    right = ((steps(made) - 1).abs() < 0.5).float().mean()
    assert right > 0.85
    assert ((steps(made.flip(1)) - 1).abs() < 0.5).float().mean() < 0.1
