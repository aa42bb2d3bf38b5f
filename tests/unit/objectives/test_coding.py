"""The codec's terms by hand, and the moves of its game."""

from __future__ import annotations

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Dense
from conjure.models.vq import VQ
from conjure.objectives.coding import Coding
from conjure.objectives.features import feature_distance
from conjure.objectives.quantisation import commitment
from conjure.objectives.spectral import QUIET, spectral_distance


def test_commitment_by_hand():
    assert float(commitment(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))) == pytest.approx((25 + 1) / 2)


def test_spectral_distance_by_hand():
    wave = torch.sin(2 * torch.pi * 0.1 * torch.arange(2048.0))[None]
    converged, logs = spectral_distance(wave, wave, (256, 512))
    assert float(converged) == 0 == float(logs)
    converged, logs = spectral_distance(wave, 0.5 * wave, (256,))
    assert float(converged) == pytest.approx(0.5 / 1.01, abs=1e-3)
    assert 0 < float(logs) < 0.6931  # log 2 where it is loud, less where both are quiet
    silence = torch.zeros_like(wave)
    assert float(spectral_distance(silence, silence + QUIET / 100, (256,))[1]) < 0.1


def test_features_are_compared_relative_to_their_size_and_real_ones_get_no_gradient():
    real = [torch.full((2, 3), 4.0, requires_grad=True)]
    made = [torch.full((2, 3), 3.0, requires_grad=True)]
    found = feature_distance(real, made)
    assert found.item() == pytest.approx(0.25)
    found.backward()
    assert real[0].grad is None
    assert made[0].grad is not None


def coding(**config) -> Coding:
    torch.manual_seed(0)
    model = VQ(Dense((512,), -1.0, 1.0), None, VQ.Config(hop=16, width=16, layers=1, latent=4, codes=8, levels=2))
    return Coding(model, Coding.Config(**{"crop": 256, "channels": 4, **config}))


def some(n=6) -> Batch:
    return Batch(torch.rand(n, 512, generator=torch.Generator().manual_seed(0)) - 0.5, noise=Noise(0, "batch"))


def test_the_game_begins_when_its_time_has_come():
    goal = coding(after=0.5)
    goal.progress(0.2)
    assert [move.player for move in goal.moves(some())] == ["model"]
    goal.progress(0.5)
    assert [move.player for move in goal.moves(some())] == ["model", "critic"]
    alone = coding(game=0.0)
    assert list(alone.players()) == ["model"]
    assert [move.player for move in alone.moves(some())] == ["model"]


def test_books_move_in_training_alone_and_alike_for_the_same_step():
    one, other = coding(), coding()
    before = one.model.books.books.clone()
    one.validate(some())
    assert torch.equal(one.model.books.books, before)
    for goal in (one, other):
        list(goal.moves(some()))
    assert not torch.equal(one.model.books.books, before)
    assert torch.equal(one.model.books.books, other.model.books.books)


def test_training_sees_crops_and_validation_the_whole():
    goal = coding()
    assert goal._cropped(some()).shape == (6, 256)
    x = some().x
    assert any(torch.equal(goal._cropped(some())[0], x[0, k : k + 256]) for k in range(257))
    assert set(goal.validate(some())) == {"loss", "wave", "convergence", "magnitude", "commitment", "codes in use"}


@pytest.mark.parametrize("wrong", [{"windows": (100,)}, {"after": 1.0}, {"game": -1.0}, {"crop": 8}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ConfigError, match="objective"):
        coding(**wrong)
