"""The codec of waves: its transform is exact, its books follow what they stand for, its tokens say all that is left."""

from __future__ import annotations

import pytest
import torch

from conjure.core.space import Category, Columns, Dense
from conjure.models.vq import VQ
from conjure.nets.codebooks import Codebooks
from conjure.nets.hearing import SpectralCritic, windows_within
from conjure.nets.spectra import MDCT, magnitudes

SMALL = VQ.Config(hop=16, width=16, layers=1, latent=8, codes=16, levels=2)


def small(length=256) -> VQ:
    torch.manual_seed(0)
    return VQ(Dense((length,), -1.0, 1.0), None, SMALL).eval()


def test_the_cosine_transform_is_orthonormal_and_exact():
    x = torch.randn(3, 16 * 20)
    transform = MDCT(16)
    coefficients = transform(x)
    assert coefficients.shape == (3, 21, 16)
    torch.testing.assert_close(transform.inverse(coefficients), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(coefficients.square().sum(), x.square().sum(), rtol=1e-5, atol=0)


def test_magnitudes_of_a_sine_are_half_its_amplitude():
    wave = 0.8 * torch.sin(2 * torch.pi * 32 / 512 * torch.arange(4096.0))
    found = magnitudes(wave[None], 512)[0, 8]
    assert int(found.argmax()) == 32
    assert float(found.max()) == pytest.approx(0.4, abs=1e-3)


def test_codes_are_the_nearest_and_each_level_writes_what_is_left():
    books = Codebooks(2, 3, 2)
    books.books[0] = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    books.books[1] = torch.tensor([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5]])
    codes, rests = books.encode(torch.tensor([[4.4, 0.1], [0.1, 4.6], [-0.6, 0.1]]))
    assert codes.tolist() == [[1, 0], [2, 2], [0, 1]]
    torch.testing.assert_close(rests[1], torch.tensor([[0.4, 0.1], [0.1, 0.6], [-0.6, 0.1]]))
    torch.testing.assert_close(books.decode(codes), torch.tensor([[4.5, 0.0], [0.0, 4.5], [-0.5, 0.0]]))


def test_books_become_the_means_of_what_they_stand_for():
    books = Codebooks(1, 2, 1)
    books.books[0] = torch.tensor([[-1.0], [1.0]])
    vectors = torch.cat([torch.full((30, 1), -3.0), torch.full((30, 1), 2.0)])
    for _ in range(400):
        books.follow(*books.encode(vectors), 0.9, lambda x: x)
    torch.testing.assert_close(books.books[0], torch.tensor([[-3.0], [2.0]]), atol=1e-3, rtol=0)
    torch.testing.assert_close(books.counts[0], torch.tensor([30.0, 30.0]), atol=1e-2, rtol=0)
    assert float(books.perplexity()) == pytest.approx(2, abs=1e-3)


def test_a_dead_code_is_set_down_on_a_vector_of_the_batch():
    books = Codebooks(1, 3, 1)
    books.books[0] = torch.tensor([[0.0], [1.0], [90.0]])
    books.counts[0] = torch.tensor([10.0, 10.0, 0.001])
    books.revive([torch.tensor([[0.1], [0.9], [7.0]])])
    assert books.books[0].squeeze(1).tolist() == [0.0, 1.0, 7.0]
    assert float(books.counts[0, 2]) > 1


def test_it_begins_as_the_linear_code_of_the_principal_axes():
    """With as many axes as a frame has coefficients nothing is lost but what is lost to the books."""
    torch.manual_seed(0)
    model = VQ(Dense((256,), -1.0, 1.0), None, VQ.Config(hop=16, width=16, layers=1, latent=18, codes=16, levels=2))
    x = 0.5 * torch.sin(torch.linspace(0, 60, 256)) * torch.rand(40, 1)
    model.begin(x, torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = model.waves(model.vectors(x), 256)[1]
        coded = model.decode(model.encode(x))
    assert (exact - x).square().mean() < 1e-6
    assert (coded - x).square().mean() < 0.1 * x.square().mean()


def test_tokens_of_any_length_and_waves_within_bounds():
    model = small(250)  # no whole number of frames
    x = torch.rand(5, 250) * 2 - 1
    with torch.no_grad():
        tokens = model.encode(x)
        made = model.decode(tokens)
        part = model.decode(tokens[:, :9])
    assert tokens.shape == (5, 17, 2) == (5, *model.latent_shape)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < model.vocab
    assert model.space.contains(made)
    assert part.shape == (5, 128)


def test_gradients_pass_the_books_straight_through():
    model = small()
    x = (torch.rand(4, 256) - 0.5).requires_grad_()
    (made, plain), gap, codes, _ = model.reconstruct(x)
    assert made.shape == plain.shape
    made.square().sum().backward()
    assert codes.shape == (4 * 17, 2)
    assert gap.shape == (4 * 17, 8)
    assert float(x.grad.abs().sum()) > 0
    assert not model.books.books.requires_grad


@pytest.mark.parametrize(
    ("space", "given", "config", "sentence"),
    [
        (Dense((1, 8, 8)), None, SMALL, "VQ codes waves"),
        (Dense((256,)), Columns((Category("label", 2),)), SMALL, r"codec\.labels=false"),
        (Dense((40,)), None, SMALL, "at least 4 frames"),
        (Dense((256,)), None, VQ.Config(hop=7), r"model\.hop is an even number"),
        (Dense((256,)), None, VQ.Config(hop=16, codes=1), r"model\.codes is at least 2"),
    ],
)
def test_what_it_cannot_serve_is_refused(space, given, config, sentence):
    assert __import__("re").search(sentence, VQ.refuses(space, given, config))


def test_the_critic_scores_every_frame_at_every_resolution():
    critic = SpectralCritic((64, 256), 8)
    scores, features = critic(torch.randn(2, 1024))
    assert [s.shape for s in scores] == [(2, 65), (2, 17)]
    assert len(features) == 6
    assert windows_within((64, 256), 100) == (64,)
    assert windows_within((256,), 100) == (64,)
