"""The Chow-Liu tree against cases worked by hand, and the circuit against brute force."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from conjure.core.space import Category, Columns
from conjure.models.circuit import Circuit, choose
from conjure.nets.tree import chow_liu, clusters, coarse, mutual_information


def test_mutual_information_of_a_fair_coin_and_its_copy():
    coin = torch.tensor([0, 1] * 500)
    other = torch.tensor([0, 0, 1, 1] * 250)
    found = mutual_information(torch.stack([coin, coin, other], 1), 2)
    correction = 1 / 2000
    assert found[0, 1].item() == pytest.approx(math.log(2) - correction, abs=1e-6)
    assert found[0, 2].item() == pytest.approx(-correction, abs=1e-6)


def test_the_tree_follows_a_chain():
    rng = torch.Generator().manual_seed(0)
    columns = [torch.randint(4, (4000,), generator=rng)]
    for _ in range(4):
        flip = torch.rand(4000, generator=rng) < 0.2
        columns.append(torch.where(flip, torch.randint(4, (4000,), generator=rng), columns[-1]))
    parent = chow_liu(torch.stack(columns, 1), (4,) * 5, (False,) * 5).tolist()
    edges = {frozenset((i, p)) for i, p in enumerate(parent) if p >= 0}
    assert edges == {frozenset((i, i + 1)) for i in range(4)}


def test_coarse_keeps_order_and_frequent_codes():
    codes = torch.arange(100)
    assert coarse(codes, 100, True, 4).tolist() == [i // 25 for i in range(100)]
    skewed = torch.tensor([7] * 50 + list(range(40)))
    assert (coarse(skewed, 40, False, 5) == coarse(skewed, 40, False, 5)[0]).sum() == 51


def test_clusters_find_two_groups():
    x = torch.tensor([[0, 0, 0]] * 50 + [[1, 1, 1]] * 50)
    labels = clusters(x, (2, 2, 2), (False,) * 3, 2, torch.Generator().manual_seed(1))
    assert len(labels[:50].unique()) == len(labels[50:].unique()) == 1
    assert labels[0] != labels[-1]


@pytest.fixture
def circuit():
    space = Columns((Category("a", 3), Category("b", 2), Category("c", 4, True)))
    model = Circuit(space, None, Circuit.Config(states=5, rows_per_state=1))
    rng = torch.Generator().manual_seed(0)
    first = torch.randint(3, (200,), generator=rng)
    x = torch.stack([first, (first > 0).long(), (first + torch.randint(2, (200,), generator=rng)) % 4], 1)
    model.begin(x, 200, rng)
    for _ in range(10):
        leaves, links, _ = model.expectations(x)
        model.leaves.lerp_(leaves, 0.5)
        model.links.lerp_(links, 0.5)
    return model


def every(model):
    return torch.tensor(list(itertools.product(*map(range, model.sizes))))


def test_expectations_are_the_gradient_of_the_likelihood(circuit):
    """An expected count is its parameter times the likelihood's slope there: checked by summing counts."""
    leaves, links, _ = circuit.expectations(every(circuit)[:7])
    for i in range(3):
        assert leaves[circuit._rows(i)].sum().item() == pytest.approx(1, abs=1e-5)
    linked = [i for i in range(3) if circuit.parent[i] >= 0]
    assert all(links[i].sum().item() == pytest.approx(1, abs=1e-5) for i in linked)
    child = linked[0]
    parent = int(circuit.parent[child])
    torch.testing.assert_close(links[child].sum(1), leaves[circuit._rows(parent)].sum(0), atol=1e-5, rtol=1e-4)


def test_conditions_equal_brute_force(circuit):
    rows = every(circuit)
    weight = torch.ones(1, 9)
    weight[0, 0:3] = torch.tensor([0.0, 1.0, 0.5])  # soft evidence on a
    weight[0, 5:9] = torch.tensor([1.0, 0.0, 1.0, 1.0])  # c is not 1
    p = circuit.log_prob(rows).exp() * weight[0, rows[:, 0]] * weight[0, 5 + rows[:, 2]]
    assert circuit.log_evidence(weight).exp().item() == pytest.approx(p.sum().item(), rel=1e-4)
    drawn = circuit.sample(40_000, given=weight, rng=torch.Generator().manual_seed(3))
    index = drawn[:, 0] * 8 + drawn[:, 1] * 4 + drawn[:, 2]
    frequency = torch.bincount(index, minlength=24) / len(drawn)
    assert (frequency - p / p.sum()).abs().max() < 0.01


def test_a_masked_column_is_summed_out(circuit):
    mask = torch.tensor([[True, False, True]])
    both = torch.stack([circuit.log_prob(torch.tensor([[1, b, 2]])) for b in range(2)]).logsumexp(0)
    torch.testing.assert_close(circuit.log_prob(torch.tensor([[1, 0, 2]]), mask=mask), both)


def test_choose_never_takes_what_has_no_weight():
    weights = torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0]]).expand(20_000, -1)
    index = choose(weights, torch.Generator().manual_seed(0))
    assert set(index.tolist()) == {1, 3}
    assert (index == 3).float().mean().item() == pytest.approx(2 / 3, abs=0.02)
