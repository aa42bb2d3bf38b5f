"""Mixtures over codes against torch's own, and the way between two codes."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from conjure.core.space import Dense
from conjure.models.vae import VAE
from conjure.nets import priors


def parts():
    rng = torch.Generator().manual_seed(0)
    means, log_scales = torch.randn(5, 3, generator=rng), 0.5 * torch.randn(5, 3, generator=rng)
    return means, log_scales, torch.randn(5, generator=rng).log_softmax(0)


def theirs(found):
    means, log_scales, log_weights = found
    return MixtureSameFamily(Categorical(logits=log_weights), Independent(Normal(means, log_scales.exp()), 1))


def test_the_density_is_torchs():
    z = torch.randn(4, 2, 3)
    assert torch.allclose(priors.log_density(z, parts()), theirs(parts()).log_prob(z), atol=1e-4)


def test_draws_have_the_mixtures_moments():
    z = priors.draw(40_000, parts(), torch.Generator().manual_seed(0))
    assert torch.allclose(z.mean(0), theirs(parts()).mean, atol=0.03)
    assert torch.allclose(z.var(0), theirs(parts()).variance, atol=0.1)


@torch.no_grad()
def test_a_vamp_prior_is_the_mean_of_what_the_reader_makes_of_its_inputs():
    torch.manual_seed(0)
    model = VAE(Dense((2,)), None, VAE.Config(latent=3, width=8, layers=1, prior="vamp", components=4))
    real = torch.randn(4, 2)
    model.begin(real)
    assert torch.equal(model.pseudo(), real)
    mean, log_scale = model.posterior(real, None)
    z = torch.randn(6, 3)
    each = Independent(Normal(mean, log_scale.exp()), 1).log_prob(z.unsqueeze(1))
    assert torch.allclose(model.log_prior(z), each.logsumexp(1) - math.log(4), atol=1e-4)


def test_pseudo_inputs_stay_inside_a_box():
    made = priors.PseudoInputs(Dense((1, 2, 2), 0.0, 1.0), 3)
    made.begin(torch.tensor([0.0, 1.0, 0.3]).view(3, 1, 1, 1).expand(3, 1, 2, 2))
    assert ((made() >= 0) & (made() <= 1)).all()
    assert made()[2].flatten()[0].item() == pytest.approx(0.3, abs=1e-5)


def test_the_way_between_two_codes_keeps_to_the_circle():
    a, b = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 3, 0])
    way = priors.slerp(a, b, torch.linspace(0, 1, 5))
    assert torch.allclose(way[0], a, atol=1e-6)
    assert torch.allclose(way[4], b, atol=1e-6)
    assert torch.allclose(way[2], torch.tensor([2**0.5, 2**0.5, 0]), atol=1e-6)
    assert torch.allclose(priors.slerp(a, 2 * a, torch.tensor([0.5]))[0], 1.5 * a)
