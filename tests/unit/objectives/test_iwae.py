"""The importance weighted bound: its order in K, its exact value for a linear model, its gradient by one draw."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from conjure.core.batch import Batch
from conjure.core.rng import Noise
from conjure.core.space import Dense
from conjure.models.vae import VAE
from conjure.objectives.elbo import ELBO
from conjure.objectives.iwae import IWAE

X = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))


def linear(**settings):
    """z (2), x = W z + b + scale noise; q is the prior, whose weights have no heavy tail."""
    torch.manual_seed(0)
    model = VAE(Dense((3,)), None, VAE.Config(latent=2, net="plain", layers=0, **settings))
    with torch.no_grad():
        for p in model.reader.parameters():
            p.zero_()
    return model


def truth(model):
    """log N(x; b, W W' + scale^2)."""
    layer = model.writer.net[0]
    scale = (torch.nn.functional.softplus(model.likelihood.log_scale + 5) - 5).exp()
    return MultivariateNormal(layer.bias, layer.weight @ layer.weight.T + torch.diag(scale**2)).log_prob(X)


def mean_bound(samples, draws=40):
    goal = IWAE(linear(), IWAE.Config(samples=samples))
    with torch.no_grad():
        return sum(-goal.validate(Batch(X, noise=Noise(k)))["loss"].item() for k in range(draws)) / draws


def test_more_samples_give_a_tighter_bound_that_stays_below_the_truth():
    model = linear()
    exact = truth(model).mean().item()
    goal = ELBO(model, ELBO.Config())
    with torch.no_grad():
        elbo = -sum(goal.validate(Batch(X, noise=Noise(k)))["loss"].item() for k in range(40)) / 40
    bounds = [mean_bound(k) for k in (1, 5, 50)]
    assert bounds[0] == pytest.approx(elbo, abs=0.1)  # the same bound, one with its divergence at a draw
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.01
    assert bounds[2] == pytest.approx(exact, abs=0.1)


@torch.no_grad()
def test_a_score_by_many_draws_is_the_exact_likelihood_of_a_linear_model():
    model = linear(importance=5000)
    assert torch.allclose(model.log_prob(X), truth(model), atol=0.15)


def test_one_draw_by_its_weight_has_the_gradient_of_all_in_the_mean():
    model, sums = linear(), {}
    for backward, repeats in (("all", 300), ("one", 1500)):
        goal = IWAE(model, IWAE.Config(samples=4, backward=backward))
        goal.zero_grad()
        for k in range(repeats):
            (goal.loss(Batch(X, noise=Noise(k)))[0] / repeats).backward()
        sums[backward] = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert torch.cosine_similarity(sums["all"], sums["one"], 0) > 0.99
    assert (sums["all"] - sums["one"]).norm() < 0.1 * sums["all"].norm()
