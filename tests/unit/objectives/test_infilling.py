"""Infilling: which cells of an example are shown, and how often."""

from __future__ import annotations

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Tokens
from conjure.models.chords import Chords
from conjure.objectives.infilling import Infilling


def shown(alone: float, first: float, voices: int = 3) -> torch.Tensor:
    model = Chords(Tokens(5, (6, voices)), Tokens(6, (6, voices + 1)), Chords.Config(width=8, hidden=8, layers=1))
    batch = Batch(torch.ones(4000, 6, voices, dtype=torch.long), noise=Noise(3))
    return Infilling(model, Infilling.Config(alone=alone, first=first))._shown(batch)


def test_shares_of_examples_show_nothing_or_the_first_voice_alone():
    found = shown(0.3, 0.2)
    nothing = ~found.flatten(1).any(1)
    melody = (found == torch.tensor([True, False, False])).flatten(1).all(1)
    by_chance = (shown(0.0, 0.0) == torch.tensor([True, False, False])).flatten(1).all(1).float().mean()
    assert nothing.float().mean() == pytest.approx(0.3, abs=0.06)
    assert melody.float().mean() == pytest.approx(0.2 + 0.5 * float(by_chance), abs=0.03)
    assert shown(0.0, 1.0)[..., 0].all()
    assert not shown(0.0, 1.0)[..., 1:].any()


def test_where_there_is_one_voice_it_is_not_shown_whole():
    assert not shown(0.0, 1.0, voices=1).flatten(1).all(1).all()


def test_shares_beyond_one_are_refused():
    with pytest.raises(ConfigError, match="together at most 1"):
        Infilling.Config(alone=0.7, first=0.4)
