"""The codec's terms by hand, and the moves of its game."""

from __future__ import annotations

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Dense
from conjure.domains.protocol import Encoded
from conjure.models.vq import VQ
from conjure.objectives import everywhere
from conjure.objectives.coding import Coding
from conjure.objectives.features import feature_distance
from conjure.objectives.quantisation import commitment
from conjure.objectives.spectral import QUIET, spectral_distance
from conjure.training.data import Examples
from conjure.training.settings import Training
from conjure.training.threads import choose_threads


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


def test_a_dead_code_is_set_down_on_the_same_vector_by_one_process_as_by_two(monkeypatch):
    """Examples are dealt out in turn: rows 0, 2, ... of the batch to the first process, 1, 3, ... to the second."""
    x, at = torch.randn(6, 5, 3), torch.tensor([0, 7, 12, 29, 14])  # six examples of five frames
    alone = everywhere.picked(x.flatten(0, 1), at, 5)
    monkeypatch.setattr(everywhere, "world", lambda: 2)
    monkeypatch.setattr(everywhere, "total", lambda part: part)
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(everywhere.dist, "get_rank", lambda rank=rank: rank)
        shares.append(everywhere.picked(x[rank::2].flatten(0, 1), at, 5))
    assert torch.equal(sum(shares), alone)
    assert all(float(share.abs().sum()) > 0 for share in shares)
    many = [Noise(3, "batch", rank=rank, world=2).alike(4) for rank in (0, 1)]
    assert torch.equal(many[0], many[1])
    assert torch.equal(many[0], Noise(3, "batch").alike(4))


def test_the_probe_for_threads_leaves_the_books_alone(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    goal, asked = coding(), []
    before = {k: v.clone() for k, v in goal.state_dict().items()}
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    examples = Examples(Encoded(some(8).x))
    assert choose_threads(goal, examples, Training(steps=1, batch=4)) in (1, 2)
    assert set(asked) == {1, 2}
    assert all(torch.equal(v, before[k]) for k, v in goal.state_dict().items())


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
