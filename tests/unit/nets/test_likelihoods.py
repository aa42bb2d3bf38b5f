"""Output distributions against sums, other libraries and their own draws."""

import math

import pytest
import torch
from torch.distributions import Categorical, Normal

from conjure.core.space import Category, Columns, Dense, Number
from conjure.nets.likelihoods import PACE, Bernoulli, Gaussian, Logistic, MixedColumns, floor_scale

PIXEL = Dense((1,), -1.0, 1.0)


@pytest.mark.parametrize("written", [(0.0, 0.0), (0.9, -3.0), (-4.0, 1.0), (3.0, -9.0)])
def test_the_logistic_sums_to_one_over_its_levels(written):
    head = Logistic(PIXEL, 17)
    values = torch.linspace(-1, 1, 17).unsqueeze(1)
    written = torch.tensor(written).reshape(1, 2, 1).expand(17, 2, 1)
    assert head.log_prob(written, values).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_logistic_is_a_difference_of_sigmoids():
    mean, log_scale, x = 0.3, -0.5, 0.25  # with 9 levels of distance 0.25
    scale = math.exp(log_scale - 1)
    sigmoid = lambda v: 1 / (1 + math.exp(-v))  # noqa: E731
    expected = math.log(sigmoid((x + 0.125 - mean) / scale) - sigmoid((x - 0.125 - mean) / scale))
    written = torch.tensor([mean, log_scale]).reshape(1, 2, 1)
    assert Logistic(PIXEL, 9).log_prob(written, torch.tensor([[x]])).item() == pytest.approx(expected, abs=1e-5)


def test_logistic_draws_follow_its_probabilities():
    head, n = Logistic(PIXEL, 5), 40_000
    values = torch.linspace(-1, 1, 5)
    written = torch.tensor([0.2, 0.1]).reshape(1, 2, 1)
    expected = head.log_prob(written.expand(5, 2, 1), values.unsqueeze(1)).exp().squeeze(1)
    drawn = head.draw(written.expand(n, 2, 1), torch.Generator().manual_seed(0)).squeeze(1)
    counted = torch.stack([(drawn == v).float().mean() for v in values])
    assert (counted - expected).abs().max() < 4 * (0.25 / n) ** 0.5


def test_bernoulli_on_grey_is_the_mean_over_binary_pictures():
    head, logit = Bernoulli(PIXEL), torch.tensor([[[0.7]]])
    black, white, grey = (head.log_prob(logit, torch.tensor([[v]])).item() for v in (-1.0, 1.0, 0.5))
    assert white == pytest.approx(math.log(1 / (1 + math.exp(-0.7))))
    assert grey == pytest.approx(0.25 * black + 0.75 * white)


def test_the_gaussian_is_torchs():
    head = Gaussian(Dense((2,)))
    with torch.no_grad():
        head.paced.copy_(torch.tensor([0.5, -1.0]) / PACE)
    mean, x = torch.tensor([[[0.3, -2.0]]]), torch.tensor([[1.0, -1.5]])
    expected = Normal(mean[:, 0], floor_scale(head.log_scale).exp()).log_prob(x)
    assert torch.allclose(head.log_prob(mean, x), expected)


def test_the_learnt_scale_has_a_floor():
    assert floor_scale(torch.tensor(-100.0)).item() == pytest.approx(-5)
    assert floor_scale(torch.tensor(0.0)).item() == pytest.approx(0, abs=0.01)


def test_mixed_columns_are_softmax_and_gaussian_in_their_places():
    head = MixedColumns(Columns((Category("a", 3), Number("n"), Category("b", 2))))
    written = torch.randn(4, 6)
    x = torch.tensor([[0, 0.5, 1], [1, -1.0, 0], [2, 2.0, 1], [2, 0.0, 0]])
    got = head.log_prob(written, x)
    assert torch.allclose(got[:, 0], Categorical(logits=written[:, :3]).log_prob(x[:, 0]))
    assert torch.allclose(got[:, 1], Normal(written[:, 3], floor_scale(head.log_scale).exp()).log_prob(x[:, 1]))
    assert torch.allclose(got[:, 2], Categorical(logits=written[:, 4:]).log_prob(x[:, 2]))


def test_mixed_draws_follow_their_probabilities():
    head, n = MixedColumns(Columns((Category("a", 3), Number("n")))), 20_000
    written = torch.tensor([[0.0, 1.0, -1.0, 2.0]])
    with torch.no_grad():
        drawn = head.draw(written.expand(n, 4), torch.Generator().manual_seed(0))
    counted = torch.bincount(drawn[:, 0].long(), minlength=3) / n
    assert (counted - written[0, :3].softmax(0)).abs().max() < 0.02
    assert drawn[:, 1].mean().item() == pytest.approx(2, abs=0.05)
    assert drawn[:, 1].std().item() == pytest.approx(floor_scale(head.log_scale).exp().item(), abs=0.05)
