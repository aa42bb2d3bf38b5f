"""The evidence lower bound: what is weighed, what is free, and when."""

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Dense
from conjure.models.vae import VAE
from conjure.objectives.elbo import ELBO

X = torch.randn(8, 2)


def objective(**settings):
    return ELBO(VAE(Dense((2,)), None, VAE.Config(width=8, latent=3, layers=1)), ELBO.Config(**settings))


def parts(goal):
    """(reconstruction, kl (B, latent)) under the batch's own noise."""
    like, kl = goal.model.elbo_terms(X, None, Noise(5).normal(8, 3))
    return -like.mean(), kl


def loss(goal):
    return goal.loss(Batch(X, noise=Noise(5)))[0]


def test_the_loss_is_the_reconstruction_plus_beta_times_the_divergence():
    goal = objective(beta=0.3)
    reconstruction, kl = parts(goal)
    assert loss(goal).item() == pytest.approx((reconstruction + 0.3 * kl.sum(1).mean()).item(), rel=1e-5)


def test_free_bits_lay_a_floor_under_each_latent_number():
    goal = objective(free_bits=0.5)
    reconstruction, kl = parts(goal)
    expected = reconstruction + torch.where(kl > 0.5, kl, 0.5).sum(1).mean()
    assert loss(goal).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_weight_grows_over_the_annealed_part():
    goal = objective(beta=2.0, anneal=0.5)
    weights = []
    for fraction in (0.0, 0.25, 0.5, 1.0):
        goal.progress(fraction)
        weights.append(goal.weight)
    assert weights == [0, 1, 2, 2]


@torch.no_grad()
def test_validation_is_the_plain_bound_whatever_training_weighs():
    goal = objective(beta=0.1, anneal=0.9, free_bits=3.0)
    goal.progress(0.0)
    reconstruction, kl = parts(goal)
    value = goal.validate(Batch(X, noise=Noise(5)))["loss"].item()
    assert value == pytest.approx((reconstruction + kl.sum(1).mean()).item(), rel=1e-5)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match=r"objective\.anneal"):
        ELBO.Config(anneal=1.5)
