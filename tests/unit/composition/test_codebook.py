"""The product quantiser: centres where the data is, the nearest of them as the code."""

import pytest
import torch

from conjure.composition.codebook import Codebook
from conjure.core.errors import ConfigError

RNG = torch.Generator().manual_seed(0)


def test_it_finds_the_centres_there_are():
    centres = torch.tensor([[-2.0, 0.0, 5.0], [1.0, 2.0, 3.0]])  # of two groups of one number
    picked = torch.randint(3, (600, 2), generator=RNG)
    vectors = centres.gather(1, picked.T).T + 0.01 * torch.randn(600, 2, generator=RNG)
    book = Codebook.learn(vectors, 3, 1)
    assert torch.allclose(book.centres[..., 0].sort(1).values, centres, atol=0.01)
    assert (book.decode(book.encode(vectors)) - vectors).abs().max() < 0.05


def test_a_code_is_the_nearest_centre_and_a_centre_the_mean_of_its_own():
    vectors = torch.randn(2000, 4, generator=RNG)
    book = Codebook.learn(vectors, 16, 2)
    codes = book.encode(vectors)
    assert codes.shape == (2000, 2)
    for group, part in enumerate(vectors.split(2, 1)):
        assert torch.equal(codes[:, group], torch.cdist(part, book.centres[group]).argmin(1))
    assert torch.equal(book.encode(book.decode(codes)), codes)


def test_more_levels_lose_less():
    vectors = torch.randn(3000, 2, generator=RNG)
    books = [Codebook.learn(vectors, levels, 1) for levels in (2, 4, 8)]
    lost = [(book.decode(book.encode(vectors)) - vectors).square().mean() for book in books]
    assert lost[0] == pytest.approx(0.363, abs=0.03)  # the best two levels of a normal (Max 1960, table I)
    assert lost[1] == pytest.approx(0.1175, abs=0.02)
    assert lost[2] == pytest.approx(0.0345, abs=0.01)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="does not divide"):
        Codebook.learn(torch.randn(50, 3), 4, 2)
    with pytest.raises(ConfigError, match="only 3 codes"):
        Codebook.learn(torch.randn(3, 2), 4, 1)
