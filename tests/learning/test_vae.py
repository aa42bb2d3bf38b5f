"""The variational autoencoder learns what independent parts cannot know."""

import torch

from conjure.core.space import Dense
from conjure.domains.image import corpus
from conjure.domains.image.codec import ImageCodec
from conjure.domains.protocol import Encoded
from conjure.models.flow import Flow
from conjure.models.vae import VAE
from conjure.objectives.elbo import ELBO
from conjure.objectives.matching import Matching
from tests.learning.toys import MODES, ROWS, hits, joint, learn, ring, table

LEVELS = 17  # all that the digits have


def nats_of_independent_pixels(train, held_out):
    """Held-out nats a picture when each pixel has its own table of levels, counted with one added."""
    train, held_out = (((x + 1) / 2 * (LEVELS - 1)).round().long().flatten(1) for x in (train, held_out))
    counts = torch.nn.functional.one_hot(train, LEVELS).sum(0) + 1.0
    chance = counts / counts.sum(1, keepdim=True)
    return -chance.log().expand(len(held_out), -1, -1).gather(2, held_out.unsqueeze(2)).sum((1, 2)).mean().item()


def test_digits_beat_independent_pixels_by_more_than_a_tenth():
    digits, _ = corpus.read("digits")
    parts = corpus.split(digits, 0.2, 0)
    codec = ImageCodec.learn(parts[0], ImageCodec.Config(labels=False))
    train, held_out = (codec.encode(p) for p in parts)
    torch.manual_seed(0)
    model = VAE(codec.space, None, VAE.Config(latent=16, width=128, levels=LEVELS))
    learn(ELBO(model, ELBO.Config()), (train, held_out), steps=600, batch=128, rate=2e-3, average=0.99)
    with torch.no_grad():
        ours = -model.log_prob(held_out.x).mean().item()
    assert ours < 0.9 * nats_of_independent_pixels(train.x, held_out.x)


def test_a_table_beats_independent_columns():
    train, held_out = table(4000, 0), table(1000, 1)
    torch.manual_seed(0)
    model = VAE(ROWS, None, VAE.Config(latent=2, width=64, importance=64))
    learn(ELBO(model, ELBO.Config()), (Encoded(train), Encoded(held_out)), steps=700, batch=256, rate=5e-3)
    normal = torch.distributions.Normal(train[:, 2].mean(), train[:, 2].std())
    independent = 2 * torch.tensor(4.0).log() - normal.log_prob(held_out[:, 2]).mean()
    with torch.no_grad():
        ours = -model.log_prob(held_out).mean()
        made = model.sample(4000, rng=torch.Generator().manual_seed(0))
    assert ours < independent - 1.5
    assert 0.5 * (joint(made) - joint(train)).abs().sum() < 0.25  # independent columns: 0.68
    assert torch.corrcoef(made[:, [0, 2]].T)[0, 1] > 0.8


def test_every_mode_is_reached_by_a_flow_as_the_prior():
    """Ten seconds for two models: codes leave holes in N(0, 1), of which the second one knows."""
    data = ring(8000, 0), ring(1000, 1)
    torch.manual_seed(0)
    model = VAE(Dense((2,)), None, VAE.Config(latent=2, width=64))
    told = {"batch": 256, "rate": 3e-3, "validate_every": 1000}
    learn(ELBO(model, ELBO.Config(anneal=0.5)), (Encoded(data[0]), Encoded(data[1])), steps=1000, **told)
    with torch.no_grad():
        spread = [model.posterior(x, None) for x in data]
        codes = [Encoded(mean + log_scale.exp() * torch.randn_like(mean)) for mean, log_scale in spread]
    prior = Flow(Dense((2,)), None, Flow.Config(width=64, layers=2))
    learn(Matching(prior, Matching.Config()), (codes[0], codes[1]), steps=600, average=0.99, **told)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        made = model.likelihood.draw(model.writer(prior.sample(4000, rng=rng), None), rng)
    share, each = hits(made, MODES)
    plain, _ = hits(model.sample(4000, rng=rng).detach(), MODES)
    assert share > 0.6
    assert share > plain + 0.1, (share, plain)
    assert (each > 0.4 / 8).all()
