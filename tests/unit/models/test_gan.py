"""The generator: rows that are codes to a critic and smooth to a gradient."""

import pytest
import torch

from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns, Dense, Number
from conjure.models.gan import Generator

ROWS = Columns((Category("a", 3), Number("n"), Category("b", 2)))
LABEL = Columns((Category("label", 3),))


def made(space, given=None):
    return Generator(space, given, Generator.Config(latent=4, width=16, layers=1, channels=4))


def test_generated_rows_are_one_hot_with_a_gradient():
    model = made(ROWS)
    wide = model.generate(*model.noise(Noise(0), 7))
    assert wide.shape == (7, 6)
    for codes in (wide[:, :3], wide[:, 4:]):
        assert torch.allclose(codes.max(1).values, torch.ones(7))
        assert torch.allclose(codes.sum(1), torch.ones(7))
    (wide[:, 0].sum() + wide[:, 4].sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.writer.parameters())


def test_drawn_codes_follow_the_softmax():
    model = made(Columns((Category("a", 3),)))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.writer.net.leave.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
        drawn = model.sample(20_000, rng=torch.Generator().manual_seed(0))
    counted = torch.bincount(drawn[:, 0], minlength=3) / 20_000
    assert (counted - torch.tensor([0.0, 1.0, -1.0]).softmax(0)).abs().max() < 0.015


@torch.no_grad()
@pytest.mark.parametrize("space", [Dense((1, 12, 16), 0.0, 1.0), Dense((2,)), Dense((3,), -2.0, 5.0), ROWS], ids=str)
def test_samples_lie_in_the_space(space):
    x = made(space, LABEL).sample(6, given=torch.tensor([[2]]), rng=torch.Generator().manual_seed(0))
    assert len(x) == 6
    assert space.contains(x)


def test_evidence_on_columns_is_refused():
    with pytest.raises(ConfigError, match="'circuit' or 'columns'"):
        made(ROWS).sample(2, given=torch.tensor([[1.0, 0, 0, 1, 1]]))


def test_settings_out_of_range_are_refused():
    assert "temperature above 0" in Generator.refuses(ROWS, None, Generator.Config(temperature=0))
