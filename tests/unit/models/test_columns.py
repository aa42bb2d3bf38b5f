"""Columns in any order: proper probabilities, nothing seen too early, conditions by brute force, marginals."""

from __future__ import annotations

import itertools

import pytest
import torch

from conjure.core.batch import Batch
from conjure.core.errors import ConfigError
from conjure.core.rng import Noise
from conjure.core.space import Category, Columns
from conjure.models.columns import AnyOrder
from conjure.objectives.orderless import Orderless

SIZES = (3, 2, 4)
SPACE = Columns(tuple(Category(f"c{i}", s) for i, s in enumerate(SIZES)))
EVERY = torch.tensor(list(itertools.product(*map(range, SIZES))))  # all 24 rows


@pytest.fixture(scope="module")
def model():
    """Random weights, large enough for the columns to depend on each other strongly."""
    torch.manual_seed(0)
    model = AnyOrder(SPACE, None, AnyOrder.Config(width=16, layers=2))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return model.eval().requires_grad_(False)


def evidence(**allowed):
    """Weights (1, W): 1 on the codes listed for a column, and everywhere in columns not named."""
    parts = [torch.tensor([float(v in allowed.get(f"c{i}", range(s))) for v in range(s)]) for i, s in enumerate(SIZES)]
    return torch.cat(parts).unsqueeze(0)


def shares(rows):
    return (rows[:, None] == EVERY).all(-1).float().mean(0)


def test_probabilities_of_all_rows_sum_to_one(model):
    assert model.log_prob(EVERY).double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_later_column_leaves_earlier_conditionals_as_they_were(model):
    known = torch.tensor([[True, False, False]]).expand(2, -1)
    rows = torch.tensor([[1, 0, 2], [1, 0, 3]])
    nats = model.conditional_nats(rows, known)
    assert nats[0, 1] == nats[1, 1]
    assert nats[0, 2] != nats[1, 2]
    other = torch.tensor([[2, 0, 2]])
    assert model.conditional_nats(other, known[:1])[0, 1] != nats[0, 1]


def test_log_prob_is_the_sum_of_conditionals_in_the_columns_order(model):
    total = torch.zeros(len(EVERY))
    for i in range(len(SIZES)):
        known = (torch.arange(len(SIZES)) < i).expand(len(EVERY), -1)
        total -= model.conditional_nats(EVERY, known)[:, i]
    torch.testing.assert_close(model.log_prob(EVERY), total)


def test_samples_are_as_frequent_as_they_are_probable(model):
    rows = model.sample(40_000, rng=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shares(rows), model.log_prob(EVERY).exp(), atol=0.01, rtol=0)


def test_a_pinned_first_column_samples_the_brute_force_posterior(model):
    joint = model.log_prob(EVERY).exp() * (EVERY[:, 0] == 2)
    rows = model.sample(40_000, given=evidence(c0=[2]), rng=torch.Generator().manual_seed(1))
    torch.testing.assert_close(shares(rows), joint / joint.sum(), atol=0.01, rtol=0)


def test_pinned_columns_are_known_before_all_others(model):
    """With the last column pinned: P(c0 | c2) P(c1 | c0, c2), each conditional asked for by itself."""
    here = EVERY[EVERY[:, 2] == 1]
    first = -model.conditional_nats(here, torch.tensor([[False, False, True]]).expand(len(here), -1))[:, 0]
    second = -model.conditional_nats(here, torch.tensor([[True, False, True]]).expand(len(here), -1))[:, 1]
    expected = torch.zeros(len(EVERY))
    expected[EVERY[:, 2] == 1] = (first + second).exp()
    assert expected.sum().item() == pytest.approx(1, abs=1e-5)
    rows = model.sample(40_000, given=evidence(c2=[1]), rng=torch.Generator().manual_seed(2))
    torch.testing.assert_close(shares(rows), expected, atol=0.01, rtol=0)
    nats = model.log_prob(here, given=evidence(c2=[1]))
    torch.testing.assert_close(nats, first + second)


def test_a_range_renormalises_the_brute_force_joint(model):
    joint = model.log_prob(EVERY).exp() * (EVERY[:, 0] != 1)
    rows = model.sample(40_000, given=evidence(c0=[0, 2]), rng=torch.Generator().manual_seed(3))
    torch.testing.assert_close(shares(rows), joint / joint.sum(), atol=0.01, rtol=0)


def test_every_row_may_have_its_own_evidence(model):
    given = torch.cat([evidence(c0=[1]), evidence(c1=[1], c2=[0, 3]), evidence()]).repeat(2000, 1)
    rows = model.sample(6000, given=given, rng=torch.Generator().manual_seed(4))
    assert (rows[::3, 0] == 1).all()
    assert (rows[1::3, 1] == 1).all()
    assert ((rows[1::3, 2] == 0) | (rows[1::3, 2] == 3)).all()
    assert len(rows[2::3].unique(dim=0)) > 12
    alone = model.sample(40_000, given=evidence(c0=[1]), rng=torch.Generator().manual_seed(5))
    torch.testing.assert_close(shares(rows[::3]), shares(alone), atol=0.05, rtol=0)


def test_a_column_without_possible_value_is_refused_by_name(model):
    with pytest.raises(ConfigError, match="'c1' no possible value"):
        model.sample(2, given=evidence(c1=[]))


def test_masked_columns_are_summed_out(model):
    """Leaving out the last column is the sum over its codes, for it comes last."""
    mask = torch.tensor([[True, True, False]]).expand(len(EVERY), -1)
    whole = model.log_prob(EVERY).exp().view(6, 4).sum(1)
    torch.testing.assert_close(model.log_prob(EVERY, mask=mask).exp().view(6, 4)[:, 0], whole)


def test_it_starts_at_the_columns_frequencies():
    model = AnyOrder(SPACE, None, AnyOrder.Config(width=16, layers=1))
    rows = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 1, 0], [1, 1, 3]])
    model.begin(rows)
    expected = (3.5 / 5.5) * (3.5 / 5) * (3.5 / 6)  # of (0, 1, 0), half a row added to each code
    assert model.log_prob(rows[1:2]).exp().item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_expects_the_mean_over_steps_and_orders(model):
    """K / (K - t) on a random subset of t known columns: its mean is the mean over all 3! orders of -log P(x)."""
    row = torch.tensor([[2, 1, 3]])
    truth = 0.0
    for order in itertools.permutations(range(3)):
        for i, column in enumerate(order):
            known = torch.tensor([[c in order[:i] for c in range(3)]])
            truth += model.conditional_nats(row, known)[0, column].item() / 6
    goal = Orderless(model, Orderless.Config(natural=0.0)).eval()
    loss, _ = goal.loss(Batch(row.expand(60_000, -1), noise=Noise(0, "test")))
    assert float(loss) == pytest.approx(truth, rel=0.02)


def test_gradients_reach_every_parameter_and_nothing_known_costs():
    torch.manual_seed(0)
    model = AnyOrder(SPACE, None, AnyOrder.Config(width=16, layers=2))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    goal = Orderless(model, Orderless.Config())
    loss, _ = goal.loss(Batch(EVERY.repeat(8, 1), noise=Noise(0, "test")))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    known = torch.tensor([[True, False, True]]).expand(len(EVERY), -1)
    nats = model.conditional_nats(EVERY, known)
    assert (nats[:, [0, 2]] == 0).all()
    assert (nats[:, 1] > 0).all()
