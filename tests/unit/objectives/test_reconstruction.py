"""Reconstruction: how examples are spoilt, what sparsity costs; no gradient reaches codes from their mixture."""

import math

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns, Dense, Number, Tokens
from conjure.models.autoencoder import Autoencoder
from conjure.objectives.reconstruction import Reconstruction, penalty, spoilt

Config = Reconstruction.Config


def test_masking_hides_its_part_by_the_lowest_value_or_any_token():
    box, words = Dense((50,), -1.0, 1.0), Tokens(100, (50,))
    x = spoilt(torch.ones(200, 50), box, Config(masking=0.3), Noise(0))
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    assert (x == -1).float().mean().item() == pytest.approx(0.3, abs=0.02)
    tokens = spoilt(torch.full((200, 50), 7), words, Config(masking=0.3), Noise(0))
    assert words.contains(tokens)
    assert (tokens != 7).float().mean().item() == pytest.approx(0.3 * 0.99, abs=0.02)


def test_noise_shakes_numbers_and_leaves_codes():
    rows = Columns((Category("a", 3), Number("n")))
    x = spoilt(torch.ones(2000, 2), rows, Config(noise=0.5), Noise(0))
    assert (x[:, 0] == 1).all()
    assert x[:, 1].std().item() == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ConfigError, match=r"objective\.masking"):
        Reconstruction(Autoencoder(Tokens(3, (4,)), None, Autoencoder.Config(width=8)), Config(noise=0.1))


def test_sparse_penalties_by_hand():
    z = torch.tensor([[0.0, 2.0], [0.0, -4.0]])
    assert penalty(z, Config(sparse="l1")).item() == pytest.approx(3.0)
    z = torch.zeros(4, 1)  # half active
    expected = 0.1 * math.log(0.1 / 0.5) + 0.9 * math.log(0.9 / 0.5)
    assert penalty(z, Config(sparse="kl", active=0.1)).item() == pytest.approx(expected, rel=1e-5)


def test_the_mixture_over_codes_moves_no_code():
    torch.manual_seed(0)
    model = Autoencoder(Dense((4,)), None, Autoencoder.Config(latent=2, width=8, layers=1, components=3))
    x = torch.randn(16, 4)
    _, _, density = model.reconstruction(x, x, None)
    density.mean().backward()
    assert all(p.grad is None or not p.grad.any() for p in model.reader.parameters())
    assert all(p.grad.any() for p in model.codes.parameters())


def test_validation_is_of_unspoilt_examples():
    goal = Reconstruction(Autoencoder(Dense((4,)), None, Autoencoder.Config(latent=2, width=8)), Config(noise=9.0))
    x = torch.randn(16, 4)
    with torch.no_grad():
        value = goal.validate(Batch(x, noise=Noise(0)))["loss"]
        assert value.item() == pytest.approx(-goal.model.log_prob(x).mean().item(), rel=1e-5)
