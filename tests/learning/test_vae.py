"""The variational autoencoder learns what independent parts cannot know."""

import torch

from conjure.domains.image import corpus
from conjure.domains.image.codec import ImageCodec
from conjure.domains.protocol import Encoded
from conjure.models.vae import VAE
from conjure.objectives.elbo import ELBO
from tests.learning.toys import ROWS, joint, learn, table

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
