"""Codes of autoencoders: their shape, what is refused, and what a network of each kind makes of each kind of data."""

import pytest
import torch

from conjure.core.space import Category, Columns, Dense, Tokens
from conjure.models.autoencoder import Autoencoder
from conjure.models.vae import VAE

PICTURE = Dense((3, 28, 20), -1.0, 1.0)
WORDS = Tokens(5, (7,), end=4)
LABEL = Columns((Category("label", 3),))
SMALL = {"width": 32, "channels": 4, "layers": 1}


def made(family, space, given=None, **settings):
    config = family.Config(**{**SMALL, "latent": 2, **settings})
    assert family.refuses(space, given, config) is None
    torch.manual_seed(0)
    return family(space, given, config).eval()


@torch.no_grad()
@pytest.mark.parametrize("family", [Autoencoder, VAE])
@pytest.mark.parametrize(("side", "shape"), [(0, (2,)), (10, (2, 14, 10)), (5, (2, 7, 5)), (3, (2, 4, 3))])
def test_a_code_is_a_vector_or_a_smaller_picture(family, side, shape):
    model = made(family, PICTURE, LABEL, latent_sides=side)
    x, given = torch.rand(4, 3, 28, 20) * 2 - 1, torch.tensor([[0], [1], [2], [0]])
    z = model.encode(x, given)
    assert model.latent_shape == shape
    assert z.shape == (4, *shape)
    assert PICTURE.contains(model.decode(z, given))
    assert PICTURE.contains(model.sample(2, given=given[:1], rng=torch.Generator().manual_seed(0)))


@torch.no_grad()
def test_a_picture_of_codes_keeps_what_lies_where():
    model = made(Autoencoder, Dense((1, 64, 64), -1.0, 1.0), latent_sides=16)
    x = torch.zeros(1, 1, 64, 64)
    before = model.encode(x)
    x[..., :8, :8] = 1
    moved = (model.encode(x) - before - (model.encode(x) - before).median()).abs().amax((0, 1))
    assert moved[:4, :4].max() > 20 * moved[12:, 12:].max()


@torch.no_grad()
@pytest.mark.parametrize("family", [Autoencoder, VAE])
@pytest.mark.parametrize("net", ["recurrent", "transformer"])
def test_sequences_are_read_and_written_up_to_their_end(family, net):
    model = made(family, WORDS, net=net)
    x = torch.tensor([[0, 1, 4, 4, 4, 4, 4], [3, 3, 2, 1, 0, 1, 2]])
    assert WORDS.contains(model.decode(model.encode(x)))
    assert WORDS.contains(model.sample(50, rng=torch.Generator().manual_seed(0)))
    assert torch.allclose(model.encode(x[:1, :4]), model.encode(x[:1]))  # what is short is filled with ends
    assert torch.allclose(model.log_prob(x[:1, :3]), model.log_prob(x[:1]))  # what follows an end costs nothing


@torch.no_grad()
@pytest.mark.parametrize("net", ["auto", "dense", "plain", "convolutional"])
@pytest.mark.parametrize("space", [Tokens(4, (16, 12)), Tokens(4, (16, 12, 3)), Dense((1, 16, 12), -1.0, 1.0)])
def test_every_net_serves_pictures_and_grids(net, space):
    model = made(Autoencoder, space, net=net)
    x = model.sample(3, rng=torch.Generator().manual_seed(0))
    assert space.contains(x)
    assert space.contains(model.decode(model.encode(x)))


def test_what_is_refused_in_one_sentence():
    def refusal(space, **settings):
        return Autoencoder.refuses(space, None, Autoencoder.Config(**settings))

    assert "14 or 7 or 4" in refusal(Dense((1, 28, 28)), latent_sides=8)
    assert "pictures read by convolutions" in refusal(Dense((5,)), latent_sides=4)
    assert "may be auto, recurrent, transformer" in refusal(WORDS, net="dense")
    assert "codec.layout=documents" in refusal(Tokens(4, (8,), stream=True))
    assert "at least 1" in refusal(WORDS, components=0)
    assert "a condition" in VAE.refuses(PICTURE, LABEL, VAE.Config(prior="vamp"))
