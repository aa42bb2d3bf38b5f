"""The variational autoencoder's bounds against exact integrals and torch's own divergences."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from conjure.core.errors import ConfigError
from conjure.core.space import Category, Columns, Dense, Number, Tokens
from conjure.models.vae import VAE

PIXELS = Dense((1, 3, 2), -1.0, 1.0)
ROWS = Columns((Category("a", 3), Number("n")))
LABEL = Columns((Category("label", 3),))


def made(space=PIXELS, given=None, **settings):
    return VAE(space, given, VAE.Config(**{"width": 16, "latent": 2, "layers": 1, "levels": 5, **settings})).eval()


def exact(model, x):
    """log of the integral of p(x | z) N(z; 0, 1) over a fine grid of one latent number, (B,)."""
    z = torch.linspace(-8, 8, 4001)
    rows = []
    for one in x:
        like = model.likelihood.log_prob(model.writer(z.unsqueeze(1), None), one.expand(len(z), *one.shape))
        weight = like.flatten(1).sum(1) + Normal(0, 1).log_prob(z) + math.log(16 / 4000)
        rows.append(weight.double().logsumexp(0))
    return torch.stack(rows)


def test_the_divergence_is_torchs():
    model, x = made(), torch.zeros(4, 1, 3, 2)
    mean, log_scale = model.posterior(x, None)
    _, kl = model.elbo_terms(x, None, torch.zeros(4, 2))
    assert torch.allclose(kl, kl_divergence(Normal(mean, log_scale.exp()), Normal(0, 1)), atol=1e-6)


@torch.no_grad()
def test_more_draws_close_the_gap_to_the_exact_likelihood():
    one, many = (made(latent=1, importance=k) for k in (1, 4000))
    for p in one.reader.net.leave.parameters():
        p.zero_()  # q is then the prior, whose weights have no heavy tail
    many.load_state_dict(one.state_dict())
    x = torch.tensor([-1.0, -0.5, 0, 0.5, 1, 0]).reshape(1, 1, 3, 2).repeat(2, 1, 1, 1)
    x[1] *= -1
    truth = exact(one, x)
    log_likelihood, kl = zip(*[one.elbo_terms(x, None, torch.randn(2, 1)) for _ in range(400)])
    elbo = torch.stack(log_likelihood).mean(0) - kl[0].sum(1)
    assert (elbo < truth + 0.02).all()
    assert torch.allclose(many.log_prob(x).double(), truth, atol=0.03)


@torch.no_grad()
def test_a_score_does_not_depend_on_its_neighbours():
    model, x = made(), torch.rand(9, 1, 3, 2) * 2 - 1
    assert torch.allclose(model.log_prob(x)[4:5], model.log_prob(x[4:5]), atol=1e-5)


@torch.no_grad()
def test_a_masked_column_does_not_count():
    model = made(ROWS, importance=4000, latent=1)
    x = torch.tensor([[0, 0.3], [1, 0.3], [2, 0.3]])
    seen = torch.tensor([[False, True]]).expand(3, 2)
    both, marginal = model.log_prob(x), model.log_prob(x, mask=seen)
    assert torch.allclose(marginal, both.logsumexp(0).expand(3), atol=0.03)


@torch.no_grad()
def test_encode_and_decode_stay_in_their_spaces():
    for space in (PIXELS, ROWS, Dense((2,))):
        model = made(space)
        z = model.encode(model.sample(5, rng=torch.Generator().manual_seed(0)))
        assert z.shape == (5, 2)
        assert space.contains(model.decode(z))


@torch.no_grad()
def test_large_samples_are_drawn_in_chunks_of_one_stream():
    x = made().sample(5000, rng=torch.Generator().manual_seed(0))
    assert x.shape == (5000, 1, 3, 2)
    assert not torch.equal(x[:900], x[4096:4996])


def test_a_condition_is_asked_for_and_one_label_serves_all_draws():
    model = made(given=LABEL)
    with pytest.raises(ConfigError, match="give label"):
        model.sample(2)
    assert len(model.sample(4, given=torch.tensor([[1]]))) == 4


def test_evidence_on_columns_is_refused_and_an_empty_one_is_not():
    model = made(ROWS)
    assert len(model.sample(2, given=torch.ones(1, 3))) == 2
    with pytest.raises(ConfigError, match="'circuit' or 'columns'"):
        model.sample(2, given=torch.tensor([[1.0, 0.0, 0.0]]))


def test_what_it_refuses():
    assert "finite bounds" in VAE.refuses(Dense((2,)), None, VAE.Config(likelihood="logistic"))
    assert "codec.layout=documents" in VAE.refuses(Tokens(4, (3,), stream=True), None, VAE.Config())
    assert "at least 2" in VAE.refuses(PIXELS, None, VAE.Config(levels=1))
    assert VAE.refuses(Dense((2,)), LABEL, VAE.Config()) is None
